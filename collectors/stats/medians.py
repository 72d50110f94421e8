"""The median of each live request's own gaps so far, kept in a coarse histogram per stream.

64 bins an octave: a median is known to 0.8 % (a bin's midpoint differs from any value in it by at most 1/128). Only the first 65,535 gaps of a request are
counted. A median at a row is over all gaps of the request before that row, however rows were split into chunks.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.stats.sketch import HIGH_NS, LOW_NS, OVER, SUB, SUB_BITS, UNDER, Floats, Index, Ints
from collectors.stats.streams import Chunk, ragged

ENOUGH: Final = 8
"""Previous gaps without which nothing is said of a gap's lateness."""
MOST: Final = 65_535
"""Gaps of one request that are counted: what a cell can hold."""

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
    """Gap histograms of the streams 0 … size − 1. A stream is one page of memory once it has been used."""

    def __init__(self, size: int) -> None:
        self._allocate(size)

    def _allocate(self, size: int) -> None:
        self._bins: Cells = np.zeros((size, 1 << _BITS), np.uint16)
        self._octaves: Cells = np.zeros((size, 1 << _OCTAVE_BITS), np.uint16)
        self.n: Ints = np.zeros(size, np.int64)
        # Up to this number of gaps no median that anybody asks for is below the floor.
        self._floor_ns: Floats = np.full(size, np.inf)
        self._floor_until: Ints = np.full(size, ENOUGH)

    def reserve(self, size: int) -> None:
        if size <= len(self.n):
            return
        # Only what is used is copied: copying the rest would make every page of it real.
        used = np.flatnonzero(self.n)
        bins, octaves, n = self._bins[used], self._octaves[used], self.n[used]
        floor_ns, floor_until = self._floor_ns[used], self._floor_until[used]
        self._allocate(size)
        self._bins[used], self._octaves[used], self.n[used] = bins, octaves, n
        self._floor_ns[used], self._floor_until[used] = floor_ns, floor_until

    def forget(self, streams: Index) -> None:
        used = streams[self.n[streams] > 0]
        if not len(used):
            return
        stream, octave = np.nonzero(self._octaves[used])
        self._bins.reshape(-1, _SUB)[(used[stream] << _OCTAVE_BITS) | octave] = 0
        self._octaves[used] = 0
        self.n[used] = 0
        self._floor_ns[used] = np.inf
        self._floor_until[used] = ENOUGH

    def floors(self, chunk: Chunk, coarse: Index, before: Ints) -> Floats:
        """A value (ns) for each run that no median at its gaps is below; +Inf where none of them has ENOUGH gaps before it.

        `before` is the number of gaps that each run's request had. With K more gaps the median cannot fall below the order statistic (n − K − 1) // 2 of the
        n that are known, so a floor holds for a while and is seldom looked up.
        """
        floor, until = self._floor_ns[chunk.stream], self._floor_until[chunk.stream]
        floor[chunk.fresh], until[chunk.fresh] = np.inf, ENOUGH
        stale = np.flatnonzero(before + chunk.gaps > until)
        if not len(stale):
            return floor
        old, new = before[stale], chunk.gaps[stale]
        more = np.maximum(new, old >> 2)
        rank = (old - more - 1) >> 1

        known = rank >= 0
        streams = chunk.stream[stale[known]]
        floor[stale[known]] = self._floor_ns[streams] = MIDDLE_NS[self._select(streams, rank[known])]
        self._floor_until[streams] = (old + more)[known]

        short = stale[~known]
        if len(short):
            # More gaps are coming than are known: none of them, nor of those, is below the least.
            owner, index = ragged(chunk.first_gap[short], chunk.gaps[short])
            least = np.full(len(short), len(MIDDLE_NS) - 1)
            np.minimum.at(least, owner, coarse[index])
            some = np.flatnonzero(before[short] > 0)
            lowest = self._select(chunk.stream[short[some]], np.zeros(len(some), np.int64))
            least[some] = np.minimum(least[some], lowest)
            floor[short] = MIDDLE_NS[least]
        return floor

    def _select(self, streams: Index, rank: Ints) -> Index:
        """Coarse bin of an order statistic of what is recorded of each stream."""
        octaves = self._octaves.take(streams, axis=0)
        octave, inside = _find(octaves, rank.astype(np.uint16))
        cells = self._bins.reshape(-1, _SUB).take((streams << _OCTAVE_BITS) | octave, axis=0)
        return (octave << _SUB_BITS) | _find(cells, inside)[0]

    def at(self, chunk: Chunk, coarse: Index, before: Ints, gaps: Index) -> Floats:
        """The exact median (of bins) before each of the chunk's given gaps."""
        if not len(gaps):
            return np.zeros(0)
        run = chunk.run_of(gaps)
        earlier = np.minimum(gaps - chunk.first_gap[run], MOST - before[run])
        owner, index = ragged(chunk.first_gap[run], earlier)
        extra = coarse[index]
        kept = before[run] > 0
        octaves = np.where(kept[:, None], self._octaves[chunk.stream[run]], np.uint16(0))
        np.add.at(octaves.reshape(-1), (owner << _OCTAVE_BITS) | (extra >> _SUB_BITS), np.uint16(1))

        def pick(rank: Ints) -> Index:
            octave, inside = _find(octaves, rank.astype(np.uint16))
            cells = self._bins.reshape(-1, _SUB)[(chunk.stream[run] << _OCTAVE_BITS) | octave]
            cells = np.where(kept[:, None], cells, np.uint16(0))
            mine = (extra >> _SUB_BITS) == octave[owner]
            np.add.at(cells.reshape(-1), (owner[mine] << _SUB_BITS) | (extra[mine] & (_SUB - 1)), np.uint16(1))
            return (octave << _SUB_BITS) | _find(cells, inside)[0]

        n = before[run] + earlier
        lower, upper = pick((n - 1) >> 1), pick(n >> 1)
        return (MIDDLE_NS[lower] + MIDDLE_NS[upper]) / 2

    def before(self, chunk: Chunk) -> Ints:
        """Number of gaps (counted ones) that each run's request has before the chunk."""
        before = self.n[chunk.stream]
        before[chunk.fresh] = 0
        return before

    def remember(self, chunk: Chunk, coarse: Index) -> None:
        """Adds the chunk's gaps to their streams; of a stream that changed hands only those of the last request."""
        before = self.before(chunk)
        self.forget(chunk.stream[chunk.fresh])
        grown = before + chunk.gaps
        key = np.repeat(chunk.stream << _BITS, chunk.gaps)
        key |= coarse
        _count(self._bins, self._octaves, key, np.uint16(1))
        if not chunk.last.all() or grown.max() > MOST:
            # Seldom: what does not count is taken back (arithmetic modulo 2^16, so that a full cell does no harm).
            room = np.where(chunk.last, np.minimum(chunk.gaps, MOST - before), 0)
            _, index = ragged(chunk.first_gap + room, chunk.gaps - room)
            _count(self._bins, self._octaves, key[index], np.uint16(0xFFFF))
        self.n[chunk.stream[chunk.last]] = np.minimum(grown, MOST)[chunk.last]


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
