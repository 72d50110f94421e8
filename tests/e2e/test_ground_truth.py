"""What the dashboard counts over the wire equals the emulators' own account, at every tick."""

from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from collectors.model.frame import Frame
from collectors.model.vocabulary import Phase, Stage
from collectors.observe import Observation
from collectors.session.clock import TICK_NS, VirtualClock
from collectors.session.session import Session
from collectors.wire.http import HttpClient
from tui.emulator import Emulator

SECONDS = 12
KV_BYTES = 131_072
"""Of a token of llama-3.1-8b at 16 bits: 2 × 32 layers × 8 heads × 128 values × 2 bytes."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen() -> list[tuple[Frame, dict[str, Any]]]:
    """Each tick's Frame beside `/truth` at that moment."""
    clock = VirtualClock()
    frames: list[Frame] = []
    pairs: list[tuple[Frame, dict[str, Any]]] = []
    async with Emulator("default", seed=3, clock="stepped") as emulator, HttpClient() as client:
        observation = Observation(Session(clock.kind), emulator.sources(client), clock, frames.append)
        await observation.step(0)
        async with aiohttp.ClientSession() as http:
            for tick in range(1, SECONDS * 4 + 1):
                await emulator.advance(tick * TICK_NS)
                clock.time_ns = tick * TICK_NS
                await observation.step(clock.time_ns)
                async with http.get(f"{emulator.addresses.router}/truth") as response:
                    pairs.append((frames[-1], await response.json()))
        await observation.close()
    assert [frame.time_ns for frame in frames] == [tick * TICK_NS for tick in range(1, SECONDS * 4 + 1)]
    return pairs


async def test_tokens_by_worker_stage_and_tier(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    for frame, truth in seen:
        shown = {(row.worker, str(row.stage), str(row.tier), row.primary): row.tokens.value for row in frame.placements}
        true = {
            (row["worker"], row["stage"], row["tier"], row["primary"]): row["tokens"]
            for row in truth["placements"]
            if row["tokens"]
        }
        assert shown == true


async def test_nothing_migrates_that_is_only_handed_over(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    frame, _ = seen[-1]
    assert len(frame.requests) > 20
    assert not [row for row in frame.requests if row.migrations or row.disagree or row.doubt]


async def test_tier_bytes_and_hits_at_every_tick(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    for frame, truth in seen:
        shown = {
            (row.owner, str(row.tier)): (
                row.used_bytes.value,
                row.active_bytes.value,
                row.capacity_bytes.value,
                row.hit_tokens.value,
            )
            for row in frame.tiers
        }
        true = {
            (pool["owner"], pool["tier"]): (
                pool["used_bytes"],
                pool["active_bytes"],
                pool["capacity_bytes"],
                pool["hit_tokens"],
            )
            for pool in truth["pools"]
        }
        assert shown == true


async def test_gap_and_ttft_quantiles_within_a_thousandth(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    frame, truth = seen[-1]
    workers = {worker.id: worker for worker in frame.workers}
    compared = 0
    for name, field in (("gaps", "gap"), ("ttft", "ttft")):
        for true in truth[name]:
            shown = frame.ttft if true["worker"] is None else getattr(workers[true["worker"]], field)
            assert shown.n == true["n"]
            for figure, exact in ((shown.p50, true["p50_s"]), (shown.p99, true["p99_s"])):
                if figure.value is not None and figure.low is not None and figure.high is not None:
                    assert figure.value == pytest.approx(exact, rel=1e-3)
                    assert figure.low <= exact * (1 + 1e-12)
                    assert exact <= figure.high * (1 + 1e-12)
                    compared += 1
            if true["n"]:
                assert shown.max.value == pytest.approx(true["max_s"], abs=2e-9)
    assert compared >= 8


async def test_decisions(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    frame, truth = seen[-1]
    assert frame.decisions.total.value == truth["decisions"]["total"] > 0
    assert frame.decisions.ties.value == truth["decisions"]["ties"]
    assert {rule.rule: rule.count.value for rule in frame.decisions.by_rule} == truth["decisions"]["by_rule"]


async def test_primary_rows_sum_to_the_output_tokens(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    frame, _ = seen[-1]
    primary = sum(row.tokens.value or 0 for row in frame.placements if row.primary)
    assert primary == sum(worker.tokens_per_s.n for worker in frame.workers if isinstance(worker.tokens_per_s.n, int))
    assert frame.tokens_per_s.value == pytest.approx(primary / frame.window_s)


async def test_everything_is_flagged_as_emulated(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    frame, _ = seen[-1]
    assert frame.emulated
    for worker in frame.workers:
        assert worker.running.emulated
        assert worker.gap.p50.emulated
        assert worker.tokens_per_s.emulated
    assert all(row.tokens.emulated for row in frame.placements)
    assert all(row.used_bytes.emulated for row in frame.tiers)


async def test_where_prompt_tokens_came_from(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    for frame, truth in seen:
        shown = {
            row.worker: (
                row.prompt_tokens.value,
                row.computed_tokens.value,
                row.hit_tokens.value,
                row.residual_tokens.value,
                row.recomputed_tokens.value,
                row.preemptions.value,
            )
            for row in frame.prompts
        }
        true = {
            row["worker"]: (
                row["prompt_tokens"],
                row["computed_tokens"],
                sum(row["hit_tokens"].values()),
                0,
                row["recomputed_tokens"],
                row["preemptions"],
            )
            for row in truth["prompts"]
            if row["prompt_tokens"]
        }
        assert shown == true
    assert len(shown) == 2


async def test_the_parts_of_all_prompts_are_the_whole(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    """Tiers + computed = 100 %, over the fleet."""
    frame, _ = seen[-1]
    found = sum(row.hit_tokens.value or 0 for row in frame.tiers)
    computed = sum(row.computed_tokens.value or 0 for row in frame.prompts)
    assert found + computed == sum(row.prompt_tokens.value or 0 for row in frame.prompts) > 0


async def test_reuse_that_the_router_could_have_had(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    frame, _ = seen[-1]
    (row,) = frame.reuse
    whole, available, captured = (
        one.value or 0 for one in (row.prompt_tokens, row.available_tokens, row.captured_tokens)
    )
    assert whole > available >= captured > 0
    assert row.delivered_tokens.value == sum(tier.hit_tokens.value or 0 for tier in frame.tiers)


async def test_kv_handed_on_is_told_by_who_took_it(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    frame, _ = seen[-1]
    devices = {worker.id: str(worker.device) for worker in frame.workers}
    assert {devices[row.worker] for row in frame.handovers} == {"LPU"}
    for row in frame.handovers:
        assert row.duration.n > 0
        assert row.bytes_per_s.value
    assert {row.worker for row in frame.flows} <= set(devices)


async def test_tokens_that_were_moved_have_the_bytes_of_their_model(seen: list[tuple[Frame, dict[str, Any]]]) -> None:
    frame, _ = seen[-1]
    moved = [row for row in frame.hops if row.phase is not Phase.PREFILL]
    assert {row.phase for row in moved} >= {Phase.TRANSFER}
    for row in moved:
        # Blocks are moved whole: 16 tokens, of which the last block of a context may have fewer.
        assert KV_BYTES <= (row.bytes_per_token.value or 0) < KV_BYTES * 1.1
    computed = sum(row.tokens.value or 0 for row in frame.hops if row.phase is Phase.PREFILL)
    assert computed == sum(row.tokens.value or 0 for row in frame.placements if row.stage is Stage.PREFILL) > 0
