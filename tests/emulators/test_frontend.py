"""The OpenAI-compatible front end over HTTP, before a real cluster whose clock is moved by the test."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest

from collectors.wire.openai_stream import StreamReader
from collectors.wire.sse import Event
from emulators.answers import MAX_LIVE
from emulators.emulation import ClockKind, Emulation
from emulators.events import Row
from emulators.nvext import number
from emulators.openai import DONE
from emulators.scenarios import build
from emulators.server import listening, run

DEADLINE_S = 60.0
MS = 1_000_000
MODEL = "llama-3.1-8b"


class Front:
    def __init__(self, emulation: Emulation, url: str, http: aiohttp.ClientSession) -> None:
        self.emulation, self.url, self.http = emulation, url, http

    def post(self, path: str, **body: object) -> "aiohttp.client._RequestContextManager":
        return self.http.post(self.url + path, json={"model": MODEL, **body})

    def chat(self, *said: str, **more: object) -> "aiohttp.client._RequestContextManager":
        roles = ("user", "assistant")
        messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(said)]
        return self.post("/v1/chat/completions", messages=messages, **more)

    async def until(self, holds: Callable[[], bool]) -> None:
        while True:
            if holds():
                return
            await asyncio.sleep(0)

    async def answered(self, request: "aiohttp.client._RequestContextManager") -> tuple[int, str, bytes]:
        """Lets the clock run until the answer is there: status, type and body."""

        async def read() -> tuple[int, str, bytes]:
            async with request as response:
                assert response.headers["X-Emulated"] == "tokenyard-emulator"
                return response.status, response.content_type, await response.read()

        reading = asyncio.create_task(read())
        while not reading.done():
            if self.emulation.answers:
                await self.emulation.advance(self.emulation.cluster.now_ns + 10 * MS)
            await asyncio.sleep(0)
        return await reading

    async def said(self, *said: str, **more: object) -> Row:
        status, kind, body = await self.answered(self.chat(*said, **more))
        assert (status, kind) == (200, "application/json")
        answer: Row = json.loads(body)
        return answer


@asynccontextmanager
async def front(clock: ClockKind = "stepped") -> AsyncIterator[Front]:
    emulation = Emulation(build("default", 7), clock=clock, clock_id="test")
    stop = asyncio.Event()
    async with asyncio.timeout(DEADLINE_S), listening(emulation, 0) as addresses, aiohttp.ClientSession() as http:
        running = asyncio.create_task(run(emulation, speed=1.0, stop=stop))
        try:
            yield Front(emulation, addresses["router"], http)
        finally:
            stop.set()
            await running


def events(body: bytes) -> list[Row]:
    assert body.endswith(DONE)
    return [json.loads(line[6:]) for line in body.removesuffix(DONE).split(b"\n\n") if line]


async def test_an_answer_in_one_piece() -> None:
    async with front() as server:
        answer = await server.said("hello there", max_tokens=12)
    assert answer["object"] == "chat.completion"
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "[h-1] made up by tokenyard's emulator, no model "}
    assert choice["finish_reason"] == "length"
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 12,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    assert answer["usage"] == usage
    assert answer["system_fingerprint"] == "tokenyard-emulator"
    assert "nvext" not in answer


async def test_a_stream_has_an_event_for_each_token_and_what_was_asked_for() -> None:
    extra = {"nvext": {"extra_fields": ["worker_id", "timing"]}, "stream_options": {"include_usage": True}}
    async with front() as server:
        _, kind, body = await server.answered(server.chat("hello" * 100, max_tokens=20, stream=True, **extra))
        _, _, plain = await server.answered(server.chat("hello" * 100, max_tokens=20, stream=True))
        workers = {number(worker["id"]): worker for worker in server.emulation.inventory["workers"]}
    assert kind == "text/event-stream"
    *pieces, end, usage = events(body)
    assert {event["id"] for event in pieces} == {"chatcmpl-h-1"}
    deltas = [event["choices"][0]["delta"] for event in pieces]
    assert len(deltas) == 20
    assert deltas[0]["role"] == "assistant"
    assert "".join(delta["content"] for delta in deltas).startswith("[h-1] made up")
    assert (end["choices"][0]["delta"], end["choices"][0]["finish_reason"]) == ({}, "length")
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 20)
    ids = pieces[0]["nvext"]["worker_id"]
    assert workers[ids["prefill_worker_id"]]["role"] == "prefill"
    assert workers[ids["decode_worker_id"]]["role"] == "decode"
    timing = end["nvext"]["timing"]
    assert 0 < timing["prefill_wait_time_ms"] + timing["prefill_time_ms"] == pytest.approx(timing["ttft_ms"])
    assert timing["ttft_ms"] < timing["total_time_ms"]
    assert b"nvext" not in plain
    assert b'"usage"' not in plain


async def test_our_own_reader_understands_the_stream() -> None:
    async with front() as server:
        extra = {"nvext": {"extra_fields": ["worker_id", "timing"]}, "stream_options": {"include_usage": True}}
        _, _, body = await server.answered(server.chat("x", max_tokens=5, stream=True, **extra))
    reader = StreamReader()
    said = [reader.read(Event(data=line[6:])) for line in body.split(b"\n\n") if line]
    assert sum(one.content for one in said) == 5
    assert [one.finish for one in said if one.finish] == ["length"]
    assert said[-1].done
    assert said[-2].output_tokens == 5
    assert all(one.workers and one.workers.decode for one in said[:6])
    assert all(one.understood and one.error is None for one in said)


async def test_a_later_turn_finds_the_history_in_memory() -> None:
    async with front() as server:
        question = "tell me everything about it " * 40
        first = await server.said(question, max_tokens=80)
        answer = first["choices"][0]["message"]["content"]
        again = await server.said(question, answer, "and then?", max_tokens=8)
        other = await server.said("Tell me" + question, answer, "and then?", max_tokens=8)
    tokens = first["usage"]["prompt_tokens"] + 80
    assert again["usage"]["prompt_tokens"] == tokens + 3
    # All of the history that fills blocks, question and answer; the last token of the answer has no KV yet.
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] == (tokens - 1) // 16 * 16
    assert other["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


async def test_without_a_limit_it_stops_by_itself() -> None:
    async with front() as server:
        status, _, body = await server.answered(server.post("/v1/completions", prompt="hello" * 9, stream=True))
    assert status == 200
    *pieces, end = events(body)
    assert {piece["object"] for piece in pieces} == {"text_completion"}
    assert len(pieces) == 128
    assert end["choices"][0]["finish_reason"] == "stop"


async def test_a_request_is_one_of_the_cluster() -> None:
    async with front() as server:
        await server.emulation.advance(100 * MS)
        before = server.emulation.cluster.truth()["requests"]["received"]
        seen: set[str] = set()
        asking = asyncio.create_task(server.answered(server.chat("hello", max_tokens=400)))
        while not asking.done():
            seen |= {row["request"] for row in server.emulation.cluster.live_requests()}
            await asyncio.sleep(0)
        assert "h-1" in seen
        assert "h-1" not in {row["request"] for row in server.emulation.cluster.live_requests()}
        assert server.emulation.cluster.truth()["requests"]["received"] > before


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_goes_away_aborts_its_request(stream: bool) -> None:
    async with front() as server:

        async def ask() -> None:
            async with server.chat("hello", max_tokens=20_000, stream=stream) as response:
                await response.read()

        asking = asyncio.create_task(ask())
        await server.until(lambda: len(server.emulation.answers) == 1)
        await server.emulation.advance(server.emulation.cluster.now_ns + 500 * MS)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking

        def aborted() -> int:
            return sum(worker.stats.finished["abort"] for worker in server.emulation.cluster.workers)

        while not aborted():
            await server.emulation.advance(server.emulation.cluster.now_ns + 10 * MS)
            await asyncio.sleep(0)
        assert not server.emulation.answers
        assert "h-1" not in {row["request"] for row in server.emulation.cluster.live_requests()}


async def test_a_stream_begins_when_its_request_is_taken_not_with_its_first_token() -> None:
    async with front() as server:
        asking = asyncio.create_task(server.chat("hello", max_tokens=5, stream=True).__aenter__())
        await server.until(lambda: len(server.emulation.answers) == 1)
        await server.emulation.advance(server.emulation.cluster.now_ns + 1)
        response = await asking
        assert (response.status, response.content_type) == (200, "text/event-stream")
        assert sum(one.produced for one in [server.emulation.answers.asked()[0].request] if one) == 0
        await server.emulation.advance(server.emulation.cluster.now_ns + 1_000 * MS)
        assert len(events(await response.read())) == 6


async def test_errors_are_as_the_api_has_them() -> None:
    async with front() as server:
        status, _, body = await server.answered(
            server.post("/v1/chat/completions", messages=[{"role": "user", "content": "x"}], model="gpt-4")
        )
        assert (status, json.loads(body)["error"]["code"]) == (404, "model_not_found")
        status, _, body = await server.answered(server.http.post(server.url + "/v1/completions", data=b"{"))
        assert (status, json.loads(body)["error"]["type"]) == (400, "invalid_request_error")
        status, _, body = await server.answered(server.http.post(server.url + "/v1/completions", data=b" " * (1 << 21)))
        assert (status, json.loads(body)["error"]["type"]) == (413, "invalid_request_error")


async def test_more_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulators.frontend.MAX_LIVE", 1)
    assert MAX_LIVE > 1
    async with front() as server:

        async def ask() -> int:
            async with server.chat("one", max_tokens=5) as response:
                return response.status

        asking = asyncio.create_task(ask())
        await server.until(lambda: len(server.emulation.answers) == 1)
        async with server.chat("two", max_tokens=5) as refused:
            assert (refused.status, (await refused.json())["error"]["type"]) == (429, "rate_limit_error")
        await server.emulation.advance(1_000 * MS)
        assert await asking == 200


async def test_what_no_worker_can_hold_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulators.openai.MAX_CONTEXT", 1 << 20)
    async with front() as server:
        status, _, body = await server.answered(server.chat("x" * 900_000, max_tokens=4, stream=True))
        assert (status, json.loads(body)["error"]["type"]) == (503, "server_error")
        assert not server.emulation.answers


async def test_the_models_and_the_workers_are_listed() -> None:
    async with front() as server:
        async with server.http.get(server.url + "/v1/models") as response:
            (model,) = (await response.json())["data"]
        assert (model["id"], model["owned_by"]) == (MODEL, "tokenyard-emulator")
        async with server.http.get(server.url + "/health") as response:
            health = await response.json()
    assert health["emulated"] is True
    assert [one["worker"] for one in health["instances"]] == ["gpu-0/0", "gpu-1/0", "lpu-0/0", "lpu-1/0"]
    assert [one["component"] for one in health["instances"]] == ["prefill", "backend", "backend", "backend"]


async def test_a_paced_clock_answers_by_itself() -> None:
    async with front("paced") as server, server.chat("hello", max_tokens=30, stream=True) as response:
        assert len(events(await response.read())) == 31
