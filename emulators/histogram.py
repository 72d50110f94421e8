"""A histogram as a page shows it, out of counts that have been made elsewhere."""

from collections.abc import Mapping

from prometheus_client.core import HistogramMetricFamily, Metric

from emulators.stats import BucketCounts


def histogram(name: str, text: str, labels: Mapping[str, str], counts: BucketCounts, created: float) -> Metric:
    """A family with one child."""
    return of_buckets(name, text, labels, counts.bounds.tolist(), counts.cumulative().tolist(), counts.sum, created)


def of_buckets(
    name: str,
    text: str,
    labels: Mapping[str, str],
    bounds: list[float],
    cumulative: list[int],
    total: float,
    created: float,
) -> Metric:
    """The same out of `bounds`, the cumulative counts up to each and of all, and the sum."""
    family = HistogramMetricFamily(name, text, labels=tuple(labels))
    names = [*(repr(bound) for bound in bounds), "+Inf"]
    family.add_metric(list(labels.values()), list(zip(names, cumulative, strict=True)), sum_value=total)
    family.add_sample(f"{name}_created", dict(labels), created)
    return family
