"""Sums over a sliding window of whole seconds, in integers: the sum of the slots that are left, whatever has come and gone.

Each second is a slot. The newest second is open and dense; when a later one begins it is closed into its non-zero cells, and late rows are added to
their own second as further pieces. The window's sum is kept by adding and subtracting exactly what the slots hold, so it equals the sum over them.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from collectors.stats.sketch import NO_MAXIMUM, NO_MINIMUM, Index, Ints

Piece = tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32] | Ints]
"""Distinct cells and what they hold."""
SECOND_NS: Final = 1_000_000_000
_NEVER: Final = -(1 << 62)


def each_second(seconds: Ints) -> Iterator[tuple[int, Index | slice]]:
    """The seconds that occur, ascending, and which entries are of each."""
    if not len(seconds):
        return
    if seconds.min() == seconds.max():
        yield int(seconds[0]), slice(None)
        return
    for second in np.unique(seconds).tolist():
        yield second, np.flatnonzero(seconds == second)


class Slots:
    """`cells` integers for each second. With `block_bits`, sums of 2^block_bits neighbouring cells are kept too, so that only occupied blocks are visited."""

    def __init__(self, cells: int, block_bits: int = 0) -> None:
        self.block_bits = block_bits
        # One second's counts in a bin, and a window's, fit 32 bits; sums of tokens need not.
        self.dtype = np.dtype(np.uint32 if block_bits else np.int64)
        self._open = np.zeros(cells, self.dtype)
        self._closed = np.zeros(cells, self.dtype)
        self._open_blocks = np.zeros(cells >> block_bits, np.int64)
        self._closed_blocks = np.zeros(cells >> block_bits, np.int64)
        self._pieces: dict[int, list[Piece]] = {}
        self._first = _NEVER
        self._second = _NEVER
        self.late = 0
        """Amounts that came for a second which had left the window."""

    def add(self, second: int, keys: Index, amounts: Ints | None = None) -> None:
        """Add `amounts` (1 if None) to the cells `keys`, which may repeat."""
        if second < self._first:
            self.late += len(keys)
            return
        if second > self._second:
            self._close()
            self._second = second
        if second < self._second:
            self._add_late(second, keys, amounts)
            return
        # add.at has a fast loop only for an intp index and a value of the array's own type.
        np.add.at(self._open, keys, self.dtype.type(1) if amounts is None else amounts.astype(self.dtype, copy=False))
        if self.block_bits:
            np.add.at(self._open_blocks, keys >> self.block_bits, np.int64(1) if amounts is None else amounts)

    def _add_late(self, second: int, keys: Index, amounts: Ints | None) -> None:
        cells, place = np.unique(keys, return_inverse=True)
        held = np.bincount(place, weights=amounts, minlength=len(cells)).astype(np.int64)
        self._hold(second, cells, held)

    def _hold(self, second: int, cells: Index, held: Ints) -> None:
        kept = held.astype(self.dtype, copy=False)
        self._pieces.setdefault(second, []).append((cells.astype(np.int32), kept))
        self._closed[cells] += kept
        if self.block_bits:
            np.add.at(self._closed_blocks, cells >> self.block_bits, held)

    def _close(self) -> None:
        if self.block_bits:
            blocks = np.flatnonzero(self._open_blocks)
            if not len(blocks):
                return
            by_block = self._open.reshape(-1, 1 << self.block_bits)
            taken = by_block[blocks]
            block, cell = np.nonzero(taken)
            self._hold(self._second, (blocks[block] << self.block_bits) | cell, taken[block, cell].astype(np.int64))
            by_block[blocks] = 0
            self._open_blocks[blocks] = 0
        else:
            cells = np.flatnonzero(self._open)
            if not len(cells):
                return
            self._hold(self._second, cells, self._open[cells].astype(np.int64))
            self._open[cells] = 0

    def expire(self, first: int) -> None:
        """Forget the seconds before `first`."""
        self._first = max(self._first, first)
        if self._second < self._first:
            self._close()
        for second in [s for s in self._pieces if s < self._first]:
            for cells, held in self._pieces.pop(second):
                keys = cells.astype(np.intp)
                self._closed[keys] -= held
                if self.block_bits:
                    np.subtract.at(self._closed_blocks, keys >> self.block_bits, held.astype(np.int64))

    def sums(self) -> Ints:
        """Every cell over the window."""
        return self._closed.astype(np.int64) + self._open

    def block_sums(self) -> Ints:
        return self._closed_blocks + self._open_blocks

    def block(self, blocks: Index) -> Ints:
        """The cells of the given blocks over the window, a row each."""
        width = 1 << self.block_bits
        return np.add(self._closed.reshape(-1, width)[blocks], self._open.reshape(-1, width)[blocks], dtype=np.int64)

    def of_second(self, second: int) -> tuple[Index, Ints]:
        """The non-zero cells of one second, ascending, and what they hold."""
        if second == self._second:
            self._close()
        pieces = self._pieces.get(second, [])
        if not pieces:
            return np.zeros(0, np.intp), np.zeros(0, np.int64)
        keys = np.concatenate([cells for cells, _ in pieces]).astype(np.intp)
        held = np.concatenate([held for _, held in pieces]).astype(np.int64)
        if len(pieces) > 1:
            keys, place = np.unique(keys, return_inverse=True)
            held = np.bincount(place, weights=held, minlength=len(keys)).astype(np.int64)
        return keys, held

    def resize(self, cells: int) -> None:
        """Room for more cells; those that there are keep their number."""
        self._close()
        used = np.flatnonzero(self._closed_blocks) if self.block_bits else None
        old, self._open, self._closed = self._closed, np.zeros(cells, self.dtype), np.zeros(cells, self.dtype)
        if used is None:
            self._closed[: len(old)] = old
            return
        width = 1 << self.block_bits
        self._closed.reshape(-1, width)[used] = old.reshape(-1, width)[used]
        blocks = self._closed_blocks
        self._open_blocks, self._closed_blocks = np.zeros((2, cells >> self.block_bits), np.int64)
        self._closed_blocks[: len(blocks)] = blocks


class Extremes:
    """Smallest and largest value of each row, second by second."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._first = _NEVER
        self._slots: dict[int, tuple[Ints, Ints]] = {}

    def add(self, second: int, rows: Index, smallest: Ints, largest: Ints) -> None:
        """The extremes of some values of each of `rows`, which may repeat."""
        if second < self._first:
            return
        least, most = self.of_second(second)
        np.minimum.at(least, rows, smallest)
        np.maximum.at(most, rows, largest)
        self._slots[second] = least, most

    def of_second(self, second: int) -> tuple[Ints, Ints]:
        found = self._slots.get(second)
        return found or (np.full(self._rows, NO_MINIMUM), np.full(self._rows, NO_MAXIMUM))

    def expire(self, first: int) -> None:
        self._first = max(self._first, first)
        for second in [s for s in self._slots if s < self._first]:
            del self._slots[second]

    def window(self) -> tuple[Ints, Ints]:
        if not self._slots:
            return self.of_second(_NEVER)
        smallest, largest = zip(*self._slots.values(), strict=True)
        return np.minimum.reduce(smallest), np.maximum.reduce(largest)

    def resize(self, rows: int) -> None:
        more = rows - self._rows
        self._rows = rows
        for second, (smallest, largest) in self._slots.items():
            self._slots[second] = (
                np.append(smallest, np.full(more, NO_MINIMUM)),
                np.append(largest, np.full(more, NO_MAXIMUM)),
            )


Key = TypeVar("Key", bound=Hashable)


class Tally(Generic[Key]):
    """Sums by key, for the few events that are not columns. At most `limit` different keys in a window; further ones count as `other`."""

    def __init__(self, other: Key, limit: int = 1024) -> None:
        self._other = other
        self._limit = limit
        self._first = _NEVER
        self._slots: dict[int, Counter[Key]] = {}
        self._sums: Counter[Key] = Counter()

    def add(self, second: int, key: Key, amount: int = 1) -> None:
        if second < self._first:
            return
        if key not in self._sums and len(self._sums) >= self._limit:
            key = self._other
        self._slots.setdefault(second, Counter())[key] += amount
        self._sums[key] += amount

    def expire(self, first: int) -> None:
        self._first = max(self._first, first)
        for second in [s for s in self._slots if s < self._first]:
            self._sums.subtract(self._slots.pop(second))
            self._sums = +self._sums

    def sums(self) -> dict[Key, int]:
        return dict(self._sums)
