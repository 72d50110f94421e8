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
        self._bins: npt.NDArray[np.uint16] = np.zeros((size, 1 << _BITS), np.uint16)
        self._octaves: npt.NDArray[np.uint16] = np.zeros((size, 1 << _OCTAVE_BITS), np.uint16)
        self.n: Ints = np.zeros(size, np.int64)
        self._floor_ns: Floats = np.zeros(size)
        self._floor_until: Ints = np.zeros(size, np.int64)

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
        self._bins[used] = 0
        self._octaves[used] = 0
        self.n[used] = 0
        self._floor_until[used] = 0

    def floors(self, chunk: Chunk, coarse: Index, before: Ints) -> Floats:
        """A value (ns) for each run that no median at its gaps is below; +Inf where none of them has ENOUGH gaps before it.

        `before` is the number of gaps that each run's request had. With K more gaps the median cannot fall below the order statistic (n − K − 1) // 2 of the
        n that are known, so a floor holds for a while and is seldom looked up.
        """
        floor = self._floor_ns[chunk.stream]
        judged = before + chunk.gaps > ENOUGH
        floor[~judged] = np.inf
        stale = judged & ((before + chunk.gaps > self._floor_until[chunk.stream]) | chunk.fresh)
        more = np.maximum(chunk.gaps, before >> 2)
        rank = (before - more - 1) >> 1

        known = np.flatnonzero(stale & (rank >= 0))
        streams = chunk.stream[known]
        floor[known] = self._floor_ns[streams] = MIDDLE_NS[self._select(streams, rank[known])]
        self._floor_until[streams] = (before + more)[known]

        short = np.flatnonzero(stale & (rank < 0))
        if len(short):
            owner, index = ragged(chunk.first_gap[short], chunk.gaps[short])
            least = np.full(len(short), len(MIDDLE_NS) - 1)
            np.minimum.at(least, owner, coarse[index])
            old = np.flatnonzero(before[short] > 0)
            lowest = self._select(chunk.stream[short[old]], np.zeros(len(old), np.int64))
            least[old] = np.minimum(least[old], lowest)
            floor[short] = MIDDLE_NS[least]
        return floor

    def _select(self, streams: Index, rank: Ints) -> Index:
        """Coarse bin of an order statistic of what is recorded of each stream."""
        none = np.zeros(0, np.intp)
        return self._pick(
            streams, np.ones(len(streams), np.int64), none, none, rank, self._octaves[streams].astype(np.int64)
        )

    def at(self, chunk: Chunk, coarse: Index, before: Ints, gaps: Index) -> Floats:
        """The exact median (of bins) before each of the chunk's given gaps."""
        run = chunk.run[gaps]
        kept = (before > 0)[run].astype(np.int64)
        earlier = np.minimum(gaps - chunk.first_gap[run], MOST - before[run])
        owner, index = ragged(chunk.first_gap[run], earlier)
        extra = coarse[index]
        octaves = self._octaves[chunk.stream[run]].astype(np.int64) * kept[:, None]
        np.add.at(octaves.reshape(-1), (owner << _OCTAVE_BITS) | (extra >> _SUB_BITS), 1)
        n = before[run] + earlier
        lower, upper = (
            MIDDLE_NS[self._pick(chunk.stream[run], kept, owner, extra, rank, octaves)]
            for rank in ((n - 1) >> 1, n >> 1)
        )
        return (lower + upper) / 2

    def _pick(self, streams: Index, kept: Ints, owner: Index, extra: Index, rank: Ints, octaves: Ints) -> Index:
        place = np.arange(len(streams))
        below = np.cumsum(octaves, axis=1)
        octave = (below <= rank[:, None]).sum(axis=1)
        inside = rank - (below[place, octave] - octaves[place, octave])
        by_octave = self._bins.reshape(len(self.n), -1, _SUB)
        cells = by_octave[streams, octave].astype(np.int64) * kept[:, None]
        mine = (extra >> _SUB_BITS) == octave[owner]
        np.add.at(cells.reshape(-1), (owner[mine] << _SUB_BITS) | (extra[mine] & (_SUB - 1)), 1)
        found: Index = (octave << _SUB_BITS) | (np.cumsum(cells, axis=1) <= inside[:, None]).sum(axis=1)
        return found

    def before(self, chunk: Chunk) -> Ints:
        """Number of gaps (counted ones) that each run's request has before the chunk."""
        return np.where(chunk.fresh, 0, self.n[chunk.stream])

    def remember(self, chunk: Chunk, coarse: Index, before: Ints) -> None:
        """Adds the chunk's gaps to their streams; of a stream that changed hands only those of the last request."""
        self.forget(chunk.stream[chunk.fresh])
        grown = before + chunk.gaps
        index: Index | slice = slice(None)
        if not chunk.last.all() or (grown > MOST).any():
            room = np.where(chunk.last, np.minimum(chunk.gaps, MOST - before), 0)
            _, index = ragged(chunk.first_gap, room)
        key = (chunk.stream[chunk.run[index]] << _BITS) | coarse[index]
        np.add.at(self._bins.reshape(-1), key, np.uint16(1))
        np.add.at(self._octaves.reshape(-1), key >> _SUB_BITS, np.uint16(1))
        self.n[chunk.stream[chunk.last]] = np.minimum(grown, MOST)[chunk.last]


def coarse_bins(bins: Index) -> Index:
    """The coarse bin of each bin of the sketch."""
    return bins >> _SHIFT
