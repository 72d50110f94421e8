"""One HTTP/1.1 response, read in whatever pieces it comes: its head, then its body without the framing. Pure: no socket, no clock.

As strict as a client can be that others wrote servers for: what could be understood in two ways is no HTTP. Everything held is bounded.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

import msgspec

MAX_HEAD_BYTES: Final = 64 << 10
"""Of a head, and of what follows the last chunk."""
MAX_HEADERS: Final = 128
MAX_SIZE_BYTES: Final = 64
"""Of a chunk's length that is held; what a server adds to it (an extension) is passed over."""

_START: Final = b"HTTP/1."
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?\r?")
_INTERIM: Final = re.compile(rb"HTTP/1\.1 1(?!01)[0-9]{2}(?: [^\r\n]*)?\r?\n")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*([^\r\n\0]*?)[ \t]*\r?")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*|\r?)", re.DOTALL)
_SWITCHING: Final = 101
_BODILESS: Final = frozenset({_SWITCHING, 204, 304})
_SINGLE: Final = frozenset({"content-length", "transfer-encoding"})


class NotHttpError(ValueError):
    """What came is no response, or none of which the end can be told."""


class Head(msgspec.Struct, frozen=True):
    """`headers` by name in lower case: of several the first."""

    status: int
    headers: Mapping[str, str]


class Receiver(Protocol):
    """Takes a response as it comes. What it raises ends the reading, and comes out of `AnswerReader.feed`."""

    def head(self, head: Head) -> None:
        """Before any of the body."""

    def data(self, piece: bytes) -> None:
        """More of the body."""


class AnswerReader:
    """Reads one response for `receiver`. `complete`: all of it has come. `persistent`: another may follow on the same connection."""

    def __init__(self, receiver: Receiver) -> None:
        self.begun = False
        """Whether anything came."""
        self.headed = False
        self.complete = False
        self.persistent = False
        self._receiver = receiver
        self._held = b""
        self._left: int | None = None
        self._chunks: _Chunks | None = None

    def feed(self, data: bytes) -> None:
        """Raises NotHttpError, also for bytes that nobody asked for, and what the receiver raises."""
        self.begun = True
        if not self.headed:
            data = self._read_head(self._held + data if self._held else data)
            if not self.headed:
                return
        if self._chunks is not None:
            for piece in self._chunks.feed(data):
                self._receiver.data(piece)
            self.complete = self._chunks.complete
            return
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise NotHttpError
            self.complete = not self._left
        if data:
            self._receiver.data(data)

    def end(self) -> None:
        """The connection has ended, which may be the end of the body as well: see `complete`."""
        self.complete = self.complete or (self.headed and self._left is None and self._chunks is None)
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
        self._frame(version, head)
        self.headed = True
        self._receiver.head(head)
        return data[after:]

    def _frame(self, version: bytes, head: Head) -> None:
        length, coding = head.headers.get("content-length"), head.headers.get("transfer-encoding")
        if head.status in _BODILESS:
            self._left = 0
        elif coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise NotHttpError
            self._chunks = _Chunks()
        elif length is not None:
            if not _LENGTH.fullmatch(length):
                raise NotHttpError
            self._left = int(length)
        named = {name.strip() for name in head.headers.get("connection", "").lower().split(",")}
        self.persistent = "close" not in named if version == b"1" else "keep-alive" in named


class _Chunks:
    """The body of a response that is sent in chunks."""

    def __init__(self) -> None:
        self.complete = False
        self._left = 0
        """Of the chunk that is being read."""
        self._line = b""
        self._ends_chunk = False
        """Whether the next line is the end of a chunk."""
        self._trailer_bytes: int | None = None
        """Of the lines after the last chunk so far."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            if self.complete:
                raise NotHttpError
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                yield piece
                continue
            newline = data.find(b"\n", at)
            until = len(data) if newline < 0 else newline
            self._line += data[at : min(until, at + MAX_SIZE_BYTES - len(self._line))]
            if self._trailer_bytes is not None:
                self._trailer_bytes += until - at + 1
                if self._trailer_bytes > MAX_HEAD_BYTES:
                    raise NotHttpError
            at = until + 1
            if newline >= 0:
                line, self._line = self._line, b""
                self._read_line(line)

    def _read_line(self, line: bytes) -> None:
        if self._trailer_bytes is not None:
            self.complete = line in (b"", b"\r")
        elif self._ends_chunk:
            if line not in (b"", b"\r"):
                raise NotHttpError
            self._ends_chunk = False
        else:
            size = _CHUNK.fullmatch(line)
            if size is None:
                raise NotHttpError
            self._left = int(size[1], 16)
            if self._left:
                self._ends_chunk = True
            else:
                self._trailer_bytes = 0


def _head_end(data: bytes, at: int) -> tuple[int, int]:
    """Where the head that begins at `at` ends, and where what follows it begins; negative if that is not there yet."""
    end = data.find(b"\r\n\r\n", at)
    if end >= 0:
        return end, end + 4
    found = _HEAD_END.search(data, at)
    return found.span() if found else (-1, -1)


def _head_of(text: bytes) -> tuple[bytes, Head]:
    """Minor version, and what the head says. Raises NotHttpError."""
    first, *lines = text.split(b"\n")
    status = _STATUS_LINE.fullmatch(first)
    if status is None or len(lines) > MAX_HEADERS:
        raise NotHttpError
    headers: dict[str, str] = {}
    for line in lines:
        field = _HEADER.fullmatch(line)
        if field is None:
            raise NotHttpError
        name = field[1].decode("ascii").lower()
        if name in headers:
            if name in _SINGLE:
                raise NotHttpError
        else:
            headers[name] = field[2].decode("utf-8", "surrogateescape")
    return status[1], Head(int(status[2]), headers)
