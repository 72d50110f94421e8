"""Which tests hold which of the statistics' rules R1–R26. A rule that is broken makes one of its tests fail; a rule without a test, or whose test has gone, makes this one fail."""

from importlib import import_module
from typing import Any, Final

import msgspec
import pytest

from collectors.model.figure import Distribution
from tests.session.pages import fed, fixture
from tests.tui import frames
from tui.view import View
from tui.widgets.kpi import kpis

HERE: Final = "rules.test_every_rule"
TESTS: Final = {
    "R1 percentiles are never averaged": (
        "stats.test_sketch:test_merged_and_worst_worker_not_a_mean_of_percentiles",
        "stats.test_scraped:test_workers_are_merged_before_the_quantile_is_taken",
    ),
    "R2 only equal bounds are merged": (
        "stats.test_buckets:test_bounds_are_compared_as_numbers",
        "stats.test_buckets:test_histograms_with_other_bounds_are_not_merged",
        "stats.test_scraped:test_workers_with_other_bounds_are_not_merged",
    ),
    "R3 quantiles of the window": ("stats.test_scraped:test_quantiles_are_the_windows_and_not_the_lifetimes",),
    "R4 a bucket quantile is an interval": (
        "stats.test_quantiles:test_a_first_bound_that_is_too_high_shows_as_a_wide_interval",
        "tui.test_format:test_no_text_claims_more_than_the_interval",
    ),
    "R5 above the highest bound": (
        "stats.test_scraped:test_ranks_above_every_bound_are_over_range",
        "tui.test_states:test_every_state_of_a_quantile_is_written_otherwise",
    ),
    "R6 a counter that falls was reset": (
        "stats.test_counters:test_a_counter_that_falls_was_reset",
        "stats.test_restarts:test_what_was_overtaken_is_the_new_value_and_not_the_difference",
        "stats.test_restarts:test_counters_that_were_all_created_anew_are_reset_though_they_have_overtaken",
        "session.test_timeline:test_nobody_heard_is_a_gap_and_the_restart_after_it_is_marked",
        "session.test_timeline:test_a_restart_that_overtook_its_counters_is_marked_too",
        "session.test_timeline:test_a_recording_replays_to_the_same_line",
        "sources.test_promql_past:test_a_restart_is_marked_whether_it_was_stored_or_watched",
        "tui.test_timeline_strip:test_a_restart_is_drawn_whatever_else_there_is",
        "tui.test_timeline_strip:test_the_strip_holds_all_of_the_timeline",
    ),
    "R7 a histogram resets as a whole": (
        "stats.test_counters:test_a_group_is_reset_as_a_whole",
        "stats.test_scraped:test_a_histogram_resets_as_a_whole",
    ),
    "R8 the first sample gives no rate": (
        "stats.test_counters:test_the_first_sample_gives_no_increase",
        "stats.test_scraped:test_a_target_that_appears_is_not_a_burst",
    ),
    "R9 display states": (
        "stats.test_scraped:test_five_states_of_a_gauge",
        "stats.test_scraped:test_stale_is_later_than_three_intervals_and_five_seconds",
        "stats.test_scraped:test_an_interval_is_the_one_that_is_asked_for_however_few_samples_there_are",
        "tui.test_states:test_every_state_of_a_gauge_is_written_otherwise",
        "tui.test_states:test_the_fleet_table_tells_the_states_apart",
        "tui.test_states:test_the_snapshot_has_the_state_by_name",
    ),
    "R10 the samples' own times": (
        "stats.test_counters:test_rates_go_by_the_samples_own_times",
        "sources.test_promql:test_the_first_answer_fills_the_window_and_rates_are_of_the_scrapes_times",
    ),
    "R11 a mean never leads": (f"{HERE}:test_no_mean_leads",),
    "R12 the population is named": (
        f"{HERE}:test_every_distribution_names_its_population",
        "stats.test_requests:test_no_tpot_without_its_ends",
    ),
    "R13 n, and too few": (
        "stats.test_quantiles:test_samples_that_a_quantile_needs",
        "stats.test_window:test_too_few_gaps_in_a_second_say_nothing_of_its_jitter",
    ),
    "R14 load is open-loop": ("emulators.test_workload:test_sessions_do_not_wait_for_answers",),
    "R15 a hit rate's window, unit and tiers": (
        "session.test_prompt_rows:test_prompt_tokens_are_computed_or_found",
        "session.test_prompt_rows:test_a_page_that_tells_all_parts_is_checked",
    ),
    "R16 hit rates under preemption": (
        "session.test_prompt_rows:test_a_hit_rate_is_flagged_while_requests_are_preempted",
        "session.test_prompt_rows:test_what_is_computed_again_is_a_tax_and_no_prompt",
    ),
    "R17 conservation": (
        "session.test_prompt_rows:test_what_does_not_add_up_is_told_with_its_sign",
        "session.test_prompt_rows:test_a_page_whose_parts_do_not_add_up",
        "session.test_prompt_rows:test_what_was_worked_out_from_the_other_parts_is_no_check",
        "e2e.test_ground_truth:test_where_prompt_tokens_came_from",
    ),
    "R18 an estimate carries its mark and formula": (
        "session.test_signal_rows:test_a_bound_is_an_estimate_with_its_formula_and_a_prediction_says_so",
        "tui.test_states:test_an_estimate_carries_its_mark",
    ),
    "R20 clocks of different hosts": (
        "stats.test_requests:test_gaps_come_from_the_emitters_times",
        "stats.test_window:test_a_clock_that_is_ahead_counts_at_the_time_of_the_batch",
        "stats.test_offsets:test_the_true_offset_is_inside",
        "session.test_requests:test_where_no_bound_is_known_there_is_no_phase_over_two_clocks",
        "e2e.test_traces:test_tap_trace_and_spans_of_one_run_agree_within_the_stated_bound",
    ),
    "R21 a share below a threshold": (
        "stats.test_buckets:test_share_is_exact_on_a_bound_and_a_bracket_between_bounds",
        "stats.test_buckets:test_the_true_share_lies_in_the_bracket",
    ),
    "R22 the declared type": (
        "sources.test_scrape:test_a_type_that_changes_changes_the_meaning",
        "backends.test_vllm:test_the_declared_type_is_followed",
    ),
    "R23 several engines on one page": ("backends.test_vllm:test_each_engine_on_a_page_is_a_worker",),
    "R24 the sketch": (
        "stats.test_sketch:test_quantile_within_a_thousandth",
        "stats.test_sketch:test_merge_is_exact_associative_and_commutative",
        "stats.test_sketch:test_only_the_occupied_span_is_kept",
    ),
    "R25 a burn rate that can never fire": (
        "diagnose.test_objectives:test_a_rule_that_can_never_fire_says_so",
        "diagnose.test_objectives:test_a_window_that_is_not_full_extrapolates_nothing",
    ),
    "R26 emulated end to end": (
        "backends.test_emulator:test_the_mark_holds_whatever_it_says",
        "e2e.test_ground_truth:test_everything_is_flagged_as_emulated",
    ),
}
LATER: Final = {
    "R19 joules and money": "nothing is shown by the token yet: a device's energy is that of the window, idle included"
}


def test_every_rule_is_in_the_table() -> None:
    numbers = [int(name.split()[0][1:]) for name in (*TESTS, *LATER)]
    assert sorted(numbers) == list(range(1, 27))


@pytest.mark.parametrize("rule", TESTS)
def test_its_tests_are_there(rule: str) -> None:
    assert TESTS[rule]
    for name in TESTS[rule]:
        module, _, function = name.partition(":")
        assert callable(getattr(import_module(f"tests.{module}"), function, None)), name


def test_no_mean_leads() -> None:
    """No distribution has a mean, and no key figure is one."""
    assert Distribution.__struct_fields__ == ("n", "unit", "population", "p50", "p99", "p999", "max")
    for frame in (frames.emulated(), frames.vllm()):
        assert not any(word in kpi.name for kpi in kpis(View(frame=frame)) for word in ("mean", "avg", "average"))


def test_every_distribution_names_its_population() -> None:
    pages = [
        (fixture(f"{name}.metrics.txt"), source, second)
        for name, source, second in (
            ("vllm/idle", "v:1", 1),
            ("dynamo/frontend_under_load", "fe:1", 1),
            ("vllm/after_load", "v:1", 40),
            ("dynamo/frontend_after_load", "fe:1", 40),
        )
    ]
    session, frame = fed(*pages)
    found = _distributions([*msgspec.to_builtins(frame).values(), msgspec.to_builtins(session.signals(frame.time_ns))])
    assert sum(one["n"] > 0 for one in found) > 10
    assert all(one["population"] for one in found)


def _distributions(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        inside = _distributions(list(value.values()))
        return [value, *inside] if "p999" in value else inside
    return [found for one in value for found in _distributions(one)] if isinstance(value, list | tuple) else []
