"""Rehearsals: what a caption says fails in a world in which it is not so. A claim that held there as well would say nothing."""

import re
from importlib import resources
from pathlib import Path

from tui.rehearsing import rehearse

SEED = 11


def world(folder: Path, show: str, *changes: tuple[str, str], more: str = "") -> str:
    """The show's file with each text (an expression, found once or more) replaced."""
    text = (resources.files("emulators.deployments") / f"{show}.toml").read_text("utf-8")
    for old, new in changes:
        text, count = re.subn(old, new, text)
        assert count, old
    path = folder / f"{show}.toml"
    path.write_text(text + more, "utf-8")
    return str(path)


def held(scenario: str) -> list[bool | None]:
    return [None if one.held is None else one.held.holds for one in rehearse(scenario, SEED)]


def fault(kind: str, target: str, seconds: float, **values: float) -> str:
    told = "".join(f"{name} = {value}\n" for name, value in values.items())
    return f'\n[[fault]]\nkind = "{kind}"\ntarget = "{target}"\nstart_s = 0\nduration_s = {seconds}\n{told}'


def test_a_voice_on_slow_machines_is_not_in_time(tmp_path: Path) -> None:
    slow = fault("straggler", "gpu-0/0", 80, factor=10) + fault("c2c-desync", "lpu-0/0", 80, stall_ms=10, every_s=0.02)
    assert held(world(tmp_path, "voice", more=slow)) == [False, False, False]


def test_kv_does_not_travel_where_there_is_room(tmp_path: Path) -> None:
    large = world(tmp_path, "kv-journey", ("6_442_450_944", "64_424_509_440"))
    assert held(large)[1:] == [False, False, False]


def test_kv_does_not_get_to_an_lpu_that_is_away(tmp_path: Path) -> None:
    away = world(tmp_path, "kv-journey", ("length_s = 100", "length_s = 80"), more=fault("death", "lpu-0/0", 80))
    assert held(away)[0] is not True


def test_there_is_no_calm_in_a_storm_and_no_pair_without_a_rule(tmp_path: Path) -> None:
    stormy = world(
        tmp_path,
        "prefill-storm",
        ("from_s = 35", "from_s = 0"),
        (r'labels = \["apart"\]\nroles', 'labels = ["none"]\nroles'),
    )
    calm, _, pair, again = held(stormy)
    assert (calm, pair is True, again is True) == (False, False, False)


def test_short_documents_are_no_storm(tmp_path: Path) -> None:
    long = "median = 8_000, sigma = 0.4, low = 3_000, high = 14_000"
    assert held(world(tmp_path, "prefill-storm", (long, "median = 100, sigma = 0.4, low = 50, high = 200")))[1] is False
