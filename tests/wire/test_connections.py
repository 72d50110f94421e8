"""Connections between requests: used again, given up when the server does, never left to whoever has not asked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from collectors.model.vocabulary import TargetStatus
from collectors.wire import connections
from collectors.wire.http import FetchError, HttpClient
from collectors.wire.limits import Limits

PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nup 1\n"
CUT_OFF = PAGE[:-1]
DEADLINE_S = 5.0


class Keeping:
    """A server that answers each request of a connection with the next of its answers, then closes the connection."""

    def __init__(self, *answers: bytes, closes: bool = True) -> None:
        self.answers = answers
        self.closes = closes
        self.connections = 0
        self.open = 0
        self.requests: list[bytes] = []
        self.url = ""
        self.changed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            for answer in self.answers:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                self.changed.set()
                writer.write(answer)
                await writer.drain()
            if not self.closes:
                await reader.read()
        self.open -= 1
        self.changed.set()
        writer.close()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@contextlib.asynccontextmanager
async def keeping(*answers: bytes, closes: bool = True) -> AsyncIterator[Keeping]:
    server = Keeping(*answers, closes=closes)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/metrics"
    try:
        yield server
    finally:
        listening.close()


async def test_one_connection_serves_request_after_request() -> None:
    async with keeping(*[PAGE] * 9) as server, HttpClient() as client:
        for _ in range(9):
            assert await client.get(server.url) == b"up 1\n"
        assert (server.connections, len(server.requests)) == (1, 9)
        assert len(set(server.requests)) == 1


async def test_requests_at_the_same_time_have_a_connection_each() -> None:
    async with keeping(PAGE, PAGE, closes=False) as server, HttpClient() as client:
        await asyncio.gather(*(client.get(server.url) for _ in range(3)))
        await asyncio.gather(*(client.get(server.url) for _ in range(3)))
        assert server.connections == 3
    await server.until(lambda: server.open == 0)


async def test_a_connection_that_was_closed_in_between_is_made_anew() -> None:
    async with keeping(PAGE) as server, HttpClient() as client:
        for _ in range(3):
            assert await client.get(server.url) == b"up 1\n"
    assert server.connections == 3


async def test_a_connection_that_is_closed_instead_of_an_answer_is_tried_once_more() -> None:
    async with keeping(PAGE, b"") as server, HttpClient() as client:
        for _ in range(4):
            assert await client.get(server.url) == b"up 1\n"
    assert server.connections >= 3


async def test_a_new_connection_without_an_answer_is_not_tried_again() -> None:
    async with keeping(b"") as server, HttpClient() as client:
        with pytest.raises(FetchError, match=r"^closed without an answer$"):
            await client.get(server.url)
    assert server.connections == 1


async def test_an_answer_that_began_is_not_asked_for_again() -> None:
    async with keeping(PAGE, CUT_OFF) as server, HttpClient() as client:
        await client.get(server.url)
        with pytest.raises(FetchError, match=r"^truncated$"):
            await client.get(server.url)
    assert len(server.requests) == 2


async def test_what_comes_without_being_asked_for_is_not_the_next_answer() -> None:
    late, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(PAGE)
        if not late.is_set():
            await late.wait()
            writer.write(PAGE.replace(b"up 1", b"up 7"))
            with contextlib.suppress(ConnectionError):
                await reader.read()
            closed.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, HttpClient() as client, asyncio.timeout(DEADLINE_S):
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await client.get(url) == b"up 1\n"
        late.set()
        await closed.wait()
        assert await client.get(url) == b"up 1\n"


async def test_a_connection_that_nobody_uses_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEEP_S", 0.05)
    async with keeping(PAGE, closes=False) as server, HttpClient(Limits(idle_s=0.05, connect_s=5.0)) as client:
        await client.get(server.url)
        await server.until(lambda: server.open == 0)


async def test_a_request_that_is_given_up_gives_up_its_connection() -> None:
    async with keeping(b"", closes=False) as server, HttpClient() as client:
        task = asyncio.create_task(client.get(server.url))
        await server.until(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.until(lambda: server.open == 0)


async def test_a_redirect_with_nothing_in_it_keeps_the_connection() -> None:
    moved = b"HTTP/1.1 307 X\r\nLocation: /metrics/\r\nContent-Length: 0\r\n\r\n"
    async with keeping(moved, PAGE, moved, PAGE) as server, HttpClient() as client:
        for _ in range(2):
            assert await client.get(server.url) == b"up 1\n"
    assert server.connections == 1
    assert [request.split()[1] for request in server.requests] == [b"/metrics", b"/metrics/"] * 2


@pytest.mark.parametrize("url", ["http://", "ftp://h/", "/metrics", "http://h:x/", "http://h:99999/"])
async def test_what_is_no_url(url: str) -> None:
    async with HttpClient() as client:
        with pytest.raises(FetchError, match=r"^not a url$"):
            await client.get(url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://me:secret@127.0.0.1/metrics", "the url holds credentials"),
        ("http://me@127.0.0.1/metrics", "the url holds credentials"),
        ("http://[fe80::1%eth0]:8000/metrics", "an address with a scope (%) is not supported"),
        ("http://[fe80::1%25eth0]:8000/metrics", "an address with a scope (%) is not supported"),
    ],
)
async def test_what_a_url_may_not_have(url: str, reason: str) -> None:
    async with HttpClient() as client:
        with pytest.raises(FetchError) as error:
            await client.get(url)
    assert (error.value.reason, error.value.status) == (reason, TargetStatus.REJECTED)
