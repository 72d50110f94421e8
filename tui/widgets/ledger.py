"""The stall ledger: every late delivery of the window, how late against its request's own median, and what the evidence says may have caused it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui import format as fmt
from tui.filter import Field
from tui.format import Unit
from tui.glyphs import ABSENT
from tui.inks import figure_ink
from tui.line import Line, Pen, clip_middle
from tui.plain import printable
from tui.table import Cell, Column, grid, heading, heads, row_lines
from tui.theme import Ink
from tui.widgets import stalls
from tui.widgets.rows import Body, RowsPanel, stacked
from tui.widgets.stalls import StallKey

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from collectors.model.figure import Figure
    from collectors.model.frame import Frame, StallRow
    from tui.told import Told
    from tui.view import View


def columns(view: View) -> list[Column[StallRow]]:
    def duration(it: Figure, ink: int) -> Cell:
        return fmt.figure(it, Unit.SECONDS), figure_ink(it, ink)

    def times(row: StallRow) -> Cell:
        gap, usual = row.gap_s.value, row.median_s.value
        return (fmt.times(gap / usual) if gap is not None and usual else ABSENT,), Ink.TEXT

    def counted(value: int | None, ink: int = Ink.TEXT) -> Cell:
        return (ABSENT if value is None else fmt.count(value),), ink

    return [
        Column("at", 8, lambda row: ((fmt.wall(view.utc_s(row.at), row.at),), Ink.DIM), text=True, least=8),
        Column(
            "worker", 6, lambda row: ((view.name(row.worker),), Ink.STRONG), text=True, most=14, shorten=clip_middle
        ),
        Column(
            "request", 8, lambda row: ((printable(row.request),), Ink.TEXT), text=True, most=24, shorten=clip_middle
        ),
        Column("gap", 8, lambda row: duration(row.gap_s, Ink.STALL)),
        Column("times", 6, times),
        Column("usual", 8, lambda row: duration(row.median_s, Ink.DIM), 1),
        Column("token", 6, lambda row: counted(row.token), 2),
        Column("with", 4, lambda row: counted(row.tokens, Ink.DIM), 2),
        Column(
            "cause", 24, lambda row: ((printable("; ".join(row.causes) or "unknown"),), Ink.TEXT), text=True, most=80
        ),
    ]


def needs(view: View, rows: Sequence[StallRow], specs: Sequence[Column[StallRow]]) -> list[int]:
    widest = {
        "worker": max(len(view.name(row.worker)) for row in rows),
        "request": max(len(row.request) for row in rows),
        "cause": max(len("; ".join(row.causes)) for row in rows),
    }
    return [widest.get(column.name, 0) for column in specs]


def fields(view: View) -> list[Field[StallRow]]:
    return [
        Field("at", lambda row: row.at, number=True),
        *stalls.fields(view),
        Field("token", lambda row: row.token, number=True),
        Field("with", lambda row: row.tokens, number=True),
    ]


class Ledger(RowsPanel):
    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        every = self._every(frame)
        if frame is None or not every:
            judged = frame is not None and any(row.longest_stall_s.value is not None for row in frame.jitter)
            text = "no stall in the window" if judged else "not known: no source tells single deliveries"
            return Body([Pen(width).put(text if frame is not None else ABSENT, Ink.DIM).line()], 0, 0, 0)
        rows = self.pick(every, lambda: fields(view))
        if not rows:
            return Body([], 0, 0, 0)
        specs = columns(view)
        table = grid(specs, width, needs(view, every, specs))
        shown = min(height - 1, len(rows))
        first = min(self.scroll_rows, len(rows) - shown)
        lines: list[Line] = heading(table, width, self.order)
        for row in rows[first : first + shown]:
            lines += row_lines(table, row, width)
        return Body(
            lines,
            first,
            shown,
            len(rows),
            len(table.left_out),
            keys=[StallKey(row.at, row.worker, row.request) for row in rows],
            spots=stacked(shown, head=1),
            heads=heads(table),
        )

    def _every(self, frame: Frame | None) -> Sequence[StallRow]:
        """As they come the newest; sorted or filtered, also those that are told for their length."""
        chosen = self.order is not None or self.filter_text
        return stalls.every(frame) if chosen or frame is None else frame.stalls

    def fields(self, view: View) -> Sequence[Field[StallRow]]:
        return fields(view)

    def title(self, view: View) -> tuple[str, str]:
        frame = view.frame
        counts = [row.longest_stall_s.n for row in frame.jitter] if frame is not None else []
        every = sum(n for n in counts if isinstance(n, int))
        shown = len(frame.stalls) if frame is not None else 0
        long = len(self._every(frame)) - shown
        also = f" and {long} of the longest," if long else ""
        of = f" · the newest {shown}{also} of {fmt.count(every)}" if every > shown else ""
        return "Stall ledger", f"gap > 5 × its request's own median of 8 gaps or more{of}"

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        return stalls.figures_of(view, row)
