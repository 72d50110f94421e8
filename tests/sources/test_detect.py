"""A bare host becomes what it turns out to be: a page, a stream, or both; live and step by step; later, if it must be."""

import asyncio
import json
from pathlib import Path

import pytest

from collectors.backends.registry import NAMES
from collectors.model.batch import Batch
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import LiveClock
from collectors.sources.detect import open_target
from collectors.sources.settings import TargetSettings
from collectors.wire.http import HttpClient
from collectors.wire.limits import Limits
from tests.loopback import Handler, Server, by_path, head, page, says, serving, unused_port
from tests.sources.seen import Seen, value

VLLM = (Path(__file__).parent.parent / "fixtures" / "vllm" / "under_load.metrics.txt").read_bytes()
ROUTER = b'tokenyard_emulated 1\ntokenyard_requests_live 3\ntokenyard_tier_used_bytes{tier="DRAM",owner="host-0"} 7\n'
STRANGER = b"some_router_requests_total 3\n"
TICK_NS = 250_000_000
QUICK = Limits(connect_s=1.0, idle_s=1.0, total_s=2.0)
DOWN, REJECTED, UP = TargetStatus.DOWN, TargetStatus.REJECTED, TargetStatus.UP
PAGE, STREAM = "/metrics", "/placement/v1/stream"

HELLO = {
    "type": "hello",
    "version": 1,
    "producer": "a-router",
    "emulated": True,
    "clock": {"id": "c", "kind": "virtual", "now_ns": 0},
    "workers": [{"slot": 0, "id": "gpu-0/0", "role": "decode", "device": "GPU"}],
}
MESSAGES = [HELLO, {"type": "watermark", "time_ns": 0}, {"type": "watermark", "time_ns": 100 * TICK_NS}]
LINES = b"".join(json.dumps(message).encode() + b"\n" for message in MESSAGES)
MODELS = "/v1/models"
NOTHING = says(page(b"no\n", status="404 Not Found"))


def asked(server: Server) -> list[str]:
    """The paths in order; those of who it is, asked before the page (`test_detect_owners`), are left out."""
    return [request.path for request in server.requests if request.path != MODELS]


def stream(data: bytes = LINES) -> Handler:
    return says(head("Content-Type: application/x-ndjson") + data, then_hangs=True)


async def steps(handler: Handler, count: int) -> tuple[Seen, str, list[str]]:
    """What a bare host gives in `count` steps, its name, and the paths that were asked for."""
    seen = Seen()
    async with serving(handler) as server, HttpClient(QUICK) as client:
        source = open_target(server.name, client)
        for tick in range(1, count + 1):
            await source.step(tick * TICK_NS, seen)
        await source.close()
        return seen, server.name, asked(server)


async def test_a_page_is_fetched_once_a_step_the_first_time_too() -> None:
    seen, name, paths = await steps(by_path(metrics=says(page(VLLM))), 2)
    assert paths == [PAGE, "/kv_event_sources", PAGE]
    assert {batch.source for batch in seen.batches} == {name}
    assert seen.kinds() == [["Status", "Inventory", "Layout", "Samples"], ["Status", "Samples"]]
    assert [value(sample, Signal.REQUESTS_WAITING, Kind.GAUGE) for sample in seen.samples] == [18, 18]


async def test_a_router_is_both() -> None:
    seen, name, paths = await steps(by_path(metrics=says(page(ROUTER)), stream=stream()), 2)
    assert paths == [PAGE, STREAM, PAGE]
    of_page, of_stream = seen.of(name), seen.of(f"{name} placement")
    assert len(seen.batches) == len(of_page.batches) + len(of_stream.batches)
    assert len(of_page.samples) == 2
    assert set(of_stream.statuses) == {(UP, "")}
    assert [worker.id for worker in of_stream.inventories[0].workers] == ["gpu-0/0"]
    assert of_page.inventories[0].emulated
    assert of_stream.inventories[0].emulated


@pytest.mark.parametrize("metrics", [NOTHING, says(page(STRANGER))])
async def test_a_stream_behind_no_page_or_an_unknown_one(metrics: Handler) -> None:
    seen, name, paths = await steps(by_path(metrics=metrics, stream=stream()), 3)
    assert paths == [PAGE, STREAM]
    assert {batch.source for batch in seen.batches} == {name}
    assert set(seen.statuses) == {(UP, "")}
    assert len(seen.inventories) == 1


async def test_a_host_with_nothing_for_us() -> None:
    seen, _, paths = await steps(by_path(), 2)
    assert paths == [PAGE, STREAM] * 2
    assert seen.statuses == [(REJECTED, f"http 404; {STREAM}: http 404")] * 2
    seen, _, paths = await steps(by_path(metrics=says(page(STRANGER))), 1)
    assert seen.statuses == [(REJECTED, f"not a known back end; known: {', '.join(NAMES)}; {STREAM}: http 404")]


async def test_a_stream_that_is_not_one_leaves_nothing_behind() -> None:
    wrong = stream(json.dumps({**HELLO, "version": 9}).encode() + b"\n")
    seen, _, _ = await steps(by_path(stream=wrong), 1)
    ((status, reason),) = seen.statuses
    assert status is REJECTED
    assert reason.startswith(f"http 404; {STREAM}: ")
    assert seen.kinds() == [["Status"]]


async def test_a_broken_page_is_not_taken_for_a_stream() -> None:
    seen, _, paths = await steps(by_path(metrics=says(page(b"{}\n")), stream=stream()), 1)
    assert paths == [PAGE]
    assert [status for status, _ in seen.statuses] == [REJECTED]


async def test_an_explicit_path_is_all_that_is_asked_for() -> None:
    for path in (PAGE, STREAM):
        async with serving(by_path()) as server, HttpClient(QUICK) as client:
            seen = Seen()
            source = open_target(f"{server.url}{path}", client)
            await source.step(TICK_NS, seen)
            await source.close()
        assert asked(server) == [path]
        assert seen.statuses == [(REJECTED, "http 404")]


LIVE = {
    "page": (by_path(metrics=says(page(VLLM))), {""}, 0),
    "router": (by_path(metrics=says(page(ROUTER)), stream=stream()), {"", " placement"}, 1),
    "stream": (by_path(stream=stream()), {""}, 1),
    "stranger's stream": (by_path(metrics=says(page(STRANGER)), stream=stream()), {""}, 1),
}


@pytest.mark.parametrize("case", LIVE)
async def test_live_a_host_that_comes_up_later(case: str) -> None:
    handler, suffixes, streams = LIVE[case]
    seen = Seen()
    port = await unused_port()
    async with HttpClient(QUICK) as client:
        source = open_target(f"127.0.0.1:{port}", client, settings=TargetSettings(interval_s=0.01))
        task = asyncio.create_task(source.run(LiveClock(), seen))
        await seen.until(lambda seen: len(seen.statuses) >= 2)
        assert set(seen.statuses) == {(DOWN, "refused")}
        names = {f"127.0.0.1:{port}{suffix}" for suffix in suffixes}
        async with serving(handler, port) as server:
            await seen.until(lambda seen: {batch.source for batch in seen.batches} == names)
            await seen.until(lambda seen: all(seen.of(name).inventories for name in names))
            task.cancel()
            await asyncio.wait({task})
            await source.close()
    assert task.cancelled()
    paths = asked(server)
    assert paths.count(STREAM) == streams
    if "page" not in case and "router" not in case:
        assert paths.count(PAGE) == 1


async def test_live_a_page_goes_on_from_its_first_sample() -> None:
    seen = Seen()
    async with serving(by_path(metrics=says(page(VLLM)))) as server, HttpClient(QUICK) as client:
        source = open_target(server.name, client, settings=TargetSettings(interval_s=0.02))
        task = asyncio.create_task(source.run(LiveClock(), seen))
        await seen.until(lambda seen: len(seen.samples) >= 3)
        count = len(asked(server))
        task.cancel()
        await asyncio.wait({task})
    assert len(seen.samples) <= count <= len(seen.samples) + 1
    assert [one.workers[0].id for one in seen.inventories] == [f"{server.name}/0"]


async def test_live_a_refused_stream_is_tried_again_with_the_page() -> None:
    seen = Seen()
    async with serving(by_path()) as server, HttpClient(QUICK) as client:
        task = asyncio.create_task(
            open_target(server.name, client, settings=TargetSettings(interval_s=0.01)).run(LiveClock(), seen)
        )
        await seen.until(lambda seen: len(seen.statuses) >= 3)
        task.cancel()
        await asyncio.wait({task})
    assert set(seen.statuses) == {(REJECTED, f"http 404; {STREAM}: http 404")}
    paths = asked(server)
    assert paths[:6] == [PAGE, STREAM] * 3


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("case", LIVE)
async def test_an_error_of_our_own_comes_out_as_it_is(case: str) -> None:
    def broken(batch: Batch) -> None:
        raise BrokenError

    handler, _, _ = LIVE[case]
    async with serving(handler) as server, HttpClient(QUICK) as client:
        source = open_target(server.name, client)
        with pytest.raises(BrokenError):
            await source.run(LiveClock(), broken)
        await source.close()
        again = open_target(server.name, client)
        with pytest.raises(BrokenError):
            await again.step(TICK_NS, broken)
        await again.close()
