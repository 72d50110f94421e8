"""The tap against a bare pass-through of aiohttp, in turn: separately arriving chunks a CPU second, and what it adds to a client's first byte and gaps.

The upstream, and the client, are a child: only the proxy's CPU time is counted. Latencies are only shown: of two processes on two cores they say
as much of the machine's load.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final, NamedTuple

import aiohttp
from aiohttp import web
from yarl import URL

from bench.result import Result
from collectors.tap.readers import Reader
from collectors.tap.server import Tap, serving

STREAMS: Final = 50
CHUNKS: Final = 400
GAP_S: Final = 0.02
ROUNDS: Final = 3
CHUNK: Final = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795438625,"model":"tiny","choices":[{"index":0,"delta":'
    b'{"content":" bagozura"},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":289,"total_tokens":%d,"completion_tokens":%d}}\n\n'
)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def run() -> list[Result]:
    return asyncio.run(_run())


SEPARATE: Final = 0.9
"""Of the chunks: where fewer came in a read of their own, the machine was too busy for a verdict."""


class Round(NamedTuple):
    """CPU seconds of the proxy; first bytes and gaps as the client saw them, one for each read of its own."""

    cpu_s: float
    firsts: list[float]
    gaps: list[float]

    @property
    def reads(self) -> int:
        return len(self.firsts) + len(self.gaps)


async def _run() -> list[Result]:
    bare: list[Round] = []
    tapped: list[Round] = []
    with ProcessPoolExecutor(1, get_context("spawn")) as child:
        upstream = await asyncio.get_running_loop().run_in_executor(child, _serve)
        for _ in range(ROUNDS):
            async with aiohttp.ClientSession(auto_decompress=False) as session:
                bare.append(await _passed(child, _bare(upstream, session)))
            tapped.append(await _tapped(child, upstream))
        await asyncio.get_running_loop().run_in_executor(child, _stop)
    return _results(bare, tapped)


async def _tapped(child: ProcessPoolExecutor, upstream: str) -> Round:
    """With a dashboard that reads the stream."""
    tap = Tap(URL(upstream))
    reader = Reader(lambda: None)
    tap.readers.join(reader, 0)
    task = asyncio.create_task(_drained(reader))
    async with serving(tap, "127.0.0.1", 0, drain_s=1) as port:
        measured = await _measure(child, port)
    task.cancel()
    await asyncio.wait({task})
    return measured


async def _drained(reader: Reader) -> None:
    while data := await reader.take():
        reader.sent(data)


def _results(bare: list[Round], tapped: list[Round]) -> list[Result]:
    each_s = [statistics.median(one.cpu_s / one.reads for one in rounds) for rounds in (bare, tapped)]
    ratio = each_s[0] / each_s[1]
    separate = min(one.reads for one in (*bare, *tapped)) / (STREAMS * CHUNKS)
    results = [
        Result(
            "tap: chunks a CPU second, of a bare pass-through's",
            ">= 60 %",
            f"{ratio:.0%} ({1 / each_s[1]:,.0f}/s; {separate:.0%} separate)",
            ratio >= 0.6 if separate >= SEPARATE else None,
        )
    ]
    for name, index in (("first byte", 1), ("gap", 2)):
        for q, goal_s in ((50, 0.0003), (99, 0.001)):
            added = _quantile(tapped, index, q) - _quantile(bare, index, q)
            goal = f"<= {goal_s * 1e3:g} ms"
            results.append(
                Result(
                    f"tap: {name} p{q}, later than a bare pass-through's",
                    goal,
                    f"{added * 1e3:+.2f} ms",
                    None,
                )
            )
    return results


def _quantile(rounds: list[Round], index: int, q: int) -> float:
    """Of each round, and the median of those."""
    times = [one.firsts if index == 1 else one.gaps for one in rounds]
    return statistics.median(statistics.quantiles(one, n=100)[q - 1] for one in times)


async def _passed(child: ProcessPoolExecutor, handle: Handler) -> Round:
    runner = web.ServerRunner(web.Server(handle, access_log=None, auto_decompress=False, handler_cancellation=True))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        return await _measure(child, runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _measure(child: ProcessPoolExecutor, port: int) -> Round:
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(child, _load, port, 1, 2)
    before = time.process_time()
    firsts, gaps = await loop.run_in_executor(child, _load, port, STREAMS, CHUNKS)
    return Round(time.process_time() - before, firsts, gaps)


def _bare(base: str, session: aiohttp.ClientSession) -> Handler:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        async with session.post(base + request.raw_path, data=request.content) as upstream:
            response = web.StreamResponse(
                status=upstream.status, headers={"Content-Type": upstream.headers["Content-Type"]}
            )
            await response.prepare(request)
            while data := await upstream.content.readany():
                await response.write(data)
        return response

    return handle


_LOOP: list[asyncio.AbstractEventLoop] = []
_RUNNER: list[web.ServerRunner] = []
"""The child's."""


def _serve() -> str:
    """The upstream's address."""

    async def stream(request: web.BaseRequest) -> web.StreamResponse:
        chunks = json.loads(await request.read())["chunks"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(1, chunks + 1):
            await response.write(CHUNK % (289 + number, number))
            await asyncio.sleep(GAP_S)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def start() -> str:
        runner = web.ServerRunner(web.Server(stream, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _RUNNER.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    _LOOP.append(asyncio.new_event_loop())
    return _LOOP[0].run_until_complete(start())


def _stop() -> None:
    _LOOP[0].run_until_complete(_RUNNER[0].cleanup())
    _LOOP[0].close()


def _load(port: int, streams: int, chunks: int) -> tuple[list[float], list[float]]:
    """First bytes and gaps of all streams, asked for at once."""
    firsts: list[float] = []
    gaps: list[float] = []

    async def one(session: aiohttp.ClientSession) -> None:
        began = last = time.perf_counter()
        first = True
        async with session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json={"chunks": chunks}) as answer:
            async for _ in answer.content.iter_any():
                now = time.perf_counter()
                (firsts if first else gaps).append(now - (began if first else last))
                first, last = False, now

    async def all_of_them() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(one(session) for _ in range(streams)))

    _LOOP[0].run_until_complete(all_of_them())
    return firsts, gaps
