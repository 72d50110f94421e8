"""One request's phases on an axis of time: until its first token, and from then on, each half with a scale of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Device, Phase, Tier
from tui import format as fmt
from tui.glyphs import ABSENT, ESTIMATE, STALL
from tui.line import Line, Pen, cells, clip_middle
from tui.plain import printable
from tui.theme import Ink, device_ink
from tui.view import LATER
from tui.widgets.requests import LETTERS
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from collectors.model.detail import RequestDetail, Step
    from collectors.model.requests import PhaseRow
    from tui.view import View

_LABEL: Final = 11
_LEAST, _TEXT = 22, 34
"""Cells for what stands beside a bar, at least and at most."""
_WIDE: Final = 100
"""Cells from which on two lines are enough for what is known of it."""
_SIGNS: Final = {
    Phase.QUEUE: "░", Phase.FETCH: "▒", Phase.PREFILL: "▓", Phase.TRANSFER: "▞", Phase.DECODE: "█", Phase.PREEMPTED: "╳",
    Phase.FIRST_TOKEN: "▒",
}  # fmt: skip
"""Of what a bar is made, so that phases differ without colour."""
_WORDS: Final = 28
"""Cells before the first token in which it is said what they lead to."""
_RATIO: Final = 3.0
"""How many times longer decoding must be than what is before it, for each to have a scale of its own."""
_FIRST: Final = 0.45
"""Of the width, for what is before the first token."""


@dataclass(frozen=True)
class Axis:
    """Cells of a time: up to `split_s` they are `first` in all, the rest ends at `end_s`. Without a split there is one scale."""

    width: int
    end_s: float
    split_s: float | None

    @property
    def first(self) -> int:
        return self.width if self.split_s is None else round(self.width * _FIRST)

    def cell(self, at_s: float) -> float:
        if self.split_s is None or at_s <= self.split_s:
            until = self.end_s if self.split_s is None else self.split_s
            return self.first * max(at_s, 0.0) / until if until > 0 else 0.0
        return self.first + (self.width - self.first) * min((at_s - self.split_s) / (self.end_s - self.split_s), 1.0)

    def span(self, start_s: float, end_s: float) -> tuple[int, int]:
        """The cells from a start to an end, at least one."""
        begin = min(int(self.cell(start_s)), self.width - 1)
        return begin, max(begin + 1, min(-int(-self.cell(end_s) // 1), self.width))


def axis_of(one: RequestDetail, width: int) -> Axis:
    ends = [step.start_s + step.duration_s for step in one.steps]
    end_s = max([*ends, one.line.last_s or 0.0, *one.deliveries.at_s[-1:]], default=0.0)
    split_s = one.line.ttft_s
    if split_s is None or split_s <= 0 or not _RATIO * split_s < end_s:
        split_s = None
    return Axis(width, end_s or 1e-9, split_s)


class Waterfall(RowsPanel):
    """Of the request `of` (its key)."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.of: int | None = None

    def title(self, view: View) -> tuple[str, str]:
        one = detail_of(view, self.of)
        if one is None:
            return "Request", ""
        line = one.line
        about = [line.model, line.workflow, *line.labels]
        return clip_middle(printable(line.id), 36), " · ".join(printable(text) for text in about if text)

    def body(self, view: View, width: int, height: int) -> Body:
        one = detail_of(view, self.of)
        if one is None or view.frame is None:
            return Body([Pen(width).put(why_not(view), Ink.DIM).line()], 0, 0, 0)
        devices = {row.id: row.device for row in view.frame.workers}
        text = min(_TEXT, max(_LEAST, width // 3))
        it = axis_of(one, max(width - _LABEL - text - 2, 10))
        rows = [step_line(view, one, step, it, devices, text) for step in one.steps]
        rows += [_said_line(row, it, text) for row in said_elsewhere(one)]
        lines = [*_facts(view, one, width), _scale(it, text)]
        room = max(height - len(lines), 0)
        first = min(self.scroll_rows, max(len(rows) - room, 0))
        shown = rows[first : first + room]
        return Body(
            [*lines, *shown],
            first,
            len(shown),
            len(rows),
            keys=range(len(rows)),
            spots=stacked(len(shown), head=len(lines)),
        )


def why_not(view: View) -> str:
    """Why there is nothing of a request."""
    return LATER if view.detail is None and view.clock == "replay" else "that request is not kept any more"


def detail_of(view: View, key: int | None) -> RequestDetail | None:
    if view.detail is None or view.frame is None or key is None:
        return None
    return view.detail.request(key, view.frame.time_ns)


def step_line(view: View, one: RequestDetail, step: Step, it: Axis, devices: Mapping[str, Device], text: int) -> Line:
    """A phase: its name, its bar, how long it took, where, and what went through it."""
    pen = Pen(_LABEL + it.width + 2 + text).cell(str(step.phase).replace("_", " "), _LABEL - 1, Ink.TEXT).gap()
    begin, end = it.span(step.start_s, step.start_s + step.duration_s)
    ink = device_ink(devices.get(step.worker, Device.UNKNOWN), 2)
    bar = _SIGNS.get(step.phase, "▒") * (end - begin)
    pen.gap(begin)
    if step.phase is Phase.DECODE:
        _with_stalls(pen, one, bar, begin, it, ink)
    else:
        pen.put(bar, ink)
    pen.to(_LABEL + it.width + 1)
    about = ESTIMATE if step.estimate else ""
    goes_on = "…" if step.open else ""
    pen.cell(f"{about}{fmt.seconds(step.duration_s)}{goes_on}", 9, Ink.STRONG, right=True).gap()
    pen.put(f"{LETTERS[step.provenance]} ", Ink.DIM)
    tier = "" if step.tier is Tier.UNKNOWN else f" {step.tier}"
    amount = f" {fmt.size(step.bytes)}" if step.bytes else f" {fmt.si(step.tokens)} tok" if step.tokens else ""
    where = f"{view.name(step.worker) if step.worker else ''}{tier}"
    return pen.put(where if cells(where + amount) > pen.left else where + amount, Ink.DIM).line()


def _with_stalls(pen: Pen, one: RequestDetail, bar: str, begin: int, it: Axis, ink: int) -> None:
    """The bar, with a sign in each cell in which a stall was."""
    marks: set[int] = set()
    found = one.deliveries
    for index, stall in enumerate(found.stall):
        if stall:
            low, high = it.span(found.at_s[index] - found.gap_s[index], found.at_s[index])
            marks.update(range(low, high))
    for cell, glyph in enumerate(bar, begin):
        pen.put(STALL if cell in marks else glyph, Ink.STALL if cell in marks else ink, 1)


def said_elsewhere(one: RequestDetail) -> Iterator[PhaseRow]:
    """What others timed of it: records of traces, and observers behind the one in front."""
    for row in one.joined.phases if one.joined is not None else ():
        if row.teller != one.teller or one.line.at is None:
            yield row


def _said_line(row: PhaseRow, it: Axis, text: int) -> Line:
    """Its bar where its start is known on our clock: solid where it surely was, thin where it may have been."""
    pen = Pen(_LABEL + it.width + 2 + text).cell(str(row.phase).replace("_", " "), _LABEL - 1, Ink.DIM).gap()
    low, high = row.duration_s
    if row.start_s is not None and not row.negative:
        begin, end = it.span(row.start_s[0], row.start_s[1] + high)
        sure = it.span(row.start_s[1], row.start_s[0] + low) if row.start_s[1] <= row.start_s[0] + low else None
        pen.gap(begin)
        for cell in range(begin, end):
            pen.put("─" if sure is None or not sure[0] <= cell < sure[1] else "━", Ink.TEXT, 1)
    pen.to(_LABEL + it.width + 1)
    about = ESTIMATE if row.formula and not row.clocks else ""
    length = fmt.seconds(low) if low == high else fmt.interval(low, high, fmt.Unit.SECONDS)[-1]
    pen.cell("negative" if row.negative else f"{about}{length}", 9, Ink.WARN if row.negative else Ink.TEXT, right=True)
    return pen.gap().put(f"{LETTERS[row.provenance]} {printable(row.teller)}", Ink.DIM).line()


def _facts(view: View, one: RequestDetail, width: int) -> list[Line]:
    """How it is, how it was answered, and what of its prompt was found where; always as many lines at one width. What finds no room is left out, never cut."""
    line = one.line
    at = ABSENT if line.at is None else fmt.wall(view.utc_s(line.at), line.at)
    late = Ink.STALL if line.stalls else Ink.TEXT
    stalled = f" ({fmt.seconds(one.stalled_s)} in them)" if line.stalls else ""
    prompt = f"prompt {_count(line.prompt_tokens)} tok"
    if one.computed_tokens is not None:
        found = "".join(f" + {fmt.count(hit.tokens)} found in {hit.tier}" for hit in one.hits)
        prompt += f" = {_count(one.computed_tokens)} computed{found}"
    output = f"output {'≥' if line.uncounted else ''}{_count(line.tokens)} tok"
    parts = [
        (f"{line.reason or line.state}", Ink.STRONG),
        (f"received {at}", Ink.DIM),
        (f"TTFT {_seconds(line.ttft_s)} {LETTERS[line.provenance]}", Ink.TEXT),
        (f"TPOT {_seconds(one.tpot_s)}", Ink.TEXT),
        (f"longest gap {_seconds(line.longest_s)}", late),
        (f"stalls {line.stalls}{stalled}", late),
        (output, Ink.TEXT),
        (prompt, Ink.TEXT),
        (f"by {one.teller}", Ink.DIM) if one.teller else ("", Ink.DIM),
    ]
    pens = [Pen(width) for _ in range(2 if width >= _WIDE else 3)]
    at_line = 0
    for text, ink in parts:
        text = printable(text)
        if cells(text) > pens[at_line].left and at_line < len(pens) - 1:
            at_line += 1
        if cells(text) <= pens[at_line].left:
            pens[at_line].put(text, ink).gap(2)
    return [pen.line() for pen in pens]


def _scale(it: Axis, text: int) -> Line:
    pen = Pen(_LABEL + it.width + 2 + text).to(_LABEL)
    if it.split_s is None:
        end = fmt.seconds(it.end_s)
        return pen.put("╷0", Ink.FAINT).to(_LABEL + it.width - cells(end) - 1).put(f"{end}╷", Ink.FAINT).line()
    words = "first token " if it.first >= _WORDS else ""
    split, end = f"{words}{fmt.seconds(it.split_s)} ╎", fmt.seconds(it.end_s)
    start = max(it.first - cells(split) + 1, 0)
    if start > len("╷0"):  # else it would be a digit of what follows
        pen.put("╷0", Ink.FAINT)
    pen.to(_LABEL + start).put(split, Ink.FAINT)
    return pen.to(_LABEL + it.width - cells(end) - 1).put(f"{end}╷", Ink.FAINT).line()


def _seconds(value: float | None) -> str:
    return ABSENT if value is None else fmt.seconds(value)


def _count(value: int | None) -> str:
    return ABSENT if value is None else fmt.count(value)
