"""Heads of requests: understood as any strict server does, or refused."""

import asyncio
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import HttpProcessingError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collectors.tap.headers import to_upstream
from collectors.tap.request import MAX_HEAD_BYTES, MAX_HEADERS, RequestError, RequestHead, request_head

GET = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def read(data: bytes) -> RequestHead:
    found = request_head(data)
    assert found is not None
    return found[0]


REFUSED = {
    "other protocol": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "two spaces": GET.replace(b"GET /", b"GET  /") + b"\r\n",
    "tab": GET.replace(b"GET /", b"GET\t/") + b"\r\n",
    "space in a target": GET.replace(b"/ ", b"/a b ") + b"\r\n",
    "byte in a target that is none": GET.replace(b"/ ", b"/\xff ") + b"\r\n",
    "bare line feeds": GET.replace(b"\r\n", b"\n") + b"\r\n\r\n",
    "bare line feed in a value": GET + b"A: b\nTransfer-Encoding: chunked\r\n\r\n",
    "bare carriage return in a value": GET + b"A: b\rTransfer-Encoding: chunked\r\n\r\n",
    "NUL": GET + b"A: b\0\r\n\r\n",
    "folded": GET + b"A: b\r\n c\r\n\r\n",
    "folded at once": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "space before a colon": POST + b"Content-Length : 5\r\n\r\n",
    "no colon": GET + b"nonsense\r\n\r\n",
    "no name": GET + b": x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"hOST: y\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\ncontent-length: 5\r\n\r\n",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\n",
    "length and chunks": POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n",
    "chunks twice": POST + CHUNKED + CHUNKED + b"\r\n",
    "other coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "chunks and identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n",
    "chunks that are none": POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunks with vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n",
    "chunks of HTTP/1.0": b"POST / HTTP/1.0\r\n" + CHUNKED + b"\r\n",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "signed length": POST + b"Content-Length: +5\r\n\r\n",
    "hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\n",
    "empty length": POST + b"Content-Length:\r\n\r\n",
    "length of 20 digits": POST + b"Content-Length: " + b"9" * 20 + b"\r\n\r\n",
    "long": GET + b"A: " + b"x" * MAX_HEAD_BYTES,
    "many headers": GET + b"A: b\r\n" * MAX_HEADERS + b"\r\n",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_be_understood_in_two_ways_is_refused(case: str) -> None:
    with pytest.raises(RequestError):
        request_head(REFUSED[case])


@pytest.mark.parametrize("end", range(len(POST + CHUNKED) + 1))
def test_a_head_is_complete_at_its_last_byte_and_no_sooner(end: int) -> None:
    whole = b"\r\n" + POST + CHUNKED + b"\r\n"
    assert request_head(whole[:end]) is None
    assert request_head(whole + b"0\r\n\r\n") == (read(whole), len(whole))


def test_what_is_passed_on_and_what_is_not() -> None:
    head = read(
        POST + b"X-One: 1\r\nConnection: x-two, Content-Length, close\r\nTE: trailers\r\nx-Two: 2\r\nUpgrade: websocket\r\n"
        b"X-Two-More:  3 \r\nExpect: 100-continue\r\nX-one:4\r\nKeep-Alive: 5\r\nContent-Length: 07\r\n\r\n"
    )  # fmt: skip
    assert (head.kept, head.waits, head.length) == (False, True, 7)
    assert to_upstream(head, b"up:1", b"/base") == (
        b"POST /base/v1/chat/completions HTTP/1.1\r\nHost: up:1\r\nX-One: 1\r\nX-Two-More:  3 \r\nX-one:4\r\nContent-Length: 07\r\n\r\n"
    )
    assert (head.text("x-one"), head.text("x-two-more"), head.text("x-two")) == ("1", "3", "")


@pytest.mark.parametrize(
    ("line", "version", "kept"),
    [
        (b"", b"1", True),
        (b"Connection: Close\r\n", b"1", False),
        (b"Connection: keep-alive\r\nconnection: foo , close\r\n", b"1", False),
        (b"", b"0", False),
        (b"Connection: Keep-Alive\r\n", b"0", True),
    ],
)
def test_whether_the_client_asks_again(line: bytes, version: bytes, kept: bool) -> None:
    assert read(GET.replace(b"1.1", b"1." + version) + line + b"\r\n").kept is kept


STARTS = [
    b"GET / HTTP/1.1",
    b"POST /v1?a=b HTTP/1.1",
    b"POST /v1 HTTP/1.0",
    b"GET http://y/ HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"GET /\x80 HTTP/1.1",
    b"GET / HTTP/1.2",
]
PLAIN = [
    b"X: y",
    b"X:\t y\t",
    b"X: \x80\xff",
    b"Connection: close",
    b"Connection: keep-alive, X",
    b"Te: trailers",
    b"Expect: 100-continue",
    b"Y-Content-Length: 7",
]
FRAMES = [
    b"Content-Length: 5",
    b"content-length:0",
    b"Content-Length: 5 ",
    b"Transfer-Encoding: chunked",
    b"transfer-encoding:Chunked ",
]
ODD = [
    b"Host:x", b"HOST: y", b"Content-Length: 5,5", b"Content-Length : 5", b"Content-Length: +5", b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding:", b" folded", b"X: a\0b", b"X: a\rb", b"X: a\nb", b"X", b": y", b"X y: z",
    b"Connection: upgrade", b"Upgrade: h2c",
]  # fmt: skip


def head_of(start: bytes, plain: list[bytes], frames: list[bytes], odd: list[bytes], end: bytes) -> bytes:
    return end.join([start, b"Host: x", *plain, *frames, *odd, b"", b""])


def few(lines: list[bytes], most: int) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.sampled_from(lines), max_size=most)


HEADS = st.builds(
    head_of,
    st.sampled_from(STARTS),
    few(PLAIN, 4),
    few(FRAMES, 2),
    few(ODD, 1),
    st.sampled_from([b"\r\n"] * 9 + [b"\n"]),
)


def as_aiohttp_reads(data: bytes) -> tuple[Any, ...] | None:
    """Method, target, whether it is of HTTP/1.0, headers, and whether its body comes in chunks; None: refused."""

    async def parsed() -> list[Any]:
        loop = asyncio.get_running_loop()
        parser = HttpRequestParser(BaseProtocol(loop), loop, 1 << 16, max_line_size=1 << 16, max_field_size=1 << 16)
        return list(parser.feed_data(data)[0])

    try:
        found = asyncio.run(parsed())
    except HttpProcessingError:
        return None
    message = found[0][0]
    return message.method, message.path, message.version.minor == 0, message.raw_headers, message.chunked


@settings(max_examples=600)
@given(HEADS)
@example(POST + b"Content-Length: 5\r\n\r\nabcde")
@example(POST + CHUNKED + b"\r\n0\r\n\r\n")
def test_no_head_is_understood_otherwise_than_by_a_parser_of_others(data: bytes) -> None:
    try:
        found = request_head(data)
    except RequestError:
        return
    if found is None:
        return
    head, end = found
    theirs = as_aiohttp_reads(data[:end] + (b"0\r\n\r\n" if head.length is None else b"x" * (head.length or 0)))
    if theirs is None:  # stricter still
        return
    method, path, old, headers, chunked = theirs
    assert (head.method.decode(), head.target.decode(), head.old) == (method, path, old)
    assert (head.length is None) is chunked
    lengths = [int(value) for name, value in headers if name.lower() == b"content-length"]
    assert head.length in (None, *(lengths or [0]))
    passed = [line.partition(b":")[0] for line in head.lines.split(b"\r\n")[1:]]
    assert set(passed) <= {name for name, _ in headers}
