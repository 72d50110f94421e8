"""The receiver of spans: what exporters send is taken and answered as the protocol says; what is wrong is refused and on its row."""

import asyncio
import contextlib
import gzip
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from collectors.model.batch import Status
from collectors.model.frame import TargetRow
from collectors.model.traces import Accounts
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import TICK_NS, LiveClock
from collectors.session.session import Session
from collectors.sources.otlp import OtlpSource
from collectors.wire.limits import Limits
from collectors.wire.otlp_protobuf import status as encoded_status
from tests.sources.seen import PATIENCE_S, Seen
from tests.wire.test_otlp import made, request

JSON, PROTOBUF = "application/json", "application/x-protobuf"


def body(name: str = "chatcmpl-1", **more: Any) -> dict[str, Any]:
    said = [{"key": "gen_ai.request.id", "value": {"stringValue": name}}]
    span = {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "name": "llm_request",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000000500000000",
        "attributes": said,
        **more,
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


class Receiver:
    def __init__(self, source: OtlpSource, seen: Seen, client: aiohttp.ClientSession) -> None:
        self.seen = seen
        self._source, self._client = source, client

    @property
    def held(self) -> int:
        return self._source.held

    async def post(
        self, data: bytes | AsyncIterator[bytes], kind: str = JSON, path: str = "/v1/traces", **headers: str
    ) -> tuple[int, bytes]:
        url = f"http://127.0.0.1:{self._source.port}{path}"
        async with self._client.post(url, data=data, headers={"Content-Type": kind, **headers}) as response:
            return response.status, await response.read()

    @property
    def names(self) -> list[str]:
        return [one.names[0] for part in self.seen.parts(Accounts) for one in part.rows]

    @property
    def warning(self) -> str:
        return self.seen.parts(Status)[-1].warning

    @property
    def row(self) -> TargetRow:
        """As a user sees it."""
        session = Session("virtual")
        for batch in self.seen.batches:
            session.feed(msgspec.structs.replace(batch, time_ns=0))
        return session.tick(TICK_NS).targets[0]

    async def connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert self._source.port is not None
        return await asyncio.open_connection("127.0.0.1", self._source.port)


@contextlib.asynccontextmanager
async def receiving(limits: Limits | None = None) -> AsyncIterator[Receiver]:
    source, seen = OtlpSource("otlp", "http://127.0.0.1:0/v1/traces", limits or Limits()), Seen()
    task = asyncio.create_task(source.run(LiveClock(), seen))
    try:
        await seen.until(lambda seen: source.port is not None)
        async with aiohttp.ClientSession() as client:
            yield Receiver(source, seen, client)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_json_protobuf_and_gzip_are_taken() -> None:
    async with receiving() as one:
        said = json.dumps(body()).encode()
        assert await one.post(said) == (200, b"{}")
        assert await one.post(
            gzip.compress(json.dumps(body("chatcmpl-2")).encode()), **{"Content-Encoding": "gzip"}
        ) == (200, b"{}")
        span = made(name="http-request")
        span.attributes.add(key="request_id").value.string_value = "chatcmpl-3"
        assert await one.post(request(span).SerializeToString(), PROTOBUF) == (200, b"")
        assert one.names == ["chatcmpl-1", "chatcmpl-2", "chatcmpl-3"]
        assert one.seen.statuses == [(TargetStatus.UP, "")]
        assert one.warning == ""


async def test_a_part_that_is_wrong_is_told_and_the_rest_taken() -> None:
    async with receiving() as one:
        said = body()
        said["resourceSpans"][0]["scopeSpans"][0]["spans"].append({"name": "no ids"})
        status, answer = await one.post(json.dumps(said).encode())
        assert status == 200
        assert json.loads(answer)["partialSuccess"]["rejectedSpans"] == "1"
        assert one.names == ["chatcmpl-1"]
        assert "1 malformed spans" in one.warning


@pytest.mark.parametrize(
    ("data", "kind", "path", "encoding", "status"),
    [
        (b"{", JSON, "/v1/traces", "", 400),
        (b"\xff\xff", PROTOBUF, "/v1/traces", "", 400),
        (b"{}", JSON, "/v1/traces", "gzip", 400),
        (gzip.compress(b"{}")[:-9], JSON, "/v1/traces", "gzip", 400),
        (b"{}", JSON, "/v1/traces", "br", 415),
        (b"{}", "text/plain", "/v1/traces", "", 415),
        (b"x" * 20_001, JSON, "/v1/traces", "", 413),
        (gzip.compress(b"x" * 50_000_000), JSON, "/v1/traces", "gzip", 413),
        (gzip.compress(b"{}") + gzip.compress(b"{}"), JSON, "/v1/traces", "gzip", 400),
        (gzip.compress(b"{}") + b"x" * 30_000, JSON, "/v1/traces", "gzip", 413),
        (gzip.compress(b"") * 2_000, JSON, "/v1/traces", "gzip", 413),
        (b"{}", JSON, "/v1/metrics", "", 404),
    ],
)
async def test_what_is_wrong_is_refused_with_a_reason(
    data: bytes, kind: str, path: str, encoding: str, status: int
) -> None:
    async with receiving(Limits(max_body_bytes=20_000)) as one:
        got, answer = await one.post(data, kind, path, **({"Content-Encoding": encoding} if encoding else {}))
        assert got == status
        if kind == PROTOBUF:
            assert answer.startswith(encoded_status(3, "")[:2])
        else:
            assert json.loads(answer)["message"].startswith("tokenyard: ")
        assert f"1 answered {status}" in one.warning
        assert await one.post(json.dumps(body()).encode()) == (200, b"{}")


async def test_bodies_that_are_not_dealt_with_yet_are_bounded_together() -> None:
    limit, bodies = 20_000, 4
    async with receiving(Limits(max_body_bytes=limit, max_queued_bytes=bodies * limit)) as one:
        ended = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b" " * limit
            await ended.wait()

        waiting = [asyncio.create_task(one.post(slow(), JSON)) for _ in range(bodies)]
        async with asyncio.timeout(PATIENCE_S):
            while one.held < bodies * limit:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.005)
        status, answer = await one.post(json.dumps(body()).encode())
        assert (status, json.loads(answer)["code"]) == (503, 14)
        assert one.row.limits == {"max_queued_bytes": 1}
        assert one.row.reason == "1 answered 503 (limits.max_queued_bytes)"
        ended.set()
        assert {status for status, _ in await asyncio.gather(*waiting)} == {400}
        assert one.held == 0
        assert await one.post(json.dumps(body()).encode()) == (200, b"{}")


async def test_more_connections_than_are_allowed_are_turned_away_and_the_others_served() -> None:
    async with receiving(Limits(max_connections=2, total_s=600.0)) as one:
        assert (await one.post(json.dumps(body()).encode()))[0] == 200  # whose connection is kept
        _, kept = await one.connection()
        reader, writer = await one.connection()
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        assert one.row.limits == {"max_connections": 1}
        assert one.row.reason == "1 connections too many (limits.max_connections)"
        assert one.row.status is TargetStatus.UP
        assert await one.post(json.dumps(body("chatcmpl-2")).encode()) == (200, b"{}")
        # What is said next of something else does not take it away.
        assert one.row.reason == "1 connections too many (limits.max_connections)"
        kept.close()
        writer.close()
        answer = b""
        async with asyncio.timeout(PATIENCE_S):
            while not answer.startswith(b"HTTP/1.1 404 "):  # once it is seen that there is room
                reader, writer = await one.connection()
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    answer = await reader.readline()
                writer.close()


@pytest.mark.parametrize("sent", [b"", b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nX: "])
async def test_a_connection_that_asks_for_nothing_in_time_is_closed(sent: bytes) -> None:
    async with receiving(Limits(total_s=0.1, connect_s=0.05)) as one:
        reader, writer = await one.connection()
        writer.write(sent)
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
        assert one.row.limits == {"total_s": 1}
        assert one.row.reason == "1 connections without a request (limits.total_s)"
        writer.close()


async def test_a_body_that_does_not_come_in_time_is_refused() -> None:
    async with receiving(Limits(total_s=0.1, connect_s=0.05)) as one:

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0.01)

        status, answer = await one.post(endless())
        assert status == 408
        assert "limits.total_s" in json.loads(answer)["message"]
        assert one.row.limits == {"total_s": 1}
        assert one.held == 0


async def test_a_body_that_is_too_large_is_said_by_the_name_of_the_limit() -> None:
    async with receiving(Limits(max_body_bytes=100)) as one:
        for _ in range(2):
            assert (await one.post(b" " * 101))[0] == 413
        assert one.row.limits == {"max_body_bytes": 2}
        assert one.row.reason == "2 answered 413 (limits.max_body_bytes)"


async def test_spans_of_others_are_taken_and_said_to_be_so() -> None:
    async with receiving() as one:
        assert (await one.post(json.dumps(body(attributes=[])).encode()))[0] == 200
        assert one.names == []
        assert "no span yet of a server that is known here" in one.warning


async def test_a_port_that_is_taken_is_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, seen = taken.getsockname()[1], Seen()
        source = OtlpSource("otlp", f"http://127.0.0.1:{port}/v1/traces", retry_s=0.05)
        task = asyncio.create_task(source.run(LiveClock(), seen))
        await seen.until(lambda seen: bool(seen.statuses))
        assert seen.statuses[0][0] is TargetStatus.DOWN
        assert f"cannot listen at 127.0.0.1:{port}" in seen.statuses[0][1]
    await seen.until(lambda seen: seen.statuses[-1][0] is TargetStatus.UP)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_listens_for_everybody_is_warned() -> None:
    source, seen = OtlpSource("otlp", "http://0.0.0.0:0/v1/traces"), Seen()
    task = asyncio.create_task(source.run(LiveClock(), seen))
    await seen.until(lambda seen: bool(seen.statuses))
    assert "anybody" in seen.parts(Status)[-1].warning
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
