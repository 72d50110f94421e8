"""The tap between real sockets: the client gets what the upstream sent, to the byte, and what happened is told."""

import asyncio
import contextlib
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import trustme
from yarl import URL

from collectors.exchanges.exchange import Exchange
from collectors.model.batch import Deliveries, Finished, Received, Requests, Status
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import LiveClock
from collectors.sources.detect import open_target
from collectors.tap.passage import Passage
from collectors.tap.server import Tap, serving
from collectors.wire.http import HttpClient
from tests import loopback
from tests.loopback import Handler, Request, Server, head, page, says
from tests.sources.seen import PATIENCE_S, Seen

FIXTURES = Path(__file__).parents[1] / "fixtures"
CHAT = "/v1/chat/completions"
EVENTS = "Content-Type: text/event-stream"
TOKEN = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"completion_tokens":1}}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
STREAMS = [
    *((FIXTURES / name).read_bytes() for name in ("vllm/chat_stream.sse", "dynamo/chat_stream_migration.sse")),
    (TOKEN + b": keep-alive\n\n" + TOKEN + END).replace(b"\n", b"\r\n"),
    b'data: {"error":{"message":"out of memory"}}\n\n',
    b"\x00\xff no events at all \r\r\n\n" * 40,
    b"",
]


@asynccontextmanager
async def tapped(upstream: str, **options: object) -> AsyncIterator[tuple[Tap, str]]:
    tap = Tap(URL(upstream), **options)  # type: ignore[arg-type]
    async with serving(tap, "127.0.0.1", 0, drain_s=5.0) as port:
        yield tap, f"http://127.0.0.1:{port}"


@asynccontextmanager
async def around(handler: Handler) -> AsyncIterator[tuple[Server, Tap, str]]:
    async with loopback.serving(handler) as server, tapped(server.url) as (tap, url):
        yield server, tap, url


@asynccontextmanager
async def upstream_of(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """One that also reads."""
    async with await asyncio.start_server(handler, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def raw(url: str, method: str = "POST", path: str = CHAT, body: bytes = b"{}", **headers: str) -> bytes:
    """All bytes of the answer to one request on a connection of its own."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    return answer


def taken_apart(answer: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """(status line, headers, body), the body still as it was framed."""
    top, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = top.split(b"\r\n")
    return status, {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}, body


def unframed(body: bytes) -> bytes:
    """What chunks hold; ValueError where the last one is missing."""
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return whole
        whole, body = whole + body[:length], body[length + 2 :]


def in_pieces(pieces: Iterable[bytes], *headers: str) -> Handler:
    """Each piece in a write of its own, the loop turning between."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(EVENTS, *headers))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return handler


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  what changes has no event
            await asyncio.sleep(0.005)


def value(tap: Tap, name: str, **labels: str) -> float:
    return tap.meters.registry.get_sample_value(f"tokenyard_tap_{name}", labels) or 0.0


def exchanges(tap: Tap) -> list[Exchange]:
    """Of what is under way."""
    passing = [one for one in tap.proxy._passing if isinstance(one, Passage)]
    return [one._measuring._exchange for one in passing if one._measuring and one._measuring._exchange]


@pytest.mark.parametrize("stream", STREAMS, ids=range(len(STREAMS)))
async def test_the_body_is_the_upstreams_at_every_cut(stream: bytes) -> None:
    cuts = sorted({0, 1, 5, 6, len(stream) // 3, len(stream) // 2, len(stream) - 2, len(stream) - 1})
    pieces: list[bytes] = []

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        await in_pieces(pieces)(request, writer)

    async with around(handler) as (_, tap, url):
        for cut in (cut for cut in cuts if 0 <= cut <= len(stream)):
            pieces[:] = [piece for piece in (stream[:cut], stream[cut:]) if piece]
            assert unframed(taken_apart(await raw(url))[2]) == stream
        pieces[:] = [stream[i : i + 7] for i in range(0, len(stream), 7)]
        assert unframed(taken_apart(await raw(url))[2]) == stream
        assert value(tap, "requests_in_flight") == 0


async def test_head_and_body_go_through_as_they_are() -> None:
    packed = gzip.compress(b'{"a":1}' * 50)
    answer = page(packed, "Content-Encoding: gzip", "X-Odd: a b", "Set-Cookie: a=1", "Set-Cookie: b=2", "Keep-Alive: 5",
                  status="418 I'm a teapot", kind="application/json")  # fmt: skip
    async with around(says(answer)) as (server, _tap, url):
        status, headers, body = taken_apart(
            await raw(url, path="/v1/x%2Fy?q=%20a", Authorization="Bearer hush", X_Mine="1")
        )
        assert status == b"HTTP/1.1 418 I'm a teapot"
        assert (body, headers[b"content-encoding"], headers[b"x-odd"]) == (packed, b"gzip", b"a b")
        assert headers[b"content-length"] == b"%d" % len(packed)
        assert b"keep-alive" not in headers
        (request,) = server.requests
        assert request.path == "/v1/x%2Fy?q=%20a"
        assert request.headers == {
            "authorization": "Bearer hush",
            "x-mine": "1",
            "content-length": "2",
            "host": server.name,
        }


@pytest.mark.parametrize(
    ("method", "answer", "status", "length"),
    [
        ("HEAD", head("Content-Length: 70"), b"HTTP/1.1 200 OK", b"70"),
        ("GET", head(status="304 Not Modified"), b"HTTP/1.1 304 Not Modified", None),
        ("DELETE", head(status="204 No Content"), b"HTTP/1.1 204 No Content", None),
        ("GET", page(b"", "Location: /elsewhere", status="307 Temporary Redirect"), b"HTTP/1.1 307 Temporary Redirect", b"0"),
    ],
)  # fmt: skip
async def test_answers_without_a_body(method: str, answer: bytes, status: bytes, length: bytes | None) -> None:
    async with around(says(answer)) as (server, _, url):
        got, headers, body = taken_apart(await raw(url, method, "/v1/models", b""))
        assert (got, headers.get(b"content-length"), body) == (status, length, b"")
        assert server.requests[0].line == f"{method} /v1/models HTTP/1.1"


async def test_a_compressed_request_stays_compressed_and_a_long_one_is_streamed() -> None:
    sent = gzip.compress(bytes(range(256)) * 8_000, 0)
    got = bytearray()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.extend(await reader.readexactly(len(sent)))
        writer.write(page(b"ok"))
        writer.close()

    async with upstream_of(handler) as upstream, tapped(upstream) as (_, url):
        status, _, body = taken_apart(await raw(url, body=sent, Content_Encoding="gzip"))
    assert (status, body, bytes(got)) == (b"HTTP/1.1 200 OK", b"ok", sent)


async def test_an_upstream_that_dies_in_mid_stream_is_not_made_whole() -> None:
    sent = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        + EVENTS.encode()
        + b"\r\n\r\n%x\r\n%s\r\n" % (len(TOKEN), TOKEN)
    )
    async with around(says(sent)) as (_, tap, url):
        body = taken_apart(await raw(url))[2]
        assert TOKEN in body
        with pytest.raises(ValueError, match="invalid literal"):
            unframed(body)
        assert value(tap, "upstream_errors_total", what="gone in mid-response") == 1
        assert value(tap, "requests_total", outcome="error") == 1


async def test_an_upstream_that_is_not_there_is_said_in_the_apis_form() -> None:
    async with tapped(f"http://127.0.0.1:{await loopback.unused_port()}") as (tap, url):
        status, _, body = taken_apart(await raw(url))
        assert status == b"HTTP/1.1 502 Bad Gateway"
        assert json.loads(body)["error"]["type"] == "tap_error"
        assert value(tap, "upstream_errors_total", what="not reached") == 1


@pytest.mark.parametrize("answers", [True, False])
async def test_a_client_that_leaves_takes_the_upstream_with_it_though_that_stalls(answers: bool) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answers:
            writer.write(head(EVENTS) + TOKEN)
        asked.set()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        left.set()
        writer.close()

    async with upstream_of(handler) as upstream, tapped(upstream) as (tap, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        await (reader.readuntil(b"[{") if answers else asked.wait())
        writer.transport.abort()
        await asyncio.wait_for(left.wait(), PATIENCE_S)
        await until(lambda: value(tap, "requests_total", outcome="abort") == 1)
        assert value(tap, "requests_in_flight") == 0


async def test_a_client_that_does_not_read_holds_the_upstream_back_and_not_the_stream() -> None:
    piece, held = TOKEN * 1_000, asyncio.Event()
    written = 0

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(head(EVENTS))
        with contextlib.suppress(TimeoutError):
            while written < 256 << 20:
                writer.write(piece)
                written += len(piece)
                await asyncio.wait_for(writer.drain(), 0.5)
        held.set()
        await asyncio.Event().wait()

    async with around(handler) as (_, tap, url):
        _reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port, limit=1)
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        await asyncio.wait_for(held.wait(), PATIENCE_S)
        assert written < 64 << 20
        tap.flush()
        assert not any(exchange._reads for exchange in exchanges(tap))  # what was passed on is told, taken or not
        writer.transport.abort()
        await until(lambda: value(tap, "requests_in_flight") == 0)


async def test_tls_upstream_is_checked() -> None:
    authority = trustme.CA()
    server_tls, client_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server_tls)
    authority.configure_trust(client_tls)
    async with loopback.serving(in_pieces([TOKEN, END]), tls=server_tls) as server:
        async with tapped(server.url, tls=client_tls) as (_, url):
            assert unframed(taken_apart(await raw(url))[2]) == TOKEN + END
        async with tapped(server.url) as (_, url):
            assert taken_apart(await raw(url))[0].startswith(b"HTTP/1.1 502")


async def test_measuring_that_fails_lets_the_bytes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    async with around(in_pieces([TOKEN, TOKEN, END])) as (_, tap, url):
        monkeypatch.setattr("collectors.exchanges.exchange.EventSplitter.feed", lambda *_: 1 / 0)
        assert unframed(taken_apart(await raw(url))[2]) == TOKEN + TOKEN + END
        assert value(tap, "unmeasured_requests_total", why="fault") == 1
        assert value(tap, "requests_in_flight") == 0


async def test_what_is_in_flight_when_it_stops_comes_through_whole() -> None:
    go = asyncio.Event()

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(EVENTS) + TOKEN)
        await writer.drain()
        await go.wait()
        writer.write(END)

    async with loopback.serving(handler) as server:
        async with tapped(server.url) as (tap, url):
            asking = asyncio.create_task(raw(url))
            await until(lambda: value(tap, "requests_in_flight") == 1 and bool(server.requests))
            asyncio.get_running_loop().call_later(0.05, go.set)
        assert unframed(taken_apart(await asking)[2]) == TOKEN + END
        with pytest.raises(OSError, match=r"Connect|refused"):
            await raw(url)


async def test_two_dashboards_watch_what_goes_through_one_tap() -> None:
    async with (
        around(in_pieces([TOKEN, END], "x-inference-pod: pod-7")) as (_, tap, url),
        contextlib.AsyncExitStack() as stack,
    ):
        client = HttpClient()
        stack.push_async_callback(client.close)
        seen = [Seen(), Seen()]
        tasks = [
            asyncio.create_task(open_target(url.removeprefix("http://"), client).run(LiveClock(), one)) for one in seen
        ]
        for one in seen:
            await one.until(lambda seen: bool(seen.parts(Status)))
        assert seen[0].statuses == [(TargetStatus.UP, "")]
        assert unframed(taken_apart(await raw(url, X_Request_Id="r-17", Authorization="Bearer hush"))[2]) == TOKEN + END
        for one in seen:
            await one.until(
                lambda seen: any(isinstance(row, Finished) for part in seen.parts(Requests) for row in part.rows)
            )
            rows = [row for part in one.parts(Requests) for row in part.rows]
            assert [(type(row), row.request) for row in rows] == [(Received, "r-17"), (Finished, "r-17")]
            assert [part.rows["tokens"].tolist() for part in one.parts(Deliveries)] == [[1]]
            assert [worker.id for worker in one.inventories[-1].workers] == ["pod-7"]
            assert not any("hush" in text for text in one.texts())
        assert value(tap, "stream_readers") == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as page:
            text = await page.text()
            assert 'tokenyard_tap_tokens_total{worker="pod-7"} 1.0' in text
            assert "hush" not in text


async def test_a_dashboards_own_probes_go_through_and_are_in_no_figure() -> None:
    async with around(in_pieces([TOKEN, END])) as (_, tap, url):
        answer = await raw(url, X_Request_Id="tokenyard-probe-1")
        assert unframed(taken_apart(answer)[2]) == TOKEN + END
        assert tap.book.quiet
        assert value(tap, "unmeasured_requests_total", why="probe") == 1
        assert value(tap, "requests_total", outcome="stop") == 0
        await raw(url, X_Request_Id="somebody")
        assert not tap.book.quiet
