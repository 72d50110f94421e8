"""The HTTP client against servers that behave, and servers that do not."""

import asyncio
import contextlib
import gzip
import socket
import tracemalloc
import zlib
from typing import NoReturn

import pytest

from collectors.model.vocabulary import TargetStatus
from collectors.wire.http import FetchError, HttpClient
from collectors.wire.limits import Limits
from tests.loopback import Handler, Request, drips, head, page, says, serving, unused_port

BODY = b"up 1\n" * 100
QUICK = Limits(max_body_bytes=1 << 20, connect_s=1.0, idle_s=0.3, total_s=2.0)


async def fetched(handler: Handler, limits: Limits = QUICK) -> bytes:
    async with serving(handler) as server, HttpClient(limits) as client:
        return await client.get(f"{server.url}/metrics")


async def fault(handler: Handler, limits: Limits = QUICK) -> tuple[str, TargetStatus]:
    with pytest.raises(FetchError) as caught:
        await fetched(handler, limits)
    return caught.value.reason, caught.value.status


async def test_a_page_is_its_bytes() -> None:
    async with serving(says(page(BODY))) as server, HttpClient() as client:
        assert await client.get(f"{server.url}/metrics?x=1") == BODY
    (request,) = server.requests
    assert request.line == "GET /metrics?x=1 HTTP/1.1"
    assert request.headers["accept"] == "text/plain"
    assert request.headers["accept-encoding"] == "identity"


RAW = zlib.compressobj(wbits=-15)
RAW_BODY = RAW.compress(BODY) + RAW.flush()
CODED = {
    "gzip": ("gzip", gzip.compress(BODY)),
    "gzip of two members": ("gzip", gzip.compress(BODY[:7]) + gzip.compress(BODY[7:])),
    "deflate": ("deflate", zlib.compress(BODY)),
    "deflate without its header": ("deflate", RAW_BODY),
    "identity": ("Identity", BODY),
}


@pytest.mark.parametrize("case", CODED)
async def test_a_server_may_compress_unasked(case: str) -> None:
    encoding, data = CODED[case]
    assert await fetched(says(page(data, f"Content-Encoding: {encoding}"))) == BODY


@pytest.mark.parametrize(
    "kind", ["text/plain; version=1.0.0; charset=utf-8", "TEXT/PLAIN", "application/openmetrics-text"]
)
async def test_text_by_any_of_its_names(kind: str) -> None:
    assert await fetched(says(page(BODY, kind=kind))) == BODY


async def test_no_content_type_is_no_lie() -> None:
    assert await fetched(says(head(f"Content-Length: {len(BODY)}") + BODY)) == BODY


async def test_a_page_that_ends_with_the_connection() -> None:
    assert await fetched(says(head("Content-Type: text/plain") + BODY)) == BODY


DOWN, REJECTED = TargetStatus.DOWN, TargetStatus.REJECTED
TEXT = "Content-Type: text/plain"
FAULTS = {
    "closed": (says(b""), "closed without an answer", DOWN),
    "garbage": (says(b"SSH-2.0-OpenSSH_9.2\r\n"), "not http", REJECTED),
    "endless header": (says(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000), "not http", REJECTED),
    "too many headers": (says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000), "not http", REJECTED),
    "never answers": (says(b"", then_hangs=True), "timeout reading", DOWN),
    "hangs in its headers": (says(b"HTTP/1.1 200 OK\r\n", then_hangs=True), "timeout reading", DOWN),
    "hangs after its headers": (says(head(TEXT), then_hangs=True), "timeout reading", DOWN),
    "hangs in its body": (says(page(BODY)[:-1], then_hangs=True), "timeout reading", DOWN),
    "half-closed, with a length": (says(page(BODY)[:-1]), "truncated", DOWN),
    "half-closed, chunked": (says(head(TEXT, "Transfer-Encoding: chunked") + b"5\r\nup 1\n\r\n"), "truncated", DOWN),
    "half-closed, without a length": (says(head(TEXT) + b"up 1\nup_to 1"), "truncated", DOWN),
    "truncated gzip": (says(page(gzip.compress(BODY)[:-9], "Content-Encoding: gzip")), "truncated gzip", REJECTED),
    "empty gzip": (says(page(b"", "Content-Encoding: gzip")), "truncated gzip", REJECTED),
    "not gzip": (says(page(BODY, "Content-Encoding: gzip")), "bad gzip", REJECTED),
    "wrong checksum": (says(page(gzip.compress(BODY)[:-8] + bytes(8), "Content-Encoding: gzip")), "bad gzip", REJECTED),
    "after the end of deflate": (
        says(page(zlib.compress(BODY) + b"x", "Content-Encoding: deflate")),
        "bad deflate",
        REJECTED,
    ),
    "unknown encoding": (
        says(page(BODY, "Content-Encoding: br")),
        "content encoding br is none of gzip, deflate, identity",
        REJECTED,
    ),
    "picture": (says(page(b"\x89PNG", kind="image/png")), "not text: content type image/png", REJECTED),
    "web page": (says(page(b"<html>", kind="text/html; charset=utf-8")), "not text: content type text/html", REJECTED),
    "escape in a content type": (says(page(BODY, kind="im\xc2\x9bage/\xe2\x80\xaepng")), None, REJECTED),
    "unavailable": (says(page(BODY, status="503 Service Unavailable")), "http 503", DOWN),
    "not there": (says(page(BODY, status="404 Not Found")), "http 404", REJECTED),
    "no content": (says(head(status="204 No Content")), "http 204", REJECTED),
    "redirect without a place": (says(head(status="302 Found")), "http 302", REJECTED),
    "redirect to no URL": (
        says(head("Location: mailto:x@y", status="302 Found")),
        "redirect to another origin",
        REJECTED,
    ),
    "redirect to nonsense": (
        says(head("Location: http://[", status="302 Found")),
        "redirect to another origin",
        REJECTED,
    ),
    "redirect to another scheme": (
        says(head("Location: file:///etc/passwd", status="302 Found")),
        "redirect to another origin",
        REJECTED,
    ),
    "redirect in a circle": (
        says(head("Location: /metrics", status="307 Temporary Redirect")),
        "too many redirects",
        REJECTED,
    ),
}


@pytest.mark.parametrize("case", FAULTS)
async def test_each_fault_has_its_reason(case: str) -> None:
    handler, expected, status = FAULTS[case]
    reason, found = await fault(handler)
    assert found is status
    if expected is not None:
        assert reason == expected
    assert reason.isprintable()


async def test_refused() -> None:
    async with HttpClient(QUICK) as client:
        with pytest.raises(FetchError, match=r"^refused$") as caught:
            await client.get(f"http://127.0.0.1:{await unused_port()}/metrics")
    assert caught.value.status is DOWN


async def test_a_slow_drip_ends_at_the_total_deadline() -> None:
    limits = Limits(idle_s=5.0, total_s=0.2, connect_s=0.1)
    assert await fault(drips(b"a 1\n", 0.01), limits) == ("timeout reading", DOWN)


async def test_a_handshake_that_does_not_come_is_a_timeout_connecting() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with HttpClient(Limits(connect_s=0.1)) as client:
        with pytest.raises(FetchError, match=r"^timeout connecting$"):
            await client.get(f"https://127.0.0.1:{port}/metrics")
    server.close()


async def test_tls_with_a_server_that_has_none() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with HttpClient(QUICK) as client:
        with pytest.raises(FetchError, match=r"^tls: no handshake$"):
            await client.get(f"https://127.0.0.1:{port}/metrics")
    server.close()


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    async with HttpClient(QUICK) as client:
        with pytest.raises(FetchError, match=r"^name not resolved$"):
            await client.get("http://gpu-7.invalid:8000/metrics")


async def test_a_name_that_cannot_be_one() -> None:
    async with HttpClient(QUICK) as client:
        with pytest.raises(FetchError, match=r"^name not resolved$"):
            await client.get(f"http://{'x' * 64}.invalid:8000/metrics")


async def test_a_large_page_is_not_read_to_its_end() -> None:
    async def endless(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head("Content-Type: text/plain"))
        while True:
            writer.write(b"a 1\n" * 16_384)
            await writer.drain()

    assert await fault(endless) == ("too large: more than 1 MiB", REJECTED)


async def test_a_bomb_costs_no_more_than_the_limit() -> None:
    bomb = gzip.compress(bytes(100 << 20), 1)
    tracemalloc.start()
    try:
        assert await fault(says(page(bomb, "Content-Encoding: gzip"))) == ("too large: more than 1 MiB", REJECTED)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


async def test_exactly_the_limit_is_within_it() -> None:
    limits = Limits(max_body_bytes=len(BODY))
    assert await fetched(says(page(BODY)), limits) == BODY
    assert await fault(says(page(BODY + b"\n")), limits) == ("too large: more than 0.0004768 MiB", REJECTED)


async def test_redirects_within_the_origin_are_followed() -> None:
    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(
            head("Location: metrics/", status="308 Permanent Redirect") if request.path == "/metrics" else page(BODY)
        )

    assert await fetched(handler) == BODY


async def test_another_origin_is_not_asked() -> None:
    async with serving(says(page(BODY))) as other:
        away = says(head(f"Location: {other.url}/metrics", status="301 Moved Permanently"))
        assert await fault(away) == ("redirect to another origin", REJECTED)
    assert other.requests == []


async def test_a_fault_leaves_the_client_usable() -> None:
    async with HttpClient(QUICK) as client:
        async with serving(says(page(BODY)[:-1])) as server:
            with pytest.raises(FetchError):
                await client.get(server.url)
        async with serving(says(page(BODY))) as server:
            assert await client.get(server.url) == BODY


async def test_cancelling_is_not_a_fault() -> None:
    async with serving(says(b"", then_hangs=True)) as server, HttpClient() as client:
        task = asyncio.create_task(client.get(server.url))
        await server.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("late", [False, True])
async def test_no_http_is_told_from_an_end_too_soon_whenever_it_comes(late: bool) -> None:
    heard = asyncio.Event()

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(head(TEXT, "Transfer-Encoding: chunked") + b"5\r\nup 1\n\r\n0\r\n")
        if late:
            await heard.wait()
        while True:
            writer.write(b"X: y\r\n" * 1_000)
            await writer.drain()

    async with serving(handler) as server, HttpClient(QUICK) as client:
        with pytest.raises(FetchError, match=r"^not http$"):
            await client.get(f"{server.url}/metrics", heard=lambda _: heard.set())
