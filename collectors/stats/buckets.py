"""Bucket histograms as plain counts: checked, merged, and asked for the share below a threshold.

Not here: where the counts come from (`scraped`), and their quantiles (`quantiles`).
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt


class MalformedBucketsError(ValueError):
    """The bounds and counts are no histogram: not ascending, not ending in +Inf, or of different lengths."""


class BucketMismatchError(ValueError):
    """Histograms with different bounds cannot be merged: no split of a bucket's count would be known to be true."""


class Buckets(msgspec.Struct, frozen=True, eq=False):
    """`cumulative[i]` observations were at most `bounds[i]`; the bounds ascend and the last one is +Inf. Made by `buckets()`."""

    bounds: npt.NDArray[np.float64]
    cumulative: npt.NDArray[np.int64]

    @property
    def n(self) -> int:
        return int(self.cumulative[-1])


class Share(msgspec.Struct, frozen=True):
    """A share (0–1) that is known to lie in [low, high]; exact when they are equal."""

    low: float
    high: float


def buckets(bounds: npt.ArrayLike, cumulative: npt.ArrayLike) -> Buckets:
    """Counts at or below each bound, as a scrape gives them.

    Buckets of one scrape may have been read at slightly different moments; a count below its predecessor's is lifted to it, as
    Prometheus does (prometheus/prometheus promql/quantile.go, ensureMonotonicAndIgnoreSmallDeltas).
    """
    edges = np.asarray(bounds, dtype=np.float64)
    counts = np.asarray(cumulative, dtype=np.int64)
    if edges.ndim != 1 or edges.shape != counts.shape or not edges.size:
        raise MalformedBucketsError(
            f"{edges.shape} bounds and {counts.shape} counts: one count is needed for each bound"
        )
    if edges[-1] != np.inf or not bool(np.all(edges[:-1] < edges[1:])):
        raise MalformedBucketsError("bucket bounds must ascend and end in +Inf")
    return Buckets(edges, np.maximum.accumulate(counts))


def merge(histograms: Sequence[Buckets]) -> Buckets:
    """All observations of `histograms` (at least one) as one histogram.

    Raises `BucketMismatchError` unless their bounds are the same numbers.
    """
    first = histograms[0]
    for other in histograms[1:]:
        if other.bounds is not first.bounds and not np.array_equal(first.bounds, other.bounds):
            raise BucketMismatchError(
                f"bounds differ ({_spelled(first)} and {_spelled(other)}): set the same buckets on both, or look at them one by one"
            )
    return Buckets(first.bounds, np.sum([one.cumulative for one in histograms], axis=0, dtype=np.int64))


def share_below(histogram: Buckets, threshold: float) -> Share | None:
    """Share of observations ≤ `threshold`: exact on a bound, else a bracket; None without observations."""
    n = histogram.n
    if n == 0:
        return None
    above = int(histogram.bounds.searchsorted(threshold))
    high = int(histogram.cumulative[above])
    if histogram.bounds[above] == threshold:
        return Share(high / n, high / n)
    low = int(histogram.cumulative[above - 1]) if above else 0
    return Share(low / n, high / n)


def _spelled(histogram: Buckets) -> str:
    finite = histogram.bounds[:-1]
    shown = ", ".join(f"{bound:g}" for bound in finite[:4])
    return f"{finite.size} bounds {shown}{', …' if finite.size > 4 else ''}"
