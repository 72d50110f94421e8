"""Reads that are passed on without a task: byte for byte as with one, to the end of a response, whatever that is."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.loopback import Request
from tests.tap.test_proxy import CHAT, EVENTS, TOKEN, around, unframed, until, value

STEPS = 150
PIECE = TOKEN + b": " + b"x" * 1_000 + b"\n\n"
"""More of them than a transport holds, so that the writer asks whether it must wait."""


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.fixture
async def tasks() -> list[None]:
    """One for each task that begins."""
    begun: list[None] = []

    def factory(loop: asyncio.AbstractEventLoop, made: Any, **how: Any) -> asyncio.Task[Any]:
        begun.append(None)
        return asyncio.Task(made, loop=loop, **how)

    asyncio.get_running_loop().set_task_factory(factory)
    return begun


@pytest.mark.parametrize(
    ("framing", "framed", "end", "whole"),
    [
        ("Transfer-Encoding: chunked", chunk, b"0\r\n\r\n", True),
        ("Transfer-Encoding: chunked", chunk, b"", False),
        ("Transfer-Encoding: chunked", chunk, b"no size\r\n", False),
        (f"Content-Length: {len(PIECE) * STEPS}", bytes, b"", True),
        (f"Content-Length: {len(PIECE) * STEPS + 1}", bytes, b"", False),
        ("Connection: close", bytes, b"", True),
    ],
)
async def test_what_is_passed_on_in_step_with_its_client(
    framing: str, framed: Callable[[bytes], bytes], end: bytes, whole: bool, tasks: list[None]
) -> None:
    taken = asyncio.Queue[None]()

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{EVENTS}\r\n{framing}\r\n\r\n".encode())
        for _ in range(STEPS):
            writer.write(framed(PIECE))
            await taken.get()
        writer.write(end)

    async with around(handler) as (server, tap, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        async with asyncio.timeout(20):
            answer = b""
            for number in range(1, STEPS + 1):
                while answer.count(PIECE) < number:
                    answer += await reader.read(1 << 20)
                taken.put_nowait(None)
            answer += await reader.read()
        writer.close()
        body = answer.partition(b"\r\n\r\n")[2]
        if whole:
            assert (unframed(body) if b"chunked" in answer.partition(PIECE)[0] else body) == PIECE * STEPS
        else:
            assert body.count(PIECE) == STEPS
            assert not body.endswith(b"0\r\n\r\n")
        await until(lambda: value(tap, "requests_in_flight") == 0)
        assert value(tap, "deliveries_total", worker=server.url.removeprefix("http://")) == STEPS
        assert value(tap, "upstream_errors_total", what="gone in mid-response") == (0 if whole else 1)
        assert len(tasks) <= 20
