"""Which gaps are stalls, and how late the worst delivery of each worker was in each tick. Exact, though only a few gaps are looked at closely.

Every gap is compared with a floor of its request's median, which is cheap; only a gap that could matter gets its exact median. Pure: the caller commits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.stats.medians import ENOUGH, GapMedians
from collectors.stats.sketch import Bools, Floats, Index, Ints
from collectors.stats.streams import Chunk, ragged

LATE: Final = (1.5, 3.0)
"""From these multiples of the median on, lateness is 2 and 3 (frame.RiverRow)."""
JUDGED: Final = 1
STALL: Final = 4
LEDGER: Final = 256
"""Stalls that are kept by name; all are counted."""

Codes = npt.NDArray[np.uint8]


class Rule(NamedTuple):
    """A gap is a stall when it is longer than `factor` medians of its request's previous gaps, and than `floor_ns`."""

    factor: float = 5.0
    floor_ns: int = 2_000_000

    def limit_ns(self, median_ns: Floats) -> Floats:
        return np.maximum(self.factor * median_ns, self.floor_ns)


class Stall(NamedTuple):
    """`at_ns` is session time, `time_ns` the emitter's, of the delivery that came late, which worker `row` made."""

    at_ns: int
    time_ns: int
    stream: int
    gap_ns: int
    median_ns: float
    row: int
    request: str


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """`gaps` are the indices of the chunk's gaps that are stalls, with their medians; `late` the worst code of each cell."""

    gaps: Index
    median_ns: Floats
    late: Codes


def judge(
    chunk: Chunk, coarse: Index, cell: Index, late: Codes, medians: GapMedians, rule: Rule, most_work: int
) -> Verdict | None:
    """Judges each gap of a chunk whose gaps are not yet in `medians`. None if that would look at more than `most_work` earlier gaps: cut the chunk.

    `cell` is the place (tick and worker) of each gap in `late`, which holds what is known of it already.
    """
    before = medians.before(chunk)
    floor = np.repeat(medians.floors(chunk, coarse, before), chunk.gaps)

    def judged(gaps: Index) -> Index:
        run = chunk.run[gaps]
        return gaps[before[run] + gaps - chunk.first_gap[run] >= ENOUGH]

    def work(gaps: Index) -> int:
        return int((gaps - chunk.first_gap[chunk.run[gaps]]).sum())

    suspects = judged(np.flatnonzero(chunk.gap_ns > rule.limit_ns(floor)))
    if work(suspects) > most_work:
        return None
    median = medians.at(chunk, coarse, before, suspects)
    stalled = chunk.gap_ns[suspects] > rule.limit_ns(median)
    known = late.copy()
    aged = cell[_old_enough(chunk, before)]
    known[aged] = np.maximum(known[aged], JUDGED)
    code = np.where(stalled, STALL, _lateness(chunk.gap_ns[suspects], median)).astype(np.uint8)
    np.maximum.at(known, cell[suspects], code)

    # Whether a gap is 1.5 or 3 medians long is asked only where its tick is not known to be that late already.
    slow = np.flatnonzero(chunk.gap_ns >= LATE[0] * floor)
    slow = judged(slow[_lateness(chunk.gap_ns[slow], floor[slow]) > known[cell[slow]]])
    if work(slow) > most_work:
        return None
    np.maximum.at(known, cell[slow], _lateness(chunk.gap_ns[slow], medians.at(chunk, coarse, before, slow)))
    return Verdict(suspects[stalled], median[stalled], known)


def _lateness(gap_ns: Ints, median_ns: Floats) -> Codes:
    steps: Codes = np.full(len(gap_ns), JUDGED, np.uint8)
    for multiple in LATE:
        steps += gap_ns >= multiple * median_ns
    return steps


def _old_enough(chunk: Chunk, before: Ints) -> Bools | slice:
    """Which gaps have ENOUGH before them."""
    young = np.flatnonzero(before < ENOUGH)
    if not len(young):
        return slice(None)
    mask = np.ones(len(chunk.gap_ns), np.bool_)
    _, first = ragged(chunk.first_gap[young], np.minimum(chunk.gaps, ENOUGH - before)[young])
    mask[first] = False
    return mask


class Ledger:
    """The newest stalls of the window, at most `LEDGER`, in an order that does not depend on how they came."""

    def __init__(self) -> None:
        self._stalls: list[Stall] = []

    def add(self, stalls: Iterable[Stall]) -> None:
        self._stalls = sorted([*self._stalls, *stalls], reverse=True)[:LEDGER]

    def expire(self, first_ns: int) -> None:
        self._stalls = [stall for stall in self._stalls if stall.at_ns >= first_ns]

    def newest(self) -> tuple[Stall, ...]:
        return tuple(self._stalls)
