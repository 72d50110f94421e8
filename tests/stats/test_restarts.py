"""A restart that overtook its old counts between two scrapes is seen by when the process began."""

import numpy as np
import pytest

from collectors.model.batch import Layout, Samples
from collectors.model.signals import Kind, Series, Signal
from collectors.stats.columns import Key
from collectors.stats.scraped import ScrapedStats
from tests.stats.test_scraped import SECOND, TOKENS, TTFT, WINDOW, buckets, counter

NAN = float("nan")
STARTED = Series(Signal.PROCESS_STARTED, Kind.GAUGE, "", "process_start_time_seconds")
UPTIME = Series(Signal.PROCESS_UPTIME, Kind.GAUGE, "", "dynamo_component_uptime_seconds")


def grown(since: Series, *rows: tuple[float, float], every_s: float = 30.0) -> int | None:
    """Of a counter in pages that have (what the process says of its start, the count), the first of which is session second 0."""
    stats = ScrapedStats()
    stats.layout(Layout((since, counter())))
    for number, row in enumerate(rows):
        stats.samples(Samples(np.array(row)), round(number * every_s * SECOND))
    return stats.increase(round(len(rows) * every_s * SECOND), 1_000 * SECOND, TOKENS).value


def test_what_was_overtaken_is_the_new_value_and_not_the_difference() -> None:
    assert grown(STARTED, (1_790_000_000.0, 100), (1_790_000_000.0, 150), every_s=10) == 50
    assert grown(STARTED, (1_790_000_000.0, 100), (1_790_000_020.5, 150), every_s=10) == 150
    assert grown(STARTED, (1e9, 100), (2e9, 150), (2e9, 160), every_s=10) == 160


@pytest.mark.parametrize("second", [1_790_000_001.0, 1_789_999_000.0, NAN, float("inf"), 0.0, -5.0])
def test_noise_an_earlier_start_and_no_number_tell_nothing(second: float) -> None:
    assert grown(STARTED, (1_790_000_000.0, 100), (second, 150), every_s=10) == 50
    assert grown(STARTED, (second if second > 0 else NAN, 100), (NAN, 150), every_s=10) == 50


def test_a_page_without_a_number_in_between_hides_nothing() -> None:
    assert grown(STARTED, (1e9, 100), (NAN, 150), (2e9, 170), every_s=10) == 50 + 170


def test_processes_that_take_turns_at_an_address_are_not_restarted_at_every_turn() -> None:
    assert grown(STARTED, (1e9, 100), (2e9, 150), (1e9, 151), (2e9, 152), every_s=10) == 152


def test_a_time_since_the_start_that_is_shorter_or_younger_than_the_last_page_is_a_restart() -> None:
    assert grown(UPTIME, (500.0, 100), (530.0, 150)) == 50
    assert grown(UPTIME, (500.0, 100), (25.0, 150)) == 150
    assert grown(UPTIME, (10.0, 100), (25.0, 150)) == 150  # up for longer than before, but not since then
    assert grown(UPTIME, (500.0, 100), (NAN, 120), (560.0, 150)) == 50
    assert grown(UPTIME, (NAN, 100), (1.0, 150)) == 50


def test_histograms_are_reset_with_it_and_a_changed_page_is_no_way_out() -> None:
    stats = ScrapedStats()
    stats.layout(Layout((STARTED, *buckets(1, 2))))
    stats.samples(Samples(np.array([1e9, 5, 6, 7, 1.0, 7])), 0)
    stats.layout(Layout((STARTED, counter(), *buckets(1, 2))))
    stats.samples(Samples(np.array([2e9, 40, 8, 9, 10, 1.0, 10])), 10 * SECOND)
    found = stats.histogram(11 * SECOND, WINDOW, TTFT)
    assert found.buckets is not None
    assert found.buckets.cumulative.tolist() == [8, 9, 10]
    assert stats.reset_ns == 10 * SECOND
    assert stats.gauge(11 * SECOND, Key("", Signal.PROCESS_STARTED)).value == 2e9


CREATED = tuple(Series(Signal.COUNTER_CREATED, Kind.GAUGE, "", "x_created", label=f"x {number}") for number in range(2))


def counted(*rows: tuple[float, float, float], every_s: float = 10.0) -> int | None:
    """Of a counter in pages that have (when two counters were created, the count)."""
    stats = ScrapedStats()
    stats.layout(Layout((*CREATED, counter())))
    for number, row in enumerate(rows):
        stats.samples(Samples(np.array(row)), round(number * every_s * SECOND))
    return stats.increase(round(len(rows) * every_s * SECOND), 1_000 * SECOND, TOKENS).value


def test_counters_that_were_all_created_anew_are_reset_though_they_have_overtaken() -> None:
    assert counted((1e9, 1e9, 100), (1e9, 1e9, 110), (1e9 + 20, 1e9 + 21, 150)) == 10 + 150
    assert counted((1e9, 1e9, 100), (1e9, 1e9, 110), (NAN, NAN, 120), (1e9 + 20, 1e9 + 21, 150)) == 20 + 150


def test_one_that_was_created_anew_alone_is_no_restart() -> None:
    assert counted((1e9, 1e9, 100), (1e9, 1e9, 110), (1e9, 1e9 + 21, 150)) == 50
    assert counted((1e9, NAN, 100), (1e9, NAN, 110), (1e9, 1e9 + 21, 150)) == 50


@pytest.mark.parametrize("wrong", [0.0, -1.0, NAN, float("inf"), 1e9 - 500])
def test_what_cannot_be_a_time_of_creation_tells_nothing(wrong: float) -> None:
    assert counted((1e9, 1e9, 100), (1e9, 1e9, 110), (wrong, wrong, 150), (1e9, 1e9, 160)) == 60


def test_a_time_that_is_another_whenever_it_is_read_is_not_one_of_creation() -> None:
    assert counted(*((1e9 + 10 * number, 1e9 + 10 * number, 100 + number) for number in range(6))) == 5


def test_processes_that_take_turns_are_restarted_once() -> None:
    a, b = 1e9, 1e9 + 500
    rows = [(a, a, 100.0), (a, a, 101.0), (b, b, 150.0), (a, a, 151.0), (b, b, 152.0), (b, b, 153.0), (a, a, 154.0)]
    assert counted(*rows) == 1 + 150 + 4
