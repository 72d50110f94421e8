"""llm-d's router: every captured family under its old and its new name, both names at once, and its simulator, which has vLLM's page."""

import math

import pytest

from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier
from collectors.wire.exposition import ExpositionError
from tests.backends.pages import FIXTURES, read

GAUGE, COUNTER, SUM, COUNT = Kind.GAUGE, Kind.COUNTER, Kind.SUM, Kind.COUNT
FOLDER = FIXTURES / "llm-d-router"
EPP = "host:9090/epp"
ROUTER = (WorkerFacts(EPP, role=Role.ROUTER),)

Found = dict[tuple[Signal, Kind, str], list[float]]


def page(name: str) -> str:
    return (FOLDER / f"{name}.prom").read_text()


def said(text: str) -> Found:
    """By signal, kind and label, in the page's order; buckets are left out."""
    known = read(text, "host:9090")
    assert known.backend == "llm-d"
    assert known.mapping.workers == ROUTER
    found: Found = {}
    for series, value in zip(known.mapping.series, known.found.tolist(), strict=True):
        assert (series.worker, series.owner) == (EPP, "")
        key = (series.signal, series.kind, series.label)
        if series.less:
            found[key][-1] -= value
        elif series.kind is not Kind.BUCKET:
            found.setdefault(key, []).append(value)
    return found


def histogram(signal: Signal, sums: list[float], counts: list[float], label: str = "") -> Found:
    return {(signal, SUM, label): sums, (signal, COUNT, label): counts}


ENQUEUED = [5e-05, 0.0008, 0.08, 0.5, 1e-07, 0.00015, 0.0015, 0.008, 0.2, 1, 0.0004, 0.004, 0.015, 0.04]
RATIOS: Found = histogram(Signal.PREDICTED_HIT_RATIO, [2.7], [6]) | {(Signal.KV_QUERY_LOOKUPS, COUNTER, ""): [6]}
CHOSEN = "ns-1/pod-1:8080"

# read off the files by hand, which hold one family each; a name of today, then the deprecated twin where the router still has one
FAMILIES: dict[tuple[str, ...], Found] = {
    ("llm_d_request_total_metric", "request_total_metric"): {(Signal.REQUESTS_FINISHED, COUNTER, ""): [2, 1, 1]},
    ("llm_d_request_error_total_metric", "request_error_total_metric"): {
        (Signal.REQUEST_ERRORS, COUNTER, ""): [2, 1, 1]
    },
    ("llm_d_running_requests_metrics", "running_requests_metrics"): {(Signal.REQUESTS_RUNNING, GAUGE, ""): [1, 1]},
    ("llm_d_input_tokens_metric", "input_tokens_metric"): {(Signal.PROMPT_TOKENS, COUNTER, ""): [30, 30, 40]},
    ("llm_d_output_tokens_metric", "output_tokens_metric"): {(Signal.GENERATION_TOKENS, COUNTER, ""): [300, 300, 400]},
    ("llm_d_request_duration_seconds_metric", "request_duration_seconds_metric"): histogram(
        Signal.E2E, [1.61, 0.06, 0.12], [2, 1, 1]
    ),
    ("llm_d_request_ttft_seconds_metric", "request_ttft_seconds_metric"): histogram(
        Signal.TTFT, [1.61, 0.06, 0.12], [2, 1, 1]
    ),
    (
        "llm_d_normalized_time_per_output_token_seconds_metric",
        "normalized_time_per_output_token_seconds_metric",
    ): histogram(Signal.NTPOT, [0.03, 0.02, 0.006], [2, 1, 1]),
    ("llm_d_flow_control_enqueue_duration_seconds_metric", "flow_control_enqueue_duration_seconds_metric"): histogram(
        Signal.QUEUE, ENQUEUED, [1] * 14
    ),
    (
        "llm_d_flow_control_dispatch_cycle_duration_seconds_metric",
        "flow_control_dispatch_cycle_duration_seconds_metric",
    ): histogram(Signal.STAGE, [0.3398], [11], "dispatch cycle"),
    ("llm_d_scheduler_e2e_duration_seconds_metric", "scheduler_e2e_duration_seconds_metric"): histogram(
        Signal.STAGE, [0.2835], [9], "scheduling"
    ),
    ("llm_d_request_processing_duration_seconds_metric",): histogram(Signal.STAGE, [0.2835], [9], "request processing"),
    ("llm_d_response_processing_duration_seconds_metric",): histogram(
        Signal.STAGE, [0.2835], [9], "response processing"
    ),
    ("llm_d_kv_cache_avg_metrics", "kv_cache_avg_metrics"): {(Signal.KV_ACTIVE_RATIO_MEAN, GAUGE, "p1"): [0.3]},
    ("llm_d_queue_avg_size_metrics", "queue_avg_size_metrics"): {(Signal.REQUESTS_WAITING_MEAN, GAUGE, "p1"): [0.4]},
    ("llm_d_running_requests_avg_metrics", "running_requests_avg_metrics"): {
        (Signal.REQUESTS_RUNNING_MEAN, GAUGE, "p1"): [0.5]
    },
    ("llm_d_prefix_indexer_size_metric", "prefix_indexer_size_metric"): {(Signal.KV_INDEXED_BLOCKS, GAUGE, ""): [4096]},
    ("llm_d_prefix_indexer_hit_ratio_metric", "prefix_indexer_hit_ratio_metric"): RATIOS,
    ("llm_d_prefix_indexer_hit_bytes_metric", "prefix_indexer_hit_bytes_metric"): histogram(
        Signal.PREDICTED_HIT_BYTES, [86], [6]
    ),
    ("llm_d_scheduler_attempts_total_metrics", "scheduler_attempts_total_metrics"): {
        (Signal.SELECTIONS, COUNTER, "failure"): [5],
        (Signal.SELECTIONS, COUNTER, "success"): [10],
    },
    ("llm_d_scheduler_attempts_with_result_metrics", "scheduler_attempts_with_result_metrics"): {
        (Signal.SELECTIONS, COUNTER, CHOSEN): [2]
    },
    ("llm_d_scheduler_attempts_multiple_endpoints_metrics", "scheduler_attempts_multiple_endpoints_metrics"): {
        (Signal.SELECTIONS, COUNTER, CHOSEN): [1, 1]
    },
    ("llm_d_scheduler_attempts_different_models_metrics", "scheduler_attempts_different_models_metrics"): {
        (Signal.SELECTIONS, COUNTER, CHOSEN): [2],
        (Signal.SELECTIONS, COUNTER, "ns-2/pod-2:9090"): [1],
    },
    ("llm_d_flow_control_revocations_metric",): {
        (Signal.REVOCATIONS, COUNTER, "confirmed"): [1],
        (Signal.REVOCATIONS, COUNTER, "timed_out"): [1],
    },
}
NOTHING_FOR_US = (
    "llm_d_flow_control_pending_reclaim_metric",
    "llm_d_flow_control_reclaim_target_metric",
    "llm_d_flow_control_revocations_issued_metric",
    "llm_d_kv_cache_std_dev_metrics",
    "llm_d_queue_std_dev_size_metrics",
    "llm_d_running_requests_std_dev_metrics",
    "llm_d_request_size_bytes_metric",
    "llm_d_response_size_bytes_metric",
    "request_sizes_metric",
    "response_sizes_metric",
    "llm_d_plugin_processing_latencies_metric",
    "plugin_processing_latencies_metric",
    "llm_d_plugin_data_scope_violations_total_metric",
)
BROKEN = ("llm_d_request_tpot_seconds_metric", "request_tpot_seconds_metric")


@pytest.mark.parametrize(
    ("name", "expected"),
    [(name, found) for names, found in FAMILIES.items() for name in names],
    ids=lambda one: str(one)[:60],
)
def test_a_captured_family(name: str, expected: Found) -> None:
    assert said(page(name)) == expected


@pytest.mark.parametrize("names", [names for names in FAMILIES if len(names) == 2], ids=lambda names: names[0])
def test_a_family_under_both_of_its_names_is_counted_once(names: tuple[str, str]) -> None:
    new, old = map(page, names)
    if new.split(" ", 3)[2] == old.split(" ", 3)[2]:
        return  # one and the same name in both files
    assert said(f"{new}\n{old}") == said(f"{old}\n{new}") == FAMILIES[names]


@pytest.mark.parametrize("name", NOTHING_FOR_US)
def test_a_captured_family_that_no_signal_is_made_of(name: str) -> None:
    assert said(page(name)) == {}


@pytest.mark.parametrize("name", BROKEN)
def test_a_captured_page_that_repeats_a_series_is_refused(name: str) -> None:
    """The project's own test compares it line by line; no server may say it."""
    with pytest.raises(ExpositionError, match="line 44: same series as on line 4"):
        read(page(name))


def test_every_captured_file_is_accounted_for() -> None:
    told = {name for names in FAMILIES for name in names} | {*NOTHING_FOR_US, *BROKEN}
    assert {path.stem for path in FOLDER.glob("*.prom")} == told


def test_buckets_keep_their_bounds() -> None:
    buckets = read(page("llm_d_request_duration_seconds_metric"), "host:9090").buckets[EPP, Signal.E2E]
    assert (min(buckets), max(buckets), len(buckets)) == (0.005, math.inf, 36)


TODAY = """\
# TYPE llm_d_epp_request_input_tokens histogram
llm_d_epp_request_input_tokens_sum{model_name="a",target_model_name="a"} 1000
llm_d_epp_request_input_tokens_sum{model_name="b",target_model_name="b"} 10
# TYPE llm_d_epp_request_cached_tokens histogram
llm_d_epp_request_cached_tokens_sum{model_name="a",target_model_name="a"} 400
# TYPE llm_d_epp_request_streaming_itl_seconds histogram
llm_d_epp_request_streaming_itl_seconds_bucket{le="+Inf"} 7
llm_d_epp_request_streaming_itl_seconds_count 7
# TYPE llm_d_epp_request_streaming_tpot_seconds histogram
llm_d_epp_request_streaming_tpot_seconds_count 3
# TYPE llm_d_epp_flow_control_request_queue_duration_seconds histogram
llm_d_epp_flow_control_request_queue_duration_seconds_count 5
# TYPE llm_d_epp_flow_control_request_enqueue_duration_seconds histogram
llm_d_epp_flow_control_request_enqueue_duration_seconds_count 6
llm_d_epp_ready_endpoints{name="pool"} 4
llm_d_epp_per_endpoint_queue_size{model_server_endpoint="pod-1",name="pool"} 2
llm_d_epp_flow_control_queue_size 8
llm_d_epp_disagg_decision_total{decision_type="prefill-decode",model_name="a"} 9
"""


def test_families_that_are_only_documented() -> None:
    assert said(TODAY) == {
        (Signal.PROMPT_TOKENS, COUNTER, ""): [1000, 10],
        (Signal.HIT_TOKENS, COUNTER, ""): [400],
        (Signal.PROMPT_TOKENS_COMPUTED, COUNTER, ""): [600],  # of the model that says what was cached
        (Signal.GAP, COUNT, ""): [7],
        (Signal.TPOT, COUNT, ""): [3],
        (Signal.QUEUE, COUNT, ""): [5],  # the wait, and not only the way in
        (Signal.ENDPOINTS_READY, GAUGE, "pool"): [4],
        (Signal.REQUESTS_WAITING, GAUGE, "pod-1"): [2],
        (Signal.REQUESTS_IN_STAGE, GAUGE, "flow control"): [8],
        (Signal.DISAGGREGATIONS, COUNTER, "prefill-decode"): [9],
    }
    (cached,) = [one for one in read(TODAY).mapping.series if one.signal is Signal.HIT_TOKENS]
    assert cached.tier is Tier.UNKNOWN


def test_what_is_older_still() -> None:
    oldest = "# TYPE inference_model_request_total counter\ninference_model_request_total 3\n"
    older = "# TYPE inference_objective_request_total counter\ninference_objective_request_total 4\n"
    newest = "# TYPE llm_d_epp_request_total counter\nllm_d_epp_request_total 5\n"

    def counted(text: str) -> list[float]:
        return said(text)[Signal.REQUESTS_FINISHED, COUNTER, ""]

    assert counted(oldest) == [3]
    assert counted(oldest + older) == counted(older + oldest) == [4]
    assert counted(oldest + older + newest) == counted(newest + older + oldest) == [5]
    tpot = "# TYPE inference_model_request_tpot_seconds histogram\ninference_model_request_tpot_seconds_count 2\n"
    assert said(tpot + newest)[Signal.TPOT, COUNT, ""] == [2]


def test_wrong_types_and_missing_labels() -> None:
    assert said(
        "# TYPE llm_d_epp_request_total histogram\nllm_d_epp_request_total 3\n"
        "llm_d_epp_scheduler_attempts_total 1\nllm_d_epp_ready_endpoints NaN\n"
        'llm_d_epp_scheduler_attempts_total{status="success",endpoint_name="pod"} 2\n'
    ).keys() == {
        (Signal.SELECTIONS, COUNTER, ""),
        (Signal.SELECTIONS, COUNTER, "pod"),
        (Signal.ENDPOINTS_READY, GAUGE, ""),
    }


def test_the_simulator_has_vllm_s_page_with_names_that_vllm_has_dropped() -> None:
    known = read(
        "".join(
            f"# TYPE vllm:{name} histogram\n"
            f'vllm:{name}_bucket{{model_name="m",le="+Inf"}} {count}\nvllm:{name}_count{{model_name="m"}} {count}\n'
            for name, count in (("time_per_output_token_seconds", 6), ("request_time_per_output_token_seconds", 2))
        )
        + 'vllm:num_requests_running{model_name="m"} 3\nvllm:kv_cache_usage_perc{model_name="m"} 0.25\n',
        "sim:8000",
    )
    assert known.backend == "vllm"
    assert {(signal, kind): values for (_, signal, kind, *_), values in known.values.items()} == {
        (Signal.GAP, COUNT): [6],
        (Signal.TPOT, COUNT): [2],
        (Signal.REQUESTS_RUNNING, GAUGE): [3],
        (Signal.KV_ACTIVE_RATIO, GAUGE): [0.25],
    }
