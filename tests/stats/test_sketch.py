"""The sketch against numpy: any quantile within a thousandth and inside its interval; merging is exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.stats.rfc3550 import smoothed_jitter
from collectors.stats.sketch import HIGH_NS, LOW_NS, OVER, UNDER, Counts, Ints, bins

MS = 1_000_000
RANGE = st.integers(1_000, 1_000_000_000_000)
SAMPLES = st.one_of(
    st.lists(RANGE, min_size=1, max_size=200),
    st.floats(1, 39).flatmap(lambda e: st.lists(st.integers(1000, 1000 + int(2**e)), min_size=1, max_size=200)),
).map(lambda values: np.array(values, np.int64))
ANY = st.lists(st.integers(0, 2**62), max_size=50).map(lambda values: np.array(values, np.int64))
Q = st.one_of(st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999, 1.0]), st.floats(0, 1))


def milliseconds(*values: float) -> Ints:
    return np.array([round(value * MS) for value in values], np.int64)


@settings(max_examples=300)
@given(SAMPLES, Q)
def test_quantile_within_a_thousandth(values: Ints, q: float) -> None:
    found = Counts.of(values).quantile(q)
    assert found is not None
    exact = float(np.quantile(values, q)) * 1e-9
    assert abs(found.value - exact) <= 1e-3 * exact
    assert found.low * (1 - 1e-12) <= exact <= found.high * (1 + 1e-12)
    assert found.high - found.low <= 2.1e-3 * exact


@given(ANY, ANY, ANY)
def test_merge_is_exact_associative_and_commutative(a: Ints, b: Ints, c: Ints) -> None:
    one, two, three = Counts.of(a), Counts.of(b), Counts.of(c)
    assert one.merge(two) == Counts.of(np.concatenate([a, b]))
    assert one.merge(two) == two.merge(one)
    assert one.merge(two).merge(three) == one.merge(two.merge(three))
    assert one.merge(two).n == len(a) + len(b)


def test_only_the_occupied_span_is_kept() -> None:
    assert len(Counts.of(milliseconds(20, 20.01, 20.02)).counts) < 5
    assert len(Counts.of(milliseconds()).counts) == 0


@given(st.integers(0, 2**62))
def test_a_value_lies_in_its_bin(value: int) -> None:
    bin_ = int(bins(np.array([value]))[0])
    assert UNDER <= bin_ <= OVER
    assert LOW_NS[bin_] <= value
    assert value < HIGH_NS[bin_] or bin_ == OVER


def test_edges_of_bins_are_their_own() -> None:
    inside = np.arange(UNDER + 1, OVER)
    edges = LOW_NS[inside]
    whole = edges == np.floor(edges)
    assert whole.sum() > 10_000
    np.testing.assert_array_equal(bins(edges[whole].astype(np.int64)), inside[whole])
    np.testing.assert_array_equal(bins(edges[whole].astype(np.int64) - 1), np.maximum(inside[whole] - 1, UNDER))


def test_nothing_has_no_quantile() -> None:
    assert Counts.of(milliseconds()).quantile(0.5) is None


def test_extremes_are_exact_outside_of_the_range() -> None:
    found = Counts.of(np.array([0, 0, 7, 3_000_000_000_000_000], np.int64))
    assert found.quantile(0.0) == (0.0, 0.0, 0.0)
    assert found.quantile(1.0) == pytest.approx((3e6, 3e6, 3e6))
    middle = found.quantile(0.5)
    assert middle is not None
    assert middle.low <= 3.5e-9 <= middle.high <= 1e-6


def test_merged_and_worst_worker_not_a_mean_of_percentiles() -> None:
    workers = [milliseconds(*[20.0] * 1000)] * 9 + [milliseconds(*[0.2 * (i + 1) for i in range(1000)])]
    sketches = [Counts.of(worker) for worker in workers]
    p99s = [found.value for sketch in sketches if (found := sketch.quantile(0.99))]
    merged = sketches[0]
    for sketch in sketches[1:]:
        merged = merged.merge(sketch)
    whole = merged.quantile(0.99)
    assert whole is not None
    assert whole.value == pytest.approx(0.180, rel=1e-3)
    assert max(p99s) == pytest.approx(0.198, rel=1e-3)
    assert np.mean(p99s) == pytest.approx(0.0378, rel=1e-3)


@pytest.mark.parametrize(
    ("gaps", "mean", "sd", "p50", "p99", "longest", "smoothed"),
    [
        ([20.0] * 100, 20, 0, 20, 20, 20, 0),
        ([10.0, 30.0] * 50, 20, 10, 20, 30, 30, 19.966),
        ([20.0] * 99 + [2000.0], 39.8, 197.008, 20, 39.8, 2000, 123.75),
        ([0.0, 0.0, 0.0, 80.0] * 25, 20, 34.641, 0, 80, 80, 40.012),
    ],
)
def test_jitter_vectors(
    gaps: list[float], mean: float, sd: float, p50: float, p99: float, longest: float, smoothed: float
) -> None:
    sketch = Counts.of(milliseconds(*gaps))
    middle, high, top = sketch.quantile(0.5), sketch.quantile(0.99), sketch.quantile(1.0)
    assert middle is not None
    assert high is not None
    assert top is not None
    assert middle.value * 1e3 == pytest.approx(p50, rel=1e-3)
    assert high.value * 1e3 == pytest.approx(p99, rel=1e-3)
    assert (high.value - middle.value) * 1e3 == pytest.approx(p99 - p50, abs=1e-3 * p99)
    assert top.value * 1e3 == pytest.approx(longest)
    assert smoothed_jitter(gaps) == pytest.approx(smoothed, abs=5e-4)
    assert (np.mean(gaps), np.std(gaps)) == pytest.approx((mean, sd), abs=5e-4)


def test_smoothed_jitter_needs_two_gaps() -> None:
    assert smoothed_jitter([]) == smoothed_jitter([50.0]) == 0
    assert smoothed_jitter([50.0, 60.0]) == pytest.approx(10 / 16)
