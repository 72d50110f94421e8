"""Sums over a sliding window of whole seconds, in integers: the sum of the slots that are left, whatever has come and gone.

Each second is a slot. The newest second is open and dense; when a later one begins it is closed into its non-zero cells, and late rows are added to
their own second as further pieces. The window's sum is kept by adding and subtracting exactly what the slots hold, so it equals the sum over them.
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Final, Generic, TypeVar

import numpy as np

from collectors.stats.sketch import NO_MAXIMUM, NO_MINIMUM, Index, Ints

Piece = tuple[Index, Ints]
"""Distinct cells and what they hold."""
SECOND_NS: Final = 1_000_000_000
NEVER: Final = -(1 << 62)


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
    """`cells` integers for each second, dense: for few cells, most of them in use."""

    def __init__(self, cells: int) -> None:
        self._open: Ints = np.zeros(cells, np.int64)
        self._closed: Ints = np.zeros(cells, np.int64)
        self._pieces: dict[int, list[Piece]] = {}
        self._first = NEVER
        self._second = NEVER

    def add(self, second: int, keys: Index, amounts: Ints | None = None) -> None:
        """Add `amounts` (1 if None) to the cells `keys`, which may repeat."""
        if second < self._first:
            return
        if second > self._second:
            self._close()
            self._second = second
        if second == self._second:
            # add.at has a fast loop only for an intp index and a value of the array's own type.
            np.add.at(self._open, keys, np.int64(1) if amounts is None else amounts)
            return
        cells, place = np.unique(keys, return_inverse=True)
        self._hold(second, cells, np.bincount(place, weights=amounts, minlength=len(cells)).astype(np.int64))

    def count(self, second: int, key: int, amount: int) -> None:
        """The same of one cell."""
        if second == self._second >= self._first:
            self._open[key] += amount
        else:
            self.add(second, np.array([key]), np.array([amount]))

    def _hold(self, second: int, cells: Index, held: Ints) -> None:
        self._pieces.setdefault(second, []).append((cells, held))
        self._closed[cells] += held

    def _close(self) -> None:
        cells = np.flatnonzero(self._open)
        if len(cells):
            self._hold(self._second, cells, self._open[cells])
            self._open[cells] = 0

    def expire(self, first: int) -> None:
        """Forget the seconds before `first`."""
        self._first = max(self._first, first)
        if self._second < self._first:
            self._close()
        for second in [s for s in self._pieces if s < self._first]:
            for cells, held in self._pieces.pop(second):
                self._closed[cells] -= held

    def sums(self) -> Ints:
        """Every cell over the window."""
        return self._closed + self._open

    def resize(self, cells: int) -> None:
        """Room for more cells; those that there are keep their number."""
        more = cells - len(self._open)
        self._open, self._closed = np.pad(self._open, (0, more)), np.pad(self._closed, (0, more))


class Extremes:
    """Smallest and largest value of each row, second by second."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._first = NEVER
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
            return self.of_second(NEVER)
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
        self._first = NEVER
        self._slots: dict[int, Counter[Key]] = {}
        self._sums: Counter[Key] = Counter()

    def add(self, second: int, key: Key, amount: int = 1) -> None:
        if second < self._first:
            return
        if key not in self._sums and len(self._sums) >= self._limit:
            key = self._other
        slot = self._slots.get(second)
        if slot is None:  # making a Counter takes longer than all else here
            slot = self._slots[second] = Counter()
        slot[key] += amount
        self._sums[key] += amount

    def expire(self, first: int) -> None:
        self._first = max(self._first, first)
        for second in [s for s in self._slots if s < self._first]:
            self._sums.subtract(self._slots.pop(second))
            self._sums = +self._sums

    def sums(self) -> dict[Key, int]:
        return dict(self._sums)
