"""Whether two figures differ by more than chance: percentile intervals of the bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13).

What is drawn again are requests (in groups), because what one request says of itself depends on each other; of rates it is blocks of seconds. The draws have a fixed seed: the same
recordings give the same interval.
"""

from typing import Final, NamedTuple

import numpy as np

from collectors.compare.samples import Histogram
from collectors.stats.sketch import HIGH_NS, LOW_NS, MIDDLE_NS, Floats, Index, Ints

DRAWS: Final = 1_000
SEED: Final = 1
LEAST_GROUPS: Final = 20
"""With fewer requests no interval is told."""
BLOCK_S: Final = 5
LEAST_BLOCKS: Final = 8
CONFIDENCE: Final = 0.95
_TAIL: Final = (1 - CONFIDENCE) / 2


class Bounds(NamedTuple):
    low: float
    high: float


def quantile(histogram: Histogram, q: float) -> float | None:
    """In seconds, to the width of a bin (0.2 %); None of nothing."""
    used, counts = histogram.table()
    return float(_quantiles(used, counts.sum(axis=0, keepdims=True), q)[0]) if len(used) else None


def difference(a: Histogram, b: Histogram, q: float) -> Bounds | None:
    """Of a quantile, b − a, in seconds, with what the bins leave open; None where either has too few requests."""
    rng = np.random.default_rng(SEED)
    drawn = [_drawn(one, q, rng) for one in (a, b)]
    if drawn[0] is None or drawn[1] is None:
        return None
    found, open_ = _bounds(drawn[1] - drawn[0]), (_width(a, q) + _width(b, q)) / 2
    return Bounds(found.low - open_, found.high + open_)


def _width(histogram: Histogram, q: float) -> float:
    """Of the bin that holds the quantile, in seconds."""
    used, counts = histogram.table()
    at = used[_places(counts.sum(axis=0, keepdims=True), q)[0]]
    return float(HIGH_NS[at] - LOW_NS[at]) / 1e9


def rate_difference(a: Ints, b: Ints) -> Bounds | None:
    """Of the means of what happened each second, b − a: circular blocks of BLOCK_S (Politis and Romano, 1992). None where either is too short."""
    rng = np.random.default_rng(SEED)
    if min(len(a), len(b)) < BLOCK_S * LEAST_BLOCKS:
        return None
    return _bounds(_means(b, rng) - _means(a, rng))


def _drawn(histogram: Histogram, q: float, rng: np.random.Generator) -> Floats | None:
    used, counts = histogram.table()
    groups = len(counts)
    if groups < LEAST_GROUPS:
        return None
    weights = rng.multinomial(groups, np.full(groups, 1 / groups), DRAWS)
    return _quantiles(used, weights @ counts, q)


def _quantiles(used: Ints, counts: Floats, q: float) -> Floats:
    """Of each row of counts by bin: the middle of the bin that holds the quantile."""
    middle = np.where(np.isinf(MIDDLE_NS), LOW_NS, MIDDLE_NS)[used]
    found: Floats = middle[_places(counts, q)] / 1e9
    return found


def _places(counts: Floats, q: float) -> Index:
    """Of each row the column that holds the quantile, by rank."""
    total = np.cumsum(counts, axis=1)
    rank = np.floor((total[:, -1:] - 1) * q)
    at: Index = np.minimum((total <= rank).sum(axis=1), counts.shape[1] - 1)
    return at


def _means(values: Ints, rng: np.random.Generator) -> Floats:
    blocks = -(-len(values) // BLOCK_S)
    starts = rng.integers(len(values), size=(DRAWS, blocks, 1))
    drawn = values[(starts + np.arange(BLOCK_S)) % len(values)].reshape(DRAWS, -1)[:, : len(values)]
    found: Floats = drawn.mean(axis=1)
    return found


def _bounds(drawn: Floats) -> Bounds:
    low, high = np.quantile(drawn, (_TAIL, 1 - _TAIL))
    return Bounds(float(low), float(high))
