"""vLLM says where its KV events are; they are followed, and again after it has moved."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from collectors.model.batch import Blocks, Status
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import LiveClock
from collectors.sources.detect import open_target
from collectors.sources.kv_events import MISSING
from collectors.sources.kv_sources import KvSources
from collectors.sources.settings import TargetSettings
from collectors.wire.http import HttpClient
from collectors.wire.kv_discovery import KvEndpoint
from tests.loopback import Request, by_path, page, says, serving
from tests.sources.kv_publisher import publishing
from tests.sources.seen import Seen
from tests.wire.kv_messages import stored

UP = TargetStatus.UP
VLLM = (Path(__file__).parent.parent / "fixtures" / "vllm" / "under_load.metrics.txt").read_bytes()


def answer(*endpoints: KvEndpoint) -> bytes:
    """As vLLM answers; the host is left to whoever asks."""
    ranks = {
        str(rank): {
            "enable_kv_cache_events": True,
            "publisher": "zmq",
            "endpoint": one.live.replace("127.0.0.1", "*"),
            "replay_endpoint": (one.replay or "").replace("127.0.0.1", "*"),
            "topic": one.topic,
        }
        for rank, one in enumerate(endpoints)
    }
    return page(json.dumps(ranks).encode(), kind="application/json")


async def test_a_vllm_page_brings_its_kv_events_with_it() -> None:
    seen = Seen()
    async with publishing() as publisher:
        handler = by_path(metrics=says(page(VLLM)), kv_event_sources=says(answer(publisher.endpoint)))
        async with serving(handler) as server, HttpClient() as client:
            source = open_target(server.name, client, settings=TargetSettings(interval_s=0.2))
            task = asyncio.create_task(source.run(LiveClock(), seen))
            events = f"{server.name} kv events"
            await seen.until(lambda seen: (TargetStatus.UP, "") in seen.of(events).statuses)
            await publisher.publish(stored(1, 2))
            await seen.until(lambda seen: bool(seen.of(events).parts(Blocks)))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert seen.of(events).inventories[-1].workers[0].id == f"{server.name}/0"
    assert bool(seen.of(server.name).samples)


async def test_it_moves_and_what_was_followed_before_ends_visibly() -> None:
    seen, said = Seen(), [b""]

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(said[0])

    async with (
        publishing() as first,
        publishing() as second,
        serving(by_path(kv_event_sources=handler)) as server,
        HttpClient() as client,
    ):
        said[0] = answer(first.endpoint)
        task = asyncio.create_task(KvSources("t", server.url, client, ask_s=0.02).run(LiveClock(), seen))
        await seen.until(lambda seen: (UP, "") in seen.of("t kv events").statuses)
        said[0] = page(b"", status="500 Internal Server Error")
        asked = len(server.requests)
        while len(server.requests) < asked + 3:
            server.asked.clear()
            await server.asked.wait()
        assert seen.statuses == [(UP, "")]
        said[0] = answer(first.endpoint, second.endpoint)
        await seen.until(lambda seen: (UP, "") in seen.of("t kv events 1").statuses)
        said[0] = answer(first.endpoint)
        gone = (TargetStatus.GONE, "no longer listed")
        await seen.until(lambda seen: seen.of("t kv events 1").statuses[-1] == gone)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert seen.of("t kv events").statuses == [(UP, "")]


@pytest.mark.parametrize(
    "said",
    [page(b"no\n", status="404 Not Found"), page(b"{}", kind="application/json"), page(b"<html>", kind="text/html")],
)
async def test_a_server_that_publishes_none_has_nothing_to_say(said: bytes) -> None:
    seen = Seen()
    async with serving(by_path(kv_event_sources=says(said))) as server, HttpClient() as client:
        source = KvSources("t", server.url, client)
        await source.step(1, seen)
        await source.step(2, seen)
        await source.close()
    assert seen.batches == []
    assert len(server.requests) == 1


async def test_nonsense_is_said() -> None:
    seen = Seen()
    body = page(
        b'{"0": {"enable_kv_cache_events": true, "publisher": "zmq", "endpoint": "tcp:nowhere"}}',
        kind="application/json",
    )
    async with serving(by_path(kv_event_sources=says(body))) as server, HttpClient() as client:
        await KvSources("t", server.url, client).step(1, seen)
    assert seen.parts(Status)[0].status is TargetStatus.REJECTED
    assert "'tcp:nowhere' is no endpoint" in seen.parts(Status)[0].reason


async def test_without_pyzmq_the_row_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.split(".")[0] == "zmq" or name.endswith((".kv_follow", ".kv_sockets"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "zmq", None)
    seen = Seen()
    said = answer(KvEndpoint("tcp://127.0.0.1:5557"))
    async with serving(by_path(kv_event_sources=says(said))) as server, HttpClient() as client:
        await KvSources("t", server.url, client).step(1, seen)
    assert seen.statuses == [(TargetStatus.REJECTED, MISSING)]
