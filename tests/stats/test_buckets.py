import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stats.buckets import (
    BucketMismatchError,
    Buckets,
    MalformedBucketsError,
    Share,
    buckets,
    merge,
    share_below,
)

INF = float("inf")
counts = st.lists(st.integers(0, 10**9), min_size=3, max_size=3)


def of(per_bucket: list[int]) -> Buckets:
    return buckets([0.1, 0.2, INF], np.cumsum(per_bucket))


def same(a: Buckets, b: Buckets) -> bool:
    return np.array_equal(a.bounds, b.bounds) and np.array_equal(a.cumulative, b.cumulative)


@given(counts, counts, counts)
def test_merging_is_associative_and_commutative(a: list[int], b: list[int], c: list[int]) -> None:
    x, y, z = of(a), of(b), of(c)
    assert same(merge([x, y]), merge([y, x]))
    assert same(merge([merge([x, y]), z]), merge([x, merge([y, z])]))
    assert merge([x, y, z]).n == sum(a + b + c)


def test_bounds_are_compared_as_numbers() -> None:
    plain = buckets([float("0.2"), float("15"), INF], [1, 2, 3])
    scientific = buckets([float("2e-1"), float("1.5e1"), INF], [1, 1, 1])
    assert merge([plain, scientific]).cumulative.tolist() == [2, 3, 4]


def test_histograms_with_other_bounds_are_not_merged() -> None:
    with pytest.raises(BucketMismatchError, match=r"2 bounds 0\.1, 0\.2 and 1 bounds 0\.1"):
        merge([buckets([0.1, 0.2, INF], [1, 2, 3]), buckets([0.1, INF], [1, 2])])


@pytest.mark.parametrize(
    ("bounds", "cumulative"),
    [([0.1, 0.2], [1, 2]), ([0.2, 0.1, INF], [1, 2, 3]), ([float("nan"), INF], [1, 2]), ([INF], [1, 2]), ([], [])],
)
def test_what_is_no_histogram_is_refused(bounds: list[float], cumulative: list[int]) -> None:
    with pytest.raises(MalformedBucketsError):
        buckets(bounds, cumulative)


def test_a_bucket_read_a_moment_earlier_than_its_predecessor_is_lifted() -> None:
    assert buckets([0.1, 0.2, INF], [5, 4, 6]).cumulative.tolist() == [5, 5, 6]


def test_share_is_exact_on_a_bound_and_a_bracket_between_bounds() -> None:
    found = buckets([0, 2, 4, 6, INF], [0, 1, 2, 3, 3])
    assert share_below(found, 4) == Share(2 / 3, 2 / 3)
    assert share_below(found, 3) == Share(1 / 3, 2 / 3)
    assert share_below(found, -1) == Share(0, 0)
    assert share_below(found, 7) == Share(1, 1)


def test_share_beyond_the_highest_finite_bound_has_no_upper_end() -> None:
    assert share_below(buckets([1, INF], [3, 4]), 2) == Share(0.75, 1)
    assert share_below(buckets([1, INF], [0, 0]), 1) is None


@given(st.lists(st.floats(0, 10), min_size=1), st.floats(-1, 11))
def test_the_true_share_lies_in_the_bracket(values: list[float], threshold: float) -> None:
    bounds = [0.5, 1, 2.5, 5, INF]
    share = share_below(buckets(bounds, [sum(v <= b for v in values) for b in bounds]), threshold)
    assert share is not None
    assert share.low <= sum(v <= threshold for v in values) / len(values) <= share.high
