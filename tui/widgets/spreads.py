"""Each worker's p99 − p50 beside its longest stall, which no percentile shows: both on one logarithmic strip and in figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import State
from collectors.stats.figures import absent
from tui import format as fmt
from tui import meanings
from tui.filter import Field
from tui.format import Unit
from tui.glyphs import ABSENT, STALL
from tui.inks import figure_ink
from tui.line import Line, Pen, blank, clip_middle
from tui.plain import printable
from tui.table import Cell, Column, Grid, Head, fields_of, heading, heads, row_lines, signed, told_of
from tui.theme import Ink, device_ink
from tui.told import Told
from tui.widgets.chart import LogAxis
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from collectors.model.figure import Figure
    from collectors.model.frame import Frame, JitterRow
    from tui.view import View

RANGE: Final = (1e-6, 10.0)
"""Of the strip, in seconds."""
DECADES: Final = (1e-6, 1e-4, 1e-2, 1.0)
SPREAD, FLOOR = "●", "·"
NAME: Final = (6, 14)
SPREAD_CELLS: Final = (13, 11)
"""With room for them, and without."""
STRIP: Final = (24, 10)
"""Cells of the strip at least, beside the longest gap and without it. Where there are fewer, that goes first, then how many stalls there were, then the strip."""


def badness(row: JitterRow) -> tuple[int, int]:
    """Worse first, in steps wide enough for the order to be steady."""
    values = (
        row.longest_stall_s.value,
        row.p99_minus_p50.value if row.p99_minus_p50.value is not None else row.p99_minus_p50.low,
    )
    stall, spread = (round(2 * math.log2(max(value, 1e-7) / 1e-7)) if value else 0 for value in values)
    return spread, stall


def strip(row: JitterRow, size: int) -> Line:
    """Dots at each second decade, the spread, and the stall; either is left out where it is not known."""
    axis = LogAxis(*RANGE, size)
    cells: dict[int, tuple[str, int]] = {axis.place(value): (FLOOR, Ink.FAINT) for value in DECADES}
    it, stall = row.p99_minus_p50, row.longest_stall_s
    known = it.value if it.value is not None else it.low
    if known is not None:
        cells[axis.place(known)] = SPREAD, device_ink(row.device, 2)
    if stall.value:
        cells[axis.place(stall.value)] = STALL, Ink.STALL
    pen = Pen(size)
    for place, (glyph, ink) in sorted(cells.items()):
        pen.to(place).put(glyph, ink)
    return pen.line()


def columns(view: View, frame: Frame, cells: int = SPREAD_CELLS[0]) -> list[Column[JitterRow]]:
    """A jitter is never without the longest stall; its longest gap of all is told where there is room."""
    gaps = {row.id: row.gap for row in frame.workers}

    def spread(row: JitterRow) -> Cell:
        it = row.p99_minus_p50
        return fmt.quantile(it, Unit.SECONDS, frame.time_ns), figure_ink(it, Ink.STRONG)

    def longest_of(row: JitterRow) -> Figure:
        found = gaps.get(row.worker)
        return found.max if found is not None else absent(emulated=frame.emulated)

    def longest(row: JitterRow) -> Cell:
        it = longest_of(row)
        return fmt.figure(it, Unit.SECONDS, frame.time_ns), figure_ink(it)

    def stall(row: JitterRow) -> Cell:
        it = row.longest_stall_s
        known = ("none",) if it.state is State.ZERO else fmt.figure(it, Unit.SECONDS, frame.time_ns)
        return known, Ink.STALL if it.value else figure_ink(it, Ink.DIM)

    def told(row: JitterRow, name: str, it: Figure, means: str, population: str) -> Told:
        return Told(name, it, Unit.SECONDS, means, population, of=view.name(row.worker))

    def spread_told(row: JitterRow) -> Told:
        return told(row, "p99 − p50", row.p99_minus_p50, meanings.JITTER, "gaps between deliveries")

    def longest_told(row: JitterRow) -> Told:
        return told(row, "longest gap", longest_of(row), meanings.LONGEST_GAP, "gaps between deliveries")

    def stall_told(row: JitterRow) -> Told:
        return told(row, "longest stall", row.longest_stall_s, meanings.LONGEST_STALL, "stalls")

    return [
        Column("p99 − p50", cells, spread, told=spread_told, field="spread"),
        Column("longest", 8, longest, 2, told=longest_told),
        Column("stall", 8, stall, told=stall_told),
        Column("n", 5, lambda row: ((ABSENT if (n := stalls_of(row)) is None else fmt.count(n),), Ink.DIM), 1),
    ]


def stalls_of(row: JitterRow) -> int | None:
    n = row.longest_stall_s.n
    return n if isinstance(n, int) else None


def fields(view: View, frame: Frame) -> list[Field[JitterRow]]:
    return [
        Field("worker", lambda row: view.name(row.worker)),
        Field("kind", lambda row: str(row.device)),
        Field("model", lambda row: printable(row.model)),
        *fields_of(columns(view, frame)),
        Field("stalls", stalls_of, number=True),
    ]


class Spreads(RowsPanel):
    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        every = frame.jitter if frame is not None else ()
        if frame is None or not every:
            return Body([Pen(width).put("no worker yet" if frame is not None else ABSENT, Ink.DIM).line()], 0, 0, 0)
        rows = self.pick(every, lambda: fields(view, frame))
        if not rows:
            return Body([], 0, 0, 0)
        if self.order is None:
            rows = sorted(rows, key=badness, reverse=True)
        least, most = NAME
        name = max(least, min(max(len(view.name(row.worker)) for row in rows), most))
        table, size = fitting_columns(view, frame, width - name - 1)
        left = name + 1 + size + 1
        shown = min(height - 1, len(rows))
        first = min(self.scroll_rows, len(rows) - shown)
        head = Pen(left).cell(*signed("worker", name, "worker", self.order))
        if size:
            head.gap().put("1 µs", Ink.DIM).to(left - 1 - len("10 s")).put("10 s", Ink.DIM)
        lines: list[Line] = [(*head.line(), *heading(table, width - left, self.order)[0])]
        for row in rows[first : first + shown]:
            pen = Pen(name + 1).cell(clip_middle(view.name(row.worker), name), name, device_ink(row.device, 2))
            picture = strip(row, size) if size else ()
            lines.append((*pen.line(), *picture, *blank(1), *row_lines(table, row, width - left)[0]))
        named = [one._replace(x=one.x + left) for one in heads(table)]
        return Body(
            lines,
            first,
            shown,
            len(rows),
            len(table.left_out),
            keys=[row.worker for row in rows],
            spots=stacked(shown, head=1),
            heads=[Head(0, name, "worker"), *named],
        )

    def fields(self, view: View) -> Sequence[Field[JitterRow]]:
        return fields(view, view.frame) if view.frame is not None else ()

    def title(self, view: View) -> tuple[str, str]:
        return "Workers", f"{SPREAD} p99 − p50 · {STALL} stalls, from a request's 9th gap on"

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        frame = view.frame
        found = next((one for one in frame.jitter if one.worker == row), None) if frame is not None else None
        return told_of(columns(view, frame), found) if frame is not None and found is not None else ()


def fitting_columns(view: View, frame: Frame, width: int) -> tuple[Grid[JitterRow], int]:
    """Those that there is room for, and the cells that they leave to the strip: none where it would have too few."""
    its = columns(view, frame)
    for most, least in ((2, STRIP[0]), (1, STRIP[1]), (0, STRIP[1]), (1, 0), (0, 0)):
        kept = [column for column in its if column.rank <= most]
        size = width - sum(column.width + 1 for column in kept)
        if size >= least:
            return _packed(kept, its), size if size >= STRIP[1] else 0
    its = columns(view, frame, SPREAD_CELLS[1])
    return _packed([column for column in its if not column.rank], its), 0


def _packed(kept: Sequence[Column[JitterRow]], its: Sequence[Column[JitterRow]]) -> Grid[JitterRow]:
    line = tuple((column, column.width) for column in kept)
    return Grid((line,), 1, tuple(column.name for column in its if column not in kept), 0)
