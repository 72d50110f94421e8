from pathlib import Path

import msgspec
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from collectors.model.batch import Layout, Samples
from collectors.model.figure import Figure, Quantile
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Provenance, State, Tier
from collectors.stats import figures
from collectors.stats.buckets import BucketMismatchError
from collectors.stats.columns import Key
from collectors.stats.scraped import Increase, LayoutError, Reading, ScrapedStats, merged
from collectors.stats.sketch import Estimate

SECOND = 1_000_000_000
WINDOW = 60 * SECOND
INF = float("inf")
PAGES = Path(__file__).parents[1] / "fixtures" / "vllm"
RUNNING = Key("w", Signal.REQUESTS_RUNNING)
TOKENS = Key("w", Signal.GENERATION_TOKENS)
TTFT = Key("w", Signal.TTFT)


def gauge(signal: Signal = Signal.REQUESTS_RUNNING, worker: str = "w", tier: Tier | None = None) -> Series:
    return Series(signal, Kind.GAUGE, worker, f"x:{signal}", tier)


def counter(signal: Signal = Signal.GENERATION_TOKENS, worker: str = "w", tier: Tier | None = None) -> Series:
    return Series(signal, Kind.COUNTER, worker, f"x:{signal}", tier)


def buckets(*bounds: float, worker: str = "w", signal: Signal = Signal.TTFT) -> tuple[Series, ...]:
    le = tuple(Series(signal, Kind.BUCKET, worker, f"x:{signal}_bucket", le=bound) for bound in (*bounds, INF))
    return (
        *le,
        Series(signal, Kind.SUM, worker, f"x:{signal}_sum"),
        Series(signal, Kind.COUNT, worker, f"x:{signal}_count"),
    )


def fed(series: tuple[Series, ...], *rows: list[float], every_s: float = 1.0) -> ScrapedStats:
    stats = ScrapedStats()
    stats.layout(Layout(series))
    for i, row in enumerate(rows):
        stats.samples(Samples(np.array(row, dtype=np.float64)), int(i * every_s * SECOND))
    return stats


def bounds_of(quantile: Quantile) -> tuple[State, float | None, float | None]:
    return quantile.state, quantile.low, quantile.high


def test_five_states_of_a_gauge() -> None:
    stats = fed((gauge(), gauge(Signal.REQUESTS_WAITING), gauge(Signal.KV_ACTIVE_RATIO)), [3.0, 0.0, float("nan")])
    tick = SECOND
    assert stats.gauge(tick, RUNNING) == Reading(3.0, State.OK, 0, "x:requests_running")
    assert stats.gauge(tick, Key("w", Signal.REQUESTS_WAITING)).state is State.ZERO
    assert stats.gauge(tick, Key("w", Signal.KV_ACTIVE_RATIO)) == Reading(None, State.NAN, 0, "x:kv_active_ratio")
    assert stats.gauge(tick, Key("other", Signal.REQUESTS_RUNNING)) == Reading(None, State.ABSENT, None)
    assert stats.gauge(6 * SECOND, RUNNING) == Reading(3.0, State.STALE, 0, "x:requests_running")
    declared = ScrapedStats()
    declared.layout(Layout((gauge(),)))
    assert declared.gauge(tick, RUNNING).state is State.UNSAMPLED


def test_a_figure_names_what_it_was_read_from() -> None:
    series = (gauge(), gauge(Signal.REQUESTS_WAITING), counter(), *buckets(1.0))
    stats = fed(series, [3, 4, 0, 0, 0, 0, 0], [3, 4, 50, 2, 2, 1, 2])
    tick = 2 * SECOND
    running, waiting = (
        figures.reading(stats.gauge(tick, key), emulated=False) for key in (RUNNING, Key("w", Signal.REQUESTS_WAITING))
    )
    grown = stats.increase(tick, WINDOW, TOKENS)
    assert running.metric == "x:requests_running"
    assert {figures.rate(grown, emulated=False).metric, figures.increase(grown, emulated=False).metric} == {
        "x:generation_tokens_total"
    }
    ttft = figures.histogram(stats.histogram(tick, WINDOW, TTFT), population="p", emulated=False)
    assert {ttft.p50.metric, ttft.p99.metric} == {"x:ttft_seconds"}
    assert figures.spread(ttft.p99, ttft.p50).metric == "x:ttft_seconds"
    assert figures.ratio(running, waiting).metric == "x:requests_running ÷ x:requests_waiting"
    assert figures.total([running, waiting], emulated=False).metric == "x:requests_running + x:requests_waiting"
    assert (
        figures.total([running, figures.figure(3, Provenance.DERIVED, emulated=False)], emulated=False).metric
        is msgspec.UNSET
    )
    assert figures.figure(3, Provenance.DERIVED, emulated=False).metric is msgspec.UNSET


def test_stale_is_later_than_three_intervals_and_five_seconds() -> None:
    often = fed((gauge(),), [1.0], [1.0], [1.0])
    assert often.gauge(7 * SECOND, RUNNING).state is State.OK
    assert often.gauge(7 * SECOND + 1, RUNNING).state is State.STALE
    seldom = fed((gauge(),), [1.0], [1.0], every_s=10)
    assert seldom.gauge(40 * SECOND, RUNNING).state is State.OK
    assert seldom.gauge(40 * SECOND + 1, RUNNING).state is State.STALE


def test_an_interval_is_the_one_that_is_asked_for_however_few_samples_there_are() -> None:
    def seldom(*times_s: int) -> ScrapedStats:
        stats = ScrapedStats()
        stats.layout(Layout((gauge(),), every_s=30))
        for time_s in times_s:
            stats.samples(Samples(np.array([1.0])), time_s * SECOND)
        return stats

    # The first, and one that came early as the slots of a target are where its name says.
    for stats, last_s in ((seldom(0), 0), (seldom(0, 16), 16)):
        assert stats.gauge((last_s + 90) * SECOND, RUNNING).state is State.OK
        assert stats.gauge((last_s + 90) * SECOND + 1, RUNNING).state is State.STALE
    # Who is asked more often than there is anything new is not stale in between.
    rare = seldom(0, 60)
    assert rare.gauge(240 * SECOND, RUNNING).state is State.OK
    assert rare.gauge(240 * SECOND + 1, RUNNING).state is State.STALE


def test_increase_and_rate_of_a_counter() -> None:
    stats = fed((counter(),), [1_000.0], [1_100.0], [1_300.0], every_s=2)
    found = stats.increase(5 * SECOND, WINDOW, TOKENS)
    assert (found.value, found.seconds, found.state) == (300, 4.0, State.OK)
    shown = figures.rate(found, emulated=True)
    assert (shown.value, shown.provenance, shown.emulated, shown.heard_ns) == (
        75.0,
        Provenance.DERIVED,
        True,
        4 * SECOND,
    )
    assert figures.increase(found, emulated=False).value == 300


def test_a_target_that_appears_is_not_a_burst() -> None:
    found = fed((counter(),), [1e9]).increase(SECOND, WINDOW, TOKENS)
    assert (found.value, found.state) == (None, State.ABSENT)
    assert figures.rate(found, emulated=False).value is None
    later = fed((counter(),), [1e9], [1e9]).increase(2 * SECOND, WINDOW, TOKENS)
    assert (later.value, later.state) == (0, State.ZERO)
    assert figures.rate(later, emulated=False) == Figure(
        0.0, State.ZERO, Provenance.DERIVED, False, SECOND, metric="x:generation_tokens_total"
    )


def test_states_of_a_counter() -> None:
    stats = fed((counter(),), [5.0], [float("nan")])
    assert stats.increase(2 * SECOND, WINDOW, TOKENS).state is State.NAN
    assert stats.increase(2 * SECOND, WINDOW, RUNNING).state is State.ABSENT
    old = fed((counter(),), [5.0], [9.0]).increase(10 * SECOND, WINDOW, TOKENS)
    assert (old.value, old.state, old.heard_ns) == (4, State.STALE, SECOND)


def test_figures_of_a_tier_are_told_apart() -> None:
    hbm, dram = (counter(Signal.HIT_TOKENS, tier=tier) for tier in (Tier.HBM, Tier.DRAM))
    used = gauge(Signal.KV_ACTIVE_BYTES, tier=Tier.HBM)
    stats = fed((hbm, dram, used), [0, 0, 7], [512, 48, 9])
    assert stats.increase(2 * SECOND, WINDOW, Key("w", Signal.HIT_TOKENS, Tier.HBM)).value == 512
    assert stats.increase(2 * SECOND, WINDOW, Key("w", Signal.HIT_TOKENS, Tier.DRAM)).value == 48
    assert stats.gauge(2 * SECOND, Key("w", Signal.KV_ACTIVE_BYTES, Tier.HBM)).value == 9
    assert stats.gauge(2 * SECOND, Key("w", Signal.KV_ACTIVE_BYTES)).state is State.ABSENT
    assert stats.keys == (
        Key("w", Signal.KV_ACTIVE_BYTES, Tier.HBM),
        Key("w", Signal.HIT_TOKENS, Tier.HBM),
        Key("w", Signal.HIT_TOKENS, Tier.DRAM),
    )


def test_children_of_one_metric_add_up_and_an_alias_does_not() -> None:
    stop, length = counter(Signal.REQUESTS_FINISHED), counter(Signal.REQUESTS_FINISHED)
    alias = Series(Signal.REQUESTS_FINISHED, Kind.COUNTER, "w", "x:old_name")
    stats = fed((stop, length, alias), [1, 10, 11], [2, 14, 16])
    assert stats.increase(2 * SECOND, WINDOW, Key("w", Signal.REQUESTS_FINISHED)).value == 5


def test_a_ratio_that_is_said_twice_is_no_ratio() -> None:
    ratio = gauge(Signal.KV_ACTIVE_RATIO)
    stats = fed((ratio, ratio, gauge(), gauge()), [0.9, 0.8, 3, 4])
    assert stats.gauge(SECOND, Key("w", Signal.KV_ACTIVE_RATIO)).state is State.ABSENT
    assert stats.gauge(SECOND, RUNNING).value == 7


def test_quantiles_are_the_windows_and_not_the_lifetimes() -> None:
    """9,900 old samples of at most 10 ms, then 100 of 50 to 100 ms in the window."""
    stats = fed(buckets(0.01, 0.05, 0.1), [9_900] * 4 + [1.0, 9_900], [9_900, 9_900, 10_000, 10_000, 9.0, 10_000])
    shown = figures.histogram(stats.histogram(2 * SECOND, WINDOW, TTFT), population="requests", emulated=False)
    assert shown.n == 100
    assert bounds_of(shown.p50) == (State.OK, 0.05, 0.1)
    assert bounds_of(shown.p99) == (State.OK, 0.05, 0.1)
    assert bounds_of(shown.p999) == (State.TOO_FEW, None, None)
    assert shown.max.state is State.ABSENT


def test_a_histogram_resets_as_a_whole() -> None:
    stats = fed(buckets(1, 2), [5, 50, 60, 1.0, 60], [8, 9, 10, 1.0, 10])
    found = stats.histogram(2 * SECOND, WINDOW, TTFT)
    assert found.buckets is not None
    assert found.buckets.cumulative.tolist() == [8, 9, 10]
    assert stats.reset_ns == SECOND


def test_ranks_above_every_bound_are_over_range() -> None:
    stats = fed(buckets(0.1, 2.5), [0, 0, 0, 0, 0], [0, 4, 400, 900, 400])
    shown = figures.histogram(stats.histogram(2 * SECOND, WINDOW, TTFT), population="requests", emulated=True)
    assert bounds_of(shown.p50) == (State.OVER_RANGE, 2.5, None)
    assert shown.p50.value is None
    assert shown.p50.emulated


def test_states_of_a_histogram() -> None:
    never = fed(buckets(1), [0, 0, 0, 0], [0, 0, 0, 0])
    assert never.histogram(2 * SECOND, WINDOW, TTFT).state is State.UNSAMPLED
    once = fed(buckets(1), [5, 5, 5, 5])
    assert once.histogram(SECOND, WINDOW, TTFT).state is State.ABSENT
    broken = fed(buckets(1), [5, 5, 5, 5], [5, float("nan"), 5, 5])
    assert broken.histogram(2 * SECOND, WINDOW, TTFT).state is State.NAN
    assert broken.histogram(2 * SECOND, WINDOW, Key("w", Signal.QUEUE)).state is State.ABSENT
    quiet = fed(buckets(1), [5, 5, 5, 5], [5, 5, 5, 5])
    shown = figures.histogram(quiet.histogram(2 * SECOND, WINDOW, TTFT), population="requests", emulated=False)
    assert (shown.n, shown.p50.state, shown.p50.n) == (0, State.TOO_FEW, 0)
    old = fed(buckets(1), [5, 5, 5, 5], [9, 9, 9, 9])
    stale = figures.histogram(old.histogram(20 * SECOND, WINDOW, TTFT), population="requests", emulated=False)
    assert (stale.p50.state, stale.p50.low, stale.p50.high, stale.p50.heard_ns) == (State.STALE, 0.0, 1.0, SECOND)
    unknown = figures.histogram(never.histogram(2 * SECOND, WINDOW, TTFT), population="requests", emulated=False)
    assert (unknown.n, unknown.p99.state, unknown.max.value) == (0, State.UNSAMPLED, None)


def test_histograms_of_other_bounds_are_added_where_they_have_the_same() -> None:
    """Of one metric, told apart by a label that nobody asks for: 3, 5 and 9 below 1, 2 and 4 of the first; 20 and 30 below 2 and 3 of the second."""
    stats = fed((*buckets(1, 2, 4), *buckets(2, 3)), [0] * 11, [3, 5, 9, 10, 0, 10, 20, 30, 40, 0, 40])
    found = stats.histogram(2 * SECOND, WINDOW, TTFT).buckets
    assert found is not None
    assert (found.bounds.tolist(), found.cumulative.tolist()) == ([2.0, INF], [25, 50])
    apart = fed((*buckets(1), *buckets(2)), [0] * 8, [3, 10, 0, 10, 20, 40, 0, 40])
    made = figures.histogram(apart.histogram(2 * SECOND, WINDOW, TTFT), population="p", emulated=False)
    assert (made.n, bounds_of(made.p50)) == (50, (State.OVER_RANGE, 0.0, None))


def test_a_histogram_without_its_inf_bucket_is_none() -> None:
    stats = fed(buckets(1)[:1], [5.0], [6.0])
    assert stats.histogram(2 * SECOND, WINDOW, TTFT).state is State.ABSENT


def test_a_bucket_at_zero_holds_nothing_negative() -> None:
    stats = fed(buckets(0, 1), [0, 0, 0, 0, 0], [4, 4, 4, 0, 4])
    shown = figures.histogram(stats.histogram(2 * SECOND, WINDOW, TTFT), population="requests", emulated=False)
    assert (shown.p50.state, shown.p50.low, shown.p50.high) == (State.ZERO, 0.0, 0.0)


def test_a_new_layout_keeps_the_history_of_what_is_the_same() -> None:
    stats = fed((counter(), *buckets(1, 2)), [100, 1, 2, 3, 0, 3])
    stats.layout(Layout((gauge(), *buckets(1, 2), counter())))
    assert stats.gauge(SECOND, RUNNING).state is State.UNSAMPLED
    stats.samples(Samples(np.array([7, 1, 3, 5, 0, 5, 140.0])), SECOND)
    assert stats.gauge(2 * SECOND, RUNNING).value == 7
    assert stats.increase(2 * SECOND, WINDOW, TOKENS).value == 40
    found = stats.histogram(2 * SECOND, WINDOW, TTFT)
    assert found.buckets is not None
    assert found.buckets.cumulative.tolist() == [0, 1, 2]


def test_other_bounds_make_another_histogram() -> None:
    stats = fed(buckets(1, 2), [1, 2, 3, 0, 3])
    stats.layout(Layout(buckets(1, 1.5, 2)))
    stats.samples(Samples(np.array([9, 9, 9, 9, 0, 9.0])), SECOND)
    assert stats.histogram(2 * SECOND, WINDOW, TTFT).buckets is None


def test_samples_that_do_not_fit_the_layout_are_refused() -> None:
    stats = fed((gauge(),), [1.0])
    with pytest.raises(LayoutError, match="2"):
        stats.samples(Samples(np.array([1.0, 2.0])), SECOND)
    with pytest.raises(LayoutError):
        ScrapedStats().samples(Samples(np.array([1.0])), 0)


def test_workers_are_merged_before_the_quantile_is_taken() -> None:
    both = (*buckets(1, 2, worker="a"), *buckets(1, 2, worker="b"), *buckets(1, 2, worker="c"))
    stats = fed(both, [0] * 15, [90, 90, 90, 0, 90, 0, 0, 10, 0, 10, 0, 0, 0, 0, 0])
    parts = [stats.histogram(2 * SECOND, WINDOW, Key(worker, Signal.TTFT)) for worker in ("a", "b", "c", "none")]
    shown = figures.histogram(merged(parts), population="requests", emulated=False)
    assert (shown.n, shown.p50.state, shown.p50.high) == (100, State.OK, 1.0)
    assert bounds_of(shown.p99) == (State.OVER_RANGE, 2.0, None)
    assert merged(parts[2:]).state is State.UNSAMPLED
    assert merged([]).state is State.ABSENT


def test_workers_with_other_bounds_are_not_merged() -> None:
    stats = fed((*buckets(1, worker="a"), *buckets(2, worker="b")), [0] * 8, [9] * 8)
    with pytest.raises(BucketMismatchError):
        merged([stats.histogram(2 * SECOND, WINDOW, Key(worker, Signal.TTFT)) for worker in ("a", "b")])


def test_a_sketch_gets_the_same_states() -> None:
    triples = [Estimate(0.02, 0.0199, 0.0201), Estimate(0.2, 0.199, 0.201), Estimate(0.3, 0.299, 0.301)]
    shown = figures.distribution(
        150, triples, 0.31, population="gaps", provenance=Provenance.MEASURED, emulated=True, heard_ns=5
    )
    assert (shown.p50.state, shown.p50.low, shown.p50.high, shown.p50.n) == (State.OK, 0.0199, 0.0201, 150)
    assert shown.p999.state is State.TOO_FEW
    assert (shown.max.value, shown.max.provenance, shown.max.emulated) == (0.31, Provenance.MEASURED, True)
    none = figures.distribution(0, [], None, population="gaps", provenance=Provenance.MEASURED, emulated=True)
    assert (none.n, none.p50.state, none.max.state) == (0, State.TOO_FEW, State.ABSENT)


def test_jitter_is_an_interval_from_both_quantiles_bounds() -> None:
    triples = [Estimate(0.02, 0.0199, 0.0201), Estimate(0.2, 0.199, 0.201), Estimate(0.3, 0.299, 0.301)]
    shown = figures.distribution(150, triples, 0.31, population="gaps", provenance=Provenance.MEASURED, emulated=True)
    jitter = figures.spread(shown.p99, shown.p50)
    assert (jitter.value, jitter.low, jitter.high) == pytest.approx((0.18, 0.1789, 0.1811))
    assert (jitter.state, jitter.provenance, jitter.n) == (State.OK, Provenance.DERIVED, 150)
    few = figures.distribution(50, triples, 0.31, population="gaps", provenance=Provenance.MEASURED, emulated=True)
    assert figures.spread(few.p99, few.p50).state is State.TOO_FEW
    steady = [Estimate(0.02, 0.02, 0.02)] * 3
    even = figures.distribution(150, steady, 0.02, population="gaps", provenance=Provenance.MEASURED, emulated=True)
    assert (figures.spread(even.p99, even.p50).value, figures.spread(even.p99, even.p50).state) == (0.0, State.ZERO)


def test_jitter_beyond_the_buckets_is_a_lower_bound() -> None:
    stats = fed(buckets(0.1, 2.5), [0] * 5, [60, 60, 100, 0, 100])
    shown = figures.histogram(stats.histogram(2 * SECOND, WINDOW, TTFT), population="gaps", emulated=False)
    assert bounds_of(figures.spread(shown.p99, shown.p50)) == (State.OVER_RANGE, 2.4, None)
    stats = fed(buckets(0.1, 2.5), [0] * 5, [0, 0, 100, 0, 100])
    shown = figures.histogram(stats.histogram(2 * SECOND, WINDOW, TTFT), population="gaps", emulated=False)
    assert bounds_of(figures.spread(shown.p99, shown.p50)) == (State.OVER_RANGE, 0.0, None)


def page(name: str) -> tuple[tuple[Series, ...], list[float]]:
    """The queue-time histogram and two more values of a captured page."""
    series, values = [], []
    for family in text_string_to_metric_families((PAGES / f"{name}.metrics.txt").read_text()):
        for sample in family.samples:
            kind = {
                "vllm:request_queue_time_seconds_bucket": Kind.BUCKET,
                "vllm:request_queue_time_seconds_count": Kind.COUNT,
                "vllm:request_queue_time_seconds_sum": Kind.SUM,
                "vllm:generation_tokens_total": Kind.COUNTER,
                "vllm:kv_cache_usage_perc": Kind.GAUGE,
            }.get(sample.name)
            if kind is None:
                continue
            signal = {Kind.COUNTER: Signal.GENERATION_TOKENS, Kind.GAUGE: Signal.KV_ACTIVE_RATIO}.get(
                kind, Signal.QUEUE
            )
            le = float(sample.labels["le"]) if "le" in sample.labels else None
            series.append(Series(signal, kind, "w", sample.name, le=le))
            values.append(sample.value)
    return tuple(series), values


def test_captured_pages_of_a_real_engine() -> None:
    """Three requests queued for less than a millisecond; then 24 more, most of them for seconds."""
    queue = Key("w", Signal.QUEUE)
    stats = ScrapedStats()
    ticks = []
    for i, name in enumerate(("idle", "under_load", "after_load")):
        series, values = page(name)
        stats.layout(Layout(series))
        stats.samples(Samples(np.array(values)), i * SECOND)
        found = stats.histogram((i + 1) * SECOND, WINDOW, queue)
        ticks.append(figures.histogram(found, population="requests", emulated=False))
    idle, first, whole = ticks
    assert (idle.n, idle.p50.state) == (0, State.UNSAMPLED)
    assert first.n == 3
    assert bounds_of(first.p50) == (State.OK, 0.0, 0.3)
    assert bounds_of(first.p99) == (State.TOO_FEW, None, None)
    assert whole.n == 27
    assert bounds_of(whole.p50) == (State.OK, 10.0, 15.0)
    assert bounds_of(whole.p99) == (State.TOO_FEW, None, None)
    assert stats.gauge(3 * SECOND, Key("w", Signal.KV_ACTIVE_RATIO)).state is State.ZERO


def came(
    stats: ScrapedStats, series: tuple[Series, ...], row: list[float], second: int, *, at_zero: bool = True
) -> None:
    stats.layout(Layout(series, came_at_zero=at_zero))
    stats.samples(Samples(np.array(row, dtype=np.float64)), second * SECOND)


def test_a_counter_that_comes_to_a_page_began_at_zero() -> None:
    """Seen on Dynamo: there are no counters of tokens before the first request."""
    stats = fed((gauge(),), [0.0])
    came(stats, (gauge(), counter(), *buckets(1.0)), [1.0, 120.0, 3.0, 4.0, 5.0, 4.0], 1)
    tokens = stats.increase(2 * SECOND, WINDOW, TOKENS)
    assert (tokens.value, tokens.seconds) == (120, 1.0)
    ttft = stats.histogram(2 * SECOND, WINDOW, TTFT)
    assert ttft.buckets is not None
    assert ttft.buckets.cumulative.tolist() == [3, 4]


def test_the_first_page_of_all_is_no_burst() -> None:
    stats = ScrapedStats()
    came(stats, (counter(),), [120.0], 0)
    came(stats, (counter(),), [130.0], 1)
    assert stats.increase(2 * SECOND, WINDOW, TOKENS).value == 10


def test_a_counter_that_was_there_before_comes_back_without_a_burst() -> None:
    """As on an address at which processes with pages of their own take turns."""
    stats = fed((gauge(), counter()), [0.0, 5_000.0])
    for second in (1, 3, 5):
        came(stats, (gauge(),), [0.0], second)
        came(stats, (gauge(), counter()), [0.0, 5_000.0 + second], second + 1)
    assert stats.increase(7 * SECOND, WINDOW, TOKENS).value is None


def test_what_counts_since_long_before_is_no_burst() -> None:
    stats = fed((gauge(),), [0.0])
    came(stats, (gauge(), counter()), [0.0, 5_000.0], 1, at_zero=False)
    came(stats, (gauge(), counter()), [0.0, 5_002.0], 2)
    assert stats.increase(3 * SECOND, WINDOW, TOKENS).value == 2


def test_a_bucket_that_comes_to_a_histogram_did_not_begin_at_zero() -> None:
    """A server that leaves empty buckets out: what was below the new bound was in the buckets above it before."""
    stats = fed(buckets(1.0), [7.0, 9.0, 0.0, 9.0])
    came(stats, buckets(1.0, 2.0), [7.0, 8.0, 9.0, 0.0, 9.0], 1)
    assert stats.histogram(2 * SECOND, WINDOW, TTFT).buckets is None


def test_the_difference_of_two_counters_is_no_counter() -> None:
    """Seen on Dynamo: a prompt is counted when it comes, what of it was cached later, so that their difference falls; nothing was reset."""
    computed = Series(Signal.PROMPT_TOKENS_COMPUTED, Kind.COUNTER, "w", "prompt - cached")
    cached = Series(Signal.PROMPT_TOKENS_COMPUTED, Kind.COUNTER, "w", "prompt - cached", less=True)
    key = Key("w", Signal.PROMPT_TOKENS_COMPUTED)
    stats = fed((computed, cached), [0, 0], [96, 0], [96, 80], [192, 80], [192, 160])
    assert stats.increase(5 * SECOND, WINDOW, key).value == 192 - 160
    assert stats.total(5 * SECOND, key).value == 192 - 160
    restarted = fed((computed, cached), [960, 800], [1056, 880], [96, 80])
    assert restarted.increase(3 * SECOND, WINDOW, key).value == 96 + 96 - 80 - 80
    late = fed((computed, cached), [96, 0], [96, 80])
    assert late.increase(2 * SECOND, WINDOW, key) == Increase(None, None, State.ABSENT, SECOND, "prompt - cached")
    # What is taken off was not seen for as long as what it is taken off: nobody knows how much it grew before.
    stats = fed((computed,), [0], [500])
    came(stats, (computed, cached), [1_000, 400], 2, at_zero=False)
    came(stats, (computed, cached), [1_500, 500], 3, at_zero=False)
    assert stats.increase(4 * SECOND, WINDOW, key) == Increase(None, None, State.ABSENT, 3 * SECOND, "prompt - cached")


def summed(*pages: tuple[float, ...], came_at_zero: bool = False) -> tuple[int | None, float | None, int | None]:
    """Growth, over how long, and when a reset was seen, of a counter that is the sum of a page's series, a second apart."""
    stats = ScrapedStats()
    for second, values in enumerate(pages, 1):
        stats.layout(Layout((counter(),) * len(values), came_at_zero=came_at_zero))
        stats.samples(Samples(np.array(values)), second * SECOND)
    found = stats.increase((len(pages) + 1) * SECOND, WINDOW, TOKENS)
    return found.value, found.seconds, stats.reset_ns


def test_a_part_of_a_sum_that_goes_is_no_reset() -> None:
    assert summed((1000, 5000), (1005, 5000), (1010,), (1015,)) == (5, 1.0, None)
    assert summed((1000, 5000), (1005, 5000), (1010,), (1015,), came_at_zero=True) == (5, 1.0, None)


def test_a_part_of_a_sum_that_appears_is_a_burst_only_where_it_came_at_zero() -> None:
    assert summed((1000,), (1005,), (1010, 5000), (1015, 5000)) == (5, 1.0, None)
    assert summed((1000,), (1005,), (1010, 3), (1015, 4), came_at_zero=True) == (19, 3.0, None)
