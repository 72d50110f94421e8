"""Chapters of a scenario's file: what is read, and what is refused with the table that is wrong."""

import pytest

from emulators.scenario_file import ScenarioError, parse
from emulators.scenarios import SCENARIOS

HEAD = 'deployment = "default"\n'
ONE = '[[chapter]]\nat_s = 0\ntitle = "A"\ncaption = "It begins."\n'
TWO = '[[chapter]]\nat_s = 9.5\ntitle = "B"\ncaption = "It goes on."\nlook = "jitter/gaps"\nnote = "Say it."\npause = true\n'


def test_chapters_are_read() -> None:
    played = parse(HEAD + ONE + TWO, "f.toml", SCENARIOS)
    assert [(one.at_s, one.title, one.pause) for one in played.chapters] == [(0, "A", False), (9.5, "B", True)]
    assert played.length_s == 29.5
    assert played.load == SCENARIOS["default"].load
    assert parse(HEAD + "length_s = 12\n" + ONE + TWO, "f.toml", SCENARIOS).length_s == 12


def test_without_chapters_there_is_no_show() -> None:
    assert parse(HEAD, "f.toml", SCENARIOS).length_s == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("length_s = 9\n", "length_s goes with"),
        ("length_s = 9\n" + ONE + TWO, "length_s must be above 9.5,"),
        ('length_s = "9"\n' + ONE, "length_s is a number of seconds"),
        (TWO + ONE, r"\[\[chapter\]\] 2 begins at 0 s, not after"),
        (ONE + ONE, "not after the one before"),
        ('[[chapter]]\nat_s = 0\ntitle = "A"\n', r"\[\[chapter\]\] 1: .*caption"),
        (ONE + 'colour = "red"\n', r"\[\[chapter\]\] 1: unknown key 'colour'"),
        ('[[chapter]]\nat_s = -1\ntitle = "A"\ncaption = "B"\n', "at_s is from 0"),
        (f'[[chapter]]\nat_s = 0\ntitle = "A"\ncaption = "{"x" * 161}"\n', "more than 160 letters"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=f"f.toml.*{said}"):
        parse(HEAD + text, "f.toml", SCENARIOS)
