"""Intervals of differences: they hold what is true about as often as they say, and what depends on each other does not count as much."""

import numpy as np
import pytest

from collectors.compare.bootstrap import LEAST_GROUPS, difference, quantile, rate_difference
from collectors.compare.samples import GROUPS, Histogram
from collectors.stats.sketch import Floats, bins


def made(seconds: Floats, per_request: int = 1) -> Histogram:
    found = Histogram()
    group = np.arange(len(seconds)) // per_request % GROUPS
    found.add(group.astype(np.int64), bins(np.round(seconds * 1e9).astype(np.int64)).astype(np.int64))
    return found


def drawn(rng: np.random.Generator, n: int, scale: float = 1.0) -> Floats:
    return 0.01 * scale * rng.lognormal(0.0, 0.3, n)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_a_quantile_is_numpys_to_a_bin(q: float) -> None:
    values = drawn(np.random.default_rng(5), 4_000)
    assert quantile(made(values), q) == pytest.approx(np.quantile(values, q, method="lower"), rel=0.002)
    assert quantile(Histogram(), q) is None


def test_the_interval_holds_the_true_difference_about_as_often_as_it_says() -> None:
    rng, held, rounds = np.random.default_rng(1), 0, 60
    true = 0.01 * 0.2
    for _ in range(rounds):
        found = difference(made(drawn(rng, 400)), made(drawn(rng, 400, 1.2)), 0.5)
        assert found is not None
        held += found.low <= true <= found.high
    # Binomial with p = 0.95: fewer than 50 of 60 happen once in 3,000 times.
    assert held >= 50


def test_equal_populations_mostly_show_no_difference() -> None:
    rng, shown, rounds = np.random.default_rng(2), 0, 60
    for _ in range(rounds):
        found = difference(made(drawn(rng, 300)), made(drawn(rng, 300)), 0.5)
        assert found is not None
        shown += not found.low <= 0 <= found.high
    assert shown <= 10


def test_gaps_of_one_request_count_as_one_thing_drawn() -> None:
    """A thousand gaps of each of 30 requests, all alike within one: their number makes nothing surer."""
    rng = np.random.default_rng(3)
    a, b = (np.repeat(drawn(rng, 30), 1_000) for _ in range(2))
    clustered = difference(made(a, 1_000), made(b, 1_000), 0.5)
    alone = difference(made(a), made(b), 0.5)
    assert clustered is not None
    assert alone is not None
    assert clustered.high - clustered.low > 4 * (alone.high - alone.low)


def test_too_few_requests_tell_nothing() -> None:
    rng = np.random.default_rng(4)
    few, many = made(drawn(rng, LEAST_GROUPS - 1)), made(drawn(rng, 500))
    assert difference(few, many, 0.5) is None
    assert difference(many, few, 0.5) is None
    assert difference(made(drawn(rng, LEAST_GROUPS)), many, 0.5) is not None


def test_the_same_samples_give_the_same_interval() -> None:
    a, b = (made(drawn(np.random.default_rng(seed), 200)) for seed in (6, 7))
    assert difference(a, b, 0.99) == difference(a, b, 0.99)


def test_rates_are_drawn_in_blocks() -> None:
    rng = np.random.default_rng(8)
    calm, busy = rng.poisson(100, 60), rng.poisson(120, 60)
    found = rate_difference(calm, busy)
    assert found is not None
    assert 0 < found.low < busy.mean() - calm.mean() < found.high
    same = rate_difference(calm, rng.poisson(100, 60))
    assert same is not None
    assert same.low < 0 < same.high
    assert rate_difference(calm[:39], busy) is None


def test_counts_that_come_in_pieces_are_added() -> None:
    rng = np.random.default_rng(9)
    groups, values = rng.integers(0, GROUPS, 5_000), rng.integers(0, 1 << 14, 5_000)
    whole, pieces = Histogram(), Histogram()
    whole.add(groups, values)
    for part in np.array_split(np.arange(5_000), 7):
        pieces.add(groups[part], values[part])
    for one, other in zip(whole.table(), pieces.table(), strict=True):
        assert np.array_equal(one, other)
    assert whole.n == pieces.n == 5_000
