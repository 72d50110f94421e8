"""Where prompt tokens came from: the conservation check, recompute tax, hit rates and the reuse waterfall, of streams and of pages."""

import numpy as np
import pytest

from collectors.model.batch import (
    Admitted,
    Batch,
    Candidate,
    Decision,
    Decisions,
    Inventory,
    PoolInfo,
    Received,
    Requests,
    Status,
    Watermark,
    WorkerInfo,
)
from collectors.model.frame import Frame
from collectors.model.memory import HitRate
from collectors.model.vocabulary import Device, Role, State, TargetStatus, Tier
from collectors.session.session import Session
from tests.session.pages import SECOND, at_zero, fed, fixture

GPUS = (
    WorkerInfo(0, "gpu-0/0", Role.AGGREGATED, Device.GPU),
    WorkerInfo(1, "gpu-1/0", Role.AGGREGATED, Device.GPU),
)
HBM_0, HBM_1, HOST = 0, 1, 2
POOLS = (
    PoolInfo(HBM_0, Tier.HBM, "gpu-0/0", 0, 1_000),
    PoolInfo(HBM_1, Tier.HBM, "gpu-1/0", 1, 1_000),
    PoolInfo(HOST, Tier.DRAM, "host-0", None, 1_000),
)


def streamed(*requests: Received | Admitted, decisions: tuple[Decision, ...] = ()) -> Frame:
    session = Session("virtual")
    hello = Inventory(GPUS, POOLS, emulated=True)
    session.feed(Batch("router", 0, (Status("http://router", "placement", TargetStatus.UP), hello)))
    received = tuple(row for row in requests if isinstance(row, Received))
    admitted = tuple(row for row in requests if isinstance(row, Admitted))
    parts = (Requests(received), Decisions(decisions), Requests(admitted), Watermark(SECOND))
    session.feed(Batch("router", SECOND, parts))
    return session.tick(2 * SECOND)


def admission(request: str, worker: int, computed: int, *hits: tuple[int, int], again: bool = False) -> Admitted:
    return Admitted(SECOND, request, worker, computed, hits, again)


def test_prompt_tokens_are_computed_or_found() -> None:
    frame = streamed(
        Received(0, "a", 0, prompt_tokens=100),
        Received(0, "b", 1, prompt_tokens=50),
        admission("a", 0, 30, (HBM_0, 60), (HOST, 10)),
        admission("b", 1, 50),
    )
    first, second = frame.prompts
    assert first.worker == "gpu-0/0"
    assert [first.prompt_tokens.value, first.computed_tokens.value, first.hit_tokens.value] == [100, 30, 70]
    assert (first.residual_tokens.value, first.residual_tokens.state) == (0, State.ZERO)
    assert first.hit_rate.rate.value == 0.7
    assert set(first.hit_rate.tiers) == {Tier.HBM, Tier.DRAM}
    assert (first.hit_rate.unit, first.hit_rate.window_s) == ("tokens", 2.0)
    assert second.hit_rate.rate.state is State.ZERO


def test_what_does_not_add_up_is_told_with_its_sign() -> None:
    frame = streamed(
        Received(0, "a", 0, prompt_tokens=100),
        Received(0, "b", 1, prompt_tokens=100),
        admission("a", 0, 30, (HBM_0, 60)),
        admission("b", 1, 30, (HBM_1, 90)),
    )
    assert [row.residual_tokens.value for row in frame.prompts] == [10, -20]


def test_what_is_computed_again_is_a_tax_and_no_prompt() -> None:
    frame = streamed(
        Received(0, "a", 0, prompt_tokens=100),
        admission("a", 0, 100),
        admission("a", 0, 25, (HBM_0, 75), again=True),
    )
    (row,) = frame.prompts
    assert (row.prompt_tokens.value, row.computed_tokens.value, row.hit_tokens.value) == (100, 100, 0)
    assert (row.recomputed_tokens.value, row.recompute_tax.value, row.preemptions.value) == (25, 0.2, 1)
    assert row.hit_rate.preempted is True


def test_a_pool_is_measured_by_its_own_worker_and_a_shared_one_by_all() -> None:
    frame = streamed(
        Received(0, "a", 0, prompt_tokens=100),
        Received(0, "b", 1, prompt_tokens=300),
        admission("a", 0, 40, (HBM_0, 60)),
        admission("b", 1, 170, (HBM_1, 90), (HOST, 30), (HBM_0, 10)),
    )
    rates = {(row.owner, row.tier): row.hit_rate for row in frame.tiers}
    own, shared = rates["gpu-0/0", Tier.HBM], rates["host-0", Tier.DRAM]
    assert isinstance(own, HitRate)
    assert isinstance(shared, HitRate)
    # What another worker found in its pool is a hit of the pool, and no share of its own prompts.
    assert (own.hits.value, own.of.value, own.rate.value) == (60, 100, 0.6)
    assert (shared.hits.value, shared.of.value, shared.rate.value) == (30, 400, 0.075)
    assert shared.population == "prompt tokens that all workers admitted"
    hits = {row.owner: row.hit_tokens.value for row in frame.tiers}
    assert hits == {"gpu-0/0": 70, "gpu-1/0": 90, "host-0": 30}


def test_the_reuse_waterfall_of_a_router() -> None:
    best, other = Candidate(0, 0.9, cached_tokens=80), Candidate(1, 0.5, cached_tokens=64)
    unsaid = Candidate(1, 0.5)
    frame = streamed(
        Received(0, "a", 0, prompt_tokens=100),
        Received(0, "b", 1, prompt_tokens=100),
        Received(0, "c", 2, prompt_tokens=100),
        admission("a", 1, 40, (HBM_1, 60)),
        decisions=(
            Decision(SECOND, "a", "load", 1, (best, other)),
            Decision(SECOND, "b", "overlap", 0, (best, other)),
            Decision(SECOND, "c", "overlap", 0, (best, unsaid)),  # nobody knows what was available
        ),
    )
    (row,) = frame.reuse
    assert row.router == "router"
    assert (row.prompt_tokens.value, row.available_tokens.value, row.captured_tokens.value) == (200, 160, 144)
    assert row.delivered_tokens.value == 60


def test_what_was_delivered_is_of_the_prompts_that_it_stands_beside() -> None:
    best, unsaid = Candidate(0, 0.9, cached_tokens=80), Candidate(1, 0.5)
    frame = streamed(
        Received(0, "a", 0, prompt_tokens=100),
        Received(0, "b", 1, prompt_tokens=1000),
        Received(0, "c", 2, prompt_tokens=1000),
        admission("a", 0, 20, (HBM_0, 80)),
        admission("a", 0, 20, (HBM_0, 80), again=True),
        admission("b", 0, 100, (HBM_0, 900)),
        admission("c", 0, 100, (HBM_0, 900)),
        decisions=(
            Decision(SECOND, "a", "overlap", 0, (best,)),
            Decision(SECOND, "b", "overlap", 0, (best, unsaid)),  # c was never decided
        ),
    )
    (row,) = frame.reuse
    assert (row.prompt_tokens.value, row.delivered_tokens.value) == (100, 80)


def test_what_was_delivered_leaves_the_window_with_its_prompt() -> None:
    session = Session("virtual")
    hello = Inventory(GPUS, POOLS)
    session.feed(Batch("router", 0, (Status("http://router", "placement", TargetStatus.UP), hello)))
    for number, (decided_s, admitted_s) in enumerate(((1, 30), (40, 41))):
        best = Candidate(0, 0.9, cached_tokens=80)
        name, at_ns = str(number), decided_s * SECOND
        received = Received(at_ns, name, number, prompt_tokens=100)
        decided = Decisions((Decision(at_ns, name, "overlap", 0, (best,)),))
        session.feed(Batch("router", at_ns, (Requests((received,)), decided)))
        admitted = Admitted(admitted_s * SECOND, name, 0, 20, ((HBM_0, 80),))
        session.feed(Batch("router", admitted_s * SECOND, (Requests((admitted,)), Watermark(admitted_s * SECOND))))
    (row,) = session.tick(70 * SECOND).reuse
    assert (row.prompt_tokens.value, row.delivered_tokens.value) == (100, 80)


def test_a_page_that_tells_all_parts_is_checked() -> None:
    _, frame = fed(
        (fixture("vllm/idle.metrics.txt"), "v:8000", 1), (fixture("vllm/under_load.metrics.txt"), "v:8000", 50)
    )
    (row,) = frame.prompts
    assert [row.prompt_tokens.value, row.computed_tokens.value, row.hit_tokens.value] == [2632, 968, 1664]
    assert (row.residual_tokens.value, row.residual_tokens.state) == (0, State.ZERO)
    assert row.hit_rate.rate.value == pytest.approx(1664 / 2632)
    assert (row.hit_rate.window_s, row.hit_rate.preempted) == (49.0, False)
    assert row.recompute_tax.state is State.ABSENT
    (tier,) = frame.tiers
    assert isinstance(tier.hit_rate, HitRate)
    assert (tier.hit_rate.unit, tier.hit_rate.tiers) == ("tokens", (Tier.HBM,))
    assert tier.hit_rate.rate.value == pytest.approx(1664 / 2632)


def test_a_page_whose_parts_do_not_add_up() -> None:
    idle, loaded = fixture("vllm/idle.metrics.txt"), fixture("vllm/under_load.metrics.txt")
    wrong = loaded.replace('source="local_compute"} 968.0', 'source="local_compute"} 900.0')
    _, frame = fed((idle, "v:8000", 1), (wrong, "v:8000", 50))
    assert frame.prompts[0].residual_tokens.value == 68


def test_a_hit_rate_is_flagged_while_requests_are_preempted() -> None:
    _, frame = fed(
        (fixture("vllm/under_load.metrics.txt"), "v:8000", 1), (fixture("vllm/after_load.metrics.txt"), "v:8000", 50)
    )
    (row,) = frame.prompts
    assert row.preemptions.value == 31
    assert row.hit_rate.preempted is True
    (tier,) = frame.tiers
    assert isinstance(tier.hit_rate, HitRate)
    assert tier.hit_rate.preempted is True


def test_what_was_worked_out_from_the_other_parts_is_no_check() -> None:
    page = fixture("dynamo/frontend_after_load.metrics.txt")
    _, frame = fed((at_zero(page), "fe:8000", 1), (page, "fe:8000", 50))
    row = next(row for row in frame.prompts if row.worker == "fe:8000/frontend")
    assert (row.prompt_tokens.value, row.computed_tokens.value) == (37_862, 3_078)
    assert row.residual_tokens.state is State.ABSENT


def test_the_first_page_gives_no_rate() -> None:
    _, frame = fed((fixture("vllm/after_load.metrics.txt"), "v:8000", 1))
    (row,) = frame.prompts
    assert {row.prompt_tokens.state, row.residual_tokens.state, row.hit_rate.rate.state} == {State.ABSENT}


def test_a_tier_that_appears_between_two_pages_leaves_the_check_open() -> None:
    """How many of the new series' tokens came in the window is not known."""
    page = (
        "sglang:prompt_tokens_total {}\n"
        'sglang:prefill_effective_tokens_total{{mode="input"}} {}\n'
        'sglang:cached_tokens_total{{cache_source="device"}} {}\n'
    )
    first = page.format(100, 60, 40)
    then = page.format(300, 160, 110) + 'sglang:cached_tokens_total{cache_source="host"} 30\n'
    later = page.format(500, 260, 170) + 'sglang:cached_tokens_total{cache_source="host"} 70\n'
    _, frame = fed((first, "s:1", 1), (then, "s:1", 20), (later, "s:1", 40))
    (row,) = frame.prompts
    assert (row.prompt_tokens.value, row.residual_tokens.state) == (400, State.ABSENT)


def test_a_router_page_tells_what_it_believed_and_what_came_of_it() -> None:
    page = fixture("dynamo/frontend_after_load.metrics.txt")
    _, frame = fed((at_zero(page), "fe:8000", 1), (page, "fe:8000", 50))
    (row,) = frame.reuse
    assert row.router == "fe:8000/frontend"
    assert [row.prompt_tokens.value, row.available_tokens.value, row.captured_tokens.value] == [37862, 35232, 33936]
    assert row.delivered_tokens.value == 34784


def test_what_a_router_counted_for_a_shorter_time_does_not_stand_beside_its_prompts() -> None:
    page = fixture("dynamo/frontend_after_load.metrics.txt")
    lines = at_zero(page).splitlines(keepends=True)
    early = "".join(line for line in lines if "cached_tokens" not in line)
    _, frame = fed((early, "fe:8000", 1), (at_zero(page), "fe:8000", 20), (page, "fe:8000", 50))
    (row,) = frame.reuse
    assert row.available_tokens.value == 35232
    assert (row.window_s, row.delivered_tokens.state) == (49.0, State.ABSENT)


def test_nothing_of_nothing_is_no_rate() -> None:
    idle = fixture("vllm/idle.metrics.txt")
    _, frame = fed((idle, "v:8000", 1), (idle, "v:8000", 50))
    (row,) = frame.prompts
    assert row.prompt_tokens.state is State.ZERO
    assert row.hit_rate.rate.state is State.UNSAMPLED
    assert np.isfinite(row.residual_tokens.value or 0)


def test_the_unit_of_a_hit_rate_is_what_was_counted() -> None:
    page = (
        'vllm:prompt_tokens_total{{engine="0"}} {}\n'
        'vllm:kv_offload_tiering_chunk_queries_total{{engine="0",tier="1:fs"}} {}\n'
        'vllm:kv_offload_tiering_chunk_hits_total{{engine="0",tier="1:fs"}} {}\n'
    )
    _, frame = fed((page.format(0, 0, 0), "v:1", 1), (page.format(500, 40, 30), "v:1", 30))
    (rate,) = (row.hit_rate for row in frame.tiers if isinstance(row.hit_rate, HitRate))
    assert (rate.unit, rate.hits.value, rate.of.value, rate.rate.value) == ("blocks", 30, 40, 0.75)
    assert rate.population == "blocks that were looked for"
    assert rate.preempted is None


def test_look_ups_of_a_shared_cache_are_no_tokens() -> None:
    page = "total_get_nums_ {}\nmem_cache_hit_nums_ {}\nmaster_key_count 5\nmaster_total_capacity_bytes 1000\n"
    _, frame = fed((page.format(0, 0), "m:1", 1), (page.format(8, 6), "m:1", 30))
    (rate,) = (row.hit_rate for row in frame.tiers if isinstance(row.hit_rate, HitRate))
    assert (rate.unit, rate.rate.value, rate.tiers) == ("lookups", 0.75, (Tier.DRAM,))
