"""Emulated pages: the mark is never lost, the facts are the page's, vLLM's families mean what they mean on a real page."""

import pytest

from collectors.backends.mapping import MappingError
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Device, Role, Tier
from tests.backends.pages import FIXTURES, read

MARK = "# TYPE tokenyard_emulated gauge\ntokenyard_emulated 1.0\n"
GAUGE, COUNTER, COUNT, SUM = Kind.GAUGE, Kind.COUNTER, Kind.COUNT, Kind.SUM


def info(worker: str, **other: str) -> str:
    labels = {
        "worker": worker,
        "role": "decode",
        "device": "LPU",
        "chip": "LPU-v1",
        "chips": "72",
        "model": "m",
    } | other
    pairs = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"tokenyard_worker_info{{{pairs}}} 1\n"


LPU = (
    MARK
    + info("lpu-0/0")
    + """\
# TYPE tokenyard_requests_running gauge
tokenyard_requests_running 24.0
# TYPE tokenyard_requests_waiting gauge
tokenyard_requests_waiting 2.0
# TYPE tokenyard_generation_tokens_total counter
tokenyard_generation_tokens_total 18100.0
# TYPE tokenyard_prompt_tokens_total counter
tokenyard_prompt_tokens_total 9000.0
# TYPE tokenyard_requests_finished_total counter
tokenyard_requests_finished_total{reason="stop"} 5.0
tokenyard_requests_finished_total{reason="length"} 6.0
# TYPE tokenyard_gap_seconds histogram
tokenyard_gap_seconds_bucket{le="0.001"} 10.0
tokenyard_gap_seconds_bucket{le="+Inf"} 90.0
tokenyard_gap_seconds_count 90.0
tokenyard_gap_seconds_sum 0.117
# TYPE tokenyard_tier_used_bytes gauge
tokenyard_tier_used_bytes{owner="lpu-0/0",tier="SRAM"} 3000.0
# TYPE tokenyard_tier_active_bytes gauge
tokenyard_tier_active_bytes{owner="lpu-0/0",tier="SRAM"} 2000.0
# TYPE tokenyard_tier_capacity_bytes gauge
tokenyard_tier_capacity_bytes{owner="lpu-0/0",tier="SRAM"} 4000.0
# TYPE tokenyard_tier_hit_tokens_total counter
tokenyard_tier_hit_tokens_total{owner="lpu-0/0",tier="SRAM"} 512.0
"""
)
ROUTER = (
    MARK
    + """\
# TYPE tokenyard_decisions_total counter
# TYPE tokenyard_requests_live gauge
tokenyard_requests_live 3.0
# TYPE tokenyard_tier_used_bytes gauge
tokenyard_tier_used_bytes{owner="host-0",tier="DRAM"} 7.0
tokenyard_tier_used_bytes{owner="store",tier="flash"} 8.0
tokenyard_tier_used_bytes{owner="tape",tier="papyrus"} 9.0
# TYPE tokenyard_tier_hit_tokens_total counter
tokenyard_tier_hit_tokens_total{owner="host-0",tier="DRAM"} 64.0
"""
)


def test_an_lpu_worker() -> None:
    known = read(LPU)
    facts = WorkerFacts("lpu-0/0", model="m", role=Role.DECODE, device=Device.LPU, chip="LPU-v1", chips=72)
    assert known.backend == "emulator"
    assert known.mapping.emulated
    assert not known.mapping.offers_placement
    assert known.mapping.workers == (facts,)
    assert known.values == {
        ("lpu-0/0", Signal.REQUESTS_RUNNING, GAUGE, None, ""): [24],
        ("lpu-0/0", Signal.REQUESTS_WAITING, GAUGE, None, ""): [2],
        ("lpu-0/0", Signal.GENERATION_TOKENS, COUNTER, None, ""): [18100],
        ("lpu-0/0", Signal.PROMPT_TOKENS, COUNTER, None, ""): [9000],
        ("lpu-0/0", Signal.REQUESTS_FINISHED, COUNTER, None, ""): [5, 6],
        ("lpu-0/0", Signal.GAP, COUNT, None, ""): [90],
        ("lpu-0/0", Signal.GAP, SUM, None, ""): [0.117],
        ("lpu-0/0", Signal.KV_USED_BYTES, GAUGE, Tier.SRAM, ""): [3000],
        ("lpu-0/0", Signal.KV_ACTIVE_BYTES, GAUGE, Tier.SRAM, ""): [2000],
        ("lpu-0/0", Signal.KV_CAPACITY_BYTES, GAUGE, Tier.SRAM, ""): [4000],
        ("lpu-0/0", Signal.HIT_TOKENS, COUNTER, Tier.SRAM, ""): [512],
    }
    assert known.buckets == {("lpu-0/0", Signal.GAP): {0.001: 10, float("inf"): 90}}


def test_a_router_has_no_worker_but_what_is_shared_and_a_stream() -> None:
    known = read(ROUTER)
    assert known.mapping.emulated
    assert known.mapping.offers_placement
    assert known.mapping.workers == ()
    assert known.values == {
        ("", Signal.KV_USED_BYTES, GAUGE, Tier.DRAM, "host-0"): [7],
        ("", Signal.KV_USED_BYTES, GAUGE, Tier.FLASH, "store"): [8],
        ("", Signal.KV_USED_BYTES, GAUGE, Tier.UNKNOWN, "tape"): [9],
        ("", Signal.HIT_TOKENS, COUNTER, Tier.DRAM, "host-0"): [64],
    }


def test_a_gpu_worker_is_vllm_with_facts() -> None:
    page = (FIXTURES / "vllm" / "under_load.metrics.txt").read_text()
    real, emulated = read(page, "gpu-1"), read(MARK + info("gpu-1/0", device="GPU", role="aggregated") + page)
    assert emulated.backend == "emulator"
    assert emulated.mapping.emulated
    assert not real.mapping.emulated
    (worker,) = emulated.mapping.workers
    assert (worker.id, worker.device, worker.role) == ("gpu-1/0", Device.GPU, Role.AGGREGATED)
    assert emulated.values == real.values
    assert emulated.buckets == real.buckets


@pytest.mark.parametrize("value", ["1", "0", "NaN"])
def test_the_mark_holds_whatever_it_says(value: str) -> None:
    known = read(f"tokenyard_emulated {value}\nvllm:num_requests_running 1\n", "host:1")
    assert known.mapping.emulated
    assert [worker.id for worker in known.mapping.workers] == ["host:1/0"]


def test_a_page_without_facts_leaves_them_unknown() -> None:
    known = read(MARK + "tokenyard_requests_running 1\n", "host:1")
    assert known.mapping.workers == (WorkerFacts("host:1/0"),)


def test_words_that_we_do_not_know() -> None:
    (worker,) = read(MARK + info("w", role="conductor", device="NPU", chips="many")).mapping.workers
    assert (worker.role, worker.device, worker.chips) == (Role.UNKNOWN, Device.UNKNOWN, 0)


def test_a_page_is_one_worker_s() -> None:
    with pytest.raises(MappingError, match="tokenyard_worker_info 2 times"):
        read(MARK + info("a") + info("b"))


def test_names_are_safe_and_short() -> None:
    (worker,) = read(MARK + info("a\x1b[2Jb" + "c" * 400)).mapping.workers
    assert worker.id.startswith("abc")
    assert len(worker.id) == 256
