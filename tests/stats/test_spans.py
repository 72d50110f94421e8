"""p99 − p50 of a page's gaps over the shortest time that tells it: an interval, from buckets."""

import numpy as np
import pytest

from collectors.model.batch import Layout, Samples
from collectors.model.signals import Kind, Series, Signal
from collectors.stats.scraped import ScrapedStats
from collectors.stats.spans import Span

SECOND = 1_000_000_000
BOUNDS = (0.01, 0.02, 0.05, np.inf)
NAN = float("nan")


def layout(*bounds: float, worker: str = "w/0") -> Layout:
    return Layout(tuple(Series(Signal.GAP, Kind.BUCKET, worker, "gap_bucket", le=le) for le in bounds or BOUNDS))


def spans(*pages: tuple[float, tuple[float, ...]]) -> list[Span]:
    """Of pages at (second, cumulative counts)."""
    stats = ScrapedStats()
    stats.layout(layout())
    for second, counts in pages:
        stats.samples(Samples(np.array(counts)), round(second * SECOND))
    return stats.spans()


def around(it: Span) -> tuple[float, float, float, float]:
    return it.begin_ns / SECOND, it.end_ns / SECOND, round(it.least_s, 9), round(it.most_s, 9)


def test_each_interval_that_has_enough_is_a_span_of_its_own() -> None:
    found = spans((1, (0, 0, 0, 0)), (2, (0, 200, 200, 200)), (3, (0, 350, 400, 400)))
    assert [around(one) for one in found] == [(1, 2, 0.0, 0.01), (2, 3, 0.0, 0.04)]
    assert {one.worker for one in found} == {"w/0"}


def test_it_takes_as_long_as_there_are_too_few() -> None:
    found = spans(*((second, (0, 30 * second, 30 * second, 30 * second)) for second in range(1, 10)))
    assert [around(one)[:2] for one in found] == [(1, 5), (5, 9)]


def test_what_takes_too_long_tells_nothing() -> None:
    slow = [(float(second), (0.0, 2.0 * second, 2.0 * second, 2.0 * second)) for second in range(1, 40)]
    busy = [(40.0, (0.0, 300.0, 300.0, 300.0))]
    assert [around(one)[:2] for one in spans(*slow, *busy)] == [(31, 40)]


def test_neither_a_new_target_nor_counters_that_began_anew_are_a_burst() -> None:
    found = spans(
        (1, (0, 10**6, 10**6, 10**6)),
        (2, (0, 10**6, 10**6 + 50, 10**6 + 50)),
        (3, (0, 120, 120, 120)),
        (4, (0, 320, 320, 320)),
    )
    assert [around(one) for one in found] == [(3, 4, 0.0, 0.01)]


@pytest.mark.parametrize("hole", [[], [(3.0, (NAN,) * 4)]])
def test_there_is_none_over_a_time_in_which_the_page_was_not_read(hole: list[tuple[float, tuple[float, ...]]]) -> None:
    before = [(1.0, (0.0, 0.0, 0.0, 0.0)), (2.0, (0.0, 200.0, 200.0, 200.0))]
    later = 4.0 if hole else 60.0
    after = [(later, (0.0, 900.0, 900.0, 900.0)), (later + 1, (0.0, 900.0, 1100.0, 1100.0))]
    assert [around(one)[:2] for one in spans(*before, *hole, *after)] == [(1, 2), (later, later + 1)]


def test_above_every_bound_only_the_least_is_known() -> None:
    found = spans((1, (0, 0, 0, 0)), (2, (190, 190, 190, 200)), (3, (190, 190, 190, 400)))
    assert [around(one)[2:] for one in found] == [(0.04, np.inf), (0.0, np.inf)]


def test_other_bounds_begin_anew() -> None:
    stats = ScrapedStats()
    for second, bounds in enumerate((BOUNDS, BOUNDS, (0.1, np.inf), (0.1, np.inf)), 1):
        stats.layout(layout(*bounds))
        stats.samples(Samples(np.array([1000.0 * second] * len(bounds))), second * SECOND)
    assert [around(one)[:2] for one in stats.spans()] == [(1, 2), (3, 4)]
    assert stats.spans() == []


def test_clocks_that_run_backwards_give_none() -> None:
    assert spans((5, (0, 0, 0, 0)), (4, (500, 500, 500, 500)), (4, (900, 900, 900, 900))) == []
