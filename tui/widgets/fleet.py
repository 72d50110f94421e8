"""The fleet table: a row for each target that ails, with its reason, one for each that is probed, and one for each worker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Device, Role, State, TargetStatus
from tui import format as fmt
from tui.format import Unit
from tui.glyphs import ABSENT, DOWN, OURS, STALE
from tui.inks import figure_ink
from tui.line import Line, Pen, clip_middle, printable
from tui.playhead import Mode
from tui.probes import probed
from tui.table import Cell, Column, Drawn, grid, heading, row_lines
from tui.theme import Ink, device_ink
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable

    from collectors.model.figure import Figure, Quantile
    from collectors.model.frame import Frame, TargetRow, WorkerRow
    from collectors.model.probes import ProbeRow
    from tui.view import View

KINDS: Final = {Device.TRAINIUM: "Trn", Device.UNKNOWN: "–"}
ROLES: Final = {Role.AGGREGATED: "aggreg.", Role.ATTENTION: "attent.", Role.UNKNOWN: "–"}


def ailing(frame: Frame) -> list[TargetRow]:
    """Targets that do not answer as they should, in the Frame's order; those that are up with a warning too."""
    return [target for target in frame.targets if target.status is not TargetStatus.UP or target.reason]


def columns(view: View, frame: Frame) -> list[Column[WorkerRow]]:
    """All columns, in order."""
    longest = max((len(view.name(worker.id)) for worker in frame.workers), default=0)
    name = max(7, min(longest, 14))
    status = {target.name: target.status for target in frame.targets}
    mixed = frame.emulated and not all(worker.tokens_per_s.emulated for worker in frame.workers)

    def mark(row: WorkerRow) -> Cell:
        state = status.get(row.target, TargetStatus.UP)
        if state is not TargetStatus.UP:
            return (STALE if state is TargetStatus.STALE else DOWN,), Ink.BAD
        return ("e" if mixed and row.tokens_per_s.emulated else " ",), Ink.WARN

    def number(it: Figure, unit: Unit) -> Cell:
        return fmt.figure(it, unit, frame.time_ns), figure_ink(it)

    def quantile(it: Quantile) -> Cell:
        return fmt.quantile(it, Unit.SECONDS, frame.time_ns), figure_ink(it)

    def power(row: WorkerRow) -> Cell:
        return number(row.power_watts, Unit.WATTS) if row.power_watts else ((ABSENT,), Ink.DIM)

    told = any(worker.power_watts for worker in frame.workers)
    powers: list[Column[WorkerRow]] = [Column("power", 7, power, 4)] if told else []
    return [
        Column("", 1, mark, text=True),
        Column("worker", name, lambda row: ((view.name(row.id),), Ink.STRONG), text=True, most=24, shorten=clip_middle),
        Column(
            "kind", 4, lambda row: ((KINDS.get(row.device, str(row.device)),), device_ink(row.device, 2)), text=True
        ),
        Column("role", 7, lambda row: ((_role(row),), Ink.TEXT), 1, text=True),
        Column("model", 9, lambda row: ((_model(row.model),), Ink.DIM), 3, text=True, most=26, shorten=clip_middle),
        Column("run", 4, lambda row: number(row.running, Unit.COUNT)),
        Column("wait", 4, lambda row: number(row.waiting, Unit.COUNT)),
        Column("tok/s", 5, lambda row: number(row.tokens_per_s, Unit.RATE)),
        Column("gap p50", 11, lambda row: quantile(row.gap.p50)),
        Column("gap p99", 11, lambda row: quantile(row.gap.p99)),
        Column("n", 5, lambda row: _n(row.gap.n), 2),
        Column("tok/dlv", 7, lambda row: number(row.tokens_per_delivery, Unit.RATE), 10),
        Column("stall", 7, lambda row: number(row.longest_stall_s, Unit.SECONDS), 4),
        Column("TTFT p50", 13, lambda row: quantile(row.ttft.p50), 7),
        Column("TTFT p99", 13, lambda row: quantile(row.ttft.p99), 5),
        Column("n", 5, lambda row: _n(row.ttft.n), 5),
        Column("queue p50", 11, lambda row: quantile(row.queue.p50), 6),
        Column("queue p99", 11, lambda row: quantile(row.queue.p99), 6),
        Column("n", 5, lambda row: _n(row.queue.n), 6),
        Column("TPOT p50", 11, lambda row: quantile(row.tpot.p50), 8),
        Column("TPOT p99", 11, lambda row: quantile(row.tpot.p99), 8),
        Column("n", 5, lambda row: _n(row.tpot.n), 8),
        *powers,
        Column("chip", 12, lambda row: ((_chip(row),), Ink.DIM), 9, text=True, most=20),
    ]


def probe_line(probe: ProbeRow, now_ns: int, width: int) -> Line:
    """How our own requests to a target went."""
    ink = Ink.BAD if probe.failed.value else Ink.TEXT
    pen = Pen(width).put(OURS, Ink.WARN).gap().cell(printable(probe.source), min(20, width // 4), Ink.STRONG).gap()
    return pen.cell(printable(probed(probe, now_ns)), pen.left, ink).line()


def target_line(target: TargetRow, now_ns: int, width: int) -> Line:
    """A target that ails: what it is called, its state, why, and for how long."""
    # It answers, but not as it should, or nobody wants it to.
    stale = target.status in (TargetStatus.STALE, TargetStatus.UP, TargetStatus.GONE)
    ink = Ink.WARN if stale else Ink.BAD
    since = "never heard"
    if target.heard_ns is not None:
        since = f"{fmt.age(max(now_ns - target.heard_ns, 0) / 1e9)} ago"
    pen = Pen(width).put(STALE if stale else DOWN, ink).gap()
    pen.cell(printable(target.name), min(20, width // 4), Ink.STRONG).gap().cell(str(target.status), 8, ink).gap()
    return pen.cell(printable(target.reason), pen.left - len(since) - 1, Ink.TEXT).gap().put(since, Ink.DIM).line()


def fleet(
    view: View,
    width: int,
    height: int,
    first: int,
    *,
    fold: bool = False,
    drawn: Drawn[WorkerRow, list[Line]] | None = None,
) -> Body:
    """Heading and rows in `width` × `height`, from row `first` on. Only those are drawn, and not again if `drawn` has them."""
    frame = view.frame
    if frame is None or not (frame.workers or frame.probes or ailing(frame)):
        text = (
            "the driver ended before it had anything to show"
            if view.mode in (Mode.ENDED, Mode.FAILED)
            else "waiting for the first answer …"
        )
        return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
    specs = columns(view, frame)
    table = grid(specs, width, _needs(specs, view, frame), fold=fold)
    lines = heading(table, width)
    each = len(table.lines)
    heads = [partial(target_line, target) for target in ailing(frame)]
    heads += [partial(probe_line, probe) for probe in frame.probes]
    total = len(heads) + len(frame.workers)
    shown = min(max((height - each) // each, 0), total)
    first = min(first, total - shown)
    drawn, shape = drawn or Drawn(), table.shape
    mark = specs[0].cell
    for index in range(first, first + shown):
        if index < len(heads):
            lines += [heads[index](frame.time_ns, width), *[Pen(width).line()] * (each - 1)]
        else:
            row = frame.workers[index - len(heads)]
            ages = frame.time_ns // 1_000_000_000 if _is_stale(row) else 0
            how = shape, width, view.name(row.id), mark(row), ages
            lines += drawn.of(row.id, row, how, partial(row_lines, table, row, width))
    return Body(
        lines,
        first,
        shown,
        total,
        len(table.left_out),
        keys=row_keys(frame),
        spots=stacked(shown, head=each, each=each),
    )


def row_keys(frame: Frame) -> list[Hashable]:
    """What each row is known by: a worker by its id."""
    ailed: list[Hashable] = [("target", target.name) for target in ailing(frame)]
    probed = [("probe", probe.target, probe.model) for probe in frame.probes]
    return [*ailed, *probed, *(worker.id for worker in frame.workers)]


def _needs(specs: list[Column[WorkerRow]], view: View, frame: Frame) -> list[int]:
    """Widest text of each column that may grow."""
    widest = {
        "worker": max((len(view.name(row.id)) for row in frame.workers), default=0),
        "model": max((len(_model(row.model)) for row in frame.workers), default=0),
        "chip": max((len(_chip(row)) for row in frame.workers), default=0),
    }
    return [widest.get(column.name, 0) for column in specs]


def _is_stale(row: WorkerRow) -> bool:
    """Whether any figure of it says how old it is."""
    figures = (row.running, row.waiting, row.tokens_per_s, row.tokens_per_delivery, row.longest_stall_s)
    quantiles = (one for of in (row.gap, row.ttft, row.queue, row.tpot) for one in (of.p50, of.p99))
    if row.power_watts and row.power_watts.state is State.STALE:
        return True
    return any(one.state is State.STALE for one in (*figures, *quantiles))


def _n(n: int) -> Cell:
    return (fmt.count(n) if n else "",), Ink.DIM


def _model(name: str) -> str:
    """A model without the organisation before it."""
    return printable(name.rpartition("/")[2])


def _role(row: WorkerRow) -> str:
    """With a question mark where only configuration says so."""
    role = ROLES.get(row.role, str(row.role))
    return f"{role[:6].rstrip('.')}?" if "role" in row.assumed else role


def _chip(row: WorkerRow) -> str:
    return printable(f"{row.chips} × {row.chip}" if row.chips > 1 and row.chip else row.chip)


class Fleet(RowsPanel):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._drawn: Drawn[WorkerRow, list[Line]] = Drawn()

    def body(self, view: View, width: int, height: int) -> Body:
        return fleet(view, width, height, self.scroll_rows, fold=self.zoomed, drawn=self._drawn)

    def title(self, view: View) -> tuple[str, str]:
        frame = view.frame
        return (
            "Fleet",
            f"window {fmt.plain(frame.window_s, Unit.COUNT)} s" if frame is not None and frame.window_s else "",
        )
