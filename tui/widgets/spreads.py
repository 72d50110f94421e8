"""Each worker's p99 − p50 beside its longest stall, which no percentile shows: both on one logarithmic strip and in figures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import State
from tui import format as fmt
from tui import meanings
from tui.filter import Field
from tui.format import Unit
from tui.glyphs import ABSENT, STALL
from tui.inks import figure_ink
from tui.line import Line, Pen, clip_middle
from tui.plain import printable
from tui.table import Head, signed
from tui.theme import Ink, device_ink
from tui.told import Told
from tui.widgets.chart import LogAxis
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from collectors.model.frame import JitterRow
    from tui.view import View

RANGE: Final = (1e-6, 10.0)
"""Of the strip, in seconds."""
DECADES: Final = (1e-6, 1e-4, 1e-2, 1.0)
SPREAD, FLOOR = "●", "·"
NAME: Final = (6, 14)
SPREAD_CELLS: Final = 13
STALL_CELLS: Final = 8


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


def spread_line(row: JitterRow, view: View, width: int, name: int, size: int) -> Line:
    now_ns = view.frame.time_ns if view.frame is not None else None
    pen = Pen(name + 1).cell(clip_middle(view.name(row.worker), name), name, device_ink(row.device, 2)).gap()
    it, stall = row.p99_minus_p50, row.longest_stall_s
    tail = Pen(width - name - 1 - size).gap()
    tail.cell(
        fmt.pick(fmt.quantile(it, Unit.SECONDS, now_ns), SPREAD_CELLS),
        SPREAD_CELLS,
        figure_ink(it, Ink.STRONG),
        right=True,
    )
    known = ("none",) if stall.state is State.ZERO else fmt.figure(stall, Unit.SECONDS, now_ns)
    ink = Ink.STALL if stall.value else figure_ink(stall, Ink.DIM)
    tail.gap().cell(fmt.pick(known, STALL_CELLS), STALL_CELLS, ink, right=True)
    n = stall.n if isinstance(stall.n, int) else None
    tail.gap().cell(ABSENT if n is None else fmt.count(n), 5, Ink.DIM, right=True)
    return (*pen.line(), *strip(row, size), *tail.line())


def fields(view: View) -> list[Field[JitterRow]]:
    return [
        Field("worker", lambda row: view.name(row.worker)),
        Field("kind", lambda row: str(row.device)),
        Field("model", lambda row: printable(row.model)),
        Field(
            "spread",
            lambda row: row.p99_minus_p50.low if row.p99_minus_p50.value is None else row.p99_minus_p50.value,
            number=True,
        ),
        Field("stall", lambda row: row.longest_stall_s.value, number=True),
        Field(
            "stalls", lambda row: row.longest_stall_s.n if isinstance(row.longest_stall_s.n, int) else None, number=True
        ),
    ]


class Spreads(RowsPanel):
    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        every = frame.jitter if frame is not None else ()
        rows = self.pick(every, lambda: fields(view))
        if self.order is None:
            rows = sorted(rows, key=badness, reverse=True)
        if every and not rows:
            return Body([], 0, 0, 0)
        if not rows:
            return Body([Pen(width).put("no worker yet" if frame is not None else ABSENT, Ink.DIM).line()], 0, 0, 0)
        least, most = NAME
        name = max(least, min(max(len(view.name(row.worker)) for row in rows), most))
        size = max(width - name - 1 - (SPREAD_CELLS + STALL_CELLS + 5 + 3), 0)
        shown = min(height - 1, len(rows))
        first = min(self.scroll_rows, len(rows) - shown)
        head = Pen(width).cell(*signed("worker", name, "worker", self.order)).gap()
        if size >= 10:
            head.put("1 µs", Ink.DIM).to(name + 1 + size - 4).put("10 s", Ink.DIM)
        spread = signed("p99 − p50", SPREAD_CELLS, "spread", self.order)
        head.to(name + 1 + size).gap().cell(*spread, right=True)
        head.gap().cell(*signed("stall", STALL_CELLS, "stall", self.order), right=True)
        head.gap().cell("n", 5, Ink.DIM, right=True)
        lines = [head.line()] + [spread_line(row, view, width, name, size) for row in rows[first : first + shown]]
        after = name + 1 + size + 1
        named = [
            Head(0, name, "worker"),
            Head(after, SPREAD_CELLS, "spread"),
            Head(after + SPREAD_CELLS + 1, STALL_CELLS, "stall"),
        ]
        keys = [row.worker for row in rows]
        return Body(lines, first, shown, len(rows), keys=keys, spots=stacked(shown, head=1), heads=named)

    def fields(self, view: View) -> Sequence[Field[JitterRow]]:
        return fields(view)

    def title(self, view: View) -> tuple[str, str]:
        return "Workers", f"{SPREAD} p99 − p50 of gaps, {STALL} the longest stall, how many"

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        rows = view.frame.jitter if view.frame is not None else ()
        found = next((one for one in rows if one.worker == row), None)
        if found is None:
            return ()
        of = view.name(found.worker)
        return [
            Told("p99 − p50", found.p99_minus_p50, Unit.SECONDS, meanings.JITTER, "gaps between deliveries", of=of),
            Told("longest stall", found.longest_stall_s, Unit.SECONDS, meanings.LONGEST_STALL, "stalls", of=of),
        ]
