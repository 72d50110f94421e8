"""Durations of one population, counted by cluster and bin of the sketch: all that resampling needs, in memory that does not grow with the samples."""

from typing import Final

import numpy as np

from collectors.stats.sketch import NO_MAXIMUM, NO_MINIMUM, Counts, Index, Ints, bins

_STEP: Final = 256
"""Bins by which the columns grow."""


class Tally:
    """Samples of a cluster depend on one another; those of different clusters are taken not to."""

    def __init__(self, clusters: int) -> None:
        self.first = 0
        """The bin of the first column."""
        self.counts: Ints = np.zeros((clusters, 0), np.int64)
        self.minimum_ns = NO_MINIMUM
        self.maximum_ns = NO_MAXIMUM

    def add(self, cluster: Index, values_ns: Ints) -> None:
        """A cluster for each duration."""
        if not len(values_ns):
            return
        bin_ = bins(values_ns)
        self._reserve(int(bin_.min()), int(bin_.max()) + 1)
        np.add.at(self.counts, (cluster, bin_ - self.first), 1)
        self.minimum_ns = min(self.minimum_ns, int(values_ns.min()))
        self.maximum_ns = max(self.maximum_ns, int(values_ns.max()))

    def take(self, other: "Tally") -> None:
        """All of another one with as many clusters."""
        if not other.counts.shape[1]:
            return
        self._reserve(other.first, other.first + other.counts.shape[1])
        at = other.first - self.first
        self.counts[:, at : at + other.counts.shape[1]] += other.counts
        self.minimum_ns = min(self.minimum_ns, other.minimum_ns)
        self.maximum_ns = max(self.maximum_ns, other.maximum_ns)

    def all(self) -> Counts:
        """Of all clusters together."""
        shifted = np.concatenate((np.zeros(self.first, np.int64), self.counts.sum(axis=0)))
        return Counts.span(shifted, self.minimum_ns, self.maximum_ns)

    @property
    def occupied(self) -> Ints:
        """The clusters that have any sample."""
        found: Ints = self.counts[self.counts.any(axis=1)]
        return found

    def _reserve(self, begin: int, end: int) -> None:
        clusters, width = self.counts.shape
        if width and self.first <= begin and end <= self.first + width:
            return
        if width:
            begin, end = min(begin, self.first), max(end, self.first + width)
        begin, end = begin // _STEP * _STEP, -(-end // _STEP) * _STEP
        grown = np.zeros((clusters, end - begin), np.int64)
        if width:
            grown[:, self.first - begin : self.first - begin + width] = self.counts
        self.first, self.counts = begin, grown
