"""The head of an HTTP/1.x request, as strict as RFC 9112 lets a server be: what could be understood in two ways is refused, not guessed. Pure."""

import re
from typing import Final

from msgspec import Struct

from collectors.wire.http_body import Body, Chunks, Length

MAX_HEAD_BYTES: Final = 64 << 10
MAX_HEADERS: Final = 128

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_HEAD: Final = re.compile(
    rb"(%b{1,32}+) ([\x21-\x7e]++) HTTP/1\.([01])((?:\r\n%b++:[\t\x20-\x7e\x80-\xff]*+)*+)\r\n\r\n" % (_TOKEN, _TOKEN)
)
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
ONE_CONNECTION: Final = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of one connection: RFC 9110, section 7.6.1, those of before it, and the length, which is written anew beside no other framing."""
_NOT_PASSED: Final = re.compile(
    rb"\r\n(%b):([^\r]*+)" % "|".join([*sorted(ONE_CONNECTION), "host", "expect"]).encode(), re.IGNORECASE
)
_ONCE: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
_USUAL: Final = frozenset({b"keep-alive", b"close"})
"""What `Connection` mostly says, which names no other header."""


class RequestError(ValueError):
    """What came is no request that can be passed on. `status` is what its client is told."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class RequestHead(Struct, frozen=True, gc=False):
    """`lines`: headers as they are passed on, each after CR LF. `length`: of its body in bytes; None where that comes in chunks; `framing` is the line that says so, likewise, if there is one."""

    method: bytes
    target: bytes
    old: bool
    """Of HTTP/1.0."""
    kept: bool
    """Whether the client wants to ask again on the same connection."""
    waits: bool
    """Whether it sends the body when it is told to."""
    lines: bytes
    length: int | None = 0
    framing: bytes = b""

    @property
    def path(self) -> bytes:
        return self.target.partition(b"?")[0]

    def text(self, name: str) -> str:
        """The first header of the name, which is in lower case; empty where none is passed on."""
        found = re.search(rb"\r\n%b:([^\r]*)" % re.escape(name.encode()), self.lines, re.IGNORECASE)
        return found[1].strip(b" \t").decode("utf-8", "replace") if found else ""

    def body(self) -> Body | None:
        """What reads it; None where there is none."""
        if self.length is None:
            return Chunks(strict=True)
        return Length(self.length) if self.length else None


def request_head(data: bytes) -> tuple[RequestHead, int] | None:
    """The head that the bytes begin with, and where what follows it begins; None where it is not complete. Raises RequestError."""
    at = 0
    while data.startswith(b"\r\n", at):  # RFC 9112, section 2.2
        at += 2
    end = data.find(b"\r\n\r\n", at)
    if (len(data) if end < 0 else end) - at > MAX_HEAD_BYTES:
        raise RequestError(431, f"a head of more than {MAX_HEAD_BYTES >> 10} KiB")
    if end < 0:
        return None
    found = _HEAD.fullmatch(data, at, end + 4)
    if found is None:
        raise RequestError(400, "no HTTP/1.1 request")
    method, target, minor, lines = found.groups()
    if lines.count(b"\n") > MAX_HEADERS:
        raise RequestError(431, f"more than {MAX_HEADERS} headers")
    pieces = _NOT_PASSED.split(lines)
    own: dict[bytes, bytes] = {}
    for name, value in zip(pieces[1::3], pieces[2::3], strict=True):
        name = name.lower()
        if name not in own:
            own[name] = value.strip(b" \t")
        elif name in _ONCE:
            raise RequestError(400, f"{name.decode()} twice")
        else:
            own[name] += b"," + value
    old = minor == b"0"
    if not old and b"host" not in own:
        raise RequestError(400, "no Host")
    passed = b"".join(pieces[::3])
    connection = own.get(b"connection", b"").lower()
    kept = not old
    if connection:
        named = {connection} if connection in _USUAL else {one.strip(b" \t") for one in connection.split(b",")}
        kept = b"keep-alive" in named if old else b"close" not in named
        if not named <= _USUAL:
            lines = (line for line in passed.split(b"\r\n") if line.partition(b":")[0].lower() not in named)
            passed = b"\r\n".join(lines)
    waits = not old and own.get(b"expect", b"").lower() == b"100-continue"
    length, framing = _framing(own.get(b"content-length"), own.get(b"transfer-encoding"), old)
    return RequestHead(method, target, old, kept, waits, passed, length, framing), end + 4


def _framing(length: bytes | None, coding: bytes | None, old: bool) -> tuple[int | None, bytes]:
    if coding is not None:
        if old or length is not None or coding.lower() != b"chunked":
            raise RequestError(400, "a body of which the end cannot be told")
        return None, b"\r\nTransfer-Encoding: chunked"
    if length is None:
        return 0, b""
    if not _LENGTH.fullmatch(length):
        raise RequestError(400, "a Content-Length that is none")
    return int(length), b"\r\nContent-Length: " + length
