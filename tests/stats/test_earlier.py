"""Many intervals at once say what one after the other does."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.batch import Earlier, Layout, Past, Samples
from collectors.model.signals import Kind, Series, Signal
from collectors.stats.columns import Key
from collectors.stats.earlier import earlier
from collectors.stats.quantiles import Interval, enough, interval
from collectors.stats.scraped import LayoutError, ScrapedStats

SECOND = 1_000_000_000
BOUNDS = (0.01, 0.05, 0.5, float("inf"))
SERIES = (
    Series(Signal.GENERATION_TOKENS, Kind.COUNTER, "w", "x_total"),
    *(Series(Signal.GAP, Kind.BUCKET, "w", "x_bucket", le=bound) for bound in BOUNDS),
)
GROWTH = st.lists(st.tuples(*[st.integers(0, 400)] * 5, st.sampled_from(["", "", "", "reset", "lost"])), max_size=12)


@given(GROWTH)
def test_each_interval_is_what_a_window_of_two_samples_is(growths: list[tuple[int, int, int, int, int, str]]) -> None:
    counted, rows = np.zeros(5), []
    for *new, event in growths:
        if event == "reset":
            counted = np.zeros(5)
        counted = np.add(counted, [new[0], *np.cumsum(new[1:])])
        rows.append(np.full(5, np.nan) if event == "lost" else counted)
    past = Past(SERIES, tuple(Earlier(30 * SECOND * at, tuple(row.tolist())) for at, row in enumerate(rows)))
    found = earlier(past)
    if len(rows) < 2:
        assert found == []
        return
    (one,) = found
    assert (one.ends_ns - one.begins_ns == 30 * SECOND).all()
    for at, (before, after) in enumerate(pairwise(rows)):
        stats = ScrapedStats()
        stats.layout(Layout(SERIES))
        stats.samples(Samples(before), 0)
        stats.samples(Samples(after), SECOND)
        tokens = stats.increase(2 * SECOND, 60 * SECOND, Key("w", Signal.GENERATION_TOKENS)).value
        assert int(one.tokens[at]) == (-1 if tokens is None else tokens)
        buckets = stats.histogram(2 * SECOND, 60 * SECOND, Key("w", Signal.GAP)).buckets
        for q, many in ((0.5, one.p50), (0.99, one.p99)):
            known = None if buckets is None or not enough(buckets.n, q) else interval(q, buckets)
            assert many[at].tolist() == pytest.approx(
                [np.nan] * 2 if known is None else list(known_of(known)), nan_ok=True
            )


def known_of(known: Interval) -> tuple[float, float]:
    return known.low, known.high


def test_intervals_over_a_hole_are_left_out_and_rows_must_fit() -> None:
    values = tuple(float(one) for one in (1, 0, 0, 0, 0))
    times = [0, 30, 60, 360, 390]
    (one,) = earlier(Past(SERIES, tuple(Earlier(time * SECOND, values) for time in times)))
    assert (one.ends_ns // SECOND).tolist() == [30, 60, 390]
    with pytest.raises(LayoutError):
        earlier(Past(SERIES, (Earlier(0, (1.0,)), Earlier(1, (2.0,)))))
