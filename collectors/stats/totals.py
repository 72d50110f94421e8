"""Running totals of counters at each sample of a window, in little memory: what a window asks for is only how far two of them are apart.

Two bytes tell that of a column that grows slowly; the few that grow faster are kept whole beside them. Rows stand in blocks of one size, that what is
dropped leaves no holes of other sizes. Not here: the samples' times, resets and what is unknown (`counters`).
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Columns = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

BLOCK: Final = 8
"""Rows a block."""


class _Block(NamedTuple):
    """`low`: totals modulo 2^16, shape (BLOCK, columns); `whole`: those of the fast columns, shape (BLOCK, fast columns)."""

    low: npt.NDArray[np.uint16]
    whole: Counts


class Totals:
    """Rows of `columns` totals, oldest first."""

    def __init__(self, columns: int, most_rows: int = 128) -> None:
        self._columns = columns
        self._most_rows = most_rows
        """As yet: twice as many when that is not enough."""
        self._fast: Columns = np.zeros(0, dtype=np.intp)
        self._blocks: list[_Block] = []
        self._first = 0
        """Of the rows of the first block, how many are dropped."""
        self._rows = 0
        self._newest = np.zeros(columns, dtype=np.int64)
        """The newest row, whole."""

    def __len__(self) -> int:
        return self._rows

    @property
    def _slow(self) -> int:
        """What a slow column may grow by from one row to the next: then no two rows are 2^16 apart."""
        return 2**16 // self._most_rows - 1

    def append(self, total: Counts) -> None:
        if self._rows == self._most_rows:
            self._most_rows *= 2
            low = np.vstack([block.low for block in self._blocks])[self._first : self._first + self._rows]
            self._hasten(np.diff(low, axis=0).max(axis=0) > self._slow)
        if self._rows:
            growth = total - self._newest
            if np.maximum.reduce(growth, initial=0) > self._slow:
                self._hasten(growth > self._slow)
        at = self._first + self._rows
        if at == len(self._blocks) * BLOCK:
            self._blocks.append(self._block(len(self._fast)))
        block, row = self._blocks[at // BLOCK], at % BLOCK
        block.low[row] = total
        if len(self._fast):
            block.whole[row] = total[self._fast]
        self._rows += 1
        self._newest = total

    def drop_newest(self) -> None:
        """Only where another is before it."""
        self._newest = self._newest - self.grown(self._rows - 2, self._rows - 1)
        self._rows -= 1

    def drop_oldest(self, rows: int) -> None:
        self._first += rows
        self._rows -= rows
        if gone := self._first // BLOCK:
            del self._blocks[:gone]
            self._first %= BLOCK
            self._slow_down()

    def grown(self, first: int, last: int) -> Counts:
        """By how much row `last` is above row `first`, by column."""
        (late, to), (early, since) = self._row(last), self._row(first)
        grown: Counts = (late.low[to] - early.low[since]).astype(np.int64)
        if len(self._fast):
            grown[self._fast] = late.whole[to] - early.whole[since]
        return grown

    def level(self, columns: Flags, total: Counts) -> None:
        """`columns` stood at `total` in every row."""
        for block in self._blocks:
            block.low[:, columns] = total[columns].astype(np.uint16)
            block.whole[:, columns[self._fast]] = total[self._fast][columns[self._fast]]

    def rearranged(self, columns: int, kept: Flags, source: Columns) -> "Totals":
        """The same rows with other columns: those that are `kept` are the earlier `source`, others stood at 0."""
        other = Totals(columns, self._most_rows)
        other._newest[kept] = self._newest[source]
        other._first, other._rows = self._first, self._rows
        place = np.full(self._columns, -1, dtype=np.intp)
        place[self._fast] = np.arange(len(self._fast))
        stays = place[source] >= 0
        other._fast = np.flatnonzero(kept)[stays]
        for block in self._blocks:
            made = other._block(len(other._fast))
            made.low[:, kept] = block.low[:, source]
            made.whole[:] = block.whole[:, place[source][stays]]
            other._blocks.append(made)
        return other

    def _block(self, fast: int) -> _Block:
        return _Block(np.zeros((BLOCK, self._columns), dtype=np.uint16), np.zeros((BLOCK, fast), dtype=np.int64))

    def _row(self, index: int) -> tuple[_Block, int]:
        at = self._first + index
        return self._blocks[at // BLOCK], at % BLOCK

    def _hasten(self, hasty: Flags) -> None:
        """Those columns are kept whole from now on, and so are what rows there are of them."""
        hasty[self._fast] = False
        more = np.flatnonzero(hasty)
        newest, row = self._row(self._rows - 1)
        for index, block in enumerate(self._blocks):
            whole = self._newest[more] - (newest.low[row, more] - block.low[:, more]).astype(np.int64)
            self._blocks[index] = _Block(block.low, np.hstack([block.whole, whole]))
        self._fast = np.append(self._fast, more)

    def _slow_down(self) -> None:
        """What has not grown fast from any row to the next need not be kept whole."""
        if not len(self._fast) or not self._blocks:
            return
        whole = np.vstack([block.whole for block in self._blocks])[self._first : self._first + self._rows]
        stays = (np.diff(whole, axis=0) > self._slow).any(axis=0)
        if not stays.all():
            self._fast = self._fast[stays]
            self._blocks = [_Block(block.low, block.whole[:, stays]) for block in self._blocks]
