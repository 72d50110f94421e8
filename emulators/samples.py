"""A growing column of integers that is added to in bulk: gaps and times to first token, in nanoseconds."""

from typing import Final

import numpy as np

from emulators.stats import BucketCounts, Ints

MAX_KEPT: Final = 1 << 22
"""Most samples that are kept for exact quantiles: 32 MiB a column."""


class Samples:
    """Counts into a histogram at each `flush`; with `keep`, also holds all values, up to `MAX_KEPT`, for exact quantiles."""

    __slots__ = ("_histogram", "_keep", "_length", "_pieces", "_single", "_values", "complete")

    def __init__(self, histogram: BucketCounts, *, keep: bool) -> None:
        self._histogram = histogram
        self._keep = keep
        self._values: Ints = np.empty(0, np.int64)
        self._length = 0
        self._pieces: list[Ints] = []
        self._single: list[int] = []
        """What was added since the last flush, in pieces and one by one."""
        self.complete = keep
        """Whether `values` is everything that was ever added."""

    def extend(self, values: Ints) -> None:
        """Adds a column, which is not to be changed any more."""
        self._pieces.append(values)

    def append(self, value: int) -> None:
        self._single.append(value)

    def flush(self) -> None:
        """Counts what was added since the last flush."""
        pieces, single = self._pieces, self._single
        if not pieces and not single:
            return
        self._pieces, self._single = [], []
        for value in single:
            self._histogram.add_one(value)
        if pieces:
            self._histogram.add(np.concatenate(pieces))
        if self._keep:
            self._hold(np.concatenate([*pieces, np.array(single, np.int64)]))

    @property
    def values(self) -> Ints:
        """All that is held; read it after a `flush`."""
        return self._values[: self._length]

    def _hold(self, added: Ints) -> None:
        end = self._length + len(added)
        if end > MAX_KEPT:
            self._keep = self.complete = False
            self._values = np.empty(0, np.int64)
            self._length = 0
            return
        if end > len(self._values):
            self._values = np.concatenate([self._values, np.empty(max(1024, end), np.int64)])
        self._values[self._length : end] = added
        self._length = end
