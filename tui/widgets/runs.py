"""Agent runs: each a row that opens into its requests, as a tree by their times, with the critical path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui import format as fmt
from tui.glyphs import ABSENT, ESTIMATE
from tui.line import Line, Pen, clip_middle
from tui.plain import printable
from tui.theme import Ink
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable

    from collectors.model.detail import Workflow, WorkflowLine, WorkflowStep
    from tui.view import View

CLOSED: Final = "▸"
OPEN: Final = "▾"
CRITICAL: Final = "◆"
_NAME: Final = 22
_TAIL: Final = 30


class Runs(RowsPanel):
    """Keys of rows: the run's id, and of a step of it the request's number."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.opened: set[str] = set()

    def title(self, view: View) -> tuple[str, str]:
        return "Agent runs", f"{CRITICAL} critical path {ESTIMATE} by times: each step after the last that had ended"

    def toggle(self, run: str) -> None:
        self.opened ^= {run}

    def body(self, view: View, width: int, height: int) -> Body:
        frame, detail = view.frame, view.detail
        if frame is None or detail is None:
            return Body([Pen(width).put(ABSENT, Ink.DIM).line()], 0, 0, 0)
        now = frame.time_ns
        keys: list[Hashable] = []
        rows: list[tuple[WorkflowLine | WorkflowStep, Workflow | None]] = []
        for line in detail.workflows(now):
            run = detail.workflow(line.id, now) if line.id in self.opened else None
            keys.append(line.id)
            rows.append((line, run))
            for step in run.steps if run is not None else ():
                keys.append(step.line.key)
                rows.append((step, run))
        if not rows:
            text = "no request says that it is of an agent run (a placement stream's `workflow`)"
            return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
        first = min(self.scroll_rows, max(len(rows) - height, 0))
        shown = rows[first : first + height]
        lines = [self._line(view, row, run, width) for row, run in shown]
        return Body(lines, first, len(shown), len(rows), keys=keys, spots=stacked(len(shown)))

    def _line(self, view: View, row: WorkflowLine | WorkflowStep, run: Workflow | None, width: int) -> Line:
        from collectors.model.detail import WorkflowStep

        if isinstance(row, WorkflowStep):
            assert run is not None
            return _step(view, row, run, width)
        return _run(view, row, run, width)


def _run(view: View, row: WorkflowLine, run: Workflow | None, width: int) -> Line:
    pen = Pen(width).put(f"{OPEN if run is not None else CLOSED} ", Ink.ACCENT)
    pen.cell(clip_middle(printable(row.id), _NAME - 3), _NAME - 3, Ink.STRONG).gap()
    pen.put(f"{row.requests:>3} {'request ' if row.requests == 1 else 'requests'} ", Ink.TEXT).put(
        f"{row.live} live  " if row.live else "ended   ", Ink.GOOD if row.live else Ink.DIM
    )
    pen.put(f"began {fmt.wall(view.utc_s(row.begin_s), row.begin_s)}  ", Ink.DIM)
    pen.put(f"took {fmt.seconds(row.end_s - row.begin_s)}{'…' if row.live else ''}", Ink.TEXT)
    if run is not None and run.span_s > 0:
        share = fmt.percent(run.critical_s, run.span_s)
        pen.put(f"  {ESTIMATE}{fmt.seconds(run.critical_s)} ({share}) in requests of the critical path", Ink.DIM)
    return pen.line()


def _step(view: View, step: WorkflowStep, run: Workflow, width: int) -> Line:
    """Its bar on the axis of its run."""
    line = step.line
    pen = Pen(width).gap(2).put(f"{CRITICAL} " if step.critical else "│ ", Ink.WARN if step.critical else Ink.FAINT)
    room = _NAME - 5
    pen.cell(
        "  " * min(step.depth, 4) + clip_middle(printable(line.id), room - 2 * min(step.depth, 4)), room, Ink.TEXT
    ).gap()
    size = max(width - _NAME - _TAIL - 1, 8)
    begin_s = min(one.begin_s for one in run.steps)
    span = run.span_s or 1e-9
    low = min(int(size * (step.begin_s - begin_s) / span), size - 1)
    end_s = step.end_s if step.end_s is not None else step.begin_s + (line.last_s or 0.0)
    high = max(low + 1, min(round(size * (end_s - begin_s) / span), size))
    pen.put("·" * low, Ink.FAINT).put(
        ("█" if step.critical else "▒") * (high - low), Ink.WARN if step.critical else Ink.BAR_ACTIVE
    )
    pen.put("·" * (size - high), Ink.FAINT).gap()
    took = ABSENT if line.last_s is None else fmt.seconds(line.last_s)
    pen.cell(f"{took}{'…' if step.end_s is None else ''}", 9, Ink.TEXT, right=True).gap()
    tokens = ABSENT if line.tokens is None else fmt.count(line.tokens)
    pen.cell(f"{tokens} tok", 9, Ink.TEXT, right=True).gap()
    return pen.put(view.name(line.decode) if line.decode else str(line.state), Ink.DIM).line()
