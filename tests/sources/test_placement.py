"""The placement source against a real server on loopback: what it emits, and what it says when the stream fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from collectors.model.batch import Batch, Deliveries, Inventory, Part, Requests, Status, Watermark
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import LiveClock
from collectors.sources.placement import PlacementSource
from collectors.wire.http import HttpClient
from tests.wire.placement_encoder import binary, frame, frames, lines
from tests.wire.placement_plain import expected, plain
from tests.wire.placement_vectors import DELIVERIES, EXTRAS, HELLO, OCCUPANCY, REQUESTS

BINARY = "application/vnd.tokenyard.placement.v1"
NDJSON = "application/x-ndjson"
DEADLINE_S = 10.0

T = TypeVar("T")

Write = Callable[[bytes], Awaitable[None]]
Handler = Callable[[Write, int], Awaitable[None]]


def watermark(time_ns: int) -> dict[str, Any]:
    return {"type": "watermark", "time_ns": time_ns}


class Seen:
    """What a source emitted, and a way to wait for more."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._more = asyncio.Event()

    def emit(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._more.set()

    @property
    def parts(self) -> list[Part]:
        return [part for batch in self.batches for part in batch.parts]

    def of(self, kind: type[T]) -> list[T]:
        return [part for part in self.parts if isinstance(part, kind)]

    async def until(self, done: Callable[["Seen"], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not done(self):
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def serving(handler: Handler, content_type: str = BINARY) -> AsyncIterator[str]:
    """A stream whose body `handler` writes; it is told which connection it is. Ends when the handler returns."""
    count = 0

    async def stream(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        response = web.StreamResponse(headers={"Content-Type": content_type, "X-Accept": request.headers["Accept"]})
        await response.prepare(request)
        await handler(response.write, count)
        return response

    app = web.Application()
    app.router.add_get("/placement/v1/stream", stream)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("/placement/v1/stream"))
    finally:
        await server.close()


@asynccontextmanager
async def running(url: str, **settings: float) -> AsyncIterator[Seen]:
    """A live source, cancelled at the end."""
    seen = Seen()
    async with HttpClient() as client:
        source = PlacementSource("router", url, client, **settings)
        task = asyncio.create_task(source.run(LiveClock(), seen.emit))
        try:
            yield seen
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await source.close()


@asynccontextmanager
async def stepped(url: str, **settings: float) -> AsyncIterator[tuple[PlacementSource, Seen]]:
    async with HttpClient() as client:
        source = PlacementSource("router", url, client, **settings)
        try:
            yield source, Seen()
        finally:
            await source.close()


def statuses(seen: Seen) -> list[TargetStatus]:
    return [status.status for status in seen.of(Status)]


async def forever() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("content_type", "encode"), [(BINARY, frames), (NDJSON, lines)])
async def test_live_emits_what_the_stream_says(content_type: str, encode: Callable[..., bytes]) -> None:
    async def handler(write: Write, connection: int) -> None:
        await write(encode([HELLO, OCCUPANCY, watermark(5)]))
        await write(encode([DELIVERIES, EXTRAS, watermark(2_000_000)]))
        await forever()

    async with serving(handler, content_type) as url, running(url) as seen:
        await seen.until(lambda seen: Watermark(2_000_000) in seen.parts)
        (status,) = seen.of(Status)
    assert (status.status, status.backend, status.reason, status.url) == (
        TargetStatus.UP,
        "tokenyard-emulator",
        "",
        url,
    )
    assert seen.parts[0] is status
    assert all(batch.source == "router" for batch in seen.batches)
    rows = [row for part in seen.of(Deliveries) for row in plain([part])[0][1]]
    (wanted,) = expected([DELIVERIES, EXTRAS])
    assert rows == wanted[1]


async def test_a_producers_warning_is_the_targets_made_safe_and_said_when_it_changes() -> None:
    async def handler(write: Write, connection: int) -> None:
        await write(frames([HELLO, watermark(5)]))
        await write(frames([{**HELLO, "measured": True, "warning": "\x1b[31mnot all\ncounted"}, watermark(6)]))
        await forever()

    async with serving(handler) as url, running(url) as seen:
        await seen.until(lambda seen: Watermark(6) in seen.parts)
    assert seen.of(Status)[-1].warning == "not all counted"
    assert set(statuses(seen)) == {TargetStatus.UP}
    assert seen.of(Inventory)[-1].measured


async def test_the_producers_clock_is_placed_at_the_handshake() -> None:
    async def handler(write: Write, connection: int) -> None:
        await write(frames([{**HELLO, "clock": {"id": "c", "kind": "monotonic", "now_ns": 10**15}}]))
        await forever()

    async with serving(handler) as url, running(url) as seen:
        await seen.until(lambda seen: bool(seen.of(Inventory)))
    (inventory,) = seen.of(Inventory)
    assert inventory.clock_offset_ns == seen.batches[0].time_ns - 10**15
    assert (inventory.clock_id, inventory.emulated) == ("c", True)


async def test_small_writes_are_gathered() -> None:
    async def handler(write: Write, connection: int) -> None:
        await write(binary(HELLO))
        for _ in range(500):
            await write(binary(DELIVERIES))
        await write(binary(watermark(1)))
        await forever()

    async with serving(handler) as url, running(url) as seen:
        await seen.until(lambda seen: Watermark(1) in seen.parts)
    assert sum(len(part.rows) for part in seen.of(Deliveries)) == 1000
    assert len(seen.batches) < 250


async def test_a_stream_that_ends_is_down_and_connected_anew() -> None:
    async def handler(write: Write, connection: int) -> None:
        await write(frames([HELLO, REQUESTS, watermark(connection)]))
        if connection > 1:
            await forever()

    async with serving(handler) as url, running(url, retry_s=0.01) as seen:
        await seen.until(lambda seen: Watermark(2) in seen.parts)
    assert statuses(seen) == [TargetStatus.UP, TargetStatus.DOWN, TargetStatus.UP]
    assert seen.of(Status)[1].reason == "the stream ended"
    assert len(seen.of(Inventory)) == 2
    assert len(seen.of(Requests)) >= 2  # the same requests are received again, by a decoder that knows none


async def test_nobody_there_is_down() -> None:
    async with serving(lambda write, connection: forever()) as url:
        pass
    async with running(url, retry_s=0.01) as seen:
        await seen.until(lambda seen: bool(seen.of(Status)))
    (status,) = seen.of(Status)
    assert (status.status, status.reason, status.backend) == (TargetStatus.DOWN, "refused", "placement")


async def test_a_broken_stream_is_rejected_with_the_reason_and_tried_again() -> None:
    greeted = asyncio.Event()

    async def handler(write: Write, connection: int) -> None:
        await write(binary(HELLO))
        await greeted.wait()
        if connection == 1:
            await write(binary({**DELIVERIES, "tokens": [1, 0]}))
        await forever()

    async with serving(handler) as url, running(url, retry_s=0.01) as seen:
        await seen.until(lambda seen: len(seen.of(Inventory)) == 1)
        greeted.set()
        await seen.until(lambda seen: len(seen.of(Inventory)) == 2)
    up, rejected, again = seen.of(Status)
    assert (up.status, rejected.status, again.status) == (TargetStatus.UP, TargetStatus.REJECTED, TargetStatus.UP)
    assert rejected.reason.startswith("placement stream: frame 1 at byte ")
    assert rejected.reason.endswith("row 1: tokens 0 is less than 1")


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("text/html", b"<html>", "content type text/html"),
        (BINARY, frame(1, b"{}", version=2), "version 2 of the placement stream; this reader speaks version 1"),
        (NDJSON, b'{"type":"hello","version":7}\n', "version 7 of the placement stream; this reader speaks version 1"),
        (NDJSON, b"# HELP vllm:x\n", "not a JSON message"),
    ],
)
async def test_what_is_no_such_stream_is_rejected(content_type: str, body: bytes, reason: str) -> None:
    async def handler(write: Write, connection: int) -> None:
        await write(body)
        await forever()

    async with serving(handler, content_type) as url, running(url) as seen:
        await seen.until(lambda seen: bool(seen.of(Status)))
    (status,) = seen.of(Status)
    assert status.status is TargetStatus.REJECTED
    assert reason in status.reason


async def test_silence_is_stale_until_the_next_watermark() -> None:
    noticed = asyncio.Event()

    async def handler(write: Write, connection: int) -> None:
        await write(frames([HELLO, watermark(1)]))
        await noticed.wait()
        await write(frames([watermark(2)]))
        await forever()

    async with serving(handler) as url, running(url, stale_s=0.2) as seen:
        await seen.until(lambda seen: TargetStatus.STALE in statuses(seen))
        noticed.set()
        await seen.until(lambda seen: Watermark(2) in seen.parts)
    assert statuses(seen)[:3] == [TargetStatus.UP, TargetStatus.STALE, TargetStatus.UP]
    assert seen.of(Status)[1].reason == "no watermark for 0.2 s"


async def test_a_step_emits_one_batch_of_everything_before_its_time() -> None:
    asked = asyncio.Event()

    async def handler(write: Write, connection: int) -> None:
        await write(frames([HELLO, OCCUPANCY, watermark(0)]))
        await asked.wait()
        body = frames([watermark(0), DELIVERIES, watermark(1_800_000), EXTRAS, watermark(2_000_000)])
        for start in range(0, len(body), 7):
            await write(body[start : start + 7])
            await asyncio.sleep(0)
        await forever()

    async with serving(handler) as url, stepped(url) as (source, seen):
        await source.step(0, seen.emit)
        asked.set()
        await source.step(2_000_000, seen.emit)
        first, second = seen.batches
    assert (first.time_ns, second.time_ns) == (0, 1_999_999)
    assert plain(first.parts[1:]) == expected([HELLO, OCCUPANCY, watermark(0)])
    assert isinstance(first.parts[0], Status)
    assert plain(second.parts) == expected([DELIVERIES, EXTRAS, watermark(2_000_000)])
    (inventory,) = seen.of(Inventory)
    assert inventory.clock_offset_ns == 0


async def test_a_step_without_its_watermark_is_stale_and_the_next_goes_on() -> None:
    late = asyncio.Event()

    async def handler(write: Write, connection: int) -> None:
        await write(frames([HELLO, DELIVERIES]))
        await late.wait()
        await write(frames([EXTRAS, watermark(500)]))
        await forever()

    async with serving(handler) as url, stepped(url, step_s=0.2) as (source, seen):
        await source.step(250, seen.emit)
        late.set()
        await source.step(500, seen.emit)
        first, second = seen.batches
    assert isinstance(first.parts[-1], Status)
    assert first.parts[-1].reason == "no watermark within 0.2 s"
    assert plain(first.parts[:-1]) == expected([HELLO, DELIVERIES])
    assert statuses(seen) == [TargetStatus.STALE, TargetStatus.UP]
    assert plain(second.parts[1:]) == expected([EXTRAS, watermark(500)])


async def test_a_step_whose_stream_breaks_keeps_what_came_and_connects_anew_at_the_next() -> None:
    async def handler(write: Write, connection: int) -> None:
        await write(frames([HELLO, DELIVERIES, watermark(100)]))
        if connection > 1:
            await write(frames([watermark(500)]))
            await forever()

    async with serving(handler) as url, stepped(url) as (source, seen):
        await source.step(250, seen.emit)
        await source.step(500, seen.emit)
    assert statuses(seen) == [TargetStatus.DOWN, TargetStatus.UP]
    assert plain(seen.batches[0].parts[:-1]) == expected([HELLO, DELIVERIES, watermark(100)])
    assert seen.batches[1].parts[-1] == Watermark(500)


async def test_a_step_with_nobody_there_says_so_once() -> None:
    async with serving(lambda write, connection: forever()) as url:
        pass
    async with stepped(url) as (source, seen):
        await source.step(250, seen.emit)
        await source.step(500, seen.emit)
    assert statuses(seen) == [TargetStatus.DOWN]


async def test_a_sender_that_is_not_read_has_to_wait() -> None:
    """What is not yet asked for stays with the sender: nothing is queued beyond the buffers of the sockets and of one stream."""
    stalled = asyncio.Event()
    written = 0

    async def handler(write: Write, connection: int) -> None:
        nonlocal written
        await write(frames([HELLO, watermark(0)]))
        block = frame(200, bytes(1 << 20))
        try:
            while written < 256 << 20:
                async with asyncio.timeout(0.5):
                    await write(block)
                written += len(block)
        except TimeoutError:
            stalled.set()
        await forever()

    async with serving(handler) as url, stepped(url) as (source, seen):
        await source.step(0, seen.emit)
        async with asyncio.timeout(DEADLINE_S):
            await stalled.wait()
    assert written < 64 << 20
