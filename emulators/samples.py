"""A growing column of integers that is added to in bulk: gaps and times to first token, in nanoseconds."""

from typing import Final

import numpy as np

from emulators.stats import BucketCounts, Ints

MAX_KEPT: Final = 1 << 22
"""Most samples that are kept for exact quantiles: 32 MiB a column."""


class Samples:
    """Counts into a histogram at each `flush`; with `keep`, also holds all values, up to `MAX_KEPT`, for exact quantiles."""

    __slots__ = ("_counted", "_histogram", "_keep", "_length", "_values", "complete")

    def __init__(self, histogram: BucketCounts, *, keep: bool) -> None:
        self._histogram = histogram
        self._keep = keep
        self._values: Ints = np.empty(1024, np.int64)
        self._length = 0
        self._counted = 0
        self.complete = keep
        """Whether `values` is everything that was ever added."""

    def extend(self, values: Ints) -> None:
        end = self._length + len(values)
        self._make_room(end)
        self._values[self._length : end] = values
        self._length = end

    def append(self, value: int) -> None:
        self._make_room(self._length + 1)
        self._values[self._length] = value
        self._length += 1

    def flush(self) -> None:
        """Counts what was added since the last flush."""
        if self._length > self._counted:
            self._histogram.add(self._values[self._counted : self._length])
        if self._keep and self._length > MAX_KEPT:
            self._keep = self.complete = False
            self._values = np.empty(1024, np.int64)
            self._length = 0
        if not self._keep:
            self._length = 0
        self._counted = self._length

    @property
    def values(self) -> Ints:
        """All that is held; read it after a `flush`."""
        return self._values[: self._length]

    def _make_room(self, length: int) -> None:
        if length > len(self._values):
            self._values = np.concatenate([self._values, np.empty(max(length, len(self._values)), np.int64)])
