"""One HTTP/1.1 response, read in whatever pieces it comes: its head, then its body without the framing. Pure: no socket, no clock.

As strict as a client can be that others wrote servers for: what could be understood in two ways is no HTTP. Everything held is bounded.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Protocol

import msgspec

from collectors.wire.http_body import Body, Chunks, Length, NotHttpError, UntilClosed

MAX_HEAD_BYTES: Final = 64 << 10
MAX_HEADERS: Final = 128

_START: Final = b"HTTP/1."
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\r\n]*))?\r?")
_INTERIM: Final = re.compile(rb"HTTP/1\.1 1(?!01)[0-9]{2}(?: [^\r\n]*)?\r?\n")
_HEADER: Final = re.compile(rb"\n([!#$%&'*+.^_`|~0-9A-Za-z-]++)[ \t]*+:([^\r\n\0]*+)\r?+(?=\n|\Z)")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_SWITCHING: Final = 101
_BODILESS: Final = frozenset({_SWITCHING, 204, 304})
_SINGLE: Final = frozenset({"content-length", "transfer-encoding"})


class Head(msgspec.Struct, frozen=True):
    """`headers` by name in lower case: of several the first. `lines`: all of them, each beside its name in lower case; `reason` is what the status line says beside the status."""

    status: int
    headers: Mapping[str, str]
    lines: Sequence[tuple[str, bytes]] = ()
    reason: bytes = b""


class Receiver(Protocol):
    """Takes a response as it comes. What it raises ends the reading, and comes out of `AnswerReader.feed`."""

    def head(self, head: Head) -> None:
        """Before any of the body."""

    def data(self, piece: bytes) -> None:
        """More of the body."""


class AnswerReader:
    """Reads one response for `receiver`. `complete`: all of it has come. `persistent`: another may follow on the same connection.

    `bodiless`: whatever its head says, as of HEAD. What comes after its end is no HTTP; where there is to be a `surplus`, it is left alone, and nothing may follow.
    """

    def __init__(self, receiver: Receiver, *, bodiless: bool = False, surplus: bool = False) -> None:
        self.begun = False
        """Whether anything came."""
        self.complete = False
        self.persistent = False
        self._receiver = receiver
        self._bodiless, self._surplus = bodiless, surplus
        self._held = b""
        self._body: Body | None = None

    @property
    def headed(self) -> bool:
        return self._body is not None

    def feed(self, data: bytes) -> None:
        """Raises NotHttpError, also for bytes that nobody asked for, and what the receiver raises."""
        self.begun = True
        if self._body is None:
            data = self._read_head(self._held + data if self._held else data)
            if self._body is None:
                return
        piece = self._body.take(data)
        if piece:
            self._receiver.data(piece)
        self.complete = self._body.complete
        if self._body.rest:
            self.persistent = False
            if not self._surplus:
                raise NotHttpError

    def end(self) -> None:
        """The connection has ended, which may be the end of the body as well: see `complete`."""
        self.complete = self.complete or isinstance(self._body, UntilClosed)
        self.persistent = False

    def _read_head(self, data: bytes) -> bytes:
        """What follows the head, if that is complete. Interim responses are passed over."""
        at = 0
        while True:
            if not data.startswith(_START[: len(data) - at], at):
                raise NotHttpError
            end, after = _head_end(data, at)
            if (len(data) if end < 0 else end) - at > MAX_HEAD_BYTES:
                raise NotHttpError
            if end < 0:
                self._held = data[at:]
                return b""
            if not _INTERIM.match(data, at):
                break
            at = after
        self._held = b""
        version, head = _head_of(data[at:end])
        self._body = self._framed(head)
        named = {name.strip() for name in head.headers.get("connection", "").lower().split(",")}
        self.persistent = "close" not in named if version == b"1" else "keep-alive" in named
        self._receiver.head(head)
        return data[after:]

    def _framed(self, head: Head) -> Body:
        length, coding = head.headers.get("content-length"), head.headers.get("transfer-encoding")
        if head.status in _BODILESS or self._bodiless:
            return Length(0)
        if coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise NotHttpError
            return Chunks()
        if length is None:
            return UntilClosed()
        if not _LENGTH.fullmatch(length):
            raise NotHttpError
        return Length(int(length))


def _head_end(data: bytes, at: int) -> tuple[int, int]:
    """Where the head that begins at `at` ends, and where what follows it begins; negative if that is not there yet."""
    end = data.find(b"\r\n\r\n", at)
    if end >= 0:
        return end, end + 4
    found = _HEAD_END.search(data, at)
    return found.span() if found else (-1, -1)


@lru_cache(maxsize=16)
def _head_of(text: bytes) -> tuple[bytes, Head]:
    """Minor version, and what the head says. Raises NotHttpError. A server says the same of all answers within a second, unless it numbers them."""
    end = text.find(b"\n")
    status = _STATUS_LINE.fullmatch(text, 0, end if end >= 0 else len(text))
    rows = _HEADER.findall(text, end) if end >= 0 else []
    if status is None or len(rows) > MAX_HEADERS or len(rows) != text.count(b"\n"):
        raise NotHttpError
    headers: dict[str, str] = {}
    lines: list[tuple[str, bytes]] = []
    for spelled, value in rows:
        value = value.strip(b" \t")
        name = spelled.decode("ascii").lower()
        lines.append((name, b"%b: %b" % (spelled, value)))
        if name in headers:
            if name in _SINGLE:
                raise NotHttpError
        else:
            headers[name] = value.decode("utf-8", "surrogateescape")
    return status[1], Head(int(status[2]), headers, lines, status[3] or b"")
