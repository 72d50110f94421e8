"""Framing through the tap, between real sockets: every message ends where it says, on either side, whatever was cut, promised or left out."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from collectors.tap.client import HEAD_S, LINGER_S
from collectors.tap.headers import chunk
from collectors.tap.server import Tap
from tests.loopback import page, says
from tests.tap.test_proxy import (
    CHAT,
    END,
    EVENTS,
    TOKEN,
    around,
    in_pieces,
    raw,
    taken_apart,
    tapped,
    unframed,
    until,
    upstream_of,
    value,
)  # fmt: skip
from tests.tap.test_request import REFUSED

Answer = Callable[[bytes, bytes], bytes]
"""To a head and a body."""
WHOLE = page(b"ok").replace(b"Connection: close\r\n", b"")


class Upstream:
    """Keeps its connections: how many there were, and each request's head and body, or what was left of one."""

    def __init__(self) -> None:
        self.connections = 0
        self.came: list[tuple[bytes, bytes]] = []
        self.writers: list[asyncio.StreamWriter] = []


@asynccontextmanager
async def keeping(answer: Answer = lambda *_: WHOLE) -> AsyncIterator[tuple[Upstream, Tap, URL]]:
    """An upstream that reads requests by a parser of its own, and the tap before it."""
    seen = Upstream()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        seen.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                top = await reader.readuntil(b"\r\n\r\n")
                names = [line.partition(b":")[0].lower() for line in top.split(b"\r\n")]
                assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
                body = b""
                if b"transfer-encoding" in names:
                    while size := int(await reader.readline(), 16):
                        body += (await reader.readexactly(size + 2))[:-2]
                    assert await reader.readline() == b"\r\n"
                elif b"content-length" in names:
                    body = await reader.readexactly(
                        int(top.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                    )
                seen.came.append((top, body))
                writer.write(answer(top, body))
        writer.close()

    async with upstream_of(handler) as url, tapped(url) as (tap, here):
        yield seen, tap, URL(here)


async def exchanged(url: URL, *pieces: bytes) -> bytes:
    """All that comes back for these writes, until the tap closes or, after its last answer, says nothing for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    answer = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)
        while data := await asyncio.wait_for(reader.read(1 << 16), 0.3):
            answer += data
    writer.close()
    return answer


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_no_request_is_refused_and_nothing_of_it_reaches_the_upstream(case: str) -> None:
    async with keeping() as (seen, _, url):
        smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = await exchanged(url, REFUSED[case] + smuggled)
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
        assert answer.count(b'"tap_error"') == 1
        assert b"200 OK" not in answer
        assert b"\r\nConnection: close\r\n" in answer
        assert seen.came == []


@pytest.mark.parametrize(
    "body",
    [b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"-5\r\n", b"5;\rx\r\nhello\r\n0\r\n\r\n", b"0\r\nX: y\n\r\n"],
)
async def test_chunks_that_are_none_end_the_connection(body: bytes) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    async with keeping() as (seen, _, url):
        for pieces in ((head + body,), (head, body)):
            answer = await exchanged(url, *pieces, b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer.count(b"HTTP/1.1 ") <= 1
        assert seen.came == []


@pytest.mark.parametrize("cut", [1, 30, 90, 95, 100, 104, 110, 400])
async def test_a_body_in_chunks_goes_through_at_any_cut_and_the_next_request_begins_after_it(cut: int) -> None:
    first = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    sent = (
        first
        + chunk(b"hello")
        + chunk(b", " * 60)
        + b"0\r\nX-Trailer: y\r\n\r\n"
        + b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    async with keeping() as (seen, _, url):
        answer = await exchanged(url, sent[:cut], sent[cut:])
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert [body for _, body in seen.came] == [b"hello" + b", " * 60, b""]
        assert seen.came[1][0].startswith(b"GET /next HTTP/1.1\r\n")
        assert seen.connections == 1


async def test_a_length_that_connection_names_is_kept_all_the_same() -> None:
    async with keeping() as (seen, _, url):
        await exchanged(
            url, b"POST /a HTTP/1.1\r\nHost: x\r\nConnection: content-length, host\r\nContent-Length: 5\r\n\r\nhello"
        )
        ((top, body),) = seen.came
        assert body == b"hello"
        assert b"Host: 127.0.0.1" in top


async def test_who_waits_for_leave_to_send_a_body_gets_it() -> None:
    async with keeping() as (seen, _, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
        writer.write(b"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        assert seen.came[0][1] == b"hello"
        assert b"expect" not in seen.came[0][0].lower()
        writer.close()


async def test_another_protocol_is_not_spoken() -> None:
    async with keeping() as (seen, _, url):
        asked = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        assert (await exchanged(url, asked)).startswith(b"HTTP/1.1 200 OK")
        assert b"upgrade" not in seen.came[0][0].lower()
        assert (await exchanged(url, b"CONNECT y:1 HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 400")
        assert (await exchanged(url, b"GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 400")
        assert len(seen.came) == 1
    async with keeping(lambda *_: b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n") as (_, _, url):
        assert (await exchanged(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 502")


async def test_a_client_of_the_old_kind_gets_no_chunks_and_the_end_of_the_connection() -> None:
    async with around(in_pieces([TOKEN, END])) as (_, _, url):
        answer = await exchanged(URL(url), f"POST {CHAT} HTTP/1.0\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        status, headers, body = taken_apart(answer)
        assert (status, body) == (b"HTTP/1.1 200 OK", TOKEN + END)
        assert headers[b"connection"] == b"close"
        assert b"transfer-encoding" not in headers


async def test_an_answer_before_the_body_has_come_is_passed_on_and_the_connection_is_used_no_further() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(page(b"", status="413 Too Large"))
        await writer.drain()
        writer.close()

    async with upstream_of(handler) as upstream, tapped(upstream) as (tap, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{{".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413")
        assert value(tap, "requests_in_flight") == 0
        writer.write(
            b"x" * 999_999 + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        )  # the rest is taken, and the next one is heard
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413")
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 413")
        (client,) = tap.clients._all
        client.look(asyncio.get_running_loop().time() + LINGER_S + 1)  # but not for ever
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()


async def test_one_connection_to_the_upstream_serves_one_after_another_and_two_serve_two() -> None:
    async with keeping(lambda *_: WHOLE) as (seen, _, url):
        for _ in range(3):
            assert b"ok" in await raw(str(url))
        assert seen.connections == 1
        await asyncio.gather(*(raw(str(url)) for _ in range(4)))
        assert 1 < seen.connections <= 4
        assert len(seen.came) == 7


async def test_more_than_was_promised_is_not_the_next_answer() -> None:
    async with keeping(lambda *_: WHOLE + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") as (seen, _, url):
        for _ in range(2):
            assert taken_apart(await raw(str(url)))[2] == b"ok"
        assert seen.connections == 2


@pytest.mark.parametrize(("method", "status"), [("GET", b"HTTP/1.1 200 OK"), ("POST", b"HTTP/1.1 502 Bad Gateway")])
async def test_a_connection_that_is_closed_as_it_is_used_again(method: str, status: bytes) -> None:
    """A request that can be made twice is; another may have been done, and is not."""
    asked: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            if len(asked) == 2:
                break
            writer.write(WHOLE)
        writer.close()

    async with upstream_of(handler) as upstream, tapped(upstream) as (tap, url):
        assert taken_apart(await raw(url, method, "/v1/models", b""))[0] == b"HTTP/1.1 200 OK"
        assert taken_apart(await raw(url, method, "/v1/models", b""))[0] == status
        assert len(asked) == (3 if method == "GET" else 2)
        assert value(tap, "upstream_errors_total", what="not reached") == (method == "POST")


async def test_an_idle_connection_that_the_upstream_closes_is_not_used() -> None:
    async with keeping() as (seen, _, url):
        await raw(str(url))
        seen.writers[0].close()
        await asyncio.sleep(0.05)
        assert taken_apart(await raw(str(url)))[0] == b"HTTP/1.1 200 OK"
        assert seen.connections == 2


async def test_a_head_that_does_not_come_to_an_end_is_waited_for_so_long() -> None:
    async with keeping() as (_, tap, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
        writer.write(b"GET / HT")
        await until(lambda: any(client._begun for client in tap.clients._all))
        now_s = asyncio.get_running_loop().time()
        writer.write(b"TP/1.1\r\nHo")
        await until(lambda: any(client._held.endswith(b"Ho") for client in tap.clients._all))
        tap.clients.look(now_s + HEAD_S - 1)
        assert tap.clients._all
        tap.clients.look(now_s + HEAD_S + 1)
        assert await reader.read() == b""
        writer.close()


async def test_a_body_that_the_upstream_does_not_take_holds_its_client_back() -> None:
    taken = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await taken.wait()
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(64 << 20)
        writer.write(page(b"ok"))
        writer.close()

    async with upstream_of(handler) as upstream, tapped(upstream) as (_, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {64 << 20}\r\n\r\n".encode())
        writer.write(bytes(64 << 20))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.5)
        assert isinstance(writer.transport, asyncio.WriteTransport)
        assert writer.transport.get_write_buffer_size() > 32 << 20
        taken.set()
        assert b"200 OK" in await reader.readuntil(b"ok")
        writer.close()


async def test_pipelined_requests_beyond_what_is_held_wait_in_their_socket() -> None:
    go = asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                await go.wait()
                writer.write(WHOLE)
        writer.close()

    asked = b"GET /" + b"x" * 1_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    async with upstream_of(handler) as upstream, tapped(upstream) as (tap, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        writer.write(asked * 500)
        await until(lambda: any(client._paused for client in tap.clients._all))
        assert all(len(client._held) <= 512 << 10 for client in tap.clients._all)
        go.set()
        async with asyncio.timeout(20):
            for _ in range(500):
                assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200 OK")
        writer.close()


async def test_an_answer_that_nobody_can_read_is_a_502_in_the_apis_form() -> None:
    for answer in (b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"):
        async with around(says(answer)) as (_, _, url):
            status, _, body = taken_apart(await raw(url))
            assert status == b"HTTP/1.1 502 Bad Gateway"
            assert json.loads(body)["error"]["type"] == "tap_error"


async def test_an_upstream_that_ends_by_closing_is_whole_for_a_client_that_can_tell() -> None:
    async with around(says(f"HTTP/1.1 200 OK\r\n{EVENTS}\r\n\r\n".encode() + TOKEN + END)) as (_, tap, url):
        assert unframed(taken_apart(await raw(url))[2]) == TOKEN + END
        assert value(tap, "requests_total", outcome="stop") == 1
