"""One duration histogram for each row (a worker) over the sliding window: quantiles per row, merged over rows, and of single seconds."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from collectors.stats.sketch import (
    BIN_BITS,
    BINS,
    NO_MAXIMUM,
    NO_MINIMUM,
    Counts,
    Floats,
    Index,
    Ints,
    between,
    bins,
    ranks,
)
from collectors.stats.slots import Extremes, each_second
from collectors.stats.sparse import Sparse

QUANTILES: Final = (0.5, 0.99, 0.999)
"""Columns of `Quantiles`."""


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Of each row: `n` (rows,); quantiles `QUANTILES` and their bounds in seconds (rows, 3) and the longest (rows,), NaN where n is 0."""

    n: Ints
    value: Floats
    low: Floats
    high: Floats
    longest: Floats

    def told(self, row: int) -> tuple[int, list[tuple[float, float, float]], float]:
        """The same of one row, as plain numbers: n; value, low and high of each quantile; the longest."""
        n, *columns, longest = self._plain
        at = len(QUANTILES) * row
        return n[row], [*zip(*(one[at : at + len(QUANTILES)] for one in columns), strict=True)], longest[row]

    @cached_property
    def _plain(self) -> tuple[list[Any], ...]:
        """All rows: an array tells its numbers one by one much more slowly."""
        return tuple(one.ravel().tolist() for one in (self.n, self.value, self.low, self.high, self.longest))


class Histograms:
    """Durations in nanoseconds by row and second; `busy` where there are very many."""

    def __init__(self, rows: int, *, busy: bool = False) -> None:
        self.rows = rows
        self._cells = Sparse(rows << BIN_BITS, busy=busy)
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
        if rows == self.rows:
            return
        self.rows = rows
        self._cells.resize(rows << BIN_BITS)
        self._extremes.resize(rows)

    def quantiles(self) -> Quantiles:
        """Of every row over the window."""
        n = np.zeros(self.rows, np.int64)
        value, low, high = np.full((3, self.rows, len(QUANTILES)), np.nan)
        longest = np.full(self.rows, np.nan)
        smallest, largest = self._extremes.window()
        rows, n_of_rows, found = _read(*self._cells.window(), smallest, largest, QUANTILES)
        n[rows] = n_of_rows
        value[rows], low[rows], high[rows] = found
        longest[rows] = largest[rows] / 1e9
        return Quantiles(n, value, low, high, longest)

    def merged(self) -> Counts:
        """All rows together over the window."""
        cells, counts = self._cells.window()
        smallest, largest = self._extremes.window()
        of_bins = np.bincount(cells & (BINS - 1), weights=counts, minlength=1).astype(np.int64)
        return Counts.span(of_bins, int(smallest.min()), int(largest.max()))

    def grouped(self, group_of_row: Index, groups: int, second: int | None = None) -> list[Counts]:
        """Rows merged by group, over the window or in one second; a row whose group is negative is in none."""
        cells, counts = self._cells.window() if second is None else self._cells.of_second(second)
        smallest, largest = self._extremes.window() if second is None else self._extremes.of_second(second)
        group = group_of_row[cells >> BIN_BITS]
        made = []
        for one in range(groups):
            mine = np.flatnonzero(group == one)
            rows = group_of_row == one
            of_bins = np.bincount(cells[mine] & (BINS - 1), weights=counts[mine], minlength=1).astype(np.int64)
            made.append(
                Counts.span(
                    of_bins, int(smallest[rows].min(initial=NO_MINIMUM)), int(largest[rows].max(initial=NO_MAXIMUM))
                )
            )
        return made

    def above(self, second: int, limits_ns: Ints) -> Ints:
        """How many durations of one second lie in bins above that of their row's limit, for each row."""
        cells, counts = self._cells.of_second(second)
        row = cells >> BIN_BITS
        longer = (cells & (BINS - 1)) > bins(limits_ns)[row]
        return np.bincount(row[longer], weights=counts[longer], minlength=self.rows).astype(np.int64)

    def of_second(self, second: int, qs: tuple[float, ...]) -> tuple[Index, Ints, Floats]:
        """Rows that have anything in one second, how much, and their quantiles `qs` in seconds (rows, qs)."""
        rows, n, found = _read(*self._cells.of_second(second), *self._extremes.of_second(second), qs)
        return rows, n, found[0]


def _read(
    cells: Index, counts: Ints, smallest: Ints, largest: Ints, qs: tuple[float, ...]
) -> tuple[Index, Ints, Floats]:
    """Rows that have anything, how much, and value, low and high of their quantiles in seconds (3, rows, qs), of ascending cells."""
    if not len(cells):
        return np.zeros(0, np.intp), np.zeros(0, np.int64), np.zeros((3, 0, len(qs)))
    row = cells >> BIN_BITS
    first = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
    rows = row[first]
    n = np.add.reduceat(counts, first)
    upto = np.cumsum(counts)
    before = upto[first] - counts[first]
    lower, upper, part = ranks(n[:, None], np.array(qs))
    at = [cells[upto.searchsorted(before[:, None] + rank, side="right")] & (BINS - 1) for rank in (lower, upper)]
    found = between(at[0], at[1], lower, n[:, None], part, smallest[rows, None], largest[rows, None])
    return rows, n, np.array(found)
