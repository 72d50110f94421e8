"""TensorRT-LLM, of which no page was at hand: text built from the families of its collector; and the documented answer in JSON."""

import json
import math

import pytest

from collectors.backends import registry
from collectors.backends.json_page import JsonError
from collectors.backends.mapping import MappingError
from collectors.backends.trtllm_stats import MAX_ITERATIONS, iterations
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Device, Role, Tier
from tests.backends.flows import flows
from tests.backends.pages import FIXTURES, read

L = 'engine_type="trtllm",model_name="m"'
HBM, DRAM, FLASH, UNKNOWN = Tier.HBM, Tier.DRAM, Tier.FLASH, Tier.UNKNOWN
INF = math.inf
PAGE = f"""\
# TYPE trtllm_num_requests_running gauge
trtllm_num_requests_running{{{L}}} 12
# TYPE trtllm_num_requests_waiting gauge
trtllm_num_requests_waiting{{{L}}} 3
# TYPE trtllm_num_paused_requests gauge
trtllm_num_paused_requests{{{L}}} 1
# TYPE trtllm_request_success counter
trtllm_request_success_total{{{L},finished_reason="stop"}} 100
trtllm_request_success_total{{{L},finished_reason="length"}} 20
# TYPE trtllm_request_error counter
trtllm_request_error_total{{{L},http_code="400"}} 2
# TYPE trtllm_num_requests_completed counter
trtllm_num_requests_completed_total{{{L}}} 122
# TYPE trtllm_prompt_tokens counter
trtllm_prompt_tokens_total{{{L}}} 10000
# TYPE trtllm_generation_tokens counter
trtllm_generation_tokens_total{{{L}}} 5000
# TYPE trtllm_prompt_cached_tokens counter
trtllm_prompt_cached_tokens_total{{{L}}} 4000
# TYPE trtllm_prompt_cache_hit_tokens counter
trtllm_prompt_cache_hit_tokens_total{{{L},cache_level="0",cache_tier="gpu"}} 2500
trtllm_prompt_cache_hit_tokens_total{{{L},cache_level="1",cache_tier="gpu"}} 500
trtllm_prompt_cache_hit_tokens_total{{{L},cache_level="2",cache_tier="host"}} 900
trtllm_prompt_cache_hit_tokens_total{{{L},cache_level="3",cache_tier="disk"}} 100
# TYPE trtllm_kv_cache_utilization gauge
trtllm_kv_cache_utilization{{{L}}} 0.375
# TYPE trtllm_kv_cache_host_utilization gauge
trtllm_kv_cache_host_utilization{{{L}}} 0.4
# TYPE trtllm_kv_cache_max_blocks gauge
trtllm_kv_cache_max_blocks{{{L}}} 1000
# TYPE trtllm_kv_cache_used_blocks gauge
trtllm_kv_cache_used_blocks{{{L}}} 375
# TYPE trtllm_kv_cache_free_blocks gauge
trtllm_kv_cache_free_blocks{{{L}}} 625
# TYPE trtllm_kv_cache_tokens_per_block gauge
trtllm_kv_cache_tokens_per_block{{{L}}} 32
# TYPE trtllm_kv_cache_reused_blocks counter
trtllm_kv_cache_reused_blocks_total{{{L}}} 60
# TYPE trtllm_kv_cache_missed_blocks counter
trtllm_kv_cache_missed_blocks_total{{{L}}} 40
# TYPE trtllm_kv_cache_offload_bytes counter
trtllm_kv_cache_offload_bytes_total{{{L}}} 4096
# TYPE trtllm_kv_cache_onboard_bytes counter
trtllm_kv_cache_onboard_bytes_total{{{L}}} 2048
# TYPE trtllm_kv_cache_intra_device_copy_bytes counter
trtllm_kv_cache_intra_device_copy_bytes_total{{{L}}} 1024
# TYPE trtllm_kv_cache_disk_prefetch_blocks counter
trtllm_kv_cache_disk_prefetch_blocks_total{{{L}}} 5
# TYPE trtllm_iteration_latency_seconds gauge
trtllm_iteration_latency_seconds{{{L}}} 0.007
# TYPE trtllm_spec_decode_drafted_tokens counter
trtllm_spec_decode_drafted_tokens_total{{{L},token_position="0"}} 50
trtllm_spec_decode_drafted_tokens_total{{{L},token_position="1"}} 40
# TYPE trtllm_spec_decode_accepted_tokens counter
trtllm_spec_decode_accepted_tokens_total{{{L},token_position="0"}} 30
# TYPE trtllm_spec_decode_num_draft_tokens counter
trtllm_spec_decode_num_draft_tokens_total{{{L}}} 90
# TYPE trtllm_gpu_memory_usage_bytes gauge
trtllm_gpu_memory_usage_bytes{{{L}}} 76665782272
# TYPE trtllm_cpu_memory_usage_bytes gauge
trtllm_cpu_memory_usage_bytes{{{L}}} 7
# TYPE trtllm_pinned_memory_usage_bytes gauge
trtllm_pinned_memory_usage_bytes{{{L}}} 8
# TYPE trtllm_model_config_info gauge
trtllm_model_config_info{{{L},gpu_type="NVIDIA H200"}} 1
# TYPE trtllm_parallel_config_info gauge
trtllm_parallel_config_info{{{L},tp_size="4",pp_size="2"}} 1
# TYPE trtllm_time_to_first_token_seconds histogram
trtllm_time_to_first_token_seconds_bucket{{{L},le="0.001"}} 0
trtllm_time_to_first_token_seconds_bucket{{{L},le="0.04"}} 90
trtllm_time_to_first_token_seconds_bucket{{{L},le="+Inf"}} 120
trtllm_time_to_first_token_seconds_count{{{L}}} 120
trtllm_time_to_first_token_seconds_sum{{{L}}} 6.5
"""


def test_a_page() -> None:
    known = read(PAGE)
    assert known.backend == "trtllm"
    assert registry.named("trtllm").never_seen
    facts = WorkerFacts("target/0", "m", Role.UNKNOWN, Device.GPU, "NVIDIA H200", 8)
    assert known.mapping.workers == (facts,)
    assert flows(PAGE) == {
        (Signal.REQUESTS_RUNNING, None, None, ""): [12],
        (Signal.REQUESTS_WAITING, None, None, ""): [3],
        (Signal.REQUESTS_IN_STAGE, None, None, "paused"): [1],
        (Signal.REQUESTS_FINISHED, None, None, "stop"): [100],
        (Signal.REQUESTS_FINISHED, None, None, "length"): [20],
        (Signal.REQUEST_ERRORS, None, None, "400"): [2],
        (Signal.PROMPT_TOKENS, None, None, ""): [10000],
        (Signal.PROMPT_TOKENS_COMPUTED, None, None, ""): [6000],
        (Signal.GENERATION_TOKENS, None, None, ""): [5000],
        # by tier, and so not once more in all
        (Signal.HIT_TOKENS, HBM, None, ""): [2500, 500],
        (Signal.HIT_TOKENS, DRAM, None, ""): [900],
        (Signal.HIT_TOKENS, FLASH, None, ""): [100],
        (Signal.KV_ACTIVE_RATIO, HBM, None, ""): [0.375],
        (Signal.KV_ACTIVE_RATIO, DRAM, None, ""): [0.4],
        (Signal.KV_ACTIVE_BLOCKS, HBM, None, ""): [375],
        (Signal.KV_CAPACITY_BLOCKS, HBM, None, ""): [1000],
        (Signal.KV_CAPACITY_TOKENS, HBM, None, ""): [32000],
        (Signal.KV_BLOCK_TOKENS, None, None, ""): [32],
        (Signal.HIT_BLOCKS, None, None, ""): [60],
        (Signal.KV_QUERY_BLOCKS, None, None, ""): [60, 40],
        (Signal.KV_TRANSFER_BYTES, HBM, DRAM, ""): [4096],
        (Signal.KV_TRANSFER_BYTES, DRAM, HBM, ""): [2048],
        (Signal.KV_TRANSFER_BYTES, HBM, HBM, ""): [1024],
        (Signal.KV_TRANSFER_BLOCKS, FLASH, DRAM, ""): [5],
        (Signal.ITERATION, None, None, ""): [0.007],
        (Signal.SPEC_DRAFT_TOKENS, None, None, ""): [50, 40],
        (Signal.SPEC_ACCEPTED_TOKENS, None, None, ""): [30],
        (Signal.DEVICE_MEMORY_USED, None, None, ""): [76665782272],
        (Signal.HOST_MEMORY_USED, None, None, "cpu"): [7],
        (Signal.HOST_MEMORY_USED, None, None, "pinned"): [8],
    }
    assert known.buckets == {("target/0", Signal.TTFT): {0.001: 0, 0.04: 90, INF: 120}}
    queried = {one.metric for one in known.mapping.series if one.signal is Signal.KV_QUERY_BLOCKS}
    assert queried == {"trtllm_kv_cache_reused_blocks_total + trtllm_kv_cache_missed_blocks_total"}


def test_what_is_only_kept_for_reuse_is_not_said_to_be_used() -> None:
    signals = {series.signal for series in read(PAGE).mapping.series}
    assert not signals & {Signal.KV_USED_RATIO, Signal.KV_USED_BLOCKS, Signal.KV_USED_TOKENS, Signal.KV_USED_BYTES}


def test_cached_tokens_without_tiers() -> None:
    page = f"trtllm_prompt_cached_tokens_total{{{L}}} 4000\n"
    assert flows(page) == {(Signal.HIT_TOKENS, UNKNOWN, None, ""): [4000]}


@pytest.mark.parametrize(
    ("labels", "tier"),
    [
        ('cache_level="1",cache_tier="gpu"', HBM),
        ('cache_level="0",cache_tier=""', UNKNOWN),
        ('cache_level="0",cache_tier="tape"', UNKNOWN),
        ('cache_level="0"', HBM),
        ('cache_level="1"', DRAM),
        ('cache_level="7"', UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_tiers_of_cached_tokens(labels: str, tier: Tier) -> None:
    assert flows(f"trtllm_prompt_cache_hit_tokens_total{{{labels}}} 5\n") == {(Signal.HIT_TOKENS, tier, None, ""): [5]}


def test_the_older_prefix() -> None:
    assert flows("trtllm:num_requests_running 5\ntrtllm:nonsense 1\n") == {
        (Signal.REQUESTS_RUNNING, None, None, ""): [5]
    }


def test_types_and_labels_that_are_not_as_they_should_be() -> None:
    page = (
        "# TYPE trtllm_prompt_tokens_total histogram\ntrtllm_prompt_tokens_total 5\n"
        "trtllm_prompt_cached_tokens_total 1\n"
        "# TYPE trtllm_kv_cache_max_blocks counter\ntrtllm_kv_cache_max_blocks 9\n"
        'trtllm_parallel_config_info{tp_size="' + "9" * 30 + '",pp_size="-1"} 1\n'
    )
    known = read(page)
    assert known.mapping.workers == (WorkerFacts("target/0"),)
    assert known.values == {
        ("target/0", Signal.HIT_TOKENS, Kind.COUNTER, UNKNOWN, ""): [1],
        ("target/0", Signal.KV_CAPACITY_BLOCKS, Kind.COUNTER, HBM, ""): [9],
    }


@pytest.mark.parametrize("le", ["", "x", "NaN"])
def test_a_bucket_without_a_bound_spoils_the_page(le: str) -> None:
    page = f'# TYPE trtllm_time_to_first_token_seconds histogram\ntrtllm_time_to_first_token_seconds_bucket{{le="{le}"}} 1\n'
    with pytest.raises(MappingError, match="without a bound"):
        read(page)


def documented() -> object:
    """The excerpt of the documentation, without the dots that stand for the rest."""
    text = (FIXTURES / "trtllm" / "metrics_iteration_stats_doc_excerpt.txt").read_text()
    return json.loads(text.replace("...", ""))


def test_the_documented_iteration() -> None:
    found = iterations(documented(), "host:8000")
    assert found is not None
    assert found.steps_s == (0.00700688362121582,)
    page = found.newest
    assert page.workers == (WorkerFacts("host:8000/0"),)
    values = {(one.signal, one.kind, one.tier): value for one, value in zip(page.series, page.values, strict=True)}
    assert values == {
        (Signal.REQUESTS_RUNNING, Kind.GAUGE, None): 1,
        (Signal.DEVICE_MEMORY_USED, Kind.GAUGE, None): 76665782272,
        (Signal.KV_ACTIVE_BLOCKS, Kind.GAUGE, HBM): 3,
        (Signal.KV_CAPACITY_BLOCKS, Kind.GAUGE, HBM): 101256,
        (Signal.KV_BLOCK_TOKENS, Kind.GAUGE, None): 32,
        (Signal.KV_ACTIVE_RATIO, Kind.GAUGE, HBM): pytest.approx(3 / 101256),
        (Signal.KV_CAPACITY_TOKENS, Kind.GAUGE, HBM): 3240192,
        (Signal.HIT_BLOCKS, Kind.COUNTER, None): 4,
        (Signal.KV_QUERY_BLOCKS, Kind.COUNTER, None): 3125,
    }


def test_iterations_in_order_and_the_newest_state() -> None:
    body = [{"iter": 7, "iterLatencyMS": 20, "numQueuedRequests": 5}, {"iter": 8, "iterLatencyMS": 30.5}]
    found = iterations(body, "t")
    assert found is not None
    assert found.steps_s == (0.02, 0.0305)
    assert found.newest.series == ()
    assert iterations([], "t") is None


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        "[]",
        [1],
        [{}],
        [{"iter": "x"}],
        [{"iter": 1, "numActiveRequests": -1}],
        [{"iter": 1, "gpuMemUsage": 10**400}],
        [{"iter": 1, "kvCacheStats": []}],
        [{"iter": 1}] * (MAX_ITERATIONS + 1),
    ],
)
def test_answers_that_are_none(body: object) -> None:
    with pytest.raises(JsonError) as caught:
        iterations(body, "t")
    assert len(str(caught.value)) < 100


def test_a_step_of_no_length_that_can_be() -> None:
    found = iterations([{"iter": 1, "iterLatencyMS": -4.0}, {"iter": 2, "iterLatencyMS": math.inf}], "t")
    assert found is not None
    assert found.steps_s == ()


def test_a_pool_of_no_blocks_has_no_share() -> None:
    found = iterations([{"iter": 1, "kvCacheStats": {"usedNumBlocks": 0, "maxNumBlocks": 0}}], "t")
    assert found is not None
    assert Signal.KV_ACTIVE_RATIO not in {series.signal for series in found.newest.series}
