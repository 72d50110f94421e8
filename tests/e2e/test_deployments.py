"""Every shipped deployment over the wire: what the dashboard counts by worker, stage and tier is the emulators' own account, and primary stages count each output token once."""

from collections.abc import Iterator
from typing import Any, Final

import aiohttp
import pytest

from collectors.model.frame import Frame
from collectors.observe import Observation
from collectors.session.clock import TICK_NS, VirtualClock
from collectors.session.session import Session
from collectors.wire.http import HttpClient
from emulators.scenarios import SCENARIOS
from tui.emulator import Emulator

SECONDS = 6
Seen = tuple[Frame, dict[str, Any]]
DEPLOYMENTS = sorted(SCENARIOS.keys() - {"default"})
"""The default has a file of its own."""

_KEPT: Final[dict[str, list[Seen]]] = {}


async def seen(name: str) -> list[Seen]:
    """The Frame of each second beside `/truth` at that moment; a scenario is played once."""
    if name in _KEPT:
        return _KEPT[name]
    clock, frames, pairs = VirtualClock(), list[Frame](), list[Seen]()
    async with Emulator(name, seed=3, clock="stepped") as emulator, HttpClient() as client:
        observation = Observation(Session(clock.kind), emulator.sources(client), clock, frames.append)
        await observation.step(0)
        async with aiohttp.ClientSession() as http:
            for tick in range(1, SECONDS * 4 + 1):
                await emulator.advance(tick * TICK_NS)
                clock.time_ns = tick * TICK_NS
                await observation.step(clock.time_ns)
                if tick % 4 == 0:
                    async with http.get(f"{emulator.addresses.router}/truth") as response:
                        pairs.append((frames[-1], await response.json()))
        await observation.close()
    return _KEPT.setdefault(name, pairs)


def _shown(frame: Frame) -> dict[tuple[str | None, str, str, bool], float | None]:
    return {(row.worker, str(row.stage), str(row.tier), row.primary): row.tokens.value for row in frame.placements}


def _true(truth: dict[str, Any]) -> Iterator[tuple[tuple[str, str, str, bool], int]]:
    for row in truth["placements"]:
        yield (row["worker"], row["stage"], row["tier"], row["primary"]), row["tokens"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
async def test_tokens_by_worker_stage_and_tier(name: str) -> None:
    for frame, truth in await seen(name):
        assert _shown(frame) == dict(_true(truth))


@pytest.mark.parametrize("name", DEPLOYMENTS)
async def test_each_output_token_has_one_primary_stage(name: str) -> None:
    frame, truth = (await seen(name))[-1]
    primary = sum(row.tokens.value or 0 for row in frame.placements if row.primary)
    assert primary == sum(row["output_tokens"] for row in truth["energy"]) > 500
    assert frame.tokens_per_s.value == pytest.approx(primary / frame.window_s)


@pytest.mark.parametrize("name", DEPLOYMENTS)
async def test_tiers_prompts_and_decisions(name: str) -> None:
    frame, truth = (await seen(name))[-1]
    assert {(row.owner, str(row.tier)): (row.used_bytes.value, row.hit_tokens.value) for row in frame.tiers} == {
        (pool["owner"], pool["tier"]): (pool["used_bytes"], pool["hit_tokens"]) for pool in truth["pools"]
    }
    assert frame.decisions.total.value == truth["decisions"]["total"] > 0
    assert {rule.rule: rule.count.value for rule in frame.decisions.by_rule} == truth["decisions"]["by_rule"]


async def test_one_model_on_five_kinds_of_devices() -> None:
    frame, _ = (await seen("portable"))[-1]
    decoding = {str(row.device) for row in frame.placements if row.primary and row.tokens.value}
    assert decoding == {"GPU", "TPU", "Trainium", "LPU", "WSE"}
    assert {row.model for row in frame.workers} == {"llama-3.1-8b"}


@pytest.mark.parametrize(
    ("name", "primary", "beside"),
    [
        ("afd", ("ffn", "SRAM", "LPU", "lpx-0/0"), ("attention", "HBM", "GPU", "gpu-1/0")),
        ("speculative", ("verify", "HBM", "GPU", "gpu-1/0"), ("draft", "SRAM", "LPU", "lpu-0/0")),
    ],
)
async def test_a_token_of_two_devices_is_shown_with_both_stages(
    name: str, primary: tuple[str, str, str, str], beside: tuple[str, str, str, str]
) -> None:
    frame, truth = (await seen(name))[-1]
    shown = {
        (str(row.stage), str(row.tier), str(row.device), row.worker): (row.primary, row.tokens.value)
        for row in frame.placements
    }
    (account,) = truth["deployments"]
    assert shown[primary] == (True, account["tokens"])
    assert shown[beside] == (False, account["tokens"])
    workers = {row.id: row for row in frame.workers}
    made, helped = workers[primary[3]], workers[beside[3]]
    assert (str(made.role), str(helped.role)) == (primary[0], beside[0])
    assert made.tokens_per_s.value == pytest.approx(account["tokens"] / frame.window_s)
    assert helped.tokens_per_s.value == 0
    assert made.tokens_per_delivery.value == pytest.approx(account["tokens"] / account["turns"], rel=1e-3)
