"""What a server's stored samples tell of the time before a session: growth between neighbouring samples, whole columns at once.

Resets and unknown values are dealt with as in `counters`: the first sample tells nothing, a counter that fell began anew, a histogram as a whole.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.model.batch import Past
from collectors.model.signals import Signal
from collectors.stats.columns import Columns, Key
from collectors.stats.counters import UNKNOWN, Counts, counts, growth
from collectors.stats.quantiles import ROUNDING
from collectors.stats.scraped import LayoutError

LONGEST: Final = 3.0
"""Times the median interval. Of a longer one it is not known when in it anything happened."""

Floats = npt.NDArray[np.float64]


class Earlier(NamedTuple):
    """A worker's intervals, in order: (begins, ends] in session time. Tokens are UNKNOWN, quantiles NaN where the samples do not tell."""

    worker: str
    begins_ns: Counts
    ends_ns: Counts
    tokens: Counts
    n: Counts
    """Gaps between deliveries."""
    p50: Floats
    p99: Floats
    """(low, high) of each interval in two columns; +Inf as `high` above every bound."""
    resets_ns: Counts
    """Times of the samples that show that a counter of its began anew."""


def earlier(past: Past) -> list[Earlier]:
    """Of each worker that anything is known of. Raises `LayoutError` if a row does not fit the series."""
    if any(len(row.values) != len(past.series) for row in past.rows):
        raise LayoutError(f"earlier samples do not fit their {len(past.series)} series")
    if len(past.rows) < 2:
        return []
    columns = Columns(past.series)
    times = np.array([row.time_ns for row in past.rows], np.int64)
    counted = counts(np.array([columns.split(np.array(row.values))[1] for row in past.rows]))
    counted = np.where(columns.groups.whole(counted < 0), UNKNOWN, counted)
    grown, fell = growth(counted[:-1], counted[1:], columns.groups)
    grown = np.where((counted[:-1] < 0) | (counted[1:] < 0), UNKNOWN, grown)
    apart = np.diff(times)
    kept = (apart > 0) & (apart <= LONGEST * np.median(apart))
    found = []
    for worker in dict.fromkeys(key.worker for key in columns.keys):
        tokens = columns.counters.get(Key(worker, Signal.GENERATION_TOKENS))
        gaps = columns.histograms.get(Key(worker, Signal.GAP))
        nothing = np.full(len(grown), UNKNOWN)
        bounds, cumulative = np.array([np.inf]), nothing[:, None]
        if gaps is not None:
            bounds = gaps.bounds
            cumulative = np.maximum.accumulate(grown[:, gaps.columns][:, : bounds.size], axis=1)
        some = nothing if tokens is None else grown[:, tokens]
        mine = [] if tokens is None else [tokens]
        mine += [] if gaps is None else [gaps.columns.start]  # a histogram falls as a whole
        resets_ns = times[1:][fell[:, mine].any(axis=1)]
        p50, p99 = (_interval(q, bounds, cumulative)[kept] for q in (0.5, 0.99))
        n = np.maximum(cumulative[:, -1], 0)[kept]
        found.append(Earlier(worker, times[:-1][kept], times[1:][kept], some[kept], n, p50, p99, resets_ns))
    return found


def _interval(q: float, bounds: Floats, cumulative: Counts) -> Floats:
    """(low, high] of the quantile of each row; NaN where there are too few to tell it. As `quantiles.interval`, of many at once."""
    n = cumulative[:, -1]
    rank = np.maximum(1, np.ceil(q * n * (1.0 - ROUNDING)))
    bucket = np.minimum((cumulative < rank[:, None]).sum(axis=1), bounds.size - 1)
    lows = np.concatenate(([0.0], bounds[:-1]))
    found = np.stack((lows[bucket], bounds[bucket]), axis=1)
    found[n * (1.0 - q) < 1.0 - ROUNDING] = np.nan
    return found
