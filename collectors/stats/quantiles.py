"""Quantiles of bucket histograms: what Prometheus would print, and the interval in which the truth lies.

The quantile meant is the nearest-rank one: the smallest observation that at least `q·n` observations do not exceed. Not here: our own
sketch, and what a screen shows when there are too few (`figures`).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from collectors.stats.buckets import Buckets

ROUNDING = 1e-9
"""Relative slack on q·n and n·(1 − q), so that 0.07 · 100 is rank 7 and 10 samples are enough for 0.9."""


class Interval(msgspec.Struct, frozen=True):
    """The quantile lies in (low, high]; `low` is −Inf and `high` +Inf where the buckets have no bound. In the first bucket it may equal a `low` of 0."""

    low: float
    high: float


def enough(n: int, q: float) -> bool:
    """Whether `n` samples can tell a `q` quantile: at least one of them, on average, must lie beyond it."""
    return n * (1.0 - q) >= 1.0 - ROUNDING


def interval(q: float, histogram: Buckets) -> Interval | None:
    """The bucket that holds the quantile, None without observations; (highest finite bound, +Inf) when its rank is in +Inf.

    A first bucket that ends above 0 is taken to begin at 0 (times and sizes are not negative), any other one at −Inf.
    """
    return interval_of(q, histogram.bounds.tolist(), histogram.cumulative.tolist())


def interval_of(q: float, bounds: Sequence[float], cumulative: Sequence[int]) -> Interval | None:
    """The same of plain lists: several quantiles of one histogram are asked for together."""
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"a quantile is between 0 and 1, not {q}")
    n = cumulative[-1]
    if n == 0:
        return None
    rank = max(1, math.ceil(q * n * (1.0 - ROUNDING)))
    bucket = bisect_left(cumulative, rank)
    high = bounds[bucket]
    if bucket:
        return Interval(bounds[bucket - 1], high)
    return Interval(0.0 if 0.0 < high < math.inf else -math.inf, high)


def interpolated(q: float, histogram: Buckets) -> float:
    """The quantile with each bucket's observations spread evenly over it: a hint, never more than that.

    Semantics of `histogram_quantile` on classic histograms (prometheus/prometheus promql/quantile.go, bucketQuantile): NaN without
    observations or finite bounds, ∓Inf for q outside of 0 … 1, the highest finite bound for a rank in +Inf.
    """
    return interpolated_of(q, histogram.bounds.tolist(), histogram.cumulative.tolist())


def interpolated_of(q: float, bounds: Sequence[float], cumulative: Sequence[int]) -> float:
    """The same of plain lists."""
    if math.isnan(q) or len(bounds) < 2 or cumulative[-1] == 0:
        return math.nan
    if q < 0.0:
        return -math.inf
    if q > 1.0:
        return math.inf
    rank = q * cumulative[-1]
    bucket = min(bisect_left(cumulative, rank), len(bounds) - 1)
    if bucket == len(bounds) - 1:
        return bounds[-2]
    if bucket == 0 and bounds[0] <= 0.0:
        return bounds[0]
    start, below = (bounds[bucket - 1], cumulative[bucket - 1]) if bucket else (0.0, 0)
    return start + (bounds[bucket] - start) * (rank - below) / (cumulative[bucket] - below)
