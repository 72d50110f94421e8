"""What an SGLang page says: the documentation's own sample exactly, and text built from the families of today's source."""

import math

import pytest

from collectors.backends.mapping import MappingError
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier
from collectors.wire.limits import DEFAULT
from tests.backends.flows import flows, owned
from tests.backends.pages import FIXTURES, read

GAUGE, COUNTER, COUNT, SUM = Kind.GAUGE, Kind.COUNTER, Kind.COUNT, Kind.SUM
HBM, DRAM, FLASH, UNKNOWN = Tier.HBM, Tier.DRAM, Tier.FLASH, Tier.UNKNOWN
INF = math.inf


def test_the_documented_page_says_this_and_nothing_else() -> None:
    known = read((FIXTURES / "sglang" / "production_metrics_doc.prom").read_text(), "host:30000")
    worker = "host:30000/0"
    assert known.backend == "sglang"
    assert known.mapping.workers == (WorkerFacts(worker, model="meta-llama/Llama-3.1-8B-Instruct"),)
    # read off the page by hand; its names are those before 0.5
    assert known.values == {
        (worker, Signal.PROMPT_TOKENS, COUNTER, None, ""): [8128902],
        (worker, Signal.GENERATION_TOKENS, COUNTER, None, ""): [7557572],
        (worker, Signal.KV_ACTIVE_RATIO, GAUGE, HBM, ""): [0.28],
        (worker, Signal.KV_ACTIVE_TOKENS, GAUGE, HBM, ""): [123859],
        (worker, Signal.KV_HIT_RATE, GAUGE, None, ""): [0.007507552643049313],
        (worker, Signal.TTFT, SUM, None, ""): [2351897.9474117756],
        (worker, Signal.TTFT, COUNT, None, ""): [11008],
        (worker, Signal.E2E, SUM, None, ""): [3116093.850019932],
        (worker, Signal.E2E, COUNT, None, ""): [11228],
        (worker, Signal.GAP, SUM, None, ""): [866964.5791549598],
        (worker, Signal.GAP, COUNT, None, ""): [7400757],
        (worker, Signal.REQUESTS_RUNNING, GAUGE, None, ""): [162],
        (worker, Signal.REQUESTS_WAITING, GAUGE, None, ""): [2826],
    }
    ttft = known.buckets[worker, Signal.TTFT]
    assert {le: ttft[le] for le in (0.04, 1.0, 30.0, INF)} == {0.04: 1, 1.0: 27, 30.0: 2513, INF: 11008}
    sizes = {signal: len(found) for (_, signal), found in known.buckets.items()}
    assert sizes == {Signal.TTFT: 21, Signal.E2E: 16, Signal.GAP: 19}


SCHEDULER = 'engine_type="unified",model_name="m",tp_rank="0",pp_rank="0",moe_ep_rank="0"'
FRONT = 'engine_type="unified",model_name="m"'
TODAY = f"""\
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{{{SCHEDULER}}} 40
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{{{SCHEDULER}}} 6
# TYPE sglang:num_grammar_queue_reqs gauge
sglang:num_grammar_queue_reqs{{{SCHEDULER}}} 2
# TYPE sglang:token_usage gauge
sglang:token_usage{{{SCHEDULER}}} 0.25
# TYPE sglang:kv_used_tokens gauge
sglang:kv_used_tokens{{{SCHEDULER}}} 250000
# TYPE sglang:num_used_tokens gauge
sglang:num_used_tokens{{{SCHEDULER}}} 250001
# TYPE sglang:kv_evictable_tokens gauge
sglang:kv_evictable_tokens{{{SCHEDULER}}} 600000
# TYPE sglang:max_total_num_tokens gauge
sglang:max_total_num_tokens{{{SCHEDULER}}} 1000000
# TYPE sglang:page_size gauge
sglang:page_size{{{SCHEDULER}}} 64
# TYPE sglang:kv_cache_memory_usage_gb gauge
sglang:kv_cache_memory_usage_gb{{{SCHEDULER}}} 2
# TYPE sglang:hicache_host_used_tokens gauge
sglang:hicache_host_used_tokens{{{SCHEDULER}}} 1500000
# TYPE sglang:hicache_host_total_tokens gauge
sglang:hicache_host_total_tokens{{{SCHEDULER}}} 4000000
# TYPE sglang:fwd_occupancy gauge
sglang:fwd_occupancy{{{SCHEDULER}}} 87.5
# TYPE sglang:spec_accept_rate gauge
sglang:spec_accept_rate{{{SCHEDULER}}} 0.68
# TYPE sglang:spec_accept_length gauge
sglang:spec_accept_length{{{SCHEDULER}}} 3.05
# TYPE sglang:num_retracted_requests counter
sglang:num_retracted_requests_total{{{SCHEDULER}}} 3
# TYPE sglang:prefill_effective_tokens counter
sglang:prefill_effective_tokens_total{{{SCHEDULER},mode="input"}} 500
sglang:prefill_effective_tokens_total{{{SCHEDULER},mode="device_hit"}} 300
sglang:prefill_effective_tokens_total{{{SCHEDULER},mode="host_hit"}} 150
sglang:prefill_effective_tokens_total{{{SCHEDULER},mode="storage_hit"}} 50
# TYPE sglang:evicted_tokens counter
sglang:evicted_tokens_total{{{SCHEDULER}}} 700
# TYPE sglang:hicache_dropped_tokens counter
sglang:hicache_dropped_tokens_total{{{SCHEDULER},reason="host_pressure",pool="kv"}} 9
# TYPE sglang:hicache_backup_bytes counter
sglang:hicache_backup_bytes_total{{{SCHEDULER}}} 4096
# TYPE sglang:load_back_bytes counter
sglang:load_back_bytes_total{{{SCHEDULER}}} 1024
# TYPE sglang:prefetched_tokens counter
sglang:prefetched_tokens_total{{storage_backend="file",tp_rank="0",dp_rank="0"}} 80
# TYPE sglang:backuped_tokens counter
sglang:backuped_tokens_total{{storage_backend="mooncake",tp_rank="0",dp_rank="0"}} 90
# TYPE sglang:forward_execution_seconds counter
sglang:forward_execution_seconds_total{{{SCHEDULER},category="decode"}} 1.5
# TYPE sglang:num_prefill_bootstrap_queue_reqs gauge
sglang:num_prefill_bootstrap_queue_reqs{{{SCHEDULER}}} 1
sglang:num_prefill_inflight_queue_reqs{{{SCHEDULER}}} 2
sglang:num_decode_prealloc_queue_reqs{{{SCHEDULER}}} 3
sglang:num_decode_transfer_queue_reqs{{{SCHEDULER}}} 4
# TYPE sglang:num_transfer_failed_reqs counter
sglang:num_transfer_failed_reqs_total{{{SCHEDULER}}} 5
sglang:num_bootstrap_failed_reqs_total{{{SCHEDULER}}} 6
sglang:num_prefill_retries_total{{{SCHEDULER}}} 7
# TYPE sglang:kv_transfer_total_mb histogram
sglang:kv_transfer_total_mb_bucket{{{SCHEDULER},le="+Inf"}} 4
sglang:kv_transfer_total_mb_count{{{SCHEDULER}}} 4
sglang:kv_transfer_total_mb_sum{{{SCHEDULER}}} 3
# TYPE sglang:prompt_tokens counter
sglang:prompt_tokens_total{{{FRONT},is_streaming="true"}} 700
sglang:prompt_tokens_total{{{FRONT},is_streaming="false"}} 300
# TYPE sglang:generation_tokens counter
sglang:generation_tokens_total{{{FRONT},is_streaming="true"}} 200
# TYPE sglang:cached_tokens counter
sglang:cached_tokens_total{{{FRONT},cache_source="device"}} 300
sglang:cached_tokens_total{{{FRONT},cache_source="host"}} 150
sglang:cached_tokens_total{{{FRONT},cache_source="storage_file"}} 30
sglang:cached_tokens_total{{{FRONT},cache_source="storage_mooncake"}} 20
# TYPE sglang:num_requests counter
sglang:num_requests_total{{{FRONT},is_streaming="true"}} 11
# TYPE sglang:num_aborted_requests counter
sglang:num_aborted_requests_total{{{FRONT}}} 1
"""


def test_a_page_of_today() -> None:
    (worker,) = read(TODAY).mapping.workers
    assert worker == WorkerFacts("target/0", model="m", role=Role.AGGREGATED)
    assert flows(TODAY) == {
        (Signal.REQUESTS_RUNNING, None, None, ""): [40],
        (Signal.REQUESTS_WAITING, None, None, ""): [6, 2],  # added: they are of one formula
        (Signal.KV_ACTIVE_RATIO, HBM, None, ""): [0.25],
        (Signal.KV_ACTIVE_TOKENS, HBM, None, ""): [250000],
        (Signal.KV_USED_TOKENS, HBM, None, ""): [250000, 600000],
        (Signal.KV_CAPACITY_TOKENS, HBM, None, ""): [1000000],
        (Signal.KV_BLOCK_TOKENS, None, None, ""): [64],
        (Signal.KV_CAPACITY_BYTES, HBM, None, ""): [2147483648],
        (Signal.KV_USED_TOKENS, DRAM, None, ""): [1500000],
        (Signal.KV_CAPACITY_TOKENS, DRAM, None, ""): [4000000],
        (Signal.DEVICE_ACTIVITY, None, None, "forward pass"): [0.875],
        (Signal.SPEC_ACCEPT_RATIO, None, None, ""): [0.68],
        (Signal.SPEC_ACCEPT_LENGTH, None, None, ""): [3.05],
        (Signal.PREEMPTIONS, None, None, ""): [3],
        (Signal.PROMPT_TOKENS_COMPUTED, None, None, ""): [500],
        (Signal.KV_HITS, HBM, None, ""): [300],
        (Signal.KV_HITS, DRAM, None, ""): [150],
        (Signal.KV_HITS, UNKNOWN, None, ""): [50],
        (Signal.KV_EVICTED_TOKENS, HBM, None, ""): [700],
        (Signal.KV_LOST_TOKENS, HBM, None, "host_pressure"): [9],
        (Signal.KV_TRANSFER_BYTES, HBM, DRAM, ""): [4096],
        (Signal.KV_TRANSFER_BYTES, DRAM, HBM, ""): [1024],
        (Signal.KV_TRANSFER_TOKENS, FLASH, DRAM, ""): [80],
        (Signal.KV_TRANSFER_TOKENS, DRAM, UNKNOWN, ""): [90],
        (Signal.TIME_SPENT, None, None, "decode"): [1_500_000_000],
        (Signal.REQUESTS_IN_STAGE, None, None, "prefill_bootstrap"): [1],
        (Signal.REQUESTS_IN_STAGE, None, None, "prefill_inflight"): [2],
        (Signal.REQUESTS_IN_STAGE, None, None, "decode_prealloc"): [3],
        (Signal.REQUESTS_IN_STAGE, None, None, "decode_transfer"): [4],
        (Signal.PD_TRANSFER_FAILURES, None, None, "transfer"): [5],
        (Signal.PD_TRANSFER_FAILURES, None, None, "bootstrap"): [6],
        (Signal.MIGRATIONS, None, None, "prefill retry"): [7],
        (Signal.PD_TRANSFER_BYTES, None, None, ""): [3145728],
        (Signal.PROMPT_TOKENS, None, None, ""): [700, 300],
        (Signal.GENERATION_TOKENS, None, None, ""): [200],
        (Signal.HIT_TOKENS, HBM, None, ""): [300],
        (Signal.HIT_TOKENS, DRAM, None, ""): [150],
        (Signal.HIT_TOKENS, FLASH, None, ""): [30],
        (Signal.HIT_TOKENS, UNKNOWN, None, ""): [20],
        (Signal.REQUESTS_FINISHED, None, None, ""): [11],
        (Signal.REQUEST_ERRORS, None, None, "aborted"): [1],
    }
    metrics = {one.metric for one in read(TODAY).mapping.series if one.signal is Signal.KV_USED_TOKENS}
    assert metrics == {"sglang:kv_used_tokens + sglang:kv_evictable_tokens", "sglang:hicache_host_used_tokens"}


def histogram(name: str, labels: str, *bounds: tuple[str, int], total: float = 0) -> str:
    rows = "".join(f'{name}_bucket{{{labels},le="{le}"}} {count}\n' for le, count in bounds)
    return f"# TYPE {name} histogram\n{rows}{name}_count{{{labels}}} {bounds[-1][1]}\n{name}_sum{{{labels}}} {total}\n"


def test_units_of_histograms_are_made_ours() -> None:
    page = (
        histogram("sglang:kv_transfer_latency_ms", SCHEDULER, ("25", 1), ("2500", 3), ("+Inf", 4), total=1500)
        + histogram("sglang:kv_transfer_speed_gb_s", SCHEDULER, ("0.5", 1), ("+Inf", 4))
        + histogram("sglang:inter_token_latency_seconds", FRONT, ("0.002", 5), ("+Inf", 9))
        + histogram("sglang:time_per_output_token_seconds", FRONT, ("0.005", 1), ("+Inf", 1))
        + histogram("sglang:request_time_per_output_token_seconds", FRONT, ("0.004", 2), ("+Inf", 2))
    )
    known = read(page)
    assert known.buckets == {
        ("target/0", Signal.PD_TRANSFER): {0.025: 1, 2.5: 3, INF: 4},
        ("target/0", Signal.PD_TRANSFER_RATE): {536870912: 1, INF: 4},
        ("target/0", Signal.GAP): {0.002: 5, INF: 9},
        ("target/0", Signal.TPOT): {0.004: 2, INF: 2},
    }
    assert known.values["target/0", Signal.PD_TRANSFER, SUM, None, ""] == [1.5]


def test_two_stages_of_the_many_have_a_name_of_ours() -> None:
    page = "".join(
        histogram("sglang:per_stage_req_latency_seconds", f'{SCHEDULER},stage="{stage}"', ("0.001", n), ("+Inf", n))
        for n, stage in enumerate(("prefill_forward", "decode_forward", "tokenize"), start=1)
    ).replace("# TYPE sglang:per_stage_req_latency_seconds histogram\n", "")
    page = f"# TYPE sglang:per_stage_req_latency_seconds histogram\n{page}"
    assert read(page).buckets == {
        ("target/0", Signal.PREFILL): {0.001: 1, INF: 1},
        ("target/0", Signal.DECODE): {0.001: 2, INF: 2},
    }


def ranked(name: str, value: int, **ranks: int) -> str:
    labels = ",".join(f'{rank}="{number}"' for rank, number in ranks.items())
    return f"{name}{{{labels}}} {value}\n"


def test_tensor_parallel_ranks_say_the_same_and_bytes_of_their_own() -> None:
    page = "".join(
        ranked("sglang:num_running_reqs", 40 + tp, tp_rank=tp, pp_rank=pp)
        + ranked("sglang:load_back_bytes_total", 100, tp_rank=tp, pp_rank=pp)
        + f'sglang:kv_transfer_total_mb_sum{{tp_rank="{tp}",pp_rank="{pp}"}} 8\n'
        for tp in (10, 9, 11)
        for pp in (1, 0)
    )
    assert flows(page) == {
        (Signal.REQUESTS_RUNNING, None, None, ""): [49],
        (Signal.KV_TRANSFER_BYTES, DRAM, HBM, ""): [100] * 6,
        (Signal.PD_TRANSFER_BYTES, None, None, ""): [8 * 1024 * 1024],
    }


def test_data_parallel_ranks_are_workers_and_their_server_another() -> None:
    page = "".join(
        ranked("sglang:num_running_reqs", 5 + dp, dp_rank=dp, tp_rank=2 * dp)
        + ranked("sglang:num_running_reqs", 99, dp_rank=dp, tp_rank=2 * dp + 1)
        for dp in (0, 1)
    )
    page += 'sglang:generation_tokens_total{model_name="m"} 1000\n'
    assert owned(page) == {
        ("target/0", "", Signal.REQUESTS_RUNNING, None, None, ""): [5],
        ("target/1", "", Signal.REQUESTS_RUNNING, None, None, ""): [6],
        ("target/server", "", Signal.GENERATION_TOKENS, None, None, ""): [1000],
    }


def test_the_only_rank_has_what_the_server_says() -> None:
    page = 'sglang:num_running_reqs{dp_rank="3",tp_rank="3"} 5\nsglang:generation_tokens_total 1000\n'
    assert [worker.id for worker in read(page).mapping.workers] == ["target/3"]


def test_totals_and_their_parts_by_priority_are_counted_once() -> None:
    page = (
        'sglang:num_running_reqs{tp_rank="0",priority=""} 7\n'
        'sglang:num_running_reqs{tp_rank="0",priority="1"} 4\nsglang:num_running_reqs{tp_rank="0",priority="2"} 3\n'
        'sglang:num_queue_reqs{tp_rank="0",priority="1"} 9\n'
        # of latencies there are only the parts
        'sglang:num_requests_total{priority="1"} 4\nsglang:num_requests_total{priority="2"} 3\n'
    )
    assert flows(page) == {
        (Signal.REQUESTS_RUNNING, None, None, ""): [7],
        (Signal.REQUESTS_FINISHED, None, None, ""): [4, 3],
    }


@pytest.mark.parametrize(
    ("engine_types", "role"),
    [
        (("prefill",), Role.PREFILL),
        (("decode",), Role.DECODE),
        (("unified",), Role.AGGREGATED),
        (("dynamic",), Role.UNKNOWN),
        (("",), Role.UNKNOWN),
        (("prefill", "decode"), Role.UNKNOWN),
    ],
)
def test_roles(engine_types: tuple[str, ...], role: Role) -> None:
    page = "".join(f'sglang:num_running_reqs{{tp_rank="0",engine_type="{one}"}} 1\n' for one in engine_types)
    assert [worker.role for worker in read(page).mapping.workers] == [role]


def test_used_tokens_need_both_parts() -> None:
    alone = "sglang:kv_used_tokens 5\n"
    assert flows(alone) == {(Signal.KV_ACTIVE_TOKENS, HBM, None, ""): [5]}
    assert flows("sglang:kv_evictable_tokens 5\n") == {}
    assert flows("sglang:num_grammar_queue_reqs 5\n") == {}


def test_a_gauge_that_became_a_histogram() -> None:
    older = "# TYPE sglang:kv_transfer_latency_ms gauge\nsglang:kv_transfer_latency_ms 12\n"
    assert read(older).mapping.series == ()
    counted = "# TYPE sglang:num_running_reqs counter\nsglang:num_running_reqs 12\n"
    assert read(counted).values == {("target/0", Signal.REQUESTS_RUNNING, COUNTER, None, ""): [12]}
    assert read("# TYPE sglang:token_usage histogram\nsglang:token_usage 1\n").mapping.series == ()


@pytest.mark.parametrize("labels", ["", 'le="",', 'le="one",', 'le="NaN",'])
def test_a_bucket_without_a_bound_spoils_the_page(labels: str) -> None:
    page = f"# TYPE sglang:queue_time_seconds histogram\nsglang:queue_time_seconds_bucket{{{labels}}} 1\n"
    with pytest.raises(MappingError, match="without a bound"):
        read(page)


def test_ranks_that_are_none() -> None:
    page = 'sglang:num_running_reqs{dp_rank="None",tp_rank="-1"} 3\nsglang:num_running_reqs{tp_rank="many"} 4\n'
    assert owned(page) == {("target/0", "", Signal.REQUESTS_RUNNING, None, None, ""): [3, 4]}
    odd = 'sglang:num_running_reqs{dp_rank="a/b",tp_rank="0"} 3\n'
    assert [worker.id for worker in read(odd).mapping.workers] == ["target/a/b"]


def test_a_page_has_its_limits() -> None:
    page = "".join(f'sglang:num_running_reqs{{dp_rank="{rank}"}} 1\n' for rank in range(DEFAULT.max_workers + 1))
    with pytest.raises(MappingError, match=f"more than {DEFAULT.max_workers} workers"):
        read(page)
