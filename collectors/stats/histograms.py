"""One duration histogram for each row (a worker) over the sliding window: quantiles per row, merged over rows, and of single seconds.

Quantiles are found in two steps, octave and then bin, for all rows at once, so that a tick's cost does not grow with the width of the range.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from collectors.stats.sketch import BIN_BITS, BINS, SUB_BITS, Counts, Floats, Index, Ints, between, bins, ranks
from collectors.stats.slots import Extremes, Slots, each_second

QUANTILES: Final = (0.5, 0.99, 0.999)
"""Columns of `Quantiles`."""
_BLOCK_BITS: Final = BIN_BITS - SUB_BITS
_BLOCKS: Final = 1 << _BLOCK_BITS


@dataclass(frozen=True, slots=True, eq=False)
class Quantiles:
    """Of each row: `n` (rows,); quantiles `QUANTILES` and their bounds in seconds (rows, 3) and the longest (rows,), NaN where n is 0."""

    n: Ints
    value: Floats
    low: Floats
    high: Floats
    longest: Floats


class Histograms:
    """Durations in nanoseconds by row and second."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._cells = Slots(rows << BIN_BITS, SUB_BITS)
        self._extremes = Extremes(rows)

    @property
    def late(self) -> int:
        return self._cells.late

    def add(self, seconds: Ints, rows: Index, values_ns: Ints) -> None:
        """Durations (≥ 0) of any seconds and rows."""
        bins_ = bins(values_ns)
        for second, mine in each_second(seconds):
            self._cells.add(second, (rows[mine] << BIN_BITS) | bins_[mine])
            self._extremes.add(second, rows[mine], values_ns[mine], values_ns[mine])

    def add_groups(self, seconds: Ints, rows: Index, lengths: Ints, values_ns: Ints, bins_: Index) -> None:
        """Durations in groups of one second and row: `lengths[i]` consecutive ones of `rows[i]`; `bins_` are their bins."""
        cells = np.repeat(rows << BIN_BITS, lengths)
        cells |= bins_
        some = np.flatnonzero(lengths)
        begin = (np.cumsum(lengths) - lengths)[some]
        rows = rows[some]
        smallest, largest = np.minimum.reduceat(values_ns, begin), np.maximum.reduceat(values_ns, begin)
        for second, mine in each_second(seconds[some]):
            of_second = cells if isinstance(mine, slice) else cells[np.repeat(seconds == second, lengths)]
            self._cells.add(second, of_second)
            self._extremes.add(second, rows[mine], smallest[mine], largest[mine])

    def expire(self, first: int) -> None:
        self._cells.expire(first)
        self._extremes.expire(first)

    def resize(self, rows: int) -> None:
        self.rows = rows
        self._cells.resize(rows << BIN_BITS)
        self._extremes.resize(rows)

    def quantiles(self) -> Quantiles:
        """Of every row over the window."""
        blocks = self._cells.block_sums().reshape(self.rows, _BLOCKS)
        n = blocks.sum(axis=1)
        value, low, high = np.full((3, self.rows, len(QUANTILES)), np.nan)
        longest = np.full(self.rows, np.nan)
        some = np.flatnonzero(n)
        if len(some):
            smallest, largest = (extreme[some] for extreme in self._extremes.window())
            longest[some] = largest * 1e-9
            below = np.cumsum(blocks[some], axis=1)
            wanted = [ranks(n[some], q) for q in QUANTILES]
            found = self._find(some, below, np.stack([rank for lower, upper, _ in wanted for rank in (lower, upper)]))
            for i, (lower, _, part) in enumerate(wanted):
                estimate = between(found[2 * i], found[2 * i + 1], lower, n[some], part, smallest, largest)
                value[some, i], low[some, i], high[some, i] = estimate
        return Quantiles(n, value, low, high, longest)

    def _find(self, rows: Index, below: Ints, wanted: Ints) -> Index:
        """Bins of the order statistics `wanted` (k, rows); `below` counts up to and with each block (rows, blocks)."""
        place = np.arange(len(rows))
        block = (below[None, :, :] <= wanted[:, :, None]).sum(axis=2)
        before = np.where(block > 0, below[place, block - 1], 0)
        # Quantiles of one row mostly lie in one or two blocks: each block is read once.
        read, which = np.unique((rows << _BLOCK_BITS) | block, return_inverse=True)
        within = np.cumsum(self._cells.block(read), axis=1)[which.reshape(block.shape)]
        found: Index = (block << SUB_BITS) | (within <= (wanted - before)[:, :, None]).sum(axis=2)
        return found

    def merged(self) -> Counts:
        """All rows together over the window."""
        blocks = self._cells.block_sums().reshape(self.rows, _BLOCKS)
        counts = np.zeros(BINS, np.int64)
        for block in np.flatnonzero(blocks.any(axis=0)).tolist():
            rows = np.flatnonzero(blocks[:, block])
            counts[block << SUB_BITS : (block + 1) << SUB_BITS] = self._cells.block((rows << _BLOCK_BITS) | block).sum(
                axis=0
            )
        smallest, largest = self._extremes.window()
        return Counts.span(counts, int(smallest.min()), int(largest.max()))

    def of_second(self, second: int, qs: tuple[float, ...]) -> tuple[Index, Ints, Floats]:
        """Rows that have anything in one second, how much, and their quantiles `qs` in seconds (rows, qs)."""
        keys, counts = self._cells.of_second(second)
        if not len(keys):
            return np.zeros(0, np.intp), np.zeros(0, np.int64), np.zeros((0, len(qs)))
        smallest, largest = self._extremes.of_second(second)
        rows, first = np.unique(keys >> BIN_BITS, return_index=True)
        n = np.add.reduceat(counts, first)
        below = np.cumsum(counts)
        before = below[first] - counts[first]
        values = []
        for q in qs:
            lower, upper, part = ranks(n, q)
            at = [keys[np.searchsorted(below, before + rank, side="right")] & (BINS - 1) for rank in (lower, upper)]
            values.append(between(at[0], at[1], lower, n, part, smallest[rows], largest[rows])[0])
        return rows, n, np.stack(values, axis=1)
