"""The time before a session as far as servers have stored it: rows of half a minute, and levels of the timeline. Never part of a window's figures."""

from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from collectors.model.frame import BackfillRow, Quantile
from collectors.model.vocabulary import Provenance, State
from collectors.session.placement_rows import timeline_level
from collectors.stats.earlier import Earlier
from collectors.stats.figures import figure

CELL_S: Final = 30
MAX_CELLS: Final = 64
"""The newest ones: a recording may come from anywhere, and tell of any time."""
BACKFILLED: Final = 32
"""Added to a level of the timeline (`Frame.timeline`)."""
_SECOND_NS: Final = 1_000_000_000


class Backfill(msgspec.Struct, frozen=True):
    rows: tuple[BackfillRow, ...] = ()
    levels: dict[int, int] = {}
    """By session second."""


class _Cell:
    """Workers of which an interval holds the middle of the cell."""

    def __init__(self) -> None:
        self.rates: dict[str, float] = {}
        self.workers: set[str] = set()
        self.worst: tuple[float, float, str, int] | None = None
        self.emulated = False


def backfill(told: Iterable[tuple[list[Earlier], bool]]) -> Backfill:
    """Of what each source told, and whether it is emulated. Two sources that tell of one worker are not added: the first one counts."""
    cells: dict[int, _Cell] = {}
    for workers, emulated in told:
        for one in workers:
            _add(cells, one, emulated)
    rows = tuple(_row(at, cell) for at, cell in sorted(cells.items())[-MAX_CELLS:])
    levels = {
        second: BACKFILLED + level
        for row in rows
        if (level := _level(row.p99_minus_p50))
        for second in range(round(row.at) - CELL_S, round(row.at))
    }
    return Backfill(rows, levels)


def _add(cells: dict[int, _Cell], one: Earlier, emulated: bool) -> None:
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
        if one.tokens[row] >= 0:
            cell.rates[one.worker] = int(one.tokens[row]) / (int(one.ends_ns[row] - one.begins_ns[row]) / 1e9)
        (low50, high50), (low99, high99) = one.p50[row].tolist(), one.p99[row].tolist()
        if low99 == low99:
            least, most = max(low99 - high50, 0.0), high99 - low50
            if cell.worst is None or (most, least) > (cell.worst[1], cell.worst[0]):
                cell.worst = least, most, one.worker, int(one.n[row])


def _row(number: int, cell: _Cell) -> BackfillRow:
    end_ns = (number + 1) * CELL_S * _SECOND_NS
    rate = figure(
        sum(cell.rates.values()) if cell.rates else None,
        Provenance.DERIVED,
        emulated=cell.emulated,
        heard_ns=end_ns,
        n=len(cell.rates),
    )
    worst, spread = None, Quantile(None, State.ABSENT, None, cell.emulated, end_ns)
    if cell.worst is not None:
        least, most, worst, n = cell.worst
        state = State.OVER_RANGE if most == float("inf") else State.OK if most else State.ZERO
        value = (least + most) / 2 if state is not State.OVER_RANGE else None
        high = most if value is not None else None
        spread = Quantile(value, state, Provenance.DERIVED, cell.emulated, end_ns, n, low=least, high=high)
    return BackfillRow(end_ns / 1e9, CELL_S, len(cell.workers), rate, worst, spread)


def _level(spread: Quantile) -> int:
    """Of what the spread is at least where it is above every bound; 0 where it is not known."""
    known = spread.value if spread.value is not None else spread.low
    return 0 if known is None else timeline_level(known)
