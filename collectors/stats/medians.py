"""The median of each live request's own gaps so far, kept in a coarse histogram per stream.

64 bins an octave: a median is known to 0.8 % (a bin's midpoint differs from any value in it by at most 1/128). Only the first 65,535 gaps of a request are
counted. A median at a row is over all gaps of the request before that row, however rows were split into chunks.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.stats.sketch import HIGH_NS, LOW_NS, OVER, SUB, SUB_BITS, UNDER, Floats, Index, Ints
from collectors.stats.streams import MAX_STREAMS, Chunk, ragged

ENOUGH: Final = 8
"""Previous gaps without which nothing is said of a gap's lateness."""
MOST: Final = 65_535
"""Gaps of one request that are counted: what a cell can hold."""

_CLOSE: Final = 0.9
_SHIFT: Final = 3
_SUB_BITS: Final = SUB_BITS - _SHIFT
_SUB: Final = 1 << _SUB_BITS
_OCTAVE_BITS: Final = 5
_BITS: Final = _SUB_BITS + _OCTAVE_BITS


Cells = npt.NDArray[np.uint16]


def _middles() -> Floats:
    coarse = np.arange(1 << _BITS) << _SHIFT
    middle: Floats = (LOW_NS[coarse] + HIGH_NS[np.minimum(coarse + (1 << _SHIFT), OVER) - 1]) / 2
    middle[UNDER >> _SHIFT] = SUB
    middle[OVER >> _SHIFT :] = LOW_NS[OVER]
    return middle


MIDDLE_NS: Final[Floats] = _middles()
"""What a coarse bin stands for: below 1 µs about half of it, above 2^30 µs that."""


class GapMedians:
    """Gap histograms of the streams that have gaps. Such a stream has a seat, which is a page of memory; seat 0 is that of all others, and stays empty."""

    def __init__(self) -> None:
        self._seat: Index = np.zeros(MAX_STREAMS, np.intp)
        self._free: list[int] = []
        self._bins: Cells = np.zeros((1, 1 << _BITS), np.uint16)
        self._octaves: Cells = np.zeros((1, 1 << _OCTAVE_BITS), np.uint16)
        self._n: Ints = np.zeros(1, np.int64)
        # Up to `until` gaps no median that anybody asks for is below the floor.
        self._floor_ns: Floats = np.full(1, np.inf)
        self._floor_until: Ints = np.full(1, ENOUGH)
        # Looked up now and then only.
        self._median_ns: Floats = np.zeros(1)
        self._median_until: Ints = np.zeros(1, np.int64)

    def _claim(self, streams: Index) -> None:
        """Gives seats to those that have none."""
        standing = np.unique(streams[self._seat[streams] == 0])
        short = len(standing) - len(self._free)
        if short > 0:
            taken = len(self._n)
            more = max(short, taken)
            self._bins = np.concatenate([self._bins, np.zeros((more, 1 << _BITS), np.uint16)])
            self._octaves = np.concatenate([self._octaves, np.zeros((more, 1 << _OCTAVE_BITS), np.uint16)])
            self._n = np.append(self._n, np.zeros(more, np.int64))
            self._floor_ns = np.append(self._floor_ns, np.full(more, np.inf))
            self._floor_until = np.append(self._floor_until, np.full(more, ENOUGH))
            self._median_ns = np.append(self._median_ns, np.zeros(more))
            self._median_until = np.append(self._median_until, np.zeros(more, np.int64))
            self._free = [*range(taken + more - 1, taken - 1, -1), *self._free]
        if len(standing):
            self._seat[standing] = self._free[-len(standing) :]
            del self._free[-len(standing) :]

    def forget(self, streams: Index) -> None:
        seats = self._seat[streams]
        seats = np.unique(seats[seats > 0])
        if not len(seats):
            return
        seat, octave = np.nonzero(self._octaves[seats])
        self._bins.reshape(-1, _SUB)[(seats[seat] << _OCTAVE_BITS) | octave] = 0
        self._octaves[seats] = 0
        self._n[seats] = 0
        self._floor_ns[seats] = np.inf
        self._floor_until[seats] = ENOUGH
        self._median_until[seats] = 0
        self._free += seats.tolist()
        self._seat[streams] = 0

    def floors(self, chunk: Chunk, coarse: Index, before: Ints) -> Floats:
        """A value (ns) for each run that no median at its gaps is below; +Inf where none of them has ENOUGH gaps before it.

        `before` is the number of gaps that each run's request had. With K more gaps the median cannot fall below the order statistic (n − K − 1) // 2 of the
        n that are known, so a floor holds for a while and is seldom looked up.
        """
        seat = self._seat[chunk.stream]
        floor, until = self._floor_ns[seat], self._floor_until[seat]
        floor[chunk.fresh], until[chunk.fresh] = np.inf, ENOUGH
        stale = np.flatnonzero((chunk.gaps > 0) & (before + chunk.gaps > until))
        if not len(stale):
            return floor
        seat, old, new = seat[stale], before[stale], chunk.gaps[stale]
        least = self._least(seat)
        # Where even the least is close to what comes now it is floor enough, for as many gaps again.
        now_ns = chunk.gap_ns[(chunk.first_gap + (chunk.gaps >> 1))[stale]]
        even = (old > new) & (MIDDLE_NS[least] >= _CLOSE * now_ns)
        more = np.maximum(new, np.where(even, old - 1, old >> 2))
        rank = (old - more - 1) >> 1

        short = np.flatnonzero(rank < 0)
        if len(short):
            # More gaps are coming than are known: none of them, nor of those, is below the least.
            owner, index = ragged(chunk.first_gap[stale[short]], new[short])
            lowest = np.where(old[short] > 0, least[short], len(MIDDLE_NS) - 1)
            np.minimum.at(lowest, owner, coarse[index])
            least[short] = lowest
        between = np.flatnonzero(rank > 0)
        least[between] = self._select(seat[between], rank[between])
        floor[stale] = MIDDLE_NS[least]
        lasting = np.flatnonzero(rank >= 0)
        self._floor_ns[seat[lasting]] = floor[stale[lasting]]
        self._floor_until[seat[lasting]] = (old + more)[lasting]
        return floor

    def _least(self, seats: Index) -> Index:
        """Coarse bin of the shortest gap on each seat; 0 of none."""
        octave = (self._octaves.take(seats, axis=0) > 0).argmax(axis=1)
        cells = self._bins.reshape(-1, _SUB).take((seats << _OCTAVE_BITS) | octave, axis=0)
        found: Index = (octave << _SUB_BITS) | (cells > 0).argmax(axis=1)
        return found

    def _select(self, seats: Index, rank: Ints) -> Index:
        """Coarse bin of an order statistic of what is recorded on each seat."""
        octaves = self._octaves.take(seats, axis=0)
        octave, inside = _find(octaves, rank.astype(np.uint16))
        cells = self._bins.reshape(-1, _SUB).take((seats << _OCTAVE_BITS) | octave, axis=0)
        return (octave << _SUB_BITS) | _find(cells, inside)[0]

    def at(self, chunk: Chunk, coarse: Index, before: Ints, gaps: Index) -> Floats:
        """The exact median (of bins) before each of the chunk's given gaps."""
        if not len(gaps):
            return np.zeros(0)
        run = chunk.run_of(gaps)
        seat = self._seat[chunk.stream[run]]
        earlier = np.minimum(gaps - chunk.first_gap[run], MOST - before[run])
        owner, index = ragged(chunk.first_gap[run], earlier)
        extra = coarse[index]
        kept = before[run] > 0
        octaves = np.where(kept[:, None], self._octaves[seat], np.uint16(0))
        np.add.at(octaves.reshape(-1), (owner << _OCTAVE_BITS) | (extra >> _SUB_BITS), np.uint16(1))

        def pick(rank: Ints) -> Index:
            octave, inside = _find(octaves, rank.astype(np.uint16))
            cells = self._bins.reshape(-1, _SUB)[(seat << _OCTAVE_BITS) | octave]
            cells = np.where(kept[:, None], cells, np.uint16(0))
            mine = (extra >> _SUB_BITS) == octave[owner]
            np.add.at(cells.reshape(-1), (owner[mine] << _SUB_BITS) | (extra[mine] & (_SUB - 1)), np.uint16(1))
            return (octave << _SUB_BITS) | _find(cells, inside)[0]

        n = before[run] + earlier
        lower, upper = pick((n - 1) >> 1), pick(n >> 1)
        return (MIDDLE_NS[lower] + MIDDLE_NS[upper]) / 2

    def lately(self, chunk: Chunk) -> Floats:
        """The median (ns) of the gaps that each run's request had before the chunk, or a little earlier: of at least 8 in 9 of them. NaN where they are not ENOUGH."""
        before, seat = self.before(chunk), self._seat[chunk.stream]
        stale = np.flatnonzero((before >= ENOUGH) & (before > self._median_until[seat]))
        if len(stale):
            at, n = seat[stale], before[stale]
            lower, upper = self._select(at, (n - 1) >> 1), self._select(at, n >> 1)
            self._median_ns[at] = (MIDDLE_NS[lower] + MIDDLE_NS[upper]) / 2
            self._median_until[at] = n + (n >> 3)
        return np.where(before >= ENOUGH, self._median_ns[seat], np.nan)

    def before(self, chunk: Chunk) -> Ints:
        """Number of gaps (counted ones) that each run's request has before the chunk."""
        before = self._n[self._seat[chunk.stream]]
        before[chunk.fresh] = 0
        return before

    def remember(self, chunk: Chunk, coarse: Index) -> None:
        """Adds the chunk's gaps to their streams; of a stream that changed hands only those of the last request."""
        before = self.before(chunk)
        self.forget(chunk.stream[chunk.fresh])
        grown = before + chunk.gaps
        self._claim(chunk.stream[chunk.last & (chunk.gaps > 0)])
        seat = self._seat[chunk.stream]
        key = np.repeat(seat << _BITS, chunk.gaps)
        key |= coarse
        _count(self._bins, self._octaves, key, np.uint16(1))
        if not chunk.last.all() or grown.max() > MOST:
            # Seldom: what does not count is taken back (arithmetic modulo 2^16, so that a full cell does no harm).
            room = np.where(chunk.last, np.minimum(chunk.gaps, MOST - before), 0)
            _, index = ragged(chunk.first_gap + room, chunk.gaps - room)
            _count(self._bins, self._octaves, key[index], np.uint16(0xFFFF))
        self._n[seat[chunk.last]] = np.minimum(grown, MOST)[chunk.last]


def _count(bins: Cells, octaves: Cells, key: Index, amount: np.uint16) -> None:
    np.add.at(bins.reshape(-1), key, amount)
    np.add.at(octaves.reshape(-1), key >> _SUB_BITS, amount)


def _find(counts: Cells, rank: Cells) -> tuple[Index, Cells]:
    """Of each row of counts, which sum to at most 65,535: the column that holds the order statistic `rank`, and its rank among those of that column."""
    below = np.cumsum(counts, axis=1, dtype=np.uint16)
    column = (below > rank[:, None]).argmax(axis=1)
    place = np.arange(len(rank))
    return column, rank - below[place, column] + counts[place, column]


def coarse_bins(bins: Index) -> Index:
    """The coarse bin of each bin of the sketch."""
    return bins >> _SHIFT
