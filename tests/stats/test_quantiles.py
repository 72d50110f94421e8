import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stats.buckets import Buckets, buckets, merge
from collectors.stats.quantiles import ROUNDING, Interval, enough, interpolated, interval

INF = float("inf")
FOUR = [buckets([0.1, 0.2, INF], cumulative) for cumulative in ([1, 3, 4], [2, 5, 6], [3, 4, 6], [4, 7, 9])]
PLAIN = buckets([0.1, 0.2, 1, INF], [50, 70, 110, 120])


@pytest.mark.parametrize(("q", "value"), [(0, 0), (0.2, 0.048), (0.5, 0.15), (0.8, 0.72), (1, 1)])
def test_interpolates_as_prometheus_does(q: float, value: float) -> None:
    assert interpolated(q, PLAIN) == pytest.approx(value)


def test_four_instances_merged_then_asked() -> None:
    whole = merge(FOUR)
    assert interpolated(0.3, whole) == pytest.approx(0.075)
    assert interpolated(0.5, whole) == pytest.approx(0.12777777)
    assert [interpolated(0.5, one) for one in FOUR] == pytest.approx([0.15, 0.133333, 0.1, 0.116667], rel=1e-4)


def test_a_first_bucket_that_ends_at_zero_is_not_stretched() -> None:
    found = buckets([0, 2, 4, 6, INF], [0, 1, 2, 3, 3])
    assert [interpolated(q, found) for q in (1 / 6, 1 / 2, 5 / 6)] == pytest.approx([1, 3, 5])
    assert interpolated(0.5, buckets([0, 0.5, 1, INF], [6, 11, 14, 19])) == pytest.approx(0.35)
    assert interpolated(0.1, buckets([0, 0.5, INF], [6, 11, 19])) == 0
    assert interpolated(0.1, buckets([-2, 0.5, INF], [6, 11, 19])) == -2


def test_the_first_bucket_begins_at_zero_only_if_it_ends_above_it() -> None:
    assert interval(0.1, PLAIN) == Interval(0, 0.1)
    assert interval(0.1, buckets([-2, 0.5, INF], [6, 11, 19])) == Interval(-INF, -2)
    assert interval(0.1, buckets([0, 0.5, INF], [6, 11, 19])) == Interval(-INF, 0)


def test_quantiles_that_do_not_exist() -> None:
    assert interpolated(-0.1, PLAIN) == -INF
    assert interpolated(1.01, PLAIN) == INF
    assert math.isnan(interpolated(math.nan, PLAIN))
    assert math.isnan(interpolated(0.5, buckets([1, INF], [0, 0])))
    assert math.isnan(interpolated(0.5, buckets([INF], [3])))
    assert interval(0.5, buckets([1, INF], [0, 0])) is None
    for q in (-0.1, 1.01, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            interval(q, PLAIN)


def test_the_interval_is_the_bucket_and_in_inf_it_has_no_upper_end() -> None:
    assert interval(0.5, PLAIN) == Interval(0.1, 0.2)
    assert interval(0.99, PLAIN) == Interval(1, INF)
    assert interpolated(0.99, PLAIN) == 1


def test_a_first_bound_that_is_too_high_shows_as_a_wide_interval() -> None:
    # vllm-project/vllm issue 48175: everything below the first bound, so the interpolated p99 is always 0.99 times it.
    found = buckets([0.3, 0.5, INF], [1000, 1000, 1000])
    assert interpolated(0.99, found) == pytest.approx(0.297)
    assert interval(0.99, found) == Interval(0, 0.3)


@pytest.mark.parametrize(("q", "needed"), [(0.5, 2), (0.9, 10), (0.99, 100), (0.999, 1000)])
def test_samples_that_a_quantile_needs(q: float, needed: int) -> None:
    assert enough(needed, q)
    assert not enough(needed - 1, q)


bounds_of = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=20, unique=True).map(sorted)
samples_of = st.lists(st.floats(0, 2e3), min_size=1, max_size=200)


def filled(bounds: list[float], values: list[float]) -> Buckets:
    edges = [*bounds, INF]
    return buckets(edges, np.searchsorted(np.sort(values), edges, side="right"))


@given(bounds_of, samples_of, st.floats(0, 1))
def test_the_true_quantile_lies_in_the_interval(bounds: list[float], values: list[float], q: float) -> None:
    held = interval(q, filled(bounds, values))
    assert held is not None
    truth = float(np.quantile(values, q, method="inverted_cdf"))
    assert held.low < truth <= held.high or truth == held.low == 0


@given(bounds_of, samples_of, st.sampled_from([0.01, 0.07, 0.5, 0.9, 0.95, 0.99]))
def test_the_interpolation_lies_in_the_interval(bounds: list[float], values: list[float], q: float) -> None:
    found = filled(bounds, values)
    held = interval(q, found)
    assert held is not None
    slack = 1e-9 * max(1.0, held.low)
    assert held.low - slack <= interpolated(q, found) <= held.high + slack


@given(st.lists(samples_of, min_size=1, max_size=4), st.floats(0, 1))
def test_merged_workers_hold_the_quantile_of_all_samples(workers: list[list[float]], q: float) -> None:
    bounds = [0.01, 0.1, 1.0, 10.0]
    held = interval(q, merge([filled(bounds, values) for values in workers]))
    assert held is not None
    samples = sorted(value for values in workers for value in values)
    # Of 25 samples, 0.28 is the 7th, which a product of floats makes 7.000000000000001; numpy's inverted_cdf takes the 8th.
    truth = samples[max(1, math.ceil(q * len(samples) * (1.0 - ROUNDING))) - 1]
    assert held.low < truth <= held.high or truth == held.low == 0
