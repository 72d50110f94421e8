"""Heads as they are written: all headers but those of one connection, and the framing, which is always the tap's own. Pure."""

from collections.abc import Sequence
from typing import Final

from collectors.tap.request import ONE_CONNECTION, RequestHead
from collectors.wire.http_answer import Head

LAST_CHUNK: Final = b"0\r\n\r\n"
_CHUNKED: Final = b"Transfer-Encoding: chunked"


def to_upstream(asked: RequestHead, host: bytes, base: bytes, length: int | None = None) -> bytes:
    """`base` goes before its target. `length`: of a body that is another than was sent."""
    framing = asked.framing if length is None else b"\r\nContent-Length: %d" % length
    start = (asked.method, base, asked.target, host, asked.lines, framing)
    return b"%b %b%b HTTP/1.1\r\nHost: %b%b%b\r\n\r\n" % start


class Framing:
    """How an answer goes to a client: its `head`, `chunked` or not, and whether the client's connection is `kept` afterwards."""

    __slots__ = ("chunked", "head", "kept")

    def __init__(
        self, asked: RequestHead, status: bytes, lines: Sequence[bytes], length: int | None, kept: bool
    ) -> None:
        """`status`, and what is said beside it. `length`: of the body in bytes; None where it is not known, and then a client of HTTP/1.0 is told by the
        connection's end, or where there is none."""
        said = [b"HTTP/1.1 " + status, *lines]
        bodiless = asked.method == b"HEAD" or status.startswith((b"204", b"304"))
        self.chunked = length is None and not bodiless and not asked.old
        self.kept = kept and asked.kept and (length is not None or bodiless or self.chunked)
        if self.chunked:
            said.append(_CHUNKED)
        elif length is not None and not status.startswith(b"204"):
            said.append(b"Content-Length: %d" % length)
        if not self.kept:
            said.append(b"Connection: close")
        elif asked.old:
            said.append(b"Connection: keep-alive")
        said.append(b"\r\n")
        self.head = b"\r\n".join(said)

    def framed(self, data: bytes) -> bytes:
        return chunk(data) if self.chunked else data

    @property
    def end(self) -> bytes:
        return LAST_CHUNK if self.chunked else b""


def answered(asked: RequestHead, head: Head, *, kept: bool) -> Framing:
    """As the upstream answered it."""
    headers = head.headers
    dropped = ONE_CONNECTION
    if "connection" in headers:
        dropped = dropped.union(name.strip() for name in headers["connection"].lower().split(","))
    lines = [line for name, line in head.lines if name not in dropped]
    length = headers.get("content-length", "")
    known = length.isascii() and length.isdigit()
    return Framing(asked, b"%d %b" % (head.status, head.reason), lines, int(length) if known else None, kept)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
