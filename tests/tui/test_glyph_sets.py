"""Terminals and fonts with fewer glyphs."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui import frames
from tests.tui.playing import Played
from tests.tui.screen import lines, running, settled, text
from tui import glyphs
from tui.glyph_sets import SETS, TABLES, found, shown

BRAILLE = {chr(code) for code in range(0x2801, 0x2900)}
ALL = [value for name, value in vars(glyphs).items() if name.isupper() and isinstance(value, str)]


def test_every_glyph_of_ours_has_a_sign_in_each_set() -> None:
    for text_ in (*ALL, *(part for row in glyphs.LEGEND for part in row)):
        assert "?" not in shown(text_, "ascii").replace("?", "", text_.count("?"))
        assert shown(text_, "ascii").isascii()
        assert not BRAILLE & set(shown(text_, "block"))
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
    assert set(TABLES) == set(SETS)


async def test_every_page_is_ascii_where_that_is_asked_for() -> None:
    for frame in (frames.emulated(), frames.vllm(), frames.hostile(), frames.with_trouble()):
        async with running(Played([frame])) as (app, pilot):
            app.glyphs = "ascii"
            app.dress("ansi")
            for key in ("1", "2", "5", "1", "i", "question_mark"):
                await pilot.press(key)
                await settled(pilot)
                assert all(line.isascii() for line in lines(app)), (key, text(app))
