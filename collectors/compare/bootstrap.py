"""Whether two figures differ by more than chance: percentile intervals of the bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13). Pure.

Gaps of one request depend on each other, requests that run together share their worker's stalls, and load comes and goes; so single samples must not be drawn. Drawn are, with
replacement and of each side by itself, whole requests (in groups), and stretches of a tenth of the time that begin anywhere (the circular block bootstrap: Politis and Romano, 1992).
The wider of the two intervals holds. The draws have a fixed seed: the same recordings give the same interval.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.compare.population import Judged, Samples
from collectors.compare.tally import Tally
from collectors.stats.sketch import MIDDLE_NS, Floats, Ints

DRAWS: Final = 1_000
SEED: Final = 1
STRETCHES: Final = 10
"""That the time is made up of."""
LEAST_REQUESTS: Final = 20
LEAST_PIECES: Final = 10
"""Of the time that have any sample. With fewer there is no interval."""
LEAST_BEYOND: Final = 10.0
"""Samples beyond a quantile, on average: what fewer are drawn from tells nothing of it."""
CONFIDENCE: Final = 0.95
_TAIL: Final = (1 - CONFIDENCE) / 2
_OPEN: Final = 1 / 1024
"""Half of a bin of the sketch, relative."""


class Bounds(NamedTuple):
    low: float
    high: float


def difference(a: Samples, b: Samples, q: float) -> Bounds | None:
    """Of a quantile, b − a, in seconds, with what the bins leave open; None where either has too few samples beyond it, requests, or pieces of the time."""
    found = [quantile(one, q) for one in (a, b)]
    if found[0] is None or found[1] is None or min(one.all().n for one in (a, b)) * (1 - q) < LEAST_BEYOND - 1e-9:
        return None
    rng, kinds = np.random.default_rng(SEED), []
    for draw, tallies in ((by_request, (a.by_request, b.by_request)), (by_time, (a.by_time, b.by_time))):
        mine, theirs = (draw(rng, tally, q) for tally in tallies)
        if mine is None or theirs is None:
            return None
        kinds.append(_bounds(theirs - mine))
    wide, open_ = wider(*kinds), _OPEN * (found[0] + found[1])
    return Bounds(wide.low - open_, wide.high + open_)


def quantile(samples: Samples, q: float) -> float | None:
    """In seconds, to the width of a bin (0.2 %); None of nothing."""
    estimate = samples.all().quantile(q)
    return None if estimate is None else estimate.value


def by_request(rng: np.random.Generator, tally: Tally, q: float) -> Floats | None:
    """DRAWS quantiles in seconds, each the middle of its bin. None with too few requests."""
    counts = tally.occupied
    return None if len(counts) < LEAST_REQUESTS else _quantiles(tally, counts, _draws(rng, len(counts), len(counts)), q)


def by_time(rng: np.random.Generator, tally: Tally, q: float) -> Floats | None:
    """The same; None where too few pieces of the time have any sample."""
    if len(tally.occupied) < LEAST_PIECES:
        return None
    return _quantiles(tally, _stretches(tally.counts), _draws(rng, len(tally.counts), STRETCHES), q)


def rate_difference(a: Ints, b: Ints, seconds: tuple[float, float]) -> Bounds | None:
    """Of events a second, b − a, from how many there were in each piece of the time of both. None where either has too few."""
    if min(int(np.count_nonzero(one)) for one in (a, b)) < LEAST_PIECES:
        return None
    rng = np.random.default_rng(SEED)
    mine, theirs = (_sums(rng, one)[0] / length for one, length in zip((a, b), seconds, strict=True))
    return _bounds(theirs - mine)


def share_difference(a: Judged, b: Judged) -> Bounds | None:
    """Of the share that met, b − a, by time alone."""
    if min(int(np.count_nonzero(one.n)) for one in (a, b)) < LEAST_PIECES:
        return None
    rng, shares = np.random.default_rng(SEED), []
    for one in (a, b):
        met, n = _sums(rng, one.met, one.n)
        shares.append(met / np.maximum(n, 1))
    return _bounds(shares[1] - shares[0])


def wider(one: Bounds, other: Bounds) -> Bounds:
    return one if one.high - one.low >= other.high - other.low else other


def _draws(rng: np.random.Generator, clusters: int, drawn: int) -> npt.NDArray[np.float32]:
    """DRAWS × clusters: how often each was drawn."""
    return rng.multinomial(drawn, np.full(clusters, 1.0 / clusters), DRAWS).astype(np.float32)


def _stretches(counts: Ints) -> Ints:
    """From counts in each piece of the time to those in each stretch; the end is followed by the beginning."""
    found = np.zeros_like(counts)
    for shift in range(len(counts) // STRETCHES):
        found += np.roll(counts, shift, axis=0)
    return found


def _sums(rng: np.random.Generator, *events: Ints) -> list[Floats]:
    """DRAWS sums over stretches, the same ones of each."""
    weights = _draws(rng, len(events[0]), STRETCHES).astype(np.float64)
    return [weights @ _stretches(one) for one in events]


def _quantiles(tally: Tally, counts: Ints, weights: npt.NDArray[np.float32], q: float) -> Floats:
    # Below 2^24 float32 counts exactly; above that a quantile does not notice.
    below = weights @ np.cumsum(counts, axis=1).astype(np.float32)
    rank = np.maximum(np.float32(q) * below[:, -1:], np.float32(0.5))
    at = np.minimum(np.count_nonzero(below < rank, axis=1), counts.shape[1] - 1)
    found: Floats = np.clip(MIDDLE_NS[tally.first + at], tally.minimum_ns, tally.maximum_ns) / 1e9
    return found


def _bounds(drawn: Floats) -> Bounds:
    low, high = np.quantile(drawn, (_TAIL, 1 - _TAIL))
    return Bounds(float(low), float(high))
