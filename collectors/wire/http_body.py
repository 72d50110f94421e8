"""Bodies of HTTP/1.1 messages without their framing, read in whatever pieces they come. Pure. Everything held is bounded."""

import re
from typing import Final, Protocol

MAX_SIZE_BYTES: Final = 64
"""Of a chunk's length that is held; what a server adds to it (an extension) is passed over."""
MAX_TRAILER_BYTES: Final = 64 << 10
"""Of what follows the last chunk."""

_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*|\r?)", re.DOTALL)
_STRICT_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\r\n\0]*)?\r")
_PLAIN_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_CR: Final = 0x0D


class NotHttpError(ValueError):
    """What came is no message, or none of which the end can be told."""


class Body(Protocol):
    """`take` gives what a read brings of the body. `complete`: all of it has come; `rest` is what followed it in the same read."""

    complete: bool
    rest: bytes

    def take(self, data: bytes) -> bytes:
        """Raises NotHttpError."""


class Length:
    """A body of so many bytes."""

    def __init__(self, length: int) -> None:
        self.complete = not length
        self.rest = b""
        self._left = length

    def take(self, data: bytes) -> bytes:
        if len(data) > self._left:
            data, self.rest = data[: self._left], data[self._left :]
        self._left -= len(data)
        self.complete = not self._left
        return data


class UntilClosed:
    """A body that only the connection's end ends."""

    complete = False
    rest = b""

    def take(self, data: bytes) -> bytes:
        return data


class Chunks:
    """A body that is sent in chunks. `strict`: lines end with CR LF and with nothing else, and a size with its extension is short, as requests must be."""

    def __init__(self, *, strict: bool = False) -> None:
        self.complete = False
        self.rest = b""
        self._strict = strict
        self._left = 0
        """Of the chunk that is being read."""
        self._line = b""
        self._last = 0
        """Last byte of the line that is being read."""
        self._ends_chunk = False
        """Whether the next line is the end of a chunk."""
        self._trailer_bytes: int | None = None
        """Of the lines after the last chunk so far."""

    def take(self, data: bytes) -> bytes:
        if not (self._left or self._line or self._ends_chunk or self._trailer_bytes is not None):
            plain = _PLAIN_CHUNK.match(data)
            if plain and len(data) == plain.end() + int(plain[1], 16) + 2 > plain.end() + 2 and data.endswith(b"\r\n"):
                return data[plain.end() : -2]  # one chunk and nothing else, as most are
        pieces: list[bytes] = []
        at = 0
        while at < len(data):
            if self.complete:
                self.rest = data[at:]
                break
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                pieces.append(piece)
            else:
                at = self._read(data, at)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read(self, data: bytes, at: int) -> int:
        """A line or a part of one, and where the next begins."""
        newline = data.find(b"\n", at)
        until = len(data) if newline < 0 else newline
        fits = MAX_SIZE_BYTES - len(self._line)
        if self._strict and self._trailer_bytes is None and until - at > fits:
            raise NotHttpError
        self._line += data[at : min(until, at + fits)]
        if until > at:
            self._last = data[until - 1]
        if self._trailer_bytes is not None:
            self._trailer_bytes += until - at + 1
            if self._trailer_bytes > MAX_TRAILER_BYTES:
                raise NotHttpError
        if newline >= 0:
            if self._strict and self._last != _CR:
                raise NotHttpError
            line, self._line, self._last = self._line, b"", 0
            self._end_line(line)
        return until + 1

    def _end_line(self, line: bytes) -> None:
        if self._trailer_bytes is not None:
            self.complete = line in (b"", b"\r")
        elif self._ends_chunk:
            if line not in (b"", b"\r"):
                raise NotHttpError
            self._ends_chunk = False
        else:
            size = (_STRICT_CHUNK if self._strict else _CHUNK).fullmatch(line)
            if size is None:
                raise NotHttpError
            self._left = int(size[1], 16)
            if self._left:
                self._ends_chunk = True
            else:
                self._trailer_bytes = 0
