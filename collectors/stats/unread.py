"""Of the blocks stored in a pool in the window, those that nobody was seen to read since. By second, in sorted columns.

No event says that a block was read. What shows is that a faster tier of the same worker is given a block that is here: it was read from here, or computed anew.
"""

import numpy as np

from collectors.stats.block_set import Hashes
from collectors.stats.slots import NEVER


class Unread:
    """A block that is stored again in another second counts again."""

    def __init__(self) -> None:
        self._left: dict[int, Hashes] = {}
        self._stored: dict[int, int] = {}
        self._first = NEVER

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self._left.values())

    def store(self, second: int, hashes: Hashes) -> None:
        if second < self._first or not len(hashes):
            return
        before = self._left.get(second, np.zeros(0, np.uint64))
        self._left[second] = np.union1d(before, hashes)
        self._stored[second] = self._stored.get(second, 0) + len(self._left[second]) - len(before)

    def read(self, hashes: Hashes) -> None:
        for second, left in self._left.items():
            self._left[second] = np.setdiff1d(left, hashes, assume_unique=True)

    def expire(self, first: int) -> None:
        self._first = max(self._first, first)
        for second in [one for one in self._left if one < self._first]:
            del self._left[second], self._stored[second]

    def sums(self) -> tuple[int, int]:
        """(never read, stored) over the window."""
        return sum(map(len, self._left.values())), sum(self._stored.values())
