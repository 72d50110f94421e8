"""Terminals and fonts with fewer glyphs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui import frames, histories
from tests.tui.playing import Played
from tests.tui.screen import lines, running, settled, text
from tests.tui.test_golden import check
from tui import glyphs
from tui.app import TokenyardApp
from tui.choices import Choices
from tui.glyph_sets import ASCII, BLOCK, BRAILLE, GLYPHS, SETS, found, shown

DOTS = {chr(code) for code in range(0x2801, 0x2900)}
QUADRANTS = set(BLOCK.glyphs) - {" ", "█", "▄", "▀"}
ALL = [value for name, value in vars(glyphs).items() if name.isupper() and isinstance(value, str)]


def test_every_glyph_of_ours_has_a_sign_in_each_set() -> None:
    for text_ in (*ALL, *(part for row in glyphs.LEGEND for part in row)):
        assert "?" not in shown(text_, "ascii").replace("?", "", text_.count("?"))
        assert shown(text_, "ascii").isascii()
        assert not DOTS & set(shown(text_, "block"))
        assert all(cell_len(shown(text_, name)) == cell_len(text_) for name in SETS)


def test_heights_stay_apart() -> None:
    for name in SETS:
        assert len(set(shown(glyphs.HEIGHTS, name))) == len(glyphs.HEIGHTS)
    assert not set(shown(glyphs.HEIGHTS[1:], "ascii")) & set(shown(glyphs.BUCKET_HEIGHTS[2:], "ascii"))


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf", "Mn", "Me"]), max_size=30))
def test_nothing_moves_whoever_wrote_it(text_: str) -> None:
    if cell_len(text_) == sum(map(cell_len, text_)):
        assert cell_len(shown(text_, "ascii")) == cell_len(text_)
    assert shown(text_, "ascii").isascii()


def test_what_the_terminal_has_is_found() -> None:
    assert found({"TERM": "xterm-256color"}, "utf-8") == "braille"
    assert found({"TERM": "linux"}, "utf-8") == "block"
    assert found({"TERM": "xterm"}, "latin-1") == "ascii"
    assert found({"TERM": "xterm"}, "no such thing") == "ascii"
    assert set(GLYPHS) == set(SETS)


async def test_every_page_is_ascii_where_that_is_asked_for() -> None:
    for frame in (frames.emulated(), frames.vllm(), frames.hostile(), frames.with_trouble()):
        async with running(Played([frame])) as (app, pilot):
            app.glyphs = "ascii"
            app.dress("ansi")
            for key in ("1", "2", "3", "4", "5", "6", "7", "8", "1", "i", "question_mark"):
                await pilot.press(key)
                await settled(pilot)
                assert all(line.isascii() for line in lines(app)), (key, text(app))


def test_full_and_thinned_out_are_told_apart_in_all_dots() -> None:
    assert (BRAILLE.full, BRAILLE.thinned) == ("⣿", "⡪")
    assert (BLOCK.full, BLOCK.thinned) == ("█", "▞")
    assert (ASCII.full, ASCII.thinned) == (":", ".")
    assert shown("⣿ ⡪ ╌", "block") == "█ ▞ ╌"
    assert shown("⣿ ⡪ ╌", "ascii") == ": . -"


@pytest.mark.parametrize("name", ["block", "ascii"])
@pytest.mark.parametrize(("page", "key"), [("tiers", "3"), ("jitter", "4")])
async def test_charts_are_drawn_in_the_dots_that_there_are(name: str, page: str, key: str) -> None:
    app = TokenyardApp(Played([histories.emulated()]), Choices(glyphs=name))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press(key)
        await settled(pilot)
        drawn = set(text(app))
        assert not DOTS & drawn
        assert bool(QUADRANTS & drawn) == (name == "block")
        assert name == "block" or all(line.isascii() for line in lines(app))
        check(f"{page}-{name}-120x36", text(app))
