"""What can be seen is told from the page itself: its signals, its tiers, the bounds of its buckets."""

import pytest

from collectors.backends.reach import ON, Aspect, Evidence
from collectors.doctor.findings import duration, findings, helps
from collectors.doctor.report import Verdict
from tests.doctor.looks import Judged, fixture

SEEN, PARTLY, NOT = Verdict.SEEN, Verdict.PARTLY, Verdict.NOT
VLLM = fixture("vllm/under_load.metrics.txt")


@pytest.mark.parametrize(
    ("path", "verdicts", "placement", "tiers", "jitter"),
    [
        (
            "vllm/under_load.metrics.txt",
            (PARTLY, PARTLY, PARTLY),
            "output tokens by worker (1, role not said)",
            "HBM: active only, capacity, hits; DRAM: hits",
            "gaps in 20 buckets from 10 ms, up to ×2.5 apart: below 10 ms none",
        ),
        (
            "sglang/production_metrics_doc.prom",
            (PARTLY, PARTLY, PARTLY),
            "output tokens by worker (1, role not said)",
            "HBM: active only",
            "from 5 ms",
        ),
        (
            "dynamo/frontend_under_load.metrics.txt",
            (PARTLY, PARTLY, PARTLY),
            "output tokens of all workers together; what the router expected to reuse",
            "a router's prediction of blocks in use, which is no occupancy",
            "from 1.8 ms, up to ×1.9 apart",
        ),
        (
            "dynamo/decode_worker1_under_load.metrics.txt",
            (PARTLY, PARTLY, PARTLY),
            "requests by worker (1, role not said), but no tokens",
            "HBM: active only",
            "from 10 ms",
        ),
        (
            "dynamo/prefill_worker_under_load.metrics.txt",
            (PARTLY, NOT, NOT),
            "requests by worker (1, roles: prefill), but no tokens",
            "no KV cache",
            "no gaps",
        ),
        ("mooncake/tent_metrics_doc_excerpt.prom", (NOT, PARTLY, NOT), "no tokens", "peer→a tier not named", "no gaps"),
        (
            "triton/nv_trt_llm.prom",
            (PARTLY, PARTLY, NOT),
            "requests by worker (1, role not said), but no tokens",
            "HBM: active only, capacity",
            "no gaps",
        ),
        (
            "sglang-gateway/five_requests.metrics.txt",
            (PARTLY, NOT, NOT),
            "how often each policy chose; not by request",
            "no KV cache",
            "no gaps",
        ),
        ("dcgm-exporter/readme-sample.prom", (NOT, NOT, NOT), "no tokens", "no KV cache", "no gaps"),
        ("neuron/neuron-monitor.prom", (NOT, NOT, NOT), "no tokens", "no KV cache", "no gaps"),
        ("node/meminfo-uname.prom", (NOT, NOT, NOT), "no tokens", "no KV cache", "no gaps"),
    ],
)
def test_captured_pages(path: str, verdicts: tuple[Verdict, ...], placement: str, tiers: str, jitter: str) -> None:
    judged = Judged(fixture(path))
    assert judged.verdicts == verdicts
    assert placement in judged.says[Aspect.PLACEMENT]
    assert tiers in judged.says[Aspect.TIERS]
    assert jitter in judged.says[Aspect.JITTER]


def test_hints_follow_what_the_page_has_not_what_it_is_called() -> None:
    plain = Judged(VLLM)
    assert plain.does(Aspect.TIERS) == ["--kv-events-config"]
    assert plain.does(Aspect.JITTER) == ["--custom-histogram-buckets"]
    assert plain.does(Aspect.PLACEMENT) == ["--otlp-traces-endpoint", "role"]

    fine = Judged(VLLM.replace('le="0.01"', 'le="0.0005"').replace('le="0.025"', 'le="0.001"'))
    assert fine.does(Aspect.JITTER) == []
    assert "from 500 µs" in fine.says[Aspect.JITTER]

    told = Judged(VLLM, kv_events="tcp://10.0.0.1:5557")
    assert told.does(Aspect.TIERS) == []
    assert told.verdicts[1] is SEEN
    assert told.says[Aspect.TIERS].startswith("what is resident, by KV events at tcp://10.0.0.1:5557")

    without = "\n".join(line for line in VLLM.splitlines() if "kv_block_lifetime" not in line) + "\n"
    assert Judged(without).does(Aspect.TIERS) == ["--kv-events-config", "--kv-cache-metrics"]
    assert Judged(without, kv_events=ON).does(Aspect.TIERS) == []

    old = VLLM.replace("vllm:prompt_tokens_cached_by_source_total", "vllm:something_else_total")
    assert "vLLM" in Judged(old).does(Aspect.TIERS)
    blind = "\n".join(line for line in VLLM.splitlines() if "inter_token_latency" not in line) + "\n"
    assert Judged(blind).verdicts[2] is NOT
    assert "mean time a token, in 20 buckets from 10 ms" in Judged(blind).says[Aspect.JITTER]
    assert Judged(blind).does(Aspect.JITTER) == ["vLLM"]


def test_sglang_with_a_host_tier_is_not_told_to_have_one() -> None:
    page = fixture("sglang/production_metrics_doc.prom")
    assert "--enable-hierarchical-cache" in Judged(page).does(Aspect.TIERS)
    labels = '{model_name="m",engine_type="decode",tp_rank="0",pp_rank="0"}'
    hosted = f"{page}\nsglang:hicache_host_used_tokens{labels} 1\nsglang:hicache_host_total_tokens{labels} 2\n"
    judged = Judged(hosted)
    assert "--enable-hierarchical-cache" not in judged.does(Aspect.TIERS)
    assert "DRAM: resident, capacity" in judged.says[Aspect.TIERS]
    assert judged.verdicts[1] is PARTLY  # what the device holds is still not said
    assert "roles: decode" in judged.says[Aspect.PLACEMENT]


def test_a_tier_is_seen_whole_where_every_level_is_resident() -> None:
    page = "# TYPE lmcache_mp_l1_memory_usage_bytes gauge\nlmcache_mp_l1_memory_usage_bytes 5\nlmcache_mp_l1_usage_ratio 0.5\n"
    judged = Judged(page)
    assert judged.verdicts == (NOT, SEEN, NOT)
    assert judged.page.backend.never_seen
    assert judged.says[Aspect.TIERS] == "DRAM: resident, capacity"


def test_workers_with_other_bounds_are_not_merged() -> None:
    family = "vllm:inter_token_latency_seconds"
    lines = [f"# TYPE {family} histogram"]
    for engine, le in (("0", "0.01"), ("1", "0.002")):
        lines += [
            f'{family}_bucket{{engine="{engine}",le="{le}"}} 1',
            f'{family}_bucket{{engine="{engine}",le="+Inf"}} 1',
        ]
        lines += [f'{family}_sum{{engine="{engine}"}} 1', f'{family}_count{{engine="{engine}"}} 1']
    says = Judged("\n".join(lines) + "\n").says[Aspect.JITTER]
    assert "below 10 ms none is told from another; bounds differ" in says


def test_a_placement_stream_leaves_nothing_to_wish_for() -> None:
    page = Judged(VLLM)
    streamed = Evidence(page.seen.series, page.seen.workers, page.seen.families, stream=True)
    assert [one.verdict for one in findings(streamed)][::2] == [SEEN, SEEN]
    assert helps(streamed, page.page.backend.reach) == ()


def test_a_page_without_a_token_yet_says_so() -> None:
    assert any("no token made yet" in note for note in Judged(fixture("vllm/idle.metrics.txt")).page.notes)
    assert not any("no token made yet" in note for note in Judged(VLLM).page.notes)


def test_what_a_server_lacks_is_not_judged_before_its_first_request() -> None:
    """Dynamo's labelled families come with it, the router's among them."""
    page = "# TYPE dynamo_frontend_disconnected_clients gauge\ndynamo_frontend_disconnected_clients 0\n"
    unused = Judged(page)
    assert any("no token made yet" in note for note in unused.page.notes)
    assert "--router-mode" not in unused.does(Aspect.PLACEMENT)
    assert "DYN_SYSTEM_PORT=8081" in unused.does(Aspect.PLACEMENT)
    used = Judged(page + 'dynamo_frontend_output_tokens_total{model="m"} 7\n')
    assert "--router-mode" in used.does(Aspect.PLACEMENT)
    assert "--router-mode" not in Judged(fixture("dynamo/frontend_under_load.metrics.txt")).does(Aspect.PLACEMENT)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.01, "10 ms"), (0.0018, "1.8 ms"), (5e-4, "500 µs"), (1.0, "1 s"), (1.5e-5, "15 µs")]
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
