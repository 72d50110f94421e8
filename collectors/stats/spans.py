"""How far apart p99 and p50 of a page's gaps were, over the shortest times between samples that can tell it. Columns in, a few numbers out.

The page's buckets grow from sample to sample. A span ends with the sample at which enough has come for a p99; one that takes too long tells nothing and
begins anew, and so does one in which the page was not read, its gaps were not known or its counters began anew.
"""

from collections import deque
from collections.abc import Iterable
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np

from collectors.stats.columns import Floats, HistogramColumns
from collectors.stats.counters import Counts, History
from collectors.stats.quantiles import enough, interval_of

LONGEST_NS: Final = 30_000_000_000
"""After which it is not known any more when in a span anything happened; longer only where two neighbouring samples are."""
MAX_TOLD: Final = 4_096
"""Spans that wait to be asked for."""


class Span(NamedTuple):
    """Of a worker, between two samples: p99 − p50 is `least_s` … `most_s` (+Inf above every bound)."""

    worker: str
    begin_ns: int
    end_ns: int
    least_s: float
    most_s: float


def spread(p50: tuple[float, float], p99: tuple[float, float]) -> tuple[float, float]:
    """p99 − p50 at least and at most, of the intervals that they lie in."""
    return max(p99[0] - p50[1], 0.0), p99[1] - p50[0]


class _Begun(NamedTuple):
    time_ns: int
    bounds: Floats
    counted: Counts


class Spans:
    """Of all workers of one page. Samples come in order of time."""

    def __init__(self) -> None:
        self._begun: dict[str, _Begun] = {}
        self._told: deque[Span] = deque(maxlen=MAX_TOLD)

    def take(self) -> list[Span]:
        """Those that ended since it was last asked."""
        told = list(self._told)
        self._told.clear()
        return told

    def sample(
        self, time_ns: int, gaps: Iterable[tuple[str, HistogramColumns]], history: History, *, unbroken: bool
    ) -> None:
        """`history` has taken it; `unbroken`: the page was read all the time since the one before, and counted on."""
        total = history.total
        before, self._begun = self._begun if unbroken else {}, {}
        for worker, of in gaps:
            start = of.columns.start
            last = start + of.bounds.size - 1
            since_ns = history.known_since(start)
            if since_ns is None:
                continue
            begun = before.get(worker)
            if begun is not None and since_ns <= begun.time_ns < time_ns and _same(begun.bounds, of.bounds):
                n = int(total[last]) - int(begun.counted[-1])
                if not enough(n, 0.99) and time_ns - begun.time_ns < LONGEST_NS:
                    self._begun[worker] = begun
                    continue
                if enough(n, 0.99):
                    self._told.append(_span(worker, begun, time_ns, of, total))
            self._begun[worker] = _Begun(time_ns, of.bounds, total[start : last + 1].copy())


def _span(worker: str, begun: _Begun, time_ns: int, of: HistogramColumns, total: Counts) -> Span:
    start = of.columns.start
    grown = total[start : start + of.bounds.size] - begun.counted
    bounds, cumulative = of.bounds.tolist(), list(accumulate(grown.tolist(), max))
    p50, p99 = (_held(q, bounds, cumulative) for q in (0.5, 0.99))
    return Span(worker, begun.time_ns, time_ns, *spread(p50, p99))


def _held(q: float, bounds: list[float], cumulative: list[int]) -> tuple[float, float]:
    held = interval_of(q, bounds, cumulative)
    assert held is not None  # there are enough
    return max(held.low, 0.0), held.high


def _same(bounds: Floats, others: Floats) -> bool:
    return bounds is others or np.array_equal(bounds, others)
