"""The bottom strip: the worst worker's p99 − p50 over the session, a cell for some seconds, with the moment that is shown."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.model.timeline import BACKFILLED, BUCKETS, GAP, LEVELS, level_of, marked, unmarked
from tui import format as fmt
from tui.glyphs import BOOKMARK, BREAK, BUCKET_HEIGHTS, CURSOR, HEIGHTS, NO_DATA, PAST_HEIGHTS, RESTART
from tui.line import Line, Pen
from tui.theme import HEAT_STEPS, Ink
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collectors.model.frame import Frame
    from tui.view import View

CELL_SECONDS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 20, 24, 30, 60, 120, 300, 600, 1200)
"""What a cell may stand for: the smallest that shows all there is, so that the strip grows into its room."""
HEAT_FROM: Final = (0, 6, 8, 10, 11)
"""Levels from which on a cell has each heat ink: 0, 3 ms, 30 ms, 300 ms, 1 s."""


class Strip(NamedTuple):
    """Cells of the strip, oldest first (each as a byte of the timeline), and which part of the session they are."""

    cells: bytes
    seconds: int
    last_s: int
    """Session second of the newest cell's end."""


@lru_cache(maxsize=4)
def strip(timeline: bytes, end: int, width: int) -> Strip:
    """Cells of at most `width` columns, of a timeline that ends with session second `end`. They start on multiples of their own length, so that a cell's content does not move about.

    A cell has the worst of its seconds, and the mark of any of them.
    """
    seconds = next((s for s in CELL_SECONDS if len(timeline) <= s * (width - 1)), CELL_SECONDS[-1])
    first = (end - len(timeline)) // seconds
    cells = bytearray(-(-end // seconds) - first)
    resets = set()
    for index, byte in enumerate(timeline):
        cell = (end - len(timeline) + index) // seconds - first
        level, reset = unmarked(byte)
        if _RANKS[level] > _RANKS[cells[cell]]:
            cells[cell] = level
        if reset:
            resets.add(cell)
    for cell in resets:
        cells[cell] = marked(cells[cell])
    return Strip(bytes(cells[-width:]), seconds, -(-end // seconds) * seconds)


def _rank(byte: int) -> tuple[bool, bool, int, bool]:
    """Which of a cell's bytes is shown: a gap before all, what was watched before what was only stored, the exact before what is about as bad."""
    level = level_of(byte)
    return byte == GAP, bool(level) and not byte & BACKFILLED, level, not byte & BUCKETS


_EVERY: Final = [_rank(byte) for byte in range(256)]
_RANKS: Final = [*map({rank: place for place, rank in enumerate(sorted({*_EVERY}))}.__getitem__, _EVERY)]


def column_at(it: Strip, width: int, session_s: float) -> int | None:
    """Column of a moment, which belongs to the cell that ends with it; None where the strip does not reach."""
    column = width - 1 - int((it.last_s - session_s + 1e-9) // it.seconds)
    return column if width - len(it.cells) <= column < width else None


def moment_at(it: Strip, width: int, column: int) -> float:
    """Session time in seconds at the end of a column."""
    return float(it.last_s - (width - 1 - column) * it.seconds)


@lru_cache(maxsize=256)
def level_text(byte: int) -> tuple[str, int]:
    byte, reset = unmarked(byte)
    level = level_of(byte)
    if not level:
        glyph, ink = (BREAK, Ink.WARN) if byte == GAP else (NO_DATA, Ink.FAINT)
        return (RESTART, Ink.WARN) if reset else (glyph, ink)
    heights = PAST_HEIGHTS if byte & BACKFILLED else BUCKET_HEIGHTS if byte & BUCKETS else HEIGHTS
    heat = sum(level >= start for start in HEAT_FROM) - 1
    glyph = RESTART if reset else heights[1 + (min(level, LEVELS) - 1) * 7 // (LEVELS - 1)]
    return glyph, Ink.HEAT + min(heat, HEAT_STEPS - 1)


def ends(width: int) -> tuple[int, int]:
    """First column and width of the strip inside a line of `width`."""
    return 24, width - 24 - 6


def timeline(view: View, width: int) -> Line:
    newest, frame = view.newest, view.frame
    start, size = ends(width)
    pen = Pen(width).gap().put("jitter ", Ink.DIM)
    if newest is None or frame is None:
        return pen.to(start).put(NO_DATA * size, Ink.FAINT, size).line()
    it = strip(newest.timeline, newest.time_ns // 1_000_000_000, size)
    pen.put(f"◀ {fmt.age(len(newest.timeline))}", Ink.DIM)
    known = [byte for byte in it.cells if level_of(byte)]
    stored = any(byte & BACKFILLED for byte in known)
    how = f" {PAST_HEIGHTS[-1]} past" if stored else f" by {it.seconds} s" if known or not it.cells else " unknown"
    pen.put(how, Ink.DIM).to(start)
    cursor = column_at(it, size, frame.time_ns / 1e9) if view.behind_s > 0 else None
    for text, ink in _runs(it, size, frozenset(column_at(it, size, mark / 1e9) for mark in view.marks), cursor):
        pen.put(text, ink, len(text))
    return pen.put(" now ▶", Ink.DIM).line()


@lru_cache(maxsize=4)
def _runs(it: Strip, width: int, bookmarks: frozenset[int | None], cursor: int | None) -> Line:
    """What `width` columns show of it."""
    missing = width - len(it.cells)
    pen = Pen(width).put(NO_DATA * missing, Ink.FAINT, missing)
    for column, level in enumerate(it.cells, missing):
        text, ink = level_text(level)
        if column in bookmarks:
            text, ink = BOOKMARK, Ink.ACCENT
        if column == cursor:
            text, ink = CURSOR, Ink.CURSOR
        pen.put(text, ink, 1)
    return pen.line()


class Timeline(Panel):
    follows_newest = True
    _newest: Frame | None = None

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        self._newest = view.newest
        return [timeline(view, width)]

    def action_at(self, x: int, y: int) -> str | None:
        return None if (moment := self.moment(x)) is None else f"seek({moment})"

    def moment(self, x: int) -> int | None:
        """Session time (ns) at a column of the panel; None outside the strip."""
        newest = self._newest
        if self.box is None or newest is None:
            return None
        start, size = ends(self.box.width)
        if not start <= x < start + size:
            return None
        it = strip(newest.timeline, newest.time_ns // 1_000_000_000, size)
        return round(moment_at(it, size, x - start) * 1e9)
