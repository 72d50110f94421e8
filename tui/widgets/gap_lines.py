"""Gaps second by second: lines of p50, p99 and the longest of each device kind and model on one logarithmic axis; or of the smoothed jitter."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.model.scales import GAP_SAMPLES, LINES, NOTHING, UNOBSERVED, codes, moment
from tui import format as fmt
from tui.glyph_sets import BRAILLE, Dots
from tui.glyphs import ABSENT, CURSOR, SELECTED
from tui.glyphs import UNOBSERVED as NOT_HEARD
from tui.line import Line, Pen, framed, titled
from tui.theme import Ink, device_ink
from tui.widgets.chart import Canvas, LogAxis, Samples, log_range, samples, tick
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collectors.model.frame import Frame
    from collectors.model.vocabulary import Device
    from tui.view import View

LEFT: Final = 7
"""Cells of the axis' values."""
RIGHT: Final = 9
"""Cells of the lines' names."""
SECOND_NS: Final = 1_000_000_000
SPANS: Final = (30, 60, 120, GAP_SAMPLES)
"""Seconds that may be shown."""
GAPS: Final = ("p50", "p99", "max")
SMOOTHED: Final = ("RFC 3550",)
STEPS: Final = {"p50": 1, "p99": 2, "p99.9": 3, "max": 3, "RFC 3550": 2}
"""Brightness of each."""


class Kind(NamedTuple):
    """What of a `GapRow` is drawn here."""

    device: Device
    past: tuple[bytes, ...]


def kinds(frame: Frame) -> tuple[Kind, ...]:
    return tuple(Kind(row.device, row.past) for row in frame.gaps if row.past)


def times(its: tuple[Kind, ...], end: int, width: int, dots: Dots = BRAILLE) -> Samples:
    """For `width` cells up to the second `end`: as far back as anything was observed, in steps."""
    known = 0
    for kind in its:
        seconds = codes(kind.past[0])
        first = next((at for at, code in enumerate(seconds) if code != UNOBSERVED), len(seconds))
        known = max(known, len(seconds) - first)
    return samples(end - 1, SPANS, known, width * dots.across)


def columns(line: bytes, it: Samples) -> dict[int, int]:
    """The worst code of each column that has any."""
    found: dict[int, int] = {}
    for second, code in enumerate(codes(line), it.newest - GAP_SAMPLES + 1):
        if code not in (NOTHING, UNOBSERVED) and second > it.newest - it.held:
            for column in it.columns(second):
                found[column] = max(found.get(column, 0), code)
    return found


def heard(kind: Kind, it: Samples) -> set[int]:
    """Columns of seconds that were observed."""
    return {
        column
        for second, code in enumerate(codes(kind.past[0]), it.newest - GAP_SAMPLES + 1)
        if code != UNOBSERVED
        for column in it.columns(second)
    }


class Drawn(NamedTuple):
    device: Device
    name: str
    codes: dict[int, int]


@lru_cache(16)
def chart(
    its: tuple[Kind, ...],
    names: tuple[str, ...],
    end: int,
    now: str,
    width: int,
    height: int,
    cursor: int | None = None,
    dots: Dots = BRAILLE,
) -> tuple[Line, ...]:
    """`height` lines: the lines up to the second `end`, called `now`, with their axis, and the time below them; `cursor` is a second."""
    inner, rows = width - LEFT - RIGHT, height - 1
    it = times(its, end, max(inner, 1), dots)
    drawn = [
        Drawn(kind.device, name, found)
        for kind in its
        for name in names
        if (found := columns(kind.past[LINES.index(name)], it))
    ]
    if not drawn or rows < 2 or inner < 8:
        text = "nothing in the last minutes" if its else "not known: no source tells single deliveries"
        return (Pen(width).put(text, Ink.DIM).line(),)
    every = [code for one in drawn for code in one.codes.values()]
    canvas = Canvas(inner, rows, dots)
    axis = LogAxis(*log_range(moment(min(every)), moment(max(every))), canvas.down)
    for one in drawn:
        _line(canvas, axis, one)
    seen = set().union(*(heard(kind, it) for kind in its))
    for cell in range(inner):
        if seen.isdisjoint(range(cell * dots.across, (cell + 1) * dots.across)):
            canvas.mark(cell, rows - 1, NOT_HEARD, Ink.FAINT)
    if cursor is not None:
        cell = (it.columns(cursor).stop - 1) // dots.across
        for row in range(rows):
            canvas.mark(cell, row, CURSOR, Ink.ACCENT)
    left, right = _values(axis, rows, dots), _names(drawn, axis, rows, dots)
    every_line = zip(left, canvas.lines(), right, strict=True)
    return (*((*before, *line, *after) for before, line, after in every_line), _foot(it, width, now))


def _line(canvas: Canvas, axis: LogAxis, one: Drawn) -> None:
    """Neighbouring columns are joined, but not across a column of which nothing is known; the longest are dots by themselves."""
    ink = device_ink(one.device, STEPS[one.name])
    before: tuple[int, int] | None = None
    for column in sorted(one.codes):
        up = axis.place(moment(one.codes[column]))
        low = high = up
        if before is not None and before[0] == column - 1 and one.name != "max":
            low, high = (
                min(up, before[1] + 1 if up > before[1] else up),
                max(up, before[1] - 1 if up < before[1] else up),
            )
        canvas.column(column, low, high + 1, ink, STEPS[one.name])
        before = column, up


def _values(axis: LogAxis, rows: int, dots: Dots) -> list[Line]:
    labels = {rows - 1 - min(place // dots.down, rows - 1): tick(value) for place, value in axis.ticks(dots.down)}
    return [Pen(LEFT).cell(labels.get(row, ""), LEFT - 1, Ink.DIM, right=True).gap().line() for row in range(rows)]


def _names(its: list[Drawn], axis: LogAxis, rows: int, dots: Dots) -> list[Line]:
    """Each line's name beside its newest value, or as near as there is room."""
    taken: dict[int, Line] = {}
    for one in its:
        want = rows - 1 - axis.place(moment(one.codes[max(one.codes)])) // dots.down
        free = sorted((row for row in range(rows) if row not in taken), key=lambda row: (abs(row - want), row))
        if free:
            kind = "" if one.device == "unknown" else f"{one.device} "
            name = "J" if one.name == "RFC 3550" else one.name
            taken[free[0]] = Pen(RIGHT).gap().put(f"{kind}{name}", device_ink(one.device, STEPS[one.name])).line()
    return [taken.get(row, Pen(RIGHT).line()) for row in range(rows)]


def _foot(it: Samples, width: int, now: str) -> Line:
    end = width - RIGHT - len(now) - 2
    age = f"◀ {fmt.age(it.held)}"
    pen = Pen(width).gap(LEFT).put(age if LEFT + len(age) < end else "", Ink.DIM)
    room = end - (width - pen.left) - 1
    each = (f" worst of {it.each} s", f" by {it.each} s") if it.each > 1 else ()
    pen.put(next((text for text in each if len(text) <= room), ""), Ink.DIM)
    return pen.to(end).put(f"{now} ▶", Ink.DIM).line()


def shown_of(view: View) -> tuple[Frame | None, int | None]:
    """The newest Frame's history, with the second that is shown in it as a cursor; of a moment further back its own."""
    frame, newest = view.frame, view.newest
    if frame is not None and newest is not None and 0 < view.behind_s < GAP_SAMPLES - 1:
        return newest, max(frame.time_ns // SECOND_NS - 1, 0)
    return frame, None


class GapLines(Panel):
    focusable = True
    follows_newest = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.names: tuple[str, ...] = GAPS
        self._frame: Frame | None = None

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        frame, cursor = shown_of(view)
        self._frame = frame
        inner = (width - 4, height - 2) if self.boxed else (width - 2, height - 1)
        lines = [Pen(inner[0]).put(ABSENT, Ink.DIM).line()]
        if frame is not None:
            end = frame.time_ns // SECOND_NS
            now = "now" if frame is view.newest else fmt.wall(view.utc_s(end), end)
            lines = list(chart(kinds(frame), self.names, end, now, *inner, cursor, self.dots))
        what = "p50, p99 and the longest of each second"
        if self.names == SMOOTHED:
            what = "RFC 3550 jitter: J += (|D| − J)/16, mean over requests"
        top = titled(
            width, "Over time", what, corners="╭╮" if self.boxed else "", mark=SELECTED if self.focused else " "
        )
        return framed(lines, width, height, top, box=self.boxed)

    def action_at(self, x: int, y: int) -> str | None:
        """The moment that a column shows."""
        if self.box is None or self._frame is None or y < 1:
            return None
        edge = 2 if self.boxed else 1
        width = self.box.width - 2 * edge - LEFT - RIGHT
        column = x - edge - LEFT
        if not 0 <= column < width:
            return None
        it = times(kinds(self._frame), self._frame.time_ns // SECOND_NS, width, self.dots)
        return f"seek({(it.last((column + 1) * self.dots.across - 1) + 1) * SECOND_NS})"
