"""What goes through is the same, to the byte, wherever either side's bytes are cut: without sockets, so that each place can be tried."""

import asyncio
import itertools

import pytest
from yarl import URL

from collectors.tap.client import Client
from collectors.tap.headers import chunk
from collectors.tap.server import Tap
from collectors.tap.upstream import UpstreamConnection
from tests.tap.test_proxy import CHAT, STREAMS, taken_apart, unframed

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
MOST = 2_500
"""Of a stream: some events, and one that is not whole."""
BODY = b'{"model": "m", "stream": true}'


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Between:
    """A tap with a client and an upstream at its sides."""

    def __init__(self) -> None:
        ticks = itertools.count()
        self.tap = Tap(URL("http://up"), clock=lambda: next(ticks))
        self.client, self.clients = self.tap.clients.new(), Wire()
        self.client.connection_made(self.clients)
        self.upstream, self.upstreams = UpstreamConnection(lambda: next(ticks), lambda _: None), Wire()
        self.upstream.connection_made(self.upstreams)
        self.tap.proxy.upstream.give(self.upstream)

    async def through(self, to: Client | UpstreamConnection, *pieces: bytes) -> bytes:
        """What is written on the other side."""
        other = self.clients if to is self.upstream else self.upstreams
        other.written = b""
        for piece in pieces:
            if piece:
                to.data_received(piece)
                await asyncio.sleep(0)
        return other.written


FRAMED = {
    "chunks": lambda body: (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunk(body[at : at + 300]) for at in range(0, len(body), 300)) + b"0\r\n\r\n"
    ),
    "length": lambda body: HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
}  # fmt: skip


@pytest.mark.parametrize("framing", FRAMED)
@pytest.mark.parametrize("stream", STREAMS, ids=range(len(STREAMS)))
async def test_an_answer_cut_anywhere(stream: bytes, framing: str) -> None:
    stream = stream[:MOST]
    between, answer = Between(), FRAMED[framing](stream)
    asked = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    for cut in range(len(answer)):
        assert (await between.through(between.client, asked)).endswith(b"\r\n\r\n{}")
        got = await between.through(between.upstream, answer[:cut], answer[cut:])
        status, headers, body = taken_apart(got)
        assert status == b"HTTP/1.1 200 OK"
        assert (unframed(body) if b"transfer-encoding" in headers else body) == stream
    assert between.tap.proxy.upstream.take(None) is between.upstream  # type: ignore[arg-type]  # it was used all the time


@pytest.mark.parametrize("framed", [True, False])
async def test_a_request_cut_anywhere(framed: bool) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nX-Mine: 1\r\n".encode()
    sent = (
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(BODY[:9]) + chunk(BODY[9:]) + b"0\r\n\r\n"
        if framed
        else head + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
    )
    between = Between()
    for cut in range(len(sent)):
        got = await between.through(between.client, sent[:cut], sent[cut:])
        line, headers, body = taken_apart(got)
        assert line == f"POST {CHAT} HTTP/1.1".encode()
        assert headers[b"host"] == b"up"
        assert (unframed(body) if framed else body) == BODY
        await between.through(between.upstream, HEAD + b"Content-Length: 0\r\n\r\n")
