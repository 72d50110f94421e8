"""Pages and ports of processes with faults: gone, started anew, late, silent, frozen, falling back, with a clock that is wrong; read by a client that is not ours."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from emulators.cluster import Cluster
from emulators.emulation import Emulation
from emulators.nvext import number
from emulators.scenarios import build
from emulators.server import listening
from tests.emulators.struck import SECOND, TWO


@dataclass
class Served:
    emulation: Emulation
    router: str
    pages: dict[str, str]
    http: aiohttp.ClientSession

    def give(self, kind: str, target: str, **values: object) -> str:
        return self.emulation.cluster.faults.give({"kind": kind, "target": target, **values})

    async def page(self, worker: str, timeout_s: float = 2.0) -> dict[str, float]:
        """Values of one page by name and labels."""
        async with self.http.get(self.pages[worker], timeout=aiohttp.ClientTimeout(timeout_s)) as response:
            text = await response.text()
        return {
            sample.name + str(sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def date(self, url: str) -> float:
        """How far the Date of an answer is from our clock."""
        async with self.http.get(url) as response:
            return parsedate_to_datetime(response.headers["Date"]).timestamp() - time.time()


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    emulation = Emulation(build("default", 7), clock="stepped", clock_id="test")
    async with listening(emulation, 0) as addresses, aiohttp.ClientSession() as http:
        pages = {worker["id"]: worker["url"] for worker in addresses["workers"]}
        yield Served(emulation, addresses["router"], {**pages, "router": f"{addresses['router']}/metrics"}, http)


def generated(page: dict[str, float]) -> float:
    return page["vllm:generation_tokens_total[('engine', '0'), ('model_name', 'llama-3.1-8b')]"]


async def test_a_dead_worker_refuses_connections_and_comes_back_at_the_same_port_counting_anew(served: Served) -> None:
    served.give("death", "gpu-1/0", start_s=2.0, duration_s=1.0)
    await served.emulation.advance(2 * SECOND)
    before = await served.page("gpu-1/0")
    await served.emulation.advance(2 * SECOND + 1)
    with pytest.raises(aiohttp.ClientConnectionError):
        await served.page("gpu-1/0")
    assert await served.page("gpu-0/0")
    await served.emulation.advance(3 * SECOND)
    with pytest.raises(aiohttp.ClientConnectionError):
        await served.page("gpu-1/0")
    await served.emulation.advance(5 * SECOND)
    after = await served.page("gpu-1/0")
    assert 0 < generated(after) < generated(before)
    for name in (
        "process_start_time_seconds[]",
        "vllm:generation_tokens_created[('engine', '0'), ('model_name', 'llama-3.1-8b')]",
    ):
        assert after[name] - before[name] == pytest.approx(3.0, abs=1e-3)
    counters = {name for name in after if "_total[" in name or "_bucket[" in name or "_count[" in name}
    assert all(after[name] >= 0 for name in counters)
    assert sum(after[name] for name in counters if name.startswith("tokenyard_phase_seconds")) == pytest.approx(2.0)


async def test_a_lpu_that_died_counts_hits_anew_too(served: Served) -> None:
    served.give("death", "lpu-0/0", start_s=6.0, duration_s=0.5)
    name = "tokenyard_tier_hit_tokens_total[('owner', 'lpu-0/0'), ('tier', 'SRAM')]"
    await served.emulation.advance(6 * SECOND)
    assert (await served.page("lpu-0/0"))[name] > 0
    await served.emulation.advance(6 * SECOND + SECOND // 2 + 1)
    page = await served.page("lpu-0/0")
    assert page[name] == page["tokenyard_generation_tokens_total[]"] == 0


@pytest.mark.parametrize("target", ["gpu-1/0", "router"])
async def test_a_page_that_hangs_answers_late_or_never_and_then_again(served: Served, target: str) -> None:
    late = served.give("metrics-hang", target, answer_s=0.3)
    await served.emulation.advance(SECOND)
    began = time.monotonic()
    assert await served.page(target)
    assert 0.29 < time.monotonic() - began < 2.0
    never = served.give("metrics-hang", target)
    await served.emulation.advance(2 * SECOND)
    with pytest.raises(asyncio.TimeoutError):
        await served.page(target, timeout_s=0.5)
    assert await served.page("lpu-0/0")
    for name in (late, never):
        served.emulation.cluster.faults.take_back(name)
    await served.emulation.advance(3 * SECOND)
    began = time.monotonic()
    assert await served.page(target, timeout_s=0.5)


async def test_a_frozen_page_is_always_the_same_and_then_the_truth(served: Served) -> None:
    await served.emulation.advance(SECOND)
    served.give("metrics-lie", "gpu-1/0", duration_s=2.0)
    seen = []
    for at in (1.5, 2.0, 2.9, 3.1):
        await served.emulation.advance(round(at * 1e9))
        seen.append(generated(await served.page("gpu-1/0")))
    assert seen[0] == seen[1] == seen[2] < seen[3] - 100
    true = next(
        row for row in served.emulation.cluster.truth()["placements"] if row["worker"] == "gpu-1/0" and row["primary"]
    )
    assert seen[3] == true["tokens"]


async def test_counters_that_fall_back_go_on_from_there_without_a_restart(served: Served) -> None:
    await served.emulation.advance(2 * SECOND)
    before = await served.page("gpu-1/0")
    served.give("metrics-lie", "gpu-1/0", how="backwards", share=0.5, duration_s=1.0)
    await served.emulation.advance(2 * SECOND + 1)
    fallen = await served.page("gpu-1/0")
    assert generated(fallen) == pytest.approx(generated(before) / 2, abs=1)
    await served.emulation.advance(2 * SECOND + SECOND // 2)
    assert generated(await served.page("gpu-1/0")) > generated(fallen)
    assert fallen["process_start_time_seconds[]"] == before["process_start_time_seconds[]"]
    await served.emulation.advance(3 * SECOND + 1)
    true = next(
        row for row in served.emulation.cluster.truth()["placements"] if row["worker"] == "gpu-1/0" and row["primary"]
    )
    assert generated(await served.page("gpu-1/0")) == true["tokens"]


async def test_a_skewed_clock_shows_in_dates_and_in_when_a_process_says_that_it_began(served: Served) -> None:
    served.give("clock-skew", "gpu-1/0", ahead_s=90, start_s=1.0, duration_s=3.0)
    served.give("death", "gpu-1/0", start_s=1.5, duration_s=1.0)
    began = (await served.page("gpu-1/0"))["process_start_time_seconds[]"]
    await served.emulation.advance(SECOND + 1)
    assert await served.date(served.pages["gpu-1/0"]) == pytest.approx(90, abs=1.5)
    assert await served.date(served.pages["gpu-0/0"]) == pytest.approx(0, abs=1.5)
    assert (await served.page("gpu-1/0"))["process_start_time_seconds[]"] == began
    await served.emulation.advance(3 * SECOND)
    assert (await served.page("gpu-1/0"))["process_start_time_seconds[]"] - began == pytest.approx(92.5, abs=1e-3)
    await served.emulation.advance(5 * SECOND)
    assert await served.date(served.pages["gpu-1/0"]) == pytest.approx(0, abs=1.5)


async def _chat(served: Served, stream: bool, while_it_runs: Callable[[], object]) -> tuple[int, str]:
    """A request of 400 tokens, which something happens to after half a second of simulated time."""
    body = {
        "model": "llama-3.1-8b", "stream": stream, "max_tokens": 400, "service_tier": "flex",
        "messages": [{"role": "user", "content": "tell me " * 200}], "nvext": {"extra_fields": ["worker_id"]},
    }  # fmt: skip
    asking = asyncio.create_task(_post(served, body))
    await asyncio.wait_for(served.emulation.answers.hurry.wait(), 5)
    now = served.emulation.cluster.now_ns
    await served.emulation.advance(now + SECOND)
    while_it_runs()
    for step in range(2, 60):
        if asking.done():
            break
        await served.emulation.advance(now + step * SECOND)
        await asyncio.sleep(0.005)
    return await asyncio.wait_for(asking, 10)


async def _post(served: Served, body: object) -> tuple[int, str]:
    async with served.http.post(f"{served.router}/v1/chat/completions", json=body) as response:
        return response.status, await response.text()


@pytest.mark.parametrize("stream", [True, False])
async def test_who_asked_a_worker_that_died_is_told_so(served: Served, stream: bool) -> None:
    status, text = await _chat(served, stream, lambda: served.give("death", "gpu-1/0"))
    assert status == (200 if stream else 503)
    assert "the worker of this request was lost" in text
    assert "[DONE]" not in text


async def test_after_a_migration_all_tokens_come_and_the_first_worker_goes_on_being_named() -> None:
    emulation = Emulation(Cluster(replace(TWO, migration_limit=1), 1), clock="stepped", clock_id="test")
    async with listening(emulation, 0) as addresses, aiohttp.ClientSession() as http:
        served = Served(emulation, addresses["router"], {}, http)
        status, text = await _chat(served, True, lambda: served.give("death", "gpu-0/0"))
    assert status == 200
    assert text.endswith("data: [DONE]\n\n")
    assert text.count('"content":') == 400
    assert text.count(f'"decode_worker_id":{number("gpu-0/0")},') == 401
    assert str(number("gpu-1/0")) not in text
    assert emulation.cluster.truth()["migrations"]["moved"]["ongoing_request"] == 1
    tokens = {row["worker"]: row["tokens"] for row in emulation.cluster.truth()["placements"] if row["primary"]}
    assert tokens["gpu-0/0"] + tokens["gpu-1/0"] == 400
    assert min(tokens.values()) > 50
