"""The time before a session as far as servers have stored it: rows of half a minute, and levels of the timeline. Never part of a window's figures."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from collectors.model.figure import Quantile
from collectors.model.frame import BackfillRow
from collectors.model.timeline import BACKFILLED, marked
from collectors.model.vocabulary import Provenance, State
from collectors.session.fleet import Worker
from collectors.session.timeline import level_between
from collectors.stats.earlier import Earlier
from collectors.stats.figures import figure
from collectors.stats.spans import spread

CELL_S: Final = 30
MAX_CELLS: Final = 64
"""The newest ones: a recording may come from anywhere, and tell of any time."""
_SECOND_NS: Final = 1_000_000_000


class Backfill(msgspec.Struct, frozen=True):
    rows: tuple[BackfillRow, ...] = ()
    levels: dict[int, int] = {}
    """Bytes of the timeline, by session second."""


class _Cell:
    """Workers of which an interval holds the middle of the cell."""

    def __init__(self) -> None:
        self.rates: dict[str, float] = {}
        self.routed: dict[str, float] = {}
        """Of the routers."""
        self.workers: set[str] = set()
        self.worst: tuple[float, float, str, int] | None = None
        self.emulated = False


def backfill(told: Sequence[tuple[list[Earlier], bool]], fleet: Mapping[str, Worker]) -> Backfill:
    """Of what each source told, and whether it is emulated. Two sources that tell of one worker are not added: the first one counts.

    What the workers of `fleet` count is taken as in a Frame: routers count for the rate only where no worker does, and have no jitter of their own.
    """
    cells: dict[int, _Cell] = {}
    resets: set[int] = set()
    for workers, emulated in told:
        for one in workers:
            _add(cells, one, emulated, fleet.get(one.worker))
            resets.update((one.resets_ns // _SECOND_NS).tolist())
    rows = tuple(_row(at, cell) for at, cell in sorted(cells.items())[-MAX_CELLS:])
    levels = {
        second: BACKFILLED + level
        for row in rows
        if (level := _level(row.p99_minus_p50))
        for second in range(round(row.at) - CELL_S, round(row.at))
    }
    first = round(rows[0].at) - CELL_S if rows else 0
    levels |= {second: marked(levels.get(second, 0)) for second in resets if rows and first <= second < rows[-1].at}
    return Backfill(rows, levels)


def _add(cells: dict[int, _Cell], one: Earlier, emulated: bool, worker: Worker | None) -> None:
    if not len(one.ends_ns):
        return
    cell_ns = CELL_S * _SECOND_NS
    first, last = int(one.begins_ns[0] // cell_ns), int(one.ends_ns[-1] // cell_ns)
    numbers = np.arange(max(first, last - MAX_CELLS), last + 1)
    middles = numbers * cell_ns + cell_ns // 2
    at = np.minimum(one.ends_ns.searchsorted(middles), len(one.ends_ns) - 1)
    inside = (one.begins_ns[at] < middles) & (middles <= one.ends_ns[at])
    for number, row in zip(numbers[inside].tolist(), at[inside].tolist(), strict=True):
        cell = cells.setdefault(number, _Cell())
        if one.worker in cell.workers:
            continue
        cell.workers.add(one.worker)
        cell.emulated |= emulated
        routes = worker is not None and not worker.runs_tokens
        if one.tokens[row] >= 0 and (routes or worker is None or worker.makes_output):
            rates = cell.routed if routes else cell.rates
            rates[one.worker] = int(one.tokens[row]) / (int(one.ends_ns[row] - one.begins_ns[row]) / 1e9)
        (low50, high50), (low99, high99) = one.p50[row].tolist(), one.p99[row].tolist()
        if low99 == low99 and not routes:
            least, most = spread((low50, high50), (low99, high99))
            if cell.worst is None or (most, least) > (cell.worst[1], cell.worst[0]):
                cell.worst = least, most, one.worker, int(one.n[row])


def _row(number: int, cell: _Cell) -> BackfillRow:
    end_ns = (number + 1) * CELL_S * _SECOND_NS
    rates = cell.rates or cell.routed
    rate = figure(
        sum(rates.values()) if rates else None,
        Provenance.DERIVED,
        emulated=cell.emulated,
        heard_ns=end_ns,
        n=len(rates),
    )
    worst, apart = None, Quantile(None, State.ABSENT, None, cell.emulated, end_ns)
    if cell.worst is not None:
        least, most, worst, n = cell.worst
        state = State.OVER_RANGE if most == float("inf") else State.OK if most else State.ZERO
        value = (least + most) / 2 if state is not State.OVER_RANGE else None
        high = most if value is not None else None
        apart = Quantile(value, state, Provenance.DERIVED, cell.emulated, end_ns, n, low=least, high=high)
    return BackfillRow(end_ns / 1e9, CELL_S, len(cell.workers), rate, worst, apart)


def _level(apart: Quantile) -> int:
    """0 where it is not known."""
    return 0 if apart.low is None else level_between(apart.low, math.inf if apart.high is None else apart.high)
