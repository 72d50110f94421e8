"""Which gaps are stalls, and how late the worst delivery of each worker was in each tick. Exact, though only a few gaps are looked at closely.

Every gap is compared with a floor of its request's median, which is cheap; only a gap that could matter gets its exact median.
"""

from collections.abc import Iterable, Iterator
from heapq import heappush, heapreplace, nlargest
from typing import Final, NamedTuple

import numpy as np

from collectors.stats.medians import ENOUGH, GapMedians
from collectors.stats.pieces import Pieces
from collectors.stats.river import Codes
from collectors.stats.sketch import Floats, Index, Ints
from collectors.stats.streams import Chunk

LATE: Final = (1.5, 3.0)
"""From these multiples of the median on, lateness is 2 and 3 (frame.RiverRow)."""
JUDGED: Final = 1
STALL: Final = np.uint8(4)
LEDGER: Final = 256
"""Newest stalls that are kept by name; all are counted."""
LONGEST: Final = 16
"""Stalls that are kept besides, however old: the window's longest."""
MOST_LONG: Final = 1_024
"""Stalls that are kept as they may come to be among the longest once longer ones have left the window."""


class Rule(NamedTuple):
    """A gap is a stall when it is longer than `factor` medians of its request's previous gaps, and than `floor_ns`."""

    factor: float = 5.0
    floor_ns: int = 2_000_000

    def limit_ns(self, median_ns: Floats) -> Floats:
        return np.maximum(self.factor * median_ns, self.floor_ns)


class Stall(NamedTuple):
    """`at_ns` is session time, `time_ns` the emitter's, of the delivery that came late, which worker `row` made: `tokens` of them from number `token` on, UNSEEN where the
    request's tokens are not counted."""

    at_ns: int
    time_ns: int
    stream: int
    gap_ns: int
    median_ns: float
    row: int
    token: int
    tokens: int
    request: str


def judge(
    chunk: Chunk,
    coarse: Index,
    pieces: Pieces,
    cell: Index,
    late: Codes,
    medians: GapMedians,
    rule: Rule,
    most_work: int,
) -> tuple[Index, Floats] | None:
    """Indices of the chunk's gaps that are stalls, and the medians before them. None if that takes a look at more than `most_work` gaps: cut the chunk in two.

    The chunk's gaps are not in `medians` yet. `cell` is the place (tick and worker) of each piece in `late`, which is brought up to date; doing it twice does no harm.
    """
    before = medians.before(chunk)
    floor = medians.floors(chunk, coarse, before)
    slow = np.flatnonzero(chunk.gap_ns >= np.repeat(LATE[0] * floor, chunk.gaps))
    # A piece whose last gap has ENOUGH before it makes its cell a judged one.
    unjudged = np.flatnonzero((late[cell] == 0) & (pieces.gaps > 0))
    newest = (pieces.first_gap + pieces.gaps - 1)[unjudged]
    late[cell[unjudged[_earlier(chunk, before, newest)[0] >= ENOUGH]]] = JUDGED
    if not len(slow):
        return np.zeros(0, np.intp), np.zeros(0)

    earlier, here, run = _earlier(chunk, before, slow)
    old = earlier >= ENOUGH
    slow, here, floor = slow[old], here[old], floor[run[old]]
    gap_ns, place = chunk.gap_ns[slow], cell[pieces.of(slow)]
    asked = gap_ns > rule.limit_ns(floor)
    # Whether a gap is 1.5 or 3 medians long matters only where its tick is not known to be that late already: the one that looks longest is asked first.
    most = _lateness(gap_ns, floor)
    hopeful = np.flatnonzero(most > late[place])
    by_length = hopeful[np.argsort(-gap_ns[hopeful] / floor[hopeful])]
    asked[by_length[np.unique(place[by_length], return_index=True)[1]]] = True
    work = int(here[asked].sum())
    if work > most_work:
        return None
    median_ns = medians.at(chunk, coarse, before, slow[asked])
    stalled = gap_ns[asked] > rule.limit_ns(median_ns)
    np.maximum.at(late, place[asked], np.where(stalled, STALL, _lateness(gap_ns[asked], median_ns)))

    rest = ~asked & (most > late[place])
    if work + here[rest].sum() > most_work:
        return None
    rest_median_ns = medians.at(chunk, coarse, before, slow[rest])
    np.maximum.at(late, place[rest], _lateness(gap_ns[rest], rest_median_ns))
    return slow[asked][stalled], median_ns[stalled]


def _earlier(chunk: Chunk, before: Ints, gaps: Index) -> tuple[Ints, Ints, Index]:
    """Of some gaps: how many their request had before, how many of those are in the chunk, and the run."""
    run = chunk.run_of(gaps)
    here = gaps - chunk.first_gap[run]
    return before[run] + here, here, run


def _lateness(gap_ns: Ints, median_ns: Floats) -> Codes:
    steps: Codes = np.full(len(gap_ns), JUDGED, np.uint8)
    for multiple in LATE:
        steps += gap_ns >= multiple * median_ns
    return steps


class Ledger:
    """Of the window's stalls the newest, at most `LEDGER`, and the `LONGEST` longest; which, and in which order, does not depend on how they came."""

    def __init__(self) -> None:
        self._newest: list[Stall] = []
        self._long: list[Stall] = []
        """Newest first; of each there are fewer than `LONGEST` later ones that are as long."""

    def add(self, stalls: Iterable[Stall]) -> None:
        new = list(stalls)
        self._newest = sorted([*self._newest, *new], reverse=True)[:LEDGER]
        self._long = list(_outlasting(sorted([*self._long, *new], reverse=True)))
        if len(self._long) > MOST_LONG:
            self._long = sorted(nlargest(MOST_LONG, self._long, key=_length), reverse=True)

    def expire(self, first_ns: int) -> None:
        self._newest, self._long = (
            [stall for stall in stalls if stall.at_ns >= first_ns] for stalls in (self._newest, self._long)
        )

    def newest(self) -> tuple[Stall, ...]:
        return tuple(self._newest)

    def longest(self) -> tuple[Stall, ...]:
        """The longest first."""
        return tuple(nlargest(LONGEST, self._long, key=_length))


def _length(stall: Stall) -> tuple[int, Stall]:
    return stall.gap_ns, stall


def _outlasting(newest_first: Iterable[Stall]) -> Iterator[Stall]:
    longest: list[int] = []
    for stall in newest_first:
        if len(longest) < LONGEST:
            heappush(longest, stall.gap_ns)
        elif stall.gap_ns > longest[0]:
            heapreplace(longest, stall.gap_ns)
        else:
            continue
        yield stall
