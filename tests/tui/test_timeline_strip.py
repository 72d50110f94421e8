"""The strip of jitter at the bottom: cells, columns and moments, gaps, restarts, and what was only stored."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.timeline import GAP, GAP_RESET, RESET, level_of, marked, unmarked
from tests.tui import frames
from tests.tui.test_sections import view
from tui.line import text_of
from tui.playhead import Mode
from tui.widgets.timeline import column_at, ends, level_text, moment_at, strip, timeline

BYTES = [*range(15), *range(17, 31), *range(33, 47), GAP]


@given(
    st.lists(st.sampled_from([*BYTES, *map(marked, BYTES)]), max_size=900).map(bytes),
    st.integers(0, 10_000),
    st.integers(20, 240),
)
def test_the_strip_holds_all_of_the_timeline(data: bytes, later: int, width: int) -> None:
    now = len(data) + later
    it = strip(data, now, width)
    assert len(it.cells) <= width
    if GAP in data or GAP_RESET in data:
        assert any(unmarked(byte)[0] == GAP for byte in it.cells)
    else:
        watched = [level_of(byte) for byte in data if not byte & 32]
        assert max(map(level_of, it.cells), default=0) >= max(watched, default=0)
    for index, byte in enumerate(data):  # a mark is in the cell that holds its second, at every zoom
        if unmarked(byte)[1]:
            cell = (now - len(data) + index) // it.seconds - (now - len(data)) // it.seconds
            assert unmarked(it.cells[cell])[1]
    assert any(unmarked(byte)[1] for byte in it.cells) == any(unmarked(byte)[1] for byte in data)
    if data and it.cells:
        assert column_at(it, width, now - 0.5) == width - 1


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("seconds", [10, 59, 600, 900])
def test_the_strip_begins_where_clicks_take_it_to_begin(width: int, seconds: int) -> None:
    frame = msgspec.structs.replace(frames.emulated(seconds * 4), timeline=bytes([14] * seconds))
    text = text_of([timeline(view(frame), width)])
    start, size = ends(width)
    cells = strip(frame.timeline, seconds, size).cells
    assert text[start : start + size] == "·" * (size - len(cells)) + "█" * len(cells)
    assert text[start + size :] == " now ▶"


def test_a_restart_is_drawn_whatever_else_there_is() -> None:
    drawn = {level_text(byte)[0] for byte in (RESET, GAP_RESET, marked(7), marked(16 + 7), marked(32 + 7))}
    assert drawn == {"↻"}
    assert level_text(marked(12))[1] == level_text(12)[1]
    text = text_of([timeline(view(frames.vllm()), 120)])
    assert "┊┊┊↻⣦" in text
    assert "↻" in text_of([timeline(view(frames.vllm()), 80)])


def test_levels_from_buckets_look_unlike_exact_and_unlike_stored_ones() -> None:
    glyphs = [{level_text(kind + level)[0] for level in range(1, 15)} for kind in (0, 16, 32)]
    assert not glyphs[0] & glyphs[1]
    assert not glyphs[0] & glyphs[2]
    assert len(glyphs[1] - glyphs[2]) >= 5
    for kind in (16, 32):
        heights = [level_text(kind + level)[0] for level in range(1, 15)]
        assert heights == sorted(heights)
        assert level_text(kind + 9)[1] == level_text(9)[1]
    assert set(strip(bytes([16 + 9, 9, 16 + 8]) * 20, 60, 10).cells) == {9}


def test_jitter_that_nobody_tells_is_said_to_be_unknown() -> None:
    frame = msgspec.structs.replace(frames.vllm(), timeline=bytes([0] * 20 + [GAP, RESET]))
    assert "unknown" in text_of([timeline(view(frame), 120)])
    assert "unknown" not in text_of([timeline(view(frames.vllm()), 120)])


def test_a_cell_keeps_the_worst_and_a_gap_goes_before() -> None:
    it = strip(bytes([3, 9, 4, 4, GAP, 4]) * 20, 120, 21)
    assert it.seconds == 6
    assert set(it.cells) == {GAP}
    assert set(strip(bytes([3, 9, 4, 4, 5, 4]) * 20, 120, 21).cells) == {9}


def test_a_column_and_its_moment_belong_together() -> None:
    it = strip(bytes([5]) * 100, 100, 30)
    for column in range(30 - len(it.cells), 30):
        assert column_at(it, 30, moment_at(it, 30, column)) == column
    assert column_at(it, 30, -5.0) is None


def test_levels_rise_and_gaps_differ() -> None:
    glyphs = [level_text(level)[0] for level in range(1, 15)]
    assert glyphs == sorted(glyphs)
    assert len({level_text(0)[0], level_text(GAP)[0], glyphs[0]}) == 3


def test_the_cursor_is_there_only_when_stepped_back() -> None:
    newest = frames.emulated(3600)
    assert "┃" not in text_of([timeline(view(newest), 120)])
    assert "┃" in text_of([timeline(view(frames.emulated(2000), Mode.HELD, newest=newest), 120)])


def test_what_a_server_had_stored_looks_unlike_what_was_watched() -> None:
    frame = frames.emulated(40 * 4)
    mixed = msgspec.structs.replace(frame, timeline=bytes([32 + 14] * 100 + [7] * 20))
    text = text_of([timeline(view(mixed), 160)])
    assert "⡇" * 50 in text
    assert "past" in text
    assert "past" not in text_of([timeline(view(frame), 160)])
    assert level_text(32 + 7)[1] == level_text(7)[1]
    (cell,) = strip(bytes([32 + 14, 3]), 30, 1).cells
    assert cell == 3
