"""What a vLLM page says: the captured pages exactly, and what other versions and hostile pages do to the mapping."""

import math
import re

import pytest

from collectors.backends.mapping import MappingError
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Device, Role, Tier
from collectors.wire.limits import DEFAULT
from tests.backends.flows import flows
from tests.backends.pages import FIXTURES, Read, read

GAUGE, COUNTER, SUM, COUNT = Kind.GAUGE, Kind.COUNTER, Kind.SUM, Kind.COUNT
Row = tuple[Signal, Kind, Tier | None]


def captured(name: str) -> Read:
    return read((FIXTURES / "vllm" / f"{name}.metrics.txt").read_text(), "127.0.0.1:8000")


ROWS: dict[Row, tuple[list[float], list[float], list[float]]] = {
    # read off the pages by hand: idle, under load, after load
    (Signal.REQUESTS_RUNNING, GAUGE, None): ([0], [6], [0]),
    (Signal.REQUESTS_WAITING, GAUGE, None): ([0], [18], [0]),
    (Signal.REQUESTS_FINISHED, COUNTER, None): ([0] * 5, [0, 3, 0, 0, 0], [0, 27, 0, 0, 0]),
    (Signal.PREEMPTIONS, COUNTER, None): ([0], [0], [31]),
    (Signal.PROMPT_TOKENS, COUNTER, None): ([0], [2632], [6432]),
    (Signal.PROMPT_TOKENS_COMPUTED, COUNTER, None): ([0], [968], [1984]),
    (Signal.GENERATION_TOKENS, COUNTER, None): ([0], [600], [4832]),
    (Signal.HIT_TOKENS, COUNTER, Tier.HBM): ([0], [1664], [4448]),
    (Signal.HIT_TOKENS, COUNTER, Tier.DRAM): ([0], [0], [0]),
    (Signal.HIT_TOKENS, COUNTER, Tier.FLASH): ([0], [0], [0]),
    (Signal.HIT_TOKENS, COUNTER, Tier.PEER): ([0], [0], [0]),
    (Signal.HIT_TOKENS, COUNTER, Tier.UNKNOWN): ([0], [0], [0]),
    (Signal.PROMPT_TOKENS_EXTERNAL, COUNTER, None): ([0], [0], [0]),
    (Signal.KV_QUERY_TOKENS, COUNTER, Tier.HBM): ([0], [2632], [6432]),
    (Signal.KV_QUERY_TOKENS, COUNTER, Tier.UNKNOWN): ([0], [0], [0]),
    (Signal.KV_HITS, COUNTER, Tier.HBM): ([0], [1664], [4448]),
    (Signal.KV_HITS, COUNTER, Tier.UNKNOWN): ([0], [0], [0]),
    (Signal.REQUESTS_IN_STAGE, GAUGE, None): ([0, 0], [18, 0], [0, 0]),  # capacity, deferred
    (Signal.REQUESTS_REJECTED, COUNTER, None): ([0, 0], [0, 0], [0, 0]),
    (Signal.REQUEST_ERRORS, COUNTER, None): ([0], [0], [0]),
    (Signal.ENGINE_STEPS, COUNTER, None): ([0], [105], [960]),
    (Signal.KV_ACTIVE_RATIO, GAUGE, Tier.HBM): ([0], [0.9230769230769231], [0]),
    # 40 blocks of 32 tokens, of which block 0 is the null block
    (Signal.KV_CAPACITY_TOKENS, GAUGE, Tier.HBM): ([1248], [1248], [1248]),
    (Signal.TTFT, COUNT, None): ([0], [11], [27]),
    (Signal.TTFT, SUM, None): ([0], [5.52874493598938], [339.0647339820862]),
    (Signal.GAP, COUNT, None): ([0], [589], [4805]),
    (Signal.GAP, SUM, None): ([0], [28.08186488499814], [205.95721880299607]),
    (Signal.TPOT, COUNT, None): ([0], [3], [27]),
    (Signal.TPOT, SUM, None): ([0], [0.17780426257135118], [1.2040601686467116]),
    (Signal.E2E, COUNT, None): ([0], [3], [27]),
    (Signal.E2E, SUM, None): ([0], [2.146709680557251], [544.9903905391693]),
    (Signal.QUEUE, COUNT, None): ([0], [3], [27]),
    (Signal.QUEUE, SUM, None): ([0], [0.00020450600004551234], [328.61655015600127]),
    (Signal.PREFILL, COUNT, None): ([0], [3], [27]),
    (Signal.PREFILL, SUM, None): ([0], [0.3548739590000878], [5.17720122800074]),
    (Signal.DECODE, COUNT, None): ([0], [3], [27]),
    (Signal.DECODE, SUM, None): ([0], [1.7322934939993502], [205.95721880299607]),
}
PAGES = ("idle", "under_load", "after_load")


@pytest.mark.parametrize("name", PAGES)
def test_a_captured_page_says_this_and_nothing_else(name: str) -> None:
    known = captured(name)
    column = PAGES.index(name)
    expected = {
        ("127.0.0.1:8000/0", signal, kind, tier, ""): values[column] for (signal, kind, tier), values in ROWS.items()
    }
    assert known.values == expected
    assert known.backend == "vllm"
    assert not known.mapping.emulated
    facts = WorkerFacts("127.0.0.1:8000/0", model="tiny", role=Role.UNKNOWN, device=Device.UNKNOWN)
    assert known.mapping.workers == (facts,)


def test_captured_buckets_keep_their_bounds() -> None:
    buckets = captured("after_load").buckets
    worker = "127.0.0.1:8000/0"
    queue = buckets[worker, Signal.QUEUE]
    assert list(queue)[:3] == [0.3, 0.5, 0.8]
    assert list(queue)[-2:] == [7680.0, math.inf]
    assert {le: queue[le] for le in (0.3, 10.0, 15.0, 20.0, 30.0, math.inf)} == {
        0.3: 11,
        10.0: 11,
        15.0: 14,
        20.0: 19,
        30.0: 27,
        math.inf: 27,
    }
    sizes = {signal: len(found) for (_, signal), found in buckets.items()}
    wide, narrow = 22, 20
    assert sizes == {
        Signal.TTFT: 23,
        Signal.GAP: narrow,
        Signal.TPOT: narrow,
        Signal.E2E: wide,
        Signal.QUEUE: wide,
        Signal.PREFILL: wide,
        Signal.DECODE: wide,
    }


def test_one_mapping_holds_for_all_pages_of_a_layout() -> None:
    first, *others = (captured(name).mapping for name in PAGES)
    for other in others:
        assert other.series == first.series
        assert other.take.tolist() == first.take.tolist()


def test_each_engine_on_a_page_is_a_worker() -> None:
    known = read(
        'vllm:num_requests_running{engine="0",model_name="m"} 3\n'
        'vllm:num_requests_running{engine="1",model_name="m"} 4\n'
        'vllm:cache_config_info{engine="0",block_size="16",num_gpu_blocks="11"} 1\n'
        'vllm:cache_config_info{engine="1",block_size="16",num_gpu_blocks="21"} 1\n',
        "host:8000",
    )
    assert [worker.id for worker in known.mapping.workers] == ["host:8000/0", "host:8000/1"]
    assert {worker.model for worker in known.mapping.workers} == {"m"}
    assert known.values == {
        ("host:8000/0", Signal.REQUESTS_RUNNING, GAUGE, None, ""): [3],
        ("host:8000/1", Signal.REQUESTS_RUNNING, GAUGE, None, ""): [4],
        ("host:8000/0", Signal.KV_CAPACITY_TOKENS, GAUGE, Tier.HBM, ""): [160],
        ("host:8000/1", Signal.KV_CAPACITY_TOKENS, GAUGE, Tier.HBM, ""): [320],
    }


def test_the_blocks_of_several_engines_are_summed_on_each_ones_line() -> None:
    """Captured: 80 blocks of 32 tokens an engine, one of them the null block; 2,712 and 3,772 tokens made. `num_gpu_blocks` is 160 on both lines."""
    page = (FIXTURES / "vllm" / "two_engines_under_load.metrics.txt").read_text()
    known = read(page)
    assert [worker.id for worker in known.mapping.workers] == ["target/0", "target/1"]
    for rank, running, waiting, tokens, used in ((0, 8, 4, 2712, 26), (1, 8, 1, 3772, 23)):
        worker = f"target/{rank}"
        assert known.values[worker, Signal.REQUESTS_RUNNING, GAUGE, None, ""] == [running]
        assert known.values[worker, Signal.REQUESTS_WAITING, GAUGE, None, ""] == [waiting]
        assert known.values[worker, Signal.GENERATION_TOKENS, COUNTER, None, ""] == [tokens]
        assert known.values[worker, Signal.KV_CAPACITY_TOKENS, GAUGE, Tier.HBM, ""] == [79 * 32]
        assert known.values[worker, Signal.KV_ACTIVE_RATIO, GAUGE, Tier.HBM, ""] == [pytest.approx(used / 79)]
    older = re.sub(r'kv_cache_size_tokens="[0-9]+",', "", page)
    assert older != page
    for rank in (0, 1):
        assert read(older).values[f"target/{rank}", Signal.KV_CAPACITY_TOKENS, GAUGE, Tier.HBM, ""] == [79 * 32]


def capacity(*infos: str) -> list[float] | None:
    known = read("".join(f"vllm:cache_config_info{{{labels}}} 1\n" for labels in infos))
    return known.values.get(("target/0", Signal.KV_CAPACITY_TOKENS, GAUGE, Tier.HBM, ""))


def test_capacity_is_known_or_absent() -> None:
    assert capacity('num_gpu_blocks="40",block_size="32",kv_cache_memory_bytes="9"') == [1248]
    assert capacity('num_gpu_blocks="None",block_size="32",kv_cache_memory_bytes="9"') is None
    assert capacity('block_size="32"') is None
    assert capacity('num_gpu_blocks="1",block_size="32"') is None
    assert capacity('num_gpu_blocks="-9",block_size="-32"') is None
    assert capacity('num_gpu_blocks="160",block_size="32",kv_cache_size_tokens="2560"') == [79 * 32]
    assert capacity('num_gpu_blocks="160",block_size="32",kv_cache_size_tokens="2561"') == [2561]
    same = 'num_gpu_blocks="40",block_size="32"'
    assert capacity(same + ',a="1"', same + ',a="2"') == [1248]
    assert capacity(same, 'num_gpu_blocks="50",block_size="32"') is None


def test_older_names_count_where_the_newer_are_not() -> None:
    old = (
        "# TYPE vllm:time_per_output_token_seconds histogram\n"
        'vllm:time_per_output_token_seconds_bucket{le="+Inf"} 7\n'
        "vllm:time_per_output_token_seconds_count 7\n"
        "vllm:gpu_cache_usage_perc 0.25\n"
        "vllm:prompt_tokens_cached_total 30\n"
    )
    new = (
        "# TYPE vllm:inter_token_latency_seconds histogram\n"
        'vllm:inter_token_latency_seconds_bucket{le="+Inf"} 8\n'
        "vllm:inter_token_latency_seconds_count 8\n"
        "vllm:kv_cache_usage_perc 0.5\n"
        'vllm:prompt_tokens_cached_by_source_total{source="host"} 20\n'
    )
    assert read(old).values == {
        ("target/0", Signal.GAP, COUNT, None, ""): [7],
        ("target/0", Signal.KV_ACTIVE_RATIO, GAUGE, Tier.HBM, ""): [0.25],
        ("target/0", Signal.HIT_TOKENS, COUNTER, Tier.UNKNOWN, ""): [30],
    }
    both = {
        ("target/0", Signal.GAP, COUNT, None, ""): [8],
        ("target/0", Signal.KV_ACTIVE_RATIO, GAUGE, Tier.HBM, ""): [0.5],
        ("target/0", Signal.HIT_TOKENS, COUNTER, Tier.DRAM, ""): [20],
    }
    assert read(old + new).values == read(new + old).values == both
    assert read(old + new).buckets == {("target/0", Signal.GAP): {math.inf: 8}}


def test_the_declared_type_is_followed() -> None:
    def kinds(declared: str) -> list[Kind]:
        known = read(f"{declared}vllm:generation_tokens_total 5\nvllm:num_requests_running 1\n")
        return [kind for _, signal, kind, _, _ in known.values if signal is Signal.GENERATION_TOKENS]

    assert kinds("") == [COUNTER]
    assert kinds("# TYPE vllm:generation_tokens_total counter\n") == [COUNTER]
    assert kinds("# TYPE vllm:generation_tokens counter\n") == [COUNTER]
    assert kinds("# TYPE vllm:generation_tokens_total gauge\n") == [GAUGE]
    assert kinds("# TYPE vllm:generation_tokens_total histogram\n") == []


def test_a_bucket_of_a_summary_is_none() -> None:
    page = '# TYPE vllm:time_to_first_token_seconds_bucket counter\nvllm:time_to_first_token_seconds_bucket{le="1"} 5\n'
    assert read(page).buckets == {}


@pytest.mark.parametrize("labels", ["", '{le=""}', '{le="one"}', '{le="NaN"}', '{le="1_0"}', '{le="\\u001b[2J"}'])
def test_a_bucket_without_a_bound_spoils_the_page(labels: str) -> None:
    page = f"# TYPE vllm:request_queue_time_seconds histogram\nvllm:request_queue_time_seconds_bucket{labels} 1\n"
    with pytest.raises(MappingError, match="without a bound") as caught:
        read(page)
    assert str(caught.value).isprintable()


def test_a_page_has_its_limits() -> None:
    def workers(count: int) -> str:
        return "".join(f'vllm:num_requests_running{{engine="{engine}"}} 1\n' for engine in range(count))

    def buckets(count: int) -> str:
        return "".join(f'vllm:time_to_first_token_seconds_bucket{{le="{le}"}} 1\n' for le in range(count))

    assert len(read(workers(DEFAULT.max_workers)).mapping.workers) == DEFAULT.max_workers
    with pytest.raises(MappingError, match=f"more than {DEFAULT.max_workers} workers"):
        read(workers(DEFAULT.max_workers + 1))
    assert len(read(buckets(DEFAULT.max_buckets)).mapping.series) == DEFAULT.max_buckets
    with pytest.raises(MappingError, match=f"more than {DEFAULT.max_buckets} buckets"):
        read(buckets(DEFAULT.max_buckets + 1))


def test_why_requests_ended() -> None:
    page = "# TYPE vllm:request_success counter\n" + "".join(
        f'vllm:request_success_total{{engine="0",finished_reason="{reason}"}} {count}\n'
        for reason, count in (("stop", 3), ("length", 1), ("error", 2))
    )
    assert flows(page) == {
        (Signal.REQUESTS_FINISHED, None, None, "stop"): [3],
        (Signal.REQUESTS_FINISHED, None, None, "length"): [1],
        (Signal.REQUESTS_FINISHED, None, None, "error"): [2],
        (Signal.REQUEST_ERRORS, None, None, "error"): [2],
    }
