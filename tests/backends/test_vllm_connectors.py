"""vLLM's connectors, old names and several engines, on text built from the families that its source defines."""

import math
import re

import pytest

from collectors.backends import registry
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Tier
from tests.backends.flows import flows
from tests.backends.pages import FIXTURES, read

COUNTER, GAUGE = Kind.COUNTER, Kind.GAUGE
E0 = 'engine="0",model_name="m"'


NIXL = f"""\
# TYPE vllm:nixl_xfer_time_seconds histogram
vllm:nixl_xfer_time_seconds_bucket{{{E0},le="0.005"}} 3
vllm:nixl_xfer_time_seconds_bucket{{{E0},le="+Inf"}} 5
vllm:nixl_xfer_time_seconds_count{{{E0}}} 5
vllm:nixl_xfer_time_seconds_sum{{{E0}}} 0.04
# TYPE vllm:nixl_bytes_transferred histogram
vllm:nixl_bytes_transferred_bucket{{{E0},le="+Inf"}} 5
vllm:nixl_bytes_transferred_count{{{E0}}} 5
vllm:nixl_bytes_transferred_sum{{{E0}}} 5.24288e+06
# TYPE vllm:nixl_num_failed_transfers counter
vllm:nixl_num_failed_transfers_total{{{E0}}} 2
# TYPE vllm:nixl_num_kv_expired_reqs counter
vllm:nixl_num_kv_expired_reqs_total{{{E0}}} 1
# TYPE vllm:prompt_tokens_by_source counter
vllm:prompt_tokens_by_source_total{{{E0},source="external_kv_transfer"}} 640
# TYPE vllm:num_requests_kv_fetch_by_stage gauge
vllm:num_requests_kv_fetch_by_stage{{{E0},stage="in_progress"}} 4
"""
OFFLOAD = f"""\
# TYPE vllm:kv_offload_store_bytes counter
vllm:kv_offload_store_bytes_total{{{E0}}} 4096
# TYPE vllm:kv_offload_load_bytes counter
vllm:kv_offload_load_bytes_total{{{E0}}} 1024
# TYPE vllm:kv_offload_store_time counter
vllm:kv_offload_store_time_total{{{E0}}} 0.25
# TYPE vllm:kv_offload_load_time counter
vllm:kv_offload_load_time_total{{{E0}}} 0.125
# TYPE vllm:kv_offload_cpu_cache_usage_perc gauge
vllm:kv_offload_cpu_cache_usage_perc{{{E0}}} 0.9
# TYPE vllm:kv_offload_config_info gauge
vllm:kv_offload_config_info{{{E0},cpu_kv_cache_size_bytes="8589934592",cpu_num_chunks="7"}} 1
"""
TWINS = f"""\
# TYPE vllm:kv_offload_total_bytes counter
vllm:kv_offload_total_bytes_total{{{E0},transfer_type="GPU_to_CPU"}} 4000
vllm:kv_offload_total_bytes_total{{{E0},transfer_type="CPU_to_GPU"}} 1000
# TYPE vllm:kv_offload_total_time counter
vllm:kv_offload_total_time_total{{{E0},transfer_type="GPU_to_CPU"}} 0.5
"""
TIERING = f"""\
# TYPE vllm:kv_offload_tiering_write_bytes counter
vllm:kv_offload_tiering_write_bytes_total{{{E0},tier="1:fs"}} 300
vllm:kv_offload_tiering_write_bytes_total{{{E0},tier="2:obj"}} 200
# TYPE vllm:kv_offload_tiering_read_bytes counter
vllm:kv_offload_tiering_read_bytes_total{{{E0},tier="1:fs"}} 30
vllm:kv_offload_tiering_read_bytes_total{{{E0},tier="3:kvcr"}} 20
# TYPE vllm:kv_offload_tiering_read_time counter
vllm:kv_offload_tiering_read_time_total{{{E0},tier="1:fs"}} 2
# TYPE vllm:kv_offload_tiering_chunk_queries counter
vllm:kv_offload_tiering_chunk_queries_total{{{E0},tier="0:primary"}} 10
# TYPE vllm:kv_offload_tiering_chunk_hits counter
vllm:kv_offload_tiering_chunk_hits_total{{{E0},tier="0:primary"}} 6
vllm:kv_offload_tiering_chunk_hits_total{{{E0},tier="4:p2p"}} 1
"""
HBM, DRAM, FLASH, OBJECT, PEER, UNKNOWN = Tier.HBM, Tier.DRAM, Tier.FLASH, Tier.OBJECT, Tier.PEER, Tier.UNKNOWN
BYTES, TIME = Signal.KV_TRANSFER_BYTES, Signal.KV_TRANSFER_TIME


def test_transfers_from_prefill_to_decode() -> None:
    assert flows(NIXL) == {
        (Signal.PD_TRANSFER_BYTES, None, None, ""): [5242880],
        (Signal.PD_TRANSFER_FAILURES, None, None, "transfer"): [2],
        (Signal.PD_TRANSFER_FAILURES, None, None, "expired"): [1],
        (Signal.PROMPT_TOKENS_EXTERNAL, None, None, ""): [640],
        (Signal.REQUESTS_IN_STAGE, None, None, "in_progress"): [4],
    }
    assert read(NIXL).buckets == {("target/0", Signal.PD_TRANSFER): {0.005: 3, math.inf: 5}}


def test_what_transfers_hold_is_not_occupancy() -> None:
    assert flows(OFFLOAD) == {
        (BYTES, HBM, DRAM, ""): [4096],
        (BYTES, DRAM, HBM, ""): [1024],
        (TIME, HBM, DRAM, ""): [250_000_000],
        (TIME, DRAM, HBM, ""): [125_000_000],
        (Signal.KV_CAPACITY_BYTES, DRAM, None, ""): [8589934592],
    }


def test_deprecated_twins_count_only_alone() -> None:
    assert flows(TWINS) == {
        (BYTES, HBM, DRAM, ""): [4000],
        (BYTES, DRAM, HBM, ""): [1000],
        (TIME, HBM, DRAM, ""): [500_000_000],
    }
    assert flows(TWINS + OFFLOAD) == flows(OFFLOAD + TWINS) == flows(OFFLOAD)


def test_tiers_below_the_host() -> None:
    assert flows(TIERING) == {
        (BYTES, DRAM, FLASH, ""): [300],
        (BYTES, DRAM, OBJECT, ""): [200],
        (BYTES, FLASH, DRAM, ""): [30],
        (BYTES, UNKNOWN, DRAM, ""): [20],
        (TIME, FLASH, DRAM, ""): [2_000_000_000],
        (Signal.KV_QUERY_BLOCKS, DRAM, None, ""): [10],
        (Signal.HIT_BLOCKS, DRAM, None, ""): [6],
        (Signal.HIT_BLOCKS, PEER, None, ""): [1],
    }


def test_the_simple_connector_tells_pinned_blocks_and_its_size() -> None:
    page = (
        f"vllm:simple_kv_offload_used_blocks{{{E0}}} 12\nvllm:simple_kv_offload_load_blocks_total{{{E0}}} 34\n"
        f'vllm:simple_kv_offload_info{{{E0},backend="b",capacity_blocks="4096"}} 1\n'
    )
    assert flows(page) == {
        (Signal.KV_ACTIVE_BLOCKS, DRAM, None, ""): [12],
        (Signal.KV_TRANSFER_BLOCKS, DRAM, HBM, ""): [34],
        (Signal.KV_CAPACITY_BLOCKS, DRAM, None, ""): [4096],
    }


def test_speculation_errors_and_older_names() -> None:
    page = (
        f"vllm:spec_decode_num_draft_tokens_total{{{E0}}} 90\nvllm:spec_decode_num_accepted_tokens_total{{{E0}}} 63\n"
        f'vllm:request_success_total{{{E0},finished_reason="error"}} 2\n'
        f"vllm:gpu_prefix_cache_queries_total{{{E0}}} 80\nvllm:gpu_prefix_cache_hits_total{{{E0}}} 16\n"
    )
    assert flows(page) == {
        (Signal.SPEC_DRAFT_TOKENS, None, None, ""): [90],
        (Signal.SPEC_ACCEPTED_TOKENS, None, None, ""): [63],
        (Signal.REQUESTS_FINISHED, None, None, "error"): [2],
        (Signal.REQUEST_ERRORS, None, None, "error"): [2],
        (Signal.KV_QUERY_TOKENS, HBM, None, ""): [80],
        (Signal.KV_HITS, HBM, None, ""): [16],
    }
    newer = f"vllm:prefix_cache_hits_total{{{E0}}} 17\n"
    assert flows(page + newer)[Signal.KV_HITS, HBM, None, ""] == [17]


def test_what_a_server_of_several_engines_says_is_of_none_of_them() -> None:
    page = (
        'vllm:num_requests_running{engine="0"} 1\nvllm:num_requests_running{engine="1"} 2\n'
        'vllm:admission_rejections_total{reason="max_num_queued_reqs"} 5\n'
    )
    known = read(page)
    assert [worker.id for worker in known.mapping.workers] == ["target/0", "target/1"]
    assert known.values["", Signal.REQUESTS_REJECTED, COUNTER, None, ""] == [5]
    (one,) = [series for series in known.mapping.series if series.signal is Signal.REQUESTS_REJECTED]
    assert one == Series(one.signal, COUNTER, "", "vllm:admission_rejections_total", label="max_num_queued_reqs")


def test_the_only_engine_need_not_be_the_first() -> None:
    known = read('vllm:num_requests_running{engine="3"} 1\nvllm:admission_rejections_total{reason="r"} 5\n')
    assert [worker.id for worker in known.mapping.workers] == ["target/3"]
    assert known.values["target/3", Signal.REQUESTS_REJECTED, COUNTER, None, ""] == [5]


def test_a_pool_that_is_known_in_tokens_only() -> None:
    key = ("target/0", Signal.KV_CAPACITY_TOKENS, GAUGE, HBM, "")
    assert read('vllm:cache_config_info{num_gpu_blocks="None",kv_cache_size_tokens="1280"} 1\n').values[key] == [1280]


@pytest.mark.parametrize("text", ["9" * 400, "-5", "1_0", "٣", "1e9", "", "None", "nan"])
def test_sizes_that_are_none(text: str) -> None:
    page = (
        f'vllm:kv_offload_config_info{{cpu_kv_cache_size_bytes="{text}"}} 1\n'
        f'vllm:simple_kv_offload_info{{capacity_blocks="{text}"}} 1\n'
        f'vllm:cache_config_info{{num_gpu_blocks="{text}",block_size="{text}",kv_cache_size_tokens="{text}"}} 1\n'
    )
    assert read(page).values == {}


def test_types_and_labels_that_are_not_as_they_should_be() -> None:
    page = (
        "# TYPE vllm:nixl_bytes_transferred_sum summary\nvllm:nixl_bytes_transferred_sum 5\n"
        "# TYPE vllm:kv_offload_store_bytes_total histogram\nvllm:kv_offload_store_bytes_total 5\n"
        "vllm:kv_offload_tiering_write_bytes_total 7\n"
        "vllm:kv_offload_total_time_total 0.001\n"
        "vllm:prompt_tokens_by_source_total 9\n"
    )
    assert flows(page) == {
        (BYTES, DRAM, UNKNOWN, ""): [7],
        (TIME, UNKNOWN, UNKNOWN, ""): [1_000_000],
    }


def test_lmcache_within_the_engine() -> None:
    page = (
        "vllm:num_requests_running 1\n"
        'vllm:prompt_tokens_cached_by_source_total{source="host"} 20\n'
        'lmcache:local_cache_usage{worker_id="0"} 100\nlmcache:local_cache_usage{worker_id="1"} 100\n'
        'lmcache:num_lookup_tokens_total{worker_id="1"} 64\nlmcache:num_lookup_tokens_total{worker_id="0"} 64\n'
        'lmcache:num_hit_tokens_total{worker_id="0"} 20\nlmcache:num_prompt_tokens_total{worker_id="0"} 70\n'
    )
    known = read(page)
    assert known.backend == "vllm"
    assert known.values == {
        ("target/0", Signal.REQUESTS_RUNNING, GAUGE, None, ""): [1],
        ("target/0", Signal.HIT_TOKENS, COUNTER, DRAM, ""): [20],
        ("target/0", Signal.KV_USED_BYTES, GAUGE, DRAM, ""): [100, 100],
        ("target/0", Signal.KV_QUERY_TOKENS, COUNTER, UNKNOWN, ""): [64],
    }


def test_the_official_dashboards_ask_for_names_that_are_known() -> None:
    expressions = (FIXTURES / "vllm" / "dashboard_expressions.txt").read_text()
    asked = set(re.findall(r"vllm:[a-z0-9_]+", expressions))
    families = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in asked}
    unknown = {family for family in families if not registry.wanted(family)}
    # distributions of lengths, which no figure is made of
    assert unknown == {
        "vllm:request_prompt_tokens",
        "vllm:request_generation_tokens",
        "vllm:request_max_num_generation_tokens",
    }
