"""The columns of the fleet table, and the figures behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Device, Role, State, TargetStatus
from tui import format as fmt
from tui import meanings
from tui.format import Unit
from tui.glyphs import DOWN, STALE
from tui.inks import figure_ink
from tui.line import clip_middle
from tui.plain import printable
from tui.table import Cell, Column
from tui.theme import Ink, device_ink
from tui.told import Told

if TYPE_CHECKING:
    from collectors.model.figure import Distribution, Figure, Quantile
    from collectors.model.frame import Frame, WorkerRow
    from tui.view import View

KINDS: Final = {Device.TRAINIUM: "Trn", Device.UNKNOWN: "–"}
ROLES: Final = {Role.AGGREGATED: "aggreg.", Role.ATTENTION: "attent.", Role.UNKNOWN: "–"}


def columns(view: View, frame: Frame) -> list[Column[WorkerRow]]:
    """All columns, in order."""
    name = max(7, min(longest_name(view, frame), 14))
    status = {target.name: target.status for target in frame.targets}
    mixed = frame.emulated and False in [worker.tokens_per_s.emulated for worker in frame.workers]

    def mark(row: WorkerRow) -> Cell:
        state = status.get(row.target, TargetStatus.UP)
        if state is not TargetStatus.UP:
            return (STALE if state is TargetStatus.STALE else DOWN,), Ink.BAD
        return ("e" if mixed and row.tokens_per_s.emulated else " ",), Ink.WARN

    def number(
        title: str,
        width: int,
        of: Callable[[WorkerRow], Figure],
        unit: Unit,
        means: str,
        rank: int = 0,
        *,
        now: bool = False,
    ) -> Column[WorkerRow]:
        return Column(
            title,
            width,
            lambda row: (fmt.figure(of(row), unit, frame.time_ns), figure_ink(of(row))),
            rank,
            told=lambda row: Told(title, of(row), unit, means, of=view.name(row.id), now=now),
            figure=of,
        )

    def quantile(
        title: str,
        width: int,
        of: Callable[[WorkerRow], Distribution],
        which: Callable[[Distribution], Quantile],
        means: str,
        rank: int,
    ) -> Column[WorkerRow]:
        def cell(row: WorkerRow) -> Cell:
            it = which(of(row))
            return fmt.quantile(it, Unit.SECONDS, frame.time_ns), figure_ink(it)

        def told(row: WorkerRow) -> Told:
            whole = of(row)
            return Told(title, which(whole), Unit.SECONDS, means, whole.population, whole.n, view.name(row.id))

        return Column(title, width, cell, rank, told=told, figure=lambda row: which(of(row)))

    def spread(
        title: str, of: Callable[[WorkerRow], Distribution], means: str, width: int, ranks: tuple[int, int, int]
    ) -> list[Column[WorkerRow]]:
        """p50, p99 and of how many."""
        return [
            quantile(f"{title} p50", width, of, lambda it: it.p50, means, ranks[0]),
            quantile(f"{title} p99", width, of, lambda it: it.p99, means, ranks[1]),
            Column("n", 5, lambda row: _n(of(row).n), ranks[2]),
        ]

    def power(row: WorkerRow) -> Figure:
        from collectors.model.figure import Figure  # what it needs is not loaded before the first frame

        return row.power_watts or Figure(None, State.ABSENT, None, False, None)

    told = any(worker.power_watts for worker in frame.workers)
    powers = [number("power", 7, power, Unit.WATTS, meanings.POWER, 4, now=True)] if told else []
    return [
        Column("", 1, mark, text=True),
        Column("worker", name, lambda row: ((view.name(row.id),), Ink.STRONG), text=True, most=24, shorten=clip_middle),
        Column(
            "kind", 4, lambda row: ((KINDS.get(row.device, str(row.device)),), device_ink(row.device, 2)), text=True
        ),
        Column("role", 7, lambda row: ((_role(row),), Ink.TEXT), 1, text=True),
        Column("model", 9, lambda row: ((model_name(row),), Ink.DIM), 3, text=True, most=26, shorten=clip_middle),
        number("run", 4, lambda row: row.running, Unit.COUNT, meanings.RUNNING, now=True),
        number("wait", 4, lambda row: row.waiting, Unit.COUNT, meanings.WAITING, now=True),
        number("tok/s", 5, lambda row: row.tokens_per_s, Unit.RATE, meanings.TOKENS_PER_S),
        *spread("gap", lambda row: row.gap, meanings.GAP, 11, (0, 0, 2)),
        number("tok/dlv", 7, lambda row: row.tokens_per_delivery, Unit.RATE, meanings.TOKENS_PER_DELIVERY, 10),
        number("stall", 7, lambda row: row.longest_stall_s, Unit.SECONDS, meanings.LONGEST_STALL, 4),
        *spread("TTFT", lambda row: row.ttft, meanings.TTFT, 13, (7, 5, 5)),
        *spread("queue", lambda row: row.queue, meanings.QUEUE, 11, (6, 6, 6)),
        *spread("TPOT", lambda row: row.tpot, meanings.TPOT, 11, (8, 8, 8)),
        *powers,
        Column("chip", 12, lambda row: ((chip_name(row),), Ink.DIM), 9, text=True, most=20),
    ]


def needs(specs: list[Column[WorkerRow]], view: View, frame: Frame) -> list[int]:
    """Widest text of each column that may grow."""
    widest = {
        "worker": longest_name(view, frame),
        "model": max(map(len, {_last(model) for model in {row.model for row in frame.workers}}), default=0),
        "chip": max(
            map(len, {_chips(*chips) for chips in {(row.chips, row.chip) for row in frame.workers}}), default=0
        ),
    }
    return [widest.get(column.name, 0) for column in specs]


def longest_name(view: View, frame: Frame) -> int:
    """Of a worker, as it is shown."""
    if len(view.names) == len(frame.workers):
        return max(map(len, view.names.values()), default=0)
    return max((len(view.name(row.id)) for row in frame.workers), default=0)


def is_stale(row: WorkerRow) -> bool:
    """Whether any figure of it says how old it is."""
    figures = (row.running, row.waiting, row.tokens_per_s, row.tokens_per_delivery, row.longest_stall_s)
    quantiles = (one for of in (row.gap, row.ttft, row.queue, row.tpot) for one in (of.p50, of.p99))
    if row.power_watts and row.power_watts.state is State.STALE:
        return True
    return any(one.state is State.STALE for one in (*figures, *quantiles))


def _n(n: int) -> Cell:
    return (fmt.count(n) if n else "",), Ink.DIM


def model_name(row: WorkerRow) -> str:
    """Its model without the organisation before it."""
    return _last(row.model)


def _last(model: str) -> str:
    return printable(model.rpartition("/")[2])


def _role(row: WorkerRow) -> str:
    """With a question mark where only configuration says so."""
    role = ROLES.get(row.role, str(row.role))
    return f"{role[:6].rstrip('.')}?" if "role" in row.assumed else role


def chip_name(row: WorkerRow) -> str:
    return _chips(row.chips, row.chip)


def _chips(chips: int, chip: str) -> str:
    return printable(f"{chips} × {chip}" if chips > 1 and chip else chip)
