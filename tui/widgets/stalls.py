"""The newest stalls: when, whose, how long against what was usual, and what may have caused them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tui import format as fmt
from tui import meanings
from tui.filter import Field
from tui.format import Unit
from tui.glyphs import ABSENT
from tui.inks import figure_ink
from tui.line import Line, Pen, clip_middle
from tui.plain import printable
from tui.theme import Ink
from tui.told import Told
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from collectors.model.frame import Frame, StallRow
    from tui.view import View


class StallKey(NamedTuple):
    at: float
    worker: str | None
    request: str


def every(frame: Frame | None) -> Sequence[StallRow]:
    """All that a Frame tells of, newest first: the newest, then those that are told for their length."""
    return () if frame is None else (*frame.stalls, *frame.long_stalls)


def together(rows: Sequence[StallRow]) -> list[tuple[StallRow, int]]:
    """Stalls of one worker that ended at one moment are one event: the longest of them, and how many more there are."""
    events: list[tuple[StallRow, int]] = []
    for row in rows:
        if events and (events[-1][0].at, events[-1][0].worker) == (row.at, row.worker):
            longest, more = events[-1]
            events[-1] = (max(longest, row, key=lambda one: one.gap_s.value or 0), more + 1)
        else:
            events.append((row, 0))
    return events


def stall_line(row: StallRow, more: int, view: View, width: int, worker: int, request: int) -> Line:
    at = fmt.wall(view.utc_s(row.at), row.at)
    pen = (
        Pen(width).cell(at, 8, Ink.DIM).gap().cell(clip_middle(view.name(row.worker), worker), worker, Ink.STRONG).gap()
    )
    others = f" +{more}" if more else ""
    pen.cell(clip_middle(printable(row.request), request - len(others)) + others, request).gap()
    pen.cell(fmt.pick(fmt.figure(row.gap_s, Unit.SECONDS), 8), 8, Ink.STALL, right=True).gap()
    gap, median = row.gap_s.value, row.median_s.value
    ratio = fmt.times(gap / median) if gap is not None and median else ""
    pen.cell(ratio, 5, Ink.TEXT, right=True).gap()
    usual = fmt.pick(fmt.figure(row.median_s, Unit.SECONDS), 8)
    pen.cell(f"of {usual}", 11, figure_ink(row.median_s, Ink.DIM)).gap()
    return pen.put(printable("; ".join(row.causes) or "cause unknown"), Ink.TEXT).line()


def fields(view: View) -> list[Field[StallRow]]:
    return [
        Field("worker", lambda row: view.name(row.worker)),
        Field("request", lambda row: printable(row.request)),
        Field("gap", lambda row: row.gap_s.value, number=True),
        Field("usual", lambda row: row.median_s.value, number=True),
        Field(
            "times",
            lambda row: (row.gap_s.value or 0) / row.median_s.value if row.median_s.value else None,
            number=True,
        ),
        Field("cause", lambda row: printable("; ".join(row.causes)) or None),
    ]


def stalls(view: View, width: int, height: int, first: int, panel: RowsPanel | None = None) -> Body:
    frame = view.frame
    rows: Sequence[StallRow] = frame.stalls if frame is not None else ()
    if panel is not None and rows:
        rows = panel.pick(rows, lambda: fields(view))
        if not rows:
            return Body([], 0, 0, 0)
    if not rows:
        judged = frame is not None and any(row.longest_stall_s.value is not None for row in frame.jitter)
        text = (
            "none in the window"
            if judged
            else "not known: no source tells single deliveries"
            if frame is not None
            else ABSENT
        )
        return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
    events = together(rows)
    shown = min(height, len(events))
    first = min(first, len(events) - shown)
    worker = max(6, min(max(len(view.name(row.worker)) for row in rows), 16))
    request = 10 if width < 110 else 20
    lines = [stall_line(row, more, view, width, worker, request) for row, more in events[first : first + shown]]
    keys = [StallKey(row.at, row.worker, row.request) for row, _ in events]
    return Body(lines, first, shown, len(events), keys=keys, spots=stacked(shown))


def figures_of(view: View, key: Hashable) -> Sequence[Told]:
    """Of the stall that is known by that key."""
    rows = every(view.frame)
    one = next((one for one in rows if StallKey(one.at, one.worker, one.request) == key), None)
    if one is None:
        return ()
    of = printable(one.request)
    return (
        Told("stall", one.gap_s, Unit.SECONDS, meanings.STALL_GAP, of=of),
        Told("usual gap", one.median_s, Unit.SECONDS, meanings.STALL_MEDIAN, of=of),
    )


class Stalls(RowsPanel):
    def body(self, view: View, width: int, height: int) -> Body:
        return stalls(view, width, height, self.scroll_rows, self)

    def fields(self, view: View) -> Sequence[Field[StallRow]]:
        return fields(view)

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        return figures_of(view, row)

    def title(self, view: View) -> tuple[str, str]:
        return "Newest stalls", "gap > 5 × its request's own median"
