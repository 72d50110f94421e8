"""A server of completions on loopback that answers probes as a test wants, and remembers them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from collectors.model.batch import Finished, Received, Requests
from collectors.model.vocabulary import PROBE_SKIPPED
from collectors.probe.source import ProbeSource
from collectors.session.clock import LiveClock
from collectors.wire.access import Access, Clients
from tests.loopback import head, page
from tests.sources.seen import PATIENCE_S, Seen

EVENTS = "Content-Type: text/event-stream"
END = b'data: {"id":"cmpl-9","choices":[{"index":0,"text":"","finish_reason":"length"}]}\n\ndata: [DONE]\n\n'
EVERY_S = 0.05


def token(so_far: int) -> bytes:
    chunk = {"id": "cmpl-9", "choices": [{"index": 0, "text": "x"}], "usage": {"completion_tokens": so_far}}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


Answer = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


async def answers(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Three tokens, each in a write of its own."""
    writer.write(head(EVENTS))
    for so_far in (1, 2, 3):
        writer.write(token(so_far))
        await writer.drain()
        await asyncio.sleep(0.002)
    writer.write(END)


def says(data: bytes) -> Answer:
    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


@dataclass
class Completions:
    """`models` None: there is no such list."""

    answer: Answer = answers
    models: list[str] | None = field(default_factory=lambda: ["m"])
    metrics: bytes = b""
    """Its page; empty: it has none."""
    below: str = ""
    """Path before the API's."""
    url: str = ""
    looks: int = 0
    asked: list[Asked] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        method, path, _ = first.split(" ")
        if method == "GET":
            self.looks += path == f"{self.below}/v1/models"
            listed = {"data": [{"id": name} for name in self.models or ()]}
            if path == f"{self.below}/v1/models" and self.models is not None:
                writer.write(page(json.dumps(listed).encode(), kind="application/json"))
            else:
                found = path == "/metrics" and self.metrics
                writer.write(page(self.metrics) if found else page(b"", status="404 Not Found"))
        else:
            asked = Asked(path, headers, json.loads(await reader.readexactly(int(headers["content-length"]))))
            self.asked.append(asked)
            await self.answer(asked, writer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(server: Completions) -> AsyncIterator[Completions]:
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.handle(reader, writer))
        tasks.add(task)
        await asyncio.gather(task, return_exceptions=True)
        writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def probing(
    url: str, *, every_s: float = EVERY_S, access: Access | None = None, model: str = ""
) -> AsyncIterator[Seen]:
    """A probe of the target `t`, running, and what it says."""
    seen, access = Seen(), access or Access()
    async with Clients() as clients:
        source = ProbeSource("t", url, clients.of(access), access, every_s, model)
        running = asyncio.create_task(source.run(LiveClock(), seen))
        try:
            yield seen
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def finished(seen: Seen) -> list[Finished]:
    """Probes that were sent."""
    return [row for row in _finished(seen) if row.reason != PROBE_SKIPPED]


def skipped(seen: Seen) -> list[int]:
    """When those were due that were not."""
    return [row.time_ns for row in _finished(seen) if row.reason == PROBE_SKIPPED]


def _finished(seen: Seen) -> list[Finished]:
    return [row for part in seen.parts(Requests) for row in part.rows if isinstance(row, Finished)]


def received(seen: Seen) -> list[Received]:
    return [row for part in seen.parts(Requests) for row in part.rows if isinstance(row, Received)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  what changes has no event
            await asyncio.sleep(0.005)
