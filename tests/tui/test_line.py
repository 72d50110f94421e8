"""Lines of inked text, and outside text made to fit."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.frames import HOSTILE
from tui.line import Pen, clip, clip_middle, framed, text_of, titled, wrap
from tui.plain import printable
from tui.theme import Ink

ANY_TEXT = st.text(max_size=60)


@given(ANY_TEXT.map(printable), st.integers(1, 40))
def test_clip_fits(text: str, width: int) -> None:
    for short in (clip(text, width), clip_middle(text, width)):
        assert cell_len(short) <= width
    if cell_len(text) <= width:
        assert clip(text, width) == text


def test_clip_says_that_there_was_more() -> None:
    assert clip("prefill burst", 8) == "prefill…"
    assert clip("日本語モデル", 6) == "日本…"
    assert clip_middle("llama-3.1-70b", 9) == "llam…-70b"
    assert clip_middle("localhost:8001", 8) == "loca…001"


def test_printable_leaves_one_line() -> None:
    assert printable("plain [bold] ✓") == "plain [bold] ✓"
    assert printable("a\nb\x1b[31mc\u202ed\u200be") == "a�b�[31mc�d�e"


@given(
    st.lists(st.tuples(ANY_TEXT.map(printable), st.integers(0, 8), st.integers(0, 30), st.booleans())),
    st.integers(1, 60),
)
def test_a_pen_writes_exactly_its_width(parts: list[tuple[str, int, int, bool]], width: int) -> None:
    pen = Pen(width)
    for text, ink, size, right in parts:
        pen.put(text, ink).cell(text, size, ink, right=right).gap(size)
    line = pen.line()
    assert sum(cell_len(text) for text, _ in line) == width
    assert all(left[1] != right[1] for left, right in pairwise(line))


@given(
    st.lists(st.sampled_from("ab▁█"), min_size=1, max_size=9),
    st.sampled_from([Ink.TEXT, Ink.STALL, Ink.BAD, Ink.CURSOR]),
    st.integers(1, 3),
    st.integers(1, 40),
)
def test_spread_glyphs_are_written_as_one_by_one(glyphs: list[str], ink: Ink, pitch: int, width: int) -> None:
    """Also at the right edge, as far as every glyph finds room."""
    alone = Pen(max(width, (len(glyphs) - 1) * pitch + 1))
    for glyph in glyphs:
        alone.put(glyph, ink, 1).gap(pitch - 1)
    together = Pen(alone.width).spread(glyphs, ink, pitch)
    assert together.line() == alone.line()


def test_markup_stays_text() -> None:
    assert text_of([Pen(30).put(HOSTILE[:14], Ink.TEXT).line()]) == "[bold red]x[/]"


def test_wrap_breaks_at_blanks_and_clips_the_rest() -> None:
    assert wrap("one two three four", 9, 3) == ["one two", "three", "four"]
    assert wrap("one two three four", 9, 2) == ["one two", "three fo…"]
    assert wrap("unbreakable", 5, 2) == ["unbr…"]
    assert wrap("", 5, 2) == []


@given(ANY_TEXT.map(printable), st.integers(2, 30), st.integers(1, 4))
def test_wrap_fits(text: str, width: int, lines: int) -> None:
    out = wrap(text, width, lines)
    assert len(out) <= lines
    assert all(cell_len(line) <= width for line in out)


@given(st.integers(30, 120), st.text(max_size=80).map(printable), st.text(max_size=40).map(printable), st.booleans())
def test_a_title_fits(width: int, subtitle: str, note: str, boxed: bool) -> None:
    line = titled(width, "Fleet", subtitle, note, corners="╭╮" if boxed else "")
    assert sum(cell_len(text) for text, _ in line) == width


def test_a_title_shortens_its_subtitle_before_its_note() -> None:
    text = text_of([titled(38, "Fleet", "window 60 s, long", "4 of 72 · z")])
    assert "window 60 s,… ─" in text
    assert text.endswith(" 4 of 72 · z ─")


def test_a_frame_fills_its_place() -> None:
    top = titled(20, "T", corners="╭╮")
    lines = framed([Pen(16).put("x").line()], 20, 5, top, box=True)
    assert text_of(lines).splitlines() == [
        "╭─ T ──────────────╮",
        "│ x                │",
        *["│                  │"] * 2,
        "╰──────────────────╯",
    ]
    assert len(framed([Pen(18).put("x").line()] * 9, 20, 5, titled(20, "T"), box=False)) == 5
