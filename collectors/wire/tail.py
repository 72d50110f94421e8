"""Files that grow, line by line: half-written lines are waited for, rotated and truncated files are followed, long lines are bounded. Plain or gzip.

A file that is renamed is read to its end before the one that took its name; one that is cut in place (copytruncate) is begun anew, also when it has grown past
where it was, as what stood before the place that was read up to is remembered. Reads block: call `Tail.read` from a thread.
"""

import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

MAX_READ: Final = 1 << 18
"""Bytes of one read."""
MAX_GZIP_READ: Final = 1 << 14
"""Of a compressed file, out of which a thousand times as many may come."""
_BEFORE: Final = 64
"""Bytes before the place that a file was read up to, by which it is known again."""
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31


class TailError(OSError):
    """Why a file cannot be read; the message is short."""


class Lines:
    """Bytes in, whole lines out, without their ends. A line above `max_bytes` is passed over and counted."""

    def __init__(self, max_bytes: int) -> None:
        self.too_long = 0
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        found = []
        *whole, rest = data.split(b"\n")
        for part in whole:
            if not self._skipping and len(self._held) + len(part) <= self._max_bytes:
                found.append(bytes(self._held) + part)
            elif not self._skipping:
                self.too_long += 1
            self._skipping = False
            self._held.clear()
        if not self._skipping:
            self._held += rest
            if len(self._held) > self._max_bytes:
                self.too_long += 1
                self.skip()
        return [line.removesuffix(b"\r") for line in found]

    def skip(self) -> None:
        """What comes up to the next line's end is no whole line."""
        self._held.clear()
        self._skipping = True

    def end(self) -> list[bytes]:
        """Nothing more comes: what is held is the last line."""
        held = [] if self._skipping or not self._held else [bytes(self._held)]
        self._held.clear()
        self._skipping = False
        return held


class Piece(NamedTuple):
    """`more`: there may be more to be had at once."""

    lines: list[bytes]
    more: bool


class Tail:
    """One path. `from_start`: what is in the file when it is first opened counts; a file that comes later counts from its start anyhow."""

    def __init__(self, path: Path, *, from_start: bool, max_line: int) -> None:
        self.path = path
        self.truncated = 0
        self._lines = Lines(max_line)
        self._from_start = from_start
        self._file: int | None = None
        self._id = (0, 0)
        self._offset = 0
        self._before = b""
        self._gzip: _Gzip | None = None
        self._damaged = False
        self._discard_to = 0
        """Of a compressed file whose past does not count: up to where it is only unpacked."""

    @property
    def too_long(self) -> int:
        return self._lines.too_long

    def read(self) -> Piece:
        """What has come since. Raises TailError, FileNotFoundError; both may pass."""
        try:
            return self._read()
        except FileNotFoundError:
            # Between two files of a rotation; the next one counts from its start.
            self._from_start = True
            raise
        except TailError:
            raise
        except OSError as error:
            raise TailError(error.strerror or "cannot be read") from None

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def _read(self) -> Piece:
        if self._file is None:
            self._open()
        assert self._file is not None
        size = os.fstat(self._file).st_size
        if size < self._offset or not self._same():
            self.truncated += 1
            self._begin(0)
        if self._damaged:
            if self._replaced():
                return self._next()
            raise TailError("is damaged gzip")
        data = os.pread(self._file, MAX_READ if self._gzip is None else MAX_GZIP_READ, self._offset)
        if not data:
            return self._next() if self._replaced() else Piece([], more=False)
        discarded = self._offset + len(data) <= self._discard_to
        self._offset += len(data)
        self._before = (self._before + data)[-_BEFORE:]
        if self._gzip is None and self._offset == len(data) and data.startswith(_GZIP):
            self._gzip = _Gzip()
        lines: list[bytes] = []
        try:
            for part in [data] if self._gzip is None else self._gzip.feed(data):
                lines += filter(None, self._lines.feed(part))
        except zlib.error:
            self._damaged = True  # nothing can be made of what follows; what came before counts
        return Piece([] if discarded else lines, more=True)

    def _open(self) -> None:
        # A pipe would block for ever without O_NONBLOCK, and is refused below.
        file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            os.close(file)
            raise TailError("is no file")
        self._file, self._id = file, (found.st_dev, found.st_ino)
        self._begin(0)
        if not self._from_start and found.st_size:
            if os.pread(file, 2, 0) == _GZIP:
                self._discard_to = found.st_size
            else:
                self._begin(found.st_size)
                if self._before[-1:] != b"\n":
                    self._lines.skip()
        self._from_start = True

    def _begin(self, offset: int) -> None:
        assert self._file is not None
        self._offset, self._gzip, self._damaged, self._discard_to = offset, None, False, 0
        self._lines.end()
        self._before = os.pread(self._file, min(offset, _BEFORE), max(offset - _BEFORE, 0))

    def _same(self) -> bool:
        """Whether what was read last still stands there."""
        assert self._file is not None
        start = self._offset - len(self._before)
        return os.pread(self._file, len(self._before), start) == self._before

    def _replaced(self) -> bool:
        """Raises FileNotFoundError where it was deleted."""
        assert self._file is not None
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            if not os.fstat(self._file).st_nlink:
                raise
            return False  # renamed, and may still be written to
        return (found.st_dev, found.st_ino) != self._id

    def _next(self) -> Piece:
        """The file has another name now, and was read to its end."""
        last = self._lines.end()
        self.close()
        return Piece(last, more=True)


class _Gzip:
    """Members one after the other, the last perhaps unfinished."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """In pieces of at most MAX_READ. Raises zlib.error."""
        while data:
            yield self._member.decompress(data, MAX_READ)
            data = self._member.unconsumed_tail
            if self._member.eof:
                data = self._member.unused_data
                self._member = zlib.decompressobj(_GZIP_WINDOW)
