"""A server behind the tap that writes a trace and sends spans, on clocks that are hours off: one request is one, and all agree within the stated bound."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from collectors.model.frame import Frame
from collectors.model.requests import RequestRow
from collectors.model.vocabulary import Phase, Provenance
from collectors.observe import Observation
from collectors.session.clock import LiveClock
from collectors.session.session import Session
from collectors.sources.otlp import OtlpSource
from collectors.sources.placement import PlacementSource
from collectors.sources.source import Source
from collectors.sources.trace_file import TraceFileSource
from collectors.tap.server import STREAM_PATH, Tap, serving
from collectors.wire.http import HttpClient

TRACE_AHEAD_NS, SPANS_AHEAD_NS = 3_600 * 10**9, -7_200 * 10**9
REQUESTS = 6
CHUNK = '{"id":"chatcmpl-%s","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":%s}],"usage":{"completion_tokens":%d}}'
PATIENCE_S = 60.0


class Server:
    """Says of each request what it did itself."""

    def __init__(self, trace: Path, receiver: OtlpSource) -> None:
        self._trace, self._receiver = trace, receiver

    async def handle(self, request: web.Request) -> web.StreamResponse:
        received, began = time.time_ns(), time.monotonic()
        name = f"server-{request.headers['X-Request-Id']}"
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await asyncio.sleep(0.02)
        first = time.monotonic()
        await response.prepare(request)
        for number in range(4):
            finish = '"stop"' if number == 3 else "null"
            await response.write(b"data: " + (CHUNK % (name, finish, number + 1)).encode() + b"\n\n")
            await asyncio.sleep(0.01)
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        await self._tell(name, received, (first - began) * 1e3, (time.monotonic() - began) * 1e3)
        return response

    async def _tell(self, name: str, received_ns: int, first_ms: float, all_ms: float) -> None:
        said = {
            "request_id": name,
            "output_tokens": 4,
            "request_received_ms": (received_ns + TRACE_AHEAD_NS) // 10**6,
            "prefill_wait_time_ms": 1.0,
            "prefill_time_ms": first_ms - 1.0,
            "ttft_ms": first_ms,
            "total_time_ms": all_ms,
        }
        row = {
            "schema": "dynamo.request.trace.v1",
            "event_type": "request_end",
            "event_time_unix_ms": 1,
            "request": said,
        }
        with self._trace.open("ab") as file:
            file.write(msgspec.json.encode(row) + b"\n")
        start = received_ns + SPANS_AHEAD_NS
        attributes: list[dict[str, Any]] = [
            {"key": "gen_ai.request.id", "value": {"stringValue": f"chatcmpl-{name}"}},
            {"key": "gen_ai.latency.time_to_first_token", "value": {"doubleValue": first_ms / 1e3}},
            {"key": "gen_ai.latency.e2e", "value": {"doubleValue": all_ms / 1e3}},
        ]
        span = {
            "traceId": "ab" * 16,
            "spanId": f"{hash(name) & (1 << 64) - 1:016x}",
            "name": "llm_request",
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + int(all_ms * 1e6)),
            "attributes": attributes,
        }
        resource = {"attributes": [{"key": "host.name", "value": {"stringValue": "far"}}]}
        body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"http://127.0.0.1:{self._receiver.port}/v1/traces", json=body) as answer,
        ):
            assert answer.status == 200


@contextlib.asynccontextmanager
async def listening(server: Server) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class Frames(list[Frame]):
    """The Frames of a session, and waiting for one to be as it should."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def take(self, frame: Frame) -> None:
        self.append(frame)
        self._news.set()

    async def until(self, wanted: Callable[[Frame], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not (self and wanted(self[-1])):
                self._news.clear()
                await self._news.wait()


def interval(row: RequestRow, phase: Phase, teller: str) -> tuple[float, float]:
    (found,) = [one for one in row.phases if one.phase is phase and teller in one.teller]
    assert not found.negative
    return found.duration_s


async def test_tap_trace_and_spans_of_one_run_agree_within_the_stated_bound(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    trace.touch()
    receiver = OtlpSource("spans", "http://127.0.0.1:0/v1/traces")
    frames = Frames()
    clock, session = LiveClock(), Session("live")
    async with (
        listening(Server(trace, receiver)) as port,
        serving(Tap(URL(f"http://127.0.0.1:{port}")), "127.0.0.1", 0, drain_s=1.0) as tapped,
        HttpClient() as client,
        aiohttp.ClientSession() as user,
    ):
        sources: list[Source] = [
            PlacementSource("tap", f"http://127.0.0.1:{tapped}{STREAM_PATH}", client),
            TraceFileSource("trace", f"file://{trace}", trace),
            receiver,
        ]
        live = asyncio.create_task(Observation(session, sources, clock, frames.take).live())
        try:
            await frames.until(lambda _: bool(receiver.port and session.answers("tap") and session.knows("trace")))
            for number in range(REQUESTS):
                url, headers = f"http://127.0.0.1:{tapped}/v1/chat/completions", {"X-Request-Id": f"mine-{number}"}
                async with user.post(url, json={"stream": True}, headers=headers) as answer:
                    assert (await answer.read()).endswith(b"[DONE]\n\n")
            everybody = [{"tap", "trace", "spans"}] * REQUESTS
            await frames.until(lambda frame: [set(row.sources) for row in frame.requests] == everybody)
            await frames.until(lambda frame: [one.n for one in frame.clocks] == [REQUESTS] * 2)
        finally:
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)
    frame = frames[-1]
    assert {row.id for row in frame.requests} == {f"mine-{number}" for number in range(REQUESTS)}
    assert sum(one.tokens.value or 0 for one in frame.placements if one.primary) == 4 * REQUESTS
    unix_s = (time.time_ns() - time.monotonic_ns()) / 1e9
    for one in frame.clocks:
        ahead_s = (TRACE_AHEAD_NS if one.clock == "trace" else SPANS_AHEAD_NS) / 1e9
        assert one.low_s <= unix_s + ahead_s <= one.high_s
        assert (one.n, one.steps) == (REQUESTS, 0)
    for row in frame.requests:
        assert row.disagree == ()
        (measured,) = {
            one.duration_s
            for one in row.phases
            if one.phase is Phase.FIRST_TOKEN and one.provenance is Provenance.MEASURED
        }
        for teller, inside in (("dynamo trace", (Phase.QUEUE, Phase.PREFILL)), ("vLLM span", (Phase.FIRST_TOKEN,))):
            own = sum(
                next(
                    one.duration_s[0]
                    for one in row.phases
                    if one.phase is phase and teller in one.teller and not one.clocks
                )
                for phase in inside
            )
            there, back = interval(row, Phase.TO_SERVER, teller), interval(row, Phase.FROM_SERVER, teller)
            assert there[0] + own + back[0] <= measured[0] <= there[1] + own + back[1]
