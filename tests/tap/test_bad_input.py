"""What upstreams and clients do that they should not: the client gets exactly what the upstream sent, and the dashboard says what happened."""

import asyncio
import contextlib
import gzip
from typing import Any, NamedTuple

import pytest
from yarl import URL

from collectors.model.frame import Frame
from collectors.model.snapshot import snapshot
from tests.loopback import Handler, Request, head, page, says
from tests.tap.test_proxy import (
    CHAT,
    END,
    EVENTS,
    TOKEN,
    around,
    exchanges,
    in_pieces,
    raw,
    taken_apart,
    tapped,
    unframed,
    until,
    upstream_of,
    value,
)
from tests.tap.test_resume import Watching

SECOND = TOKEN.replace(b'"completion_tokens":1', b'"completion_tokens":2')
LINE = 100 << 20


def chunked(*pieces: bytes) -> bytes:
    """Without the last chunk: cut off."""
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n" + framed


class Case(NamedTuple):
    handler: Handler
    body: bytes | None
    """None: as much as came is all that can be said."""
    reason: str
    tokens: int | None
    """None: not known."""


def of(*pieces: bytes, reason: str = "stop", tokens: int | None = 2) -> Case:
    return Case(in_pieces(pieces), b"".join(pieces), reason, tokens)


ERROR = b'data: {"error":{"message":"out of memory"}}\n\n'
WHOLE = TOKEN + SECOND + END
CASES = {
    "keep-alives": of(b": ping\n\n", TOKEN, b": ping\n\n:\n\n", SECOND, END),
    "an event a byte": of(*(WHOLE[at : at + 1] for at in range(len(WHOLE)))),
    "all events at once": of(WHOLE),
    "CRLF": of(TOKEN.replace(b"\n", b"\r\n"), WHOLE.removeprefix(TOKEN).replace(b"\n", b"\r\n")),
    "CR": of(WHOLE.replace(b"\n", b"\r")),
    "an error inside a success": of(TOKEN, SECOND, ERROR, reason="error"),
    "an error and nothing else": of(ERROR, reason="error", tokens=0),
    "no end": of(TOKEN, SECOND, reason="error"),
    "half an event at the end": of(TOKEN, SECOND, END, b"data: {", reason="error"),
    "no JSON": of(TOKEN, b"data: <html>\n\n", SECOND, END, tokens=1),
    "no UTF-8": of(TOKEN, b'data: {"x":"\xff\xfe"}\n\n', SECOND, END, tokens=2),
    "a wrong content type": Case(
        says(head("Content-Type: text/html") + WHOLE), WHOLE, "stop", 2
    ),
    "no events at all": Case(says(page(b"<html>", kind="text/html")), b"<html>", "stop", 0),
    "compressed": Case(
        says(page(gzip.compress(WHOLE, mtime=0), "Content-Encoding: gzip", kind="text/event-stream")),
        gzip.compress(WHOLE, mtime=0), "stop", 0,
    ),
    "an error status": Case(says(page(b'{"error":{}}', status="503 Busy", kind="application/json")), b'{"error":{}}', "error", 0),
    "dies in mid-stream": Case(says(chunked(TOKEN, SECOND)), None, "error", 2),
    "says less than it promised": Case(says(head(EVENTS, "Content-Length: 999") + TOKEN + SECOND), None, "error", 2),
    "no HTTP": Case(says(b"\x00\x01 hello\r\n\r\n"), None, "error", 0),
}  # fmt: skip


def target(frame: Frame) -> dict[str, Any]:
    (found,) = snapshot(frame)["targets"]
    return dict(found)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_the_client_gets_what_was_sent_and_the_dashboard_says_how_it_ended(case: Case) -> None:
    async with around(case.handler) as (_, tap, url), Watching(tap, url).running() as one:
        status, headers, body = taken_apart(await raw(url))
        if case.body is not None:
            assert (body if b"content-length" in headers else unframed(body)) == case.body
        elif not status.startswith(b"HTTP/1.1 502"):
            assert TOKEN in body
            assert SECOND in body
            assert not body.endswith(b"0\r\n\r\n")  # it is not made whole
        await one.seen.until(lambda _: one.ended() == 1)
        frame = one.frame()
        assert target(frame)["finished"] == {case.reason: 1}
        tokens = [row.tokens.value for row in frame.placements]
        assert tokens == ([case.tokens] if case.tokens else [])


async def test_a_line_of_100_mb_goes_through_and_is_not_kept() -> None:
    piece = b"x" * (1 << 20)

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(EVENTS) + TOKEN + b"data: ")
        for _ in range(LINE // len(piece)):
            writer.write(piece)
            await writer.drain()
        writer.write(b"\n\n" + SECOND + END)

    async with around(handler) as (_, tap, url), Watching(tap, url).running() as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port, limit=1 << 22)
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        whole = kept = 0
        while size := int(await reader.readline(), 16):
            data = await reader.readexactly(size + 2)
            whole += size
            kept = max([kept, *(len(exchange._events._line) for exchange in exchanges(tap))])
        assert data[:-2].endswith(END)
        writer.close()
        assert whole == len(TOKEN) + len(b"data: ") + LINE + 2 + len(SECOND) + len(END)
        assert kept <= (1 << 20) + 16
        await one.seen.until(lambda _: one.ended() == 1)
        assert target(one.frame())["finished"] == {"stop": 1}
        assert value(tap, "not_understood_events_total") == 1


async def test_an_upstream_that_stalls_is_a_stall_of_that_request_and_runs_until_then() -> None:
    go = asyncio.Event()

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(EVENTS))
        for number in range(1, 14):
            writer.write(TOKEN.replace(b'"completion_tokens":1', b'"completion_tokens":%d' % number))
            await writer.drain()
            await asyncio.sleep(0.002)
        await go.wait()
        writer.write(TOKEN.replace(b'"completion_tokens":1', b'"completion_tokens":14') + END)

    async with around(handler) as (_, tap, url), Watching(tap, url).running() as one:
        asking = asyncio.create_task(raw(url, X_Request_Id="stuck"))
        await until(lambda: sum(row.tokens.value or 0 for row in one.frame().placements) == 13)
        assert one.frame().workers[0].running.value == 1
        assert target(one.frame())["finished"] == {}
        await asyncio.sleep(0.5)  # what is measured
        go.set()
        await asking
        await one.seen.until(lambda _: one.ended() == 1)
        longest = max(one.frame().stalls, key=lambda stall: stall.gap_s.value or 0)
        assert longest.request == "stuck"
        assert longest.gap_s.value is not None
        assert longest.gap_s.value >= 0.5


async def test_a_client_that_leaves_is_an_abort_on_the_dashboard() -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head(EVENTS) + TOKEN)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with upstream_of(handler) as upstream, tapped(upstream) as (tap, url), Watching(tap, url).running() as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        await reader.readuntil(TOKEN)
        writer.transport.abort()
        await one.seen.until(lambda _: one.ended() == 1)
        assert target(one.frame())["finished"] == {"abort": 1}


async def test_pipelined_requests_are_answered_in_order_each_with_its_own() -> None:
    def numbered(number: int) -> bytes:
        return b": %d\n\n" % number + WHOLE

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        body = numbered(int(request.path.rpartition("=")[2]))
        writer.write(page(body, kind="text/event-stream"))

    async with around(handler) as (_, tap, url), Watching(tap, url).running() as one:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        asked = [f"POST {CHAT}?n={n} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}" for n in range(1, 4)]
        writer.write("".join(asked).encode())
        for number in range(1, 4):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(numbered(number))) == numbered(number)
        writer.close()
        await one.seen.until(lambda _: one.ended() == 3)
        assert target(one.frame())["finished"] == {"stop": 3}
        assert [row.tokens.value for row in one.frame().placements] == [6]
