"""The median of all gaps of a request before each of them: exact, one request at a time, going on from where it was when more have come. Pure but for what it remembers."""

from bisect import insort
from collections.abc import Sequence

from collectors.stats.medians import ENOUGH


class RunningMedians:
    def __init__(self) -> None:
        self._gaps: list[int] = []
        self._sorted: list[int] = []
        self._medians: list[float | None] = []

    def of(self, gaps: Sequence[int]) -> Sequence[float | None]:
        """Before each gap, in order; None with fewer than ENOUGH before it."""
        n = len(self._gaps)
        if len(gaps) < n or list(gaps[:n]) != self._gaps:
            self._gaps, self._sorted, self._medians = [], [], []
            n = 0
        for gap in gaps[n:]:
            known = len(self._sorted)
            if known < ENOUGH:
                self._medians.append(None)
            else:
                self._medians.append((self._sorted[(known - 1) >> 1] + self._sorted[known >> 1]) / 2)
            insort(self._sorted, gap)
        self._gaps = list(gaps)
        return self._medians
