"""LMCache, of which no page was at hand: text built from the families that its source defines, spelled as OpenTelemetry's exporter does."""

import math

import pytest

from collectors.backends import registry
from collectors.backends.mapping import MappingError
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import Tier
from tests.backends.flows import owned
from tests.backends.pages import read

SERVER = "host:9090"
HBM, DRAM, FLASH, OBJECT, PEER, UNKNOWN = Tier.HBM, Tier.DRAM, Tier.FLASH, Tier.OBJECT, Tier.PEER, Tier.UNKNOWN
SCOPE = 'otel_scope_name="lmcache"'
MULTI_PROCESS = f"""\
# TYPE lmcache_mp_l1_memory_usage_bytes gauge
lmcache_mp_l1_memory_usage_bytes{{{SCOPE}}} 3.0e+09
# TYPE lmcache_mp_l1_usage_ratio gauge
lmcache_mp_l1_usage_ratio{{{SCOPE}}} 0.75
# TYPE lmcache_mp_l1_staging_bytes gauge
lmcache_mp_l1_staging_bytes{{{SCOPE}}} 5.0e+08
# TYPE lmcache_mp_l2_usage_bytes gauge
lmcache_mp_l2_usage_bytes{{l2_name="fs",{SCOPE}}} 7.0e+10
# TYPE lmcache_mp_lookup_requested_tokens_total counter
lmcache_mp_lookup_requested_tokens_total{{model_name="m",{SCOPE}}} 1000
# TYPE lmcache_mp_lookup_hit_tokens_total counter
lmcache_mp_lookup_hit_tokens_total{{model_name="m",{SCOPE}}} 700
# TYPE lmcache_mp_lookup_hit_l1_tokens_total counter
lmcache_mp_lookup_hit_l1_tokens_total{{model_name="m",{SCOPE}}} 500
# TYPE lmcache_mp_lookup_hit_l2_tokens_total counter
lmcache_mp_lookup_hit_l2_tokens_total{{model_name="m",{SCOPE}}} 200
# TYPE lmcache_mp_l1_evicted_chunks_total counter
lmcache_mp_l1_evicted_chunks_total{{{SCOPE}}} 11
# TYPE lmcache_mp_l2_evicted_objects_chunks_total counter
lmcache_mp_l2_evicted_objects_chunks_total{{l2_name="fs",{SCOPE}}} 12
# TYPE lmcache_mp_l2_store_completed_objects_chunks_total counter
lmcache_mp_l2_store_completed_objects_chunks_total{{l2_name="fs",{SCOPE}}} 13
# TYPE lmcache_mp_l2_prefetch_load_completed_chunks_total counter
lmcache_mp_l2_prefetch_load_completed_chunks_total{{{SCOPE}}} 14
# TYPE lmcache_mp_l2_prefetch_failure_chunks_total counter
lmcache_mp_l2_prefetch_failure_chunks_total{{reason="l1_oom",{SCOPE}}} 15
# TYPE lmcache_mp_timeouts_total counter
lmcache_mp_timeouts_total{{exception_type="TimeoutError",{SCOPE}}} 16
# TYPE lmcache_mp_transfer_phase_bytes_total counter
lmcache_mp_transfer_phase_bytes_total{{direction="d2h",phase="kernel",{SCOPE}}} 4096
lmcache_mp_transfer_phase_bytes_total{{direction="d2h",phase="staging",{SCOPE}}} 4096
lmcache_mp_transfer_phase_bytes_total{{direction="h2d",phase="kernel",{SCOPE}}} 2048
lmcache_mp_transfer_phase_bytes_total{{direction="h2d",phase="staging",{SCOPE}}} 2048
# TYPE lmcache_mp_transfer_phase_elapsed_seconds_total counter
lmcache_mp_transfer_phase_elapsed_seconds_total{{direction="d2h",phase="kernel",{SCOPE}}} 0.5
lmcache_mp_transfer_phase_elapsed_seconds_total{{direction="d2h",phase="staging",{SCOPE}}} 0.25
# TYPE lmcache_mp_l2_load_throughput_GB_per_second histogram
lmcache_mp_l2_load_throughput_GB_per_second_bucket{{le="5.0",l2_name="fs",{SCOPE}}} 2
lmcache_mp_l2_load_throughput_GB_per_second_bucket{{le="+Inf",l2_name="fs",{SCOPE}}} 3
lmcache_mp_l2_load_throughput_GB_per_second_count{{l2_name="fs",{SCOPE}}} 3
lmcache_mp_l2_load_throughput_GB_per_second_sum{{l2_name="fs",{SCOPE}}} 14.5
"""


def test_a_server_s_pools_and_flows() -> None:
    known = read(MULTI_PROCESS, SERVER)
    assert known.backend == "lmcache"
    assert registry.named("lmcache").never_seen
    assert known.mapping.workers == ()
    assert owned(MULTI_PROCESS, SERVER) == {
        ("", SERVER, Signal.KV_USED_BYTES, DRAM, None, ""): [3e9],
        ("", SERVER, Signal.KV_USED_RATIO, DRAM, None, ""): [0.75],
        ("", SERVER, Signal.KV_CAPACITY_BYTES, DRAM, None, ""): [4e9],
        ("", f"{SERVER} fs", Signal.KV_USED_BYTES, FLASH, None, ""): [7e10],
        ("", SERVER, Signal.KV_QUERY_TOKENS, None, None, ""): [1000],
        ("", SERVER, Signal.KV_HITS, DRAM, None, ""): [500],
        ("", f"{SERVER} fs", Signal.KV_HITS, FLASH, None, ""): [200],
        ("", SERVER, Signal.KV_EVICTED_BLOCKS, DRAM, None, ""): [11],
        ("", f"{SERVER} fs", Signal.KV_EVICTED_BLOCKS, FLASH, None, ""): [12],
        ("", SERVER, Signal.KV_TRANSFER_BLOCKS, DRAM, FLASH, ""): [13],
        ("", SERVER, Signal.KV_TRANSFER_BLOCKS, FLASH, DRAM, ""): [14],
        ("", SERVER, Signal.KV_TRANSFER_FAILURES, FLASH, DRAM, "l1_oom"): [15],
        ("", SERVER, Signal.REQUEST_ERRORS, None, None, "TimeoutError"): [16],
        ("", SERVER, Signal.KV_TRANSFER_BYTES, HBM, DRAM, ""): [4096],
        ("", SERVER, Signal.KV_TRANSFER_BYTES, DRAM, HBM, ""): [2048],
        ("", SERVER, Signal.KV_TRANSFER_TIME, HBM, DRAM, ""): [250_000_000],
    }
    assert known.buckets == {("", Signal.KV_TRANSFER_RATE): {5e9: 2, math.inf: 3}}
    assert known.values["", Signal.KV_TRANSFER_RATE, Kind.SUM, FLASH, SERVER] == [14.5e9]


def test_an_empty_cache_does_not_tell_its_size() -> None:
    page = "lmcache_mp_l1_memory_usage_bytes 0\nlmcache_mp_l1_usage_ratio 0\n"
    found = owned(page, SERVER)
    assert found["", SERVER, Signal.KV_USED_BYTES, DRAM, None, ""] == [0]
    (size,) = found["", SERVER, Signal.KV_CAPACITY_BYTES, DRAM, None, ""]
    assert math.isnan(size)


def test_several_managers_of_l1() -> None:
    page = "".join(
        f'lmcache_mp_l1_memory_usage_bytes{{l1_tag="{tag}",backend="{backend}"}} {used}\n'
        f'lmcache_mp_l1_usage_ratio{{l1_tag="{tag}",backend="{backend}"}} {ratio}\n'
        for tag, backend, used, ratio in (
            ("a", "dram", 10, 0.5),
            ("b", "dram", 30, 0.25),
            ("c", "gds", 5, 0.5),
            ("d", "devdax", 8, 1),
        )
    )
    found = owned(page, SERVER)
    sizes = {tier: found["", SERVER, Signal.KV_CAPACITY_BYTES, tier, None, ""] for tier in (DRAM, FLASH, UNKNOWN)}
    assert sizes == {DRAM: [20, 120], FLASH: [10], UNKNOWN: [8]}
    assert found["", SERVER, Signal.KV_USED_BYTES, DRAM, None, ""] == [10, 30]


@pytest.mark.parametrize(
    ("name", "tier"),
    [("fs", FLASH), ("fs0", FLASH), ("nvme-1", FLASH), ("s3_main", OBJECT), ("offshore", UNKNOWN), ("s3+fs", UNKNOWN)],
)
def test_the_tier_of_an_adapter_is_told_by_its_name_or_unknown(name: str, tier: Tier) -> None:
    found = owned(f'lmcache_mp_l2_usage_bytes{{l2_name="{name}"}} 5\n', SERVER)
    assert found == {("", f"{SERVER} {name}", Signal.KV_USED_BYTES, tier, None, ""): [5]}


def test_what_is_not_told_by_adapter_is_of_the_only_kind_of_adapter() -> None:
    hits = "lmcache_mp_lookup_hit_l2_tokens_total 9\n"
    fs, s3 = (f'lmcache_mp_l2_usage_bytes{{l2_name="{name}"}} 1\n' for name in ("fs", "s3"))

    def tiers(page: str) -> list[Tier | None]:
        return [tier for _, _, signal, tier, _, _ in owned(page, SERVER) if signal is Signal.KV_HITS]

    assert [tiers(page) for page in (hits, hits + fs, hits + s3, hits + fs + s3)] == [
        [UNKNOWN],
        [FLASH],
        [OBJECT],
        [UNKNOWN],
    ]


def test_one_phase_of_a_transfer_counts() -> None:
    kernel = 'lmcache_mp_transfer_phase_bytes_total{direction="d2h",phase="kernel",device_index="0"} 7\n'
    assert owned(kernel) == {("", "target", Signal.KV_TRANSFER_BYTES, HBM, DRAM, ""): [7]}
    sideways = 'lmcache_mp_transfer_phase_bytes_total{direction="d2d",phase="staging"} 7\n'
    assert owned(sideways) == {("", "target", Signal.KV_TRANSFER_BYTES, UNKNOWN, UNKNOWN, ""): [7]}


def test_the_directory_of_keys_and_its_deprecated_twin() -> None:
    old = 'lmcache_mp_key_directory_placement_count{tier="L1"} 3\n'
    new = (
        'lmcache_coordinator_key_directory_placements{tier="L1"} 4\n'
        'lmcache_coordinator_key_directory_placements{tier="L2"} 5\n'
    )
    key = ("", "target", Signal.KV_USED_BLOCKS, DRAM, None, "")
    assert owned(old) == {key: [3]}
    assert owned(old + new) == {key: [4], ("", "target", Signal.KV_USED_BLOCKS, UNKNOWN, None, ""): [5]}


IN_PROCESS = """\
# TYPE lmcache:num_prompt_tokens counter
lmcache:num_prompt_tokens_total{model_name="m",worker_id="1",role="worker"} 1000
lmcache:num_prompt_tokens_total{model_name="m",worker_id="0",role="worker"} 1000
lmcache:num_vllm_hit_tokens_total{model_name="m",worker_id="0",role="worker"} 300
lmcache:num_hit_tokens_total{model_name="m",worker_id="0",role="worker"} 200
lmcache:num_lookup_tokens_total{model_name="m",worker_id="0",role="worker"} 900
lmcache:num_lookup_hits_total{model_name="m",worker_id="0",role="worker"} 250
# TYPE lmcache:local_cache_usage gauge
lmcache:local_cache_usage{model_name="m",worker_id="0",role="worker"} 1e6
lmcache:local_cache_usage{model_name="m",worker_id="1",role="worker"} 2e6
lmcache:local_storage_usage{model_name="m",worker_id="0",role="worker"} 4e6
lmcache:remote_cache_usage{model_name="m",worker_id="0",role="worker"} 8e6
lmcache:local_cpu_hot_cache_count{model_name="m",worker_id="0",role="worker"} 17
lmcache:local_cpu_evict_keys_count_total{model_name="m",worker_id="0",role="worker"} 6
lmcache:num_remote_read_bytes_total{model_name="m",worker_id="0",role="worker"} 512
lmcache:num_remote_write_bytes_total{model_name="m",worker_id="0",role="worker"} 256
lmcache:lmcache_is_healthy{model_name="m",worker_id="0",role="worker"} 1
# TYPE lmcache:remote_time_to_get histogram
lmcache:remote_time_to_get_bucket{model_name="m",worker_id="0",le="1.0"} 1
lmcache:remote_time_to_get_bucket{model_name="m",worker_id="0",le="250.0"} 3
lmcache:remote_time_to_get_bucket{model_name="m",worker_id="0",le="+Inf"} 4
lmcache:remote_time_to_get_count{model_name="m",worker_id="0"} 4
lmcache:remote_time_to_get_sum{model_name="m",worker_id="0"} 750
# TYPE lmcache:retrieve_hit_rate gauge
lmcache:retrieve_hit_rate{model_name="m",worker_id="0"} 0.5
"""


def test_the_page_of_lmcache_within_an_engine() -> None:
    known = read(IN_PROCESS, "host:6999")
    assert known.backend == "lmcache"
    owner = "host:6999"
    assert owned(IN_PROCESS, owner) == {
        ("", owner, Signal.PROMPT_TOKENS, None, None, ""): [1000],
        ("", owner, Signal.KV_HITS, HBM, None, ""): [300],
        ("", owner, Signal.PROMPT_TOKENS_EXTERNAL, None, None, ""): [200],
        ("", owner, Signal.KV_QUERY_TOKENS, UNKNOWN, None, ""): [900],
        ("", owner, Signal.KV_HITS, UNKNOWN, None, ""): [250],
        ("", owner, Signal.KV_USED_BYTES, DRAM, None, ""): [1e6, 2e6],
        ("", owner, Signal.KV_USED_BYTES, FLASH, None, ""): [4e6],
        ("", owner, Signal.KV_USED_BYTES, UNKNOWN, None, ""): [8e6],
        ("", owner, Signal.KV_USED_BLOCKS, DRAM, None, ""): [17],
        ("", owner, Signal.KV_EVICTED_BLOCKS, DRAM, None, ""): [6],
        ("", owner, Signal.KV_TRANSFER_BYTES, UNKNOWN, DRAM, ""): [512],
        ("", owner, Signal.KV_TRANSFER_BYTES, DRAM, UNKNOWN, ""): [256],
        ("", owner, Signal.HEALTHY, None, None, ""): [1],
    }
    # milliseconds on the wire
    assert known.buckets == {("", Signal.KV_TRANSFER): {0.001: 1, 0.25: 3, math.inf: 4}}
    assert known.values["", Signal.KV_TRANSFER, Kind.SUM, UNKNOWN, owner] == [0.75]


def test_wrong_types_and_missing_labels() -> None:
    page = (
        "# TYPE lmcache_mp_l1_memory_usage_bytes histogram\nlmcache_mp_l1_memory_usage_bytes 3\n"
        "lmcache_mp_l1_usage_ratio 0.5\nlmcache_mp_l2_usage_bytes 5\nlmcache:num_lookup_tokens_total 4\n"
        'lmcache:num_lookup_tokens_total{worker_id="many"} 9\n'
    )
    found = owned(page)
    assert found == {
        ("", "target", Signal.KV_USED_RATIO, DRAM, None, ""): [0.5],
        ("", "target", Signal.KV_USED_BYTES, UNKNOWN, None, ""): [5],
        ("", "target", Signal.KV_QUERY_TOKENS, UNKNOWN, None, ""): [4],
    }


@pytest.mark.parametrize("le", ["", "one", "NaN", "1_0"])
def test_a_bound_that_is_none(le: str) -> None:
    page = f'# TYPE lmcache:time_to_store histogram\nlmcache:time_to_store_bucket{{le="{le}"}} 1\n'
    with pytest.raises(MappingError, match="without a bound"):
        read(page)


def test_an_absurd_bound_stays_a_number() -> None:
    page = '# TYPE lmcache:remote_time_to_get histogram\nlmcache:remote_time_to_get_bucket{le="1e308"} 1\n'
    assert read(page).buckets == {("", Signal.KV_TRANSFER): {1e305: 1}}
