"""What the router chose: labels by workers, what it knew of what they hold, and how clear its choices were."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.model.vocabulary import State
from tui import format as fmt
from tui import meanings
from tui.format import Unit
from tui.glyphs import ABSENT, ACTIVE, FREE
from tui.inks import figure_ink
from tui.line import Line, Pen, clip_middle
from tui.plain import printable
from tui.table import Column, fields_of, grid, heading, heads, row_lines, told_of
from tui.theme import Ink, device_ink
from tui.told import Told
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from collectors.model.figure import Figure
    from collectors.model.frame import Frame
    from collectors.model.memory import ReuseRow
    from collectors.model.routing import LabelRow, RuleRow
    from tui.filter import Field
    from tui.table import Cell
    from tui.view import View

MEASURES: Final = ("choices", "TTFT p50", "TTFT p99", "TPOT p50", "TPOT p99")
SILENT: Final = "not reported: no router here tells its decisions (a placement stream does)"
ORDER: Final = ("interactive", "batch", "prefill-heavy", "decode-heavy", "short-context", "long-context")
"""Labels in pairs; others after them by name."""
MARGINS: Final = ("tie", "<.001", "<.01", "<.1", "<1", "<10", "<100", "≥100")


class Label(NamedTuple):
    """A row of the matrix: what each worker has of a label."""

    name: str
    by_worker: dict[str, LabelRow]


def labels_of(frame: Frame) -> list[Label]:
    found: dict[str, dict[str, LabelRow]] = {}
    for row in frame.routing.labels if frame.routing is not None else ():
        found.setdefault(row.label, {})[row.worker] = row
    order = {name: place for place, name in enumerate(ORDER)}
    return [Label(name, found[name]) for name in sorted(found, key=lambda one: (order.get(one, len(order)), one))]


def told_cell(measure: str, row: LabelRow, name: str) -> Told:
    """The figure of a cell of the matrix."""
    of = f"{printable(row.label)} at {name}"
    if measure == "choices":
        return Told(measure, row.decided, Unit.COUNT, meanings.DECIDED, of=of)
    what, _, which = measure.partition(" ")
    whole = row.ttft if what == "TTFT" else row.tpot
    means = meanings.TTFT if what == "TTFT" else meanings.TPOT
    return Told(measure, whole.p50 if which == "p50" else whole.p99, Unit.SECONDS, means, whole.population, whole.n, of)


def _total(label: Label) -> int:
    return sum(int(row.decided.value or 0) for row in label.by_worker.values())


def matrix_columns(view: View, frame: Frame, measure: str) -> list[Column[Label]]:
    """Label, all of its choices, then a column for each worker that was chosen for any."""
    labels = labels_of(frame)
    chosen = {worker for label in labels for worker in label.by_worker}
    kinds = {row.id: row.device for row in frame.workers}
    workers = [row.id for row in frame.workers if row.id in chosen]
    workers += sorted(chosen.difference(workers))

    def cell(worker: str, label: Label) -> Cell:
        row = label.by_worker.get(worker)
        if row is None:
            return (FREE,), Ink.FAINT
        told = told_cell(measure, row, "")
        if measure == "choices":
            share = fmt.percent(row.decided.value or 0, _total(label))
            count = fmt.count(row.decided.value or 0)
            return (f"{count} {share:>5}", count), figure_ink(row.decided)
        n = f" n{fmt.count(told.n or 0)}"
        forms = fmt.quantile(told.it, Unit.SECONDS, frame.time_ns)  # type: ignore[arg-type]  # it is one
        return (*(f"{form}{n}" for form in forms[:1]), *forms), figure_ink(
            told.it, device_ink(kinds[worker], 2) if worker in kinds else Ink.TEXT
        )

    def figure(worker: str, label: Label) -> Told:
        row = label.by_worker.get(worker)
        if row is None:
            from collectors.model.figure import Figure

            return Told(
                view.name(worker),
                Figure(None, State.ABSENT, None, frame.emulated, None),
                Unit.COUNT,
                "never chosen for it in the window",
            )
        return told_cell(measure, row, view.name(worker))

    size = max(12, min(16, max((len(view.name(one)) for one in workers), default=0)))
    return [
        Column("label", 13, lambda label: ((printable(label.name),), Ink.STRONG), text=True, most=24),
        Column("all", 6, lambda label: ((fmt.count(_total(label)),), Ink.TEXT)),
        *(
            Column(
                clip_middle(view.name(worker), size),
                size,
                partial(cell, worker),
                1 + place,
                told=partial(figure, worker),
            )
            for place, worker in enumerate(workers)
        ),
    ]


class Labels(RowsPanel):
    measure = MEASURES[0]

    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        if frame is None or frame.routing is None or not frame.routing.labels:
            return Body([Pen(width).put(ABSENT if frame is None else SILENT, Ink.DIM).line()], 0, 0, 0)
        specs = matrix_columns(view, frame, self.measure)
        rows = self.pick(labels_of(frame), lambda: fields_of(specs))
        table = grid(specs, width, [max(len(label.name) for label in labels_of(frame)), *[0] * (len(specs) - 1)])
        shown = min(max(height - 1, 0), len(rows))
        first = min(self.scroll_rows, len(rows) - shown)
        lines = heading(table, width, self.order)
        for label in rows[first : first + shown]:
            lines += row_lines(table, label, width)
        keys = [label.name for label in rows]
        return Body(lines, first, shown, len(rows), len(table.left_out), keys, stacked(shown, head=1), heads(table))

    def title(self, view: View) -> tuple[str, str]:
        return "Labels × workers", f"{self.measure} · m: the next measure · a request counts for each of its labels"

    def fields(self, view: View) -> Sequence[Field[Label]]:
        return fields_of(matrix_columns(view, view.frame, self.measure)) if view.frame is not None else ()

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        frame = view.frame
        label = next((one for one in labels_of(frame) if one.name == row), None) if frame is not None else None
        if label is None:
            return ()
        return [
            told_cell(measure, cell, view.name(worker))
            for worker, cell in label.by_worker.items()
            for measure in MEASURES
        ]


class Step(NamedTuple):
    """A line of the waterfall."""

    router: str
    name: str
    it: Figure
    whole: Figure
    means: str


def steps(frame: Frame) -> list[Step]:
    return [step for row in frame.reuse for step in _steps(row)]


def _steps(row: ReuseRow) -> list[Step]:
    parts = [
        ("prompt", row.prompt_tokens, meanings.REUSE_PROMPT),
        ("available", row.available_tokens, meanings.AVAILABLE),
        ("captured", row.captured_tokens, meanings.CAPTURED),
        ("delivered", row.delivered_tokens, meanings.DELIVERED),
    ]
    # Absent where nobody tells single requests; without loading what UNSET is of.
    parts += [
        (name, it, means)
        for name, it, means in (
            ("not found", row.missing_tokens, meanings.MISSING),
            ("not foreseen", row.unforeseen_tokens, meanings.UNFORESEEN),
        )
        if it
    ]
    return [Step(row.router, name, it, row.prompt_tokens, means) for name, it, means in parts]


def step_line(step: Step, now_ns: int, width: int) -> Line:
    """Its share of the prompt tokens as a bar, and in figures."""
    pen = Pen(width).cell(step.name, 12, Ink.STRONG).gap()
    pen.cell(fmt.pick(fmt.figure(step.it, Unit.TOKENS, now_ns), 10), 10, figure_ink(step.it), right=True).gap()
    known = step.it.value is not None and bool(step.whole.value)
    share = (step.it.value or 0) / step.whole.value if known and step.whole.value else 0.0
    pen.cell(fmt.percent(step.it.value or 0, step.whole.value or 0) if known else ABSENT, 5, Ink.TEXT, right=True).gap()
    size = pen.left
    full = min(size, round(share * size))
    return pen.put(ACTIVE * full, Ink.BAR_ACTIVE).put(FREE * (size - full), Ink.BAR_FREE).line()


class Waterfall(RowsPanel):
    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        found = steps(frame) if frame is not None else []
        if not found or frame is None:
            text = ABSENT if frame is None else "not reported: no router tells what it believes its workers to hold"
            return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
        shown = min(height, len(found))
        first = min(self.scroll_rows, len(found) - shown)
        lines = [step_line(step, frame.time_ns, width) for step in found[first : first + shown]]
        return Body(
            lines, first, shown, len(found), keys=[(step.router, step.name) for step in found], spots=stacked(shown)
        )

    def title(self, view: View) -> tuple[str, str]:
        return "Reuse", "of the prompt tokens that the router placed in the window"

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        found = steps(view.frame) if view.frame is not None else []
        return [
            Told(step.name, step.it, Unit.TOKENS, step.means, of=printable(step.router))
            for step in found
            if (step.router, step.name) == row
        ]


def rule_columns(frame: Frame) -> list[Column[RuleRow]]:
    def counted(title: str, width: int, of: str, means: str) -> Column[RuleRow]:
        def told(row: RuleRow) -> Told:
            return Told(title, getattr(row, of), Unit.COUNT, means, of=printable(row.rule))

        return Column(
            title,
            width,
            lambda row: (fmt.figure(getattr(row, of), Unit.COUNT, frame.time_ns), figure_ink(getattr(row, of))),
            told=told,
        )

    def margin(place: int, row: RuleRow) -> Cell:
        count, total = row.margins[place], sum(row.margins)
        if not count:
            return (FREE,), Ink.FAINT
        return (fmt.percent(count, total).replace(" ", ""),), Ink.WARN if place == 0 else Ink.TEXT

    return [
        Column("rule", 14, lambda row: ((printable(row.rule),), Ink.STRONG), text=True, most=28, shorten=clip_middle),
        counted("chosen", 6, "decided", meanings.DECIDED),
        counted("ties", 5, "ties", meanings.TIES),
        counted("alone", 5, "alone", meanings.ALONE),
        *(Column(name, 5, partial(margin, place), 8 - place) for place, name in enumerate(MARGINS)),
    ]


class Rules(RowsPanel):
    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        if frame is None or frame.routing is None or not frame.routing.rules:
            return Body([Pen(width).put(ABSENT if frame is None else SILENT, Ink.DIM).line()], 0, 0, 0)
        specs = rule_columns(frame)
        rows = self.pick(frame.routing.rules, lambda: fields_of(specs))
        table = grid(specs, width, [max(len(row.rule) for row in frame.routing.rules), *[0] * (len(specs) - 1)])
        shown = min(max(height - 1, 0), len(rows))
        first = min(self.scroll_rows, len(rows) - shown)
        lines = heading(table, width, self.order)
        for row in rows[first : first + shown]:
            lines += row_lines(table, row, width)
        keys = [row.rule for row in rows]
        return Body(lines, first, shown, len(rows), len(table.left_out), keys, stacked(shown, head=1), heads(table))

    def title(self, view: View) -> tuple[str, str]:
        return "Rules and margins", "chosen score − the next one's, of choices among several"

    def fields(self, view: View) -> Sequence[Field[RuleRow]]:
        return fields_of(rule_columns(view.frame)) if view.frame is not None else ()

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        frame = view.frame
        rules = frame.routing.rules if frame is not None and frame.routing is not None else ()
        return [
            told for one in rules if one.rule == row and frame is not None for told in told_of(rule_columns(frame), one)
        ]
