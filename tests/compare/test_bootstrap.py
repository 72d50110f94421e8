"""Intervals of differences: they hold what is true about as often as they say, and what depends on each other does not count as much."""

import numpy as np
import pytest

from collectors.compare.bootstrap import (
    LEAST_BEYOND,
    LEAST_PIECES,
    LEAST_REQUESTS,
    by_request,
    difference,
    quantile,
    rate_difference,
    share_difference,
)
from collectors.compare.population import PIECES, REQUESTS, Judged, Samples
from collectors.compare.tally import Tally
from collectors.stats.sketch import Counts, Floats, Index


def made(seconds: Floats, per_request: int = 1, piece: Index | None = None) -> Samples:
    """Spread over the whole time, unless it is said when they were."""
    found, at = Samples(), np.arange(len(seconds))
    values_ns = np.round(seconds * 1e9).astype(np.int64)
    found.by_request.add(at // per_request % REQUESTS, values_ns)
    found.by_time.add(at % PIECES if piece is None else piece, values_ns)
    return found


def drawn(rng: np.random.Generator, n: int, scale: float = 1.0) -> Floats:
    return 0.01 * scale * rng.lognormal(0.0, 0.3, n)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_a_quantile_is_numpys_to_a_bin(q: float) -> None:
    values = drawn(np.random.default_rng(5), 4_000)
    assert quantile(made(values), q) == pytest.approx(np.quantile(values, q), rel=0.002)
    assert quantile(Samples(), q) is None


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


def test_what_falls_on_everybody_at_once_is_chance_too() -> None:
    """Bursts that stall all requests that run: by requests alone they would be a difference far more often than one in twenty times."""
    rng, rounds = np.random.default_rng(10), 40
    alone = shown = 0
    for _ in range(rounds):
        sides = []
        for _ in range(2):
            piece = rng.integers(0, PIECES, 12_000)
            burst = np.repeat(rng.random(PIECES // 4) < 0.3, 4)[piece] & (rng.random(12_000) < 0.2)
            sides.append(made(np.where(burst, 9.0, 1.0) * drawn(rng, 12_000), 40, piece))
        a, b = (by_request(rng, one.by_request, 0.95) for one in sides)
        assert a is not None
        assert b is not None
        low, high = np.quantile(b - a, (0.025, 0.975))
        alone += not low <= 0 <= high
        found = difference(sides[0], sides[1], 0.95)
        assert found is not None
        shown += not found.low <= 0 <= found.high
    assert alone >= 10
    assert shown <= 8


def test_too_few_requests_pieces_of_time_or_samples_beyond_tell_nothing() -> None:
    rng = np.random.default_rng(4)
    many = made(drawn(rng, 4_000))
    few = made(drawn(rng, 100 * (LEAST_REQUESTS - 1)), 100)
    assert difference(few, many, 0.5) is None
    assert difference(many, few, 0.5) is None
    assert difference(made(drawn(rng, 100 * LEAST_REQUESTS), 100), many, 0.5) is not None
    for pieces, told in ((LEAST_PIECES - 1, False), (LEAST_PIECES, True)):
        at_once = made(drawn(rng, 4_000), 1, np.arange(4_000) % pieces)
        assert (difference(many, at_once, 0.5) is not None) is told
    beyond = round(LEAST_BEYOND * 100)
    assert difference(made(drawn(rng, beyond - 1)), many, 0.99) is None
    assert difference(made(drawn(rng, beyond)), many, 0.99) is not None


def test_nothing_is_shown_below_what_a_bin_can_tell() -> None:
    found = difference(made(np.full(4_000, 1.3e-3)), made(np.full(4_000, 1.301e-3)), 0.5)
    assert found is not None
    assert found.low < 0 < found.high


def test_the_same_samples_give_the_same_interval() -> None:
    a, b = (made(drawn(np.random.default_rng(seed), 200)) for seed in (6, 7))
    assert difference(a, b, 0.99) == difference(a, b, 0.99)


def test_rates_are_drawn_by_stretches() -> None:
    rng, both = np.random.default_rng(8), (60.0, 60.0)
    calm, busy = rng.poisson(100, PIECES), rng.poisson(120, PIECES)
    found = rate_difference(calm, busy, both)
    assert found is not None
    assert 0 < found.low < (busy.sum() - calm.sum()) / 60 < found.high
    same = rate_difference(calm, rng.poisson(100, PIECES), both)
    assert same is not None
    assert same.low < 0 < same.high
    twice_as_long = rate_difference(calm, 2 * calm, (60.0, 120.0))
    assert twice_as_long is not None
    assert twice_as_long.low < 0 < twice_as_long.high
    assert rate_difference(calm * (np.arange(PIECES) < LEAST_PIECES - 1), busy, both) is None


def test_shares_that_come_and_go_are_less_sure() -> None:
    n = np.full(PIECES, 100)
    wave = np.where(np.arange(PIECES) // 10 % 2, 30, 70)
    steady = share_difference(Judged(n // 2, n), Judged(n // 2, n))
    waves = share_difference(Judged(wave, n), Judged(wave, n))
    assert steady == (0.0, 0.0)
    assert waves is not None
    assert waves.low < -0.05
    assert waves.high > 0.05


def test_a_tally_is_the_sketch_of_its_samples_however_it_grew() -> None:
    rng = np.random.default_rng(9)
    values = (10 ** rng.uniform(2, 13, 4_000)).astype(np.int64)
    tally, parts = Tally(16), [Tally(16), Tally(16)]
    for number, some in enumerate(np.split(values, 16)):
        tally.add(rng.integers(0, 16, 250), some)
        parts[number % 2].add(rng.integers(0, 16, 250), some)
    parts[0].take(parts[1])
    assert tally.all() == parts[0].all() == Counts.of(values)
    assert Tally(4).all() == Counts.of(np.zeros(0, np.int64))
