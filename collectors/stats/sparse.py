"""Counts in very many cells, few of which are in use, over a sliding window of whole seconds. Memory goes with the cells that are in use.

Each second holds the cells that it added, in ascending order; the window is their sum, kept by adding and subtracting exactly that.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.stats.sketch import SUB_BITS, Index, Ints
from collectors.stats.slots import NEVER

Narrow = tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32]]
"""Distinct cells, ascending, and how much was counted in each."""
DENSE_CELLS: Final = 1 << 23
"""As many cells may have a counter of their own (32 MiB) while they are being filled; of more, each addition is sorted."""
_EMPTY: Final = np.zeros(0, np.intp), np.zeros(0, np.int64)


class Sparse:
    """Counts of cells 0 … `cells` − 1. With `busy`, additions are many: the newest second is counted densely first, if there are not too many cells."""

    def __init__(self, cells: int, *, busy: bool) -> None:
        self._busy = busy
        self._dense = np.zeros(0, np.uint32)
        self._touched = np.zeros(0, np.bool_)
        self._pieces: dict[int, list[Narrow]] = {}
        self._window: tuple[Index, Ints] = _EMPTY
        self._unsummed: list[tuple[Index, Ints]] = []
        """What is in the pieces and not yet in the window."""
        self._first = NEVER
        self._second = NEVER
        self.late = 0
        """What came for a second that had left the window."""
        self.resize(cells)

    def resize(self, cells: int) -> None:
        """For more cells; those that there are keep their number."""
        self._collect()
        if self._busy and cells <= DENSE_CELLS:
            self._dense = np.zeros(cells, np.uint32)
            self._touched = np.zeros(cells >> SUB_BITS, np.bool_)
        else:
            self._dense, self._touched = np.zeros(0, np.uint32), np.zeros(0, np.bool_)

    def add(self, second: int, keys: Index) -> None:
        """Counts each of `keys` once."""
        if second < self._first:
            self.late += len(keys)
        elif len(self._dense) and second >= self._second:
            if second > self._second:
                self._collect()
                self._second = second
            # add.at has a fast loop only for an intp index and a value of the array's own type.
            np.add.at(self._dense, keys, np.uint32(1))
            self._touched[keys >> SUB_BITS] = True
        else:
            self._hold(second, *np.unique(keys, return_counts=True))

    def _collect(self) -> None:
        """Moves what is in the counters to its second."""
        blocks = np.flatnonzero(self._touched)
        if len(blocks):
            by_block = self._dense.reshape(-1, 1 << SUB_BITS)
            counts = by_block.take(blocks, axis=0)
            block, cell = np.nonzero(counts)
            self._hold(self._second, (blocks[block] << SUB_BITS) | cell, counts[block, cell].astype(np.int64))
            by_block[blocks] = 0
            self._touched[blocks] = False

    def _hold(self, second: int, cells: Index, counts: Ints) -> None:
        self._pieces.setdefault(second, []).append((cells.astype(np.int32), counts.astype(np.uint32)))
        self._unsummed.append((cells, counts))

    def expire(self, first: int) -> None:
        """Forget the seconds before `first`."""
        self._first = max(self._first, first)
        cells, counts = self.window()
        for second in [s for s in self._pieces if s < self._first]:
            for gone, amounts in self._pieces.pop(second):
                counts[np.searchsorted(cells, gone)] -= amounts
            left = counts > 0
            self._window = cells, counts = cells[left], counts[left]

    def window(self) -> tuple[Index, Ints]:
        """The cells in use, ascending, and their counts."""
        self._collect()
        if self._unsummed:
            self._window = _sum([self._window, *self._unsummed])
            self._unsummed = []
        return self._window

    def of_second(self, second: int) -> tuple[Index, Ints]:
        """The same of one second."""
        self._collect()
        if second not in self._pieces:
            return _EMPTY
        cells, counts = _sum([(cells.astype(np.intp), n.astype(np.int64)) for cells, n in self._pieces[second]])
        self._pieces[second] = [(cells.astype(np.int32), counts.astype(np.uint32))]
        return cells, counts


def _sum(parts: list[tuple[Index, Ints]]) -> tuple[Index, Ints]:
    """Each cell once, ascending."""
    if len(parts) == 1:
        return parts[0]
    cells = np.concatenate([part[0] for part in parts])
    counts = np.concatenate([part[1] for part in parts])
    # A stable sort merges runs that are in order already.
    order = cells.argsort(kind="stable")
    cells, counts = cells[order], counts[order]
    first = np.flatnonzero(np.append(True, cells[1:] != cells[:-1])[: len(cells)])
    return cells[first], np.add.reduceat(counts, first) if len(first) else counts
