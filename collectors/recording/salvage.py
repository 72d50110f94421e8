"""Chunks of a recording whose database cannot be read any more: found page by page, whatever the tree above them has lost.

A file that was cut short lacks inner pages of its table, and with them SQLite loses everything below. The rows themselves are still
where they were. Layout of pages, cells and records: https://www.sqlite.org/fileformat2.html (sections 1.3, 1.6, 2.1). Pure over bytes; whether
a row is whole is for its checksum to say.
"""

import os
from collections.abc import Iterator
from typing import Final, overload

from collectors.recording.schema import KINDS, ChunkRow

_LEAF: Final = 0x0D
_INTEGER_BYTES: Final = (0, 1, 2, 3, 4, 6, 8)
"""Of the serial types 0 … 6; 8 and 9 are the numbers 0 and 1."""
_COLUMNS: Final = 8
_KINDS: Final = tuple(kind.encode() for kind in KINDS)
_CELL_BYTES: Final = 32
"""No chunk takes less in a page, with its pointer."""
MAX_CHUNKS: Final = 1_000_000
"""Eleven days of seconds."""

_BLOCK: Final = 1 << 16


class FileBytes:
    """A file's bytes as they are asked for. Not mapped: where it is cut short meanwhile, what is gone is an IndexError or missing, and no signal."""

    def __init__(self, handle: int) -> None:
        """Takes the handle."""
        self._handle = handle
        self._size = os.fstat(handle).st_size
        self._at, self._block = 0, b""

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, where: int) -> int: ...
    @overload
    def __getitem__(self, where: slice) -> bytes: ...
    def __getitem__(self, where: int | slice) -> int | bytes:
        if isinstance(where, int):
            return self._read(where, where + 1)[0]
        start, stop, _ = where.indices(self._size)
        return self._read(start, stop)

    def close(self) -> None:
        os.close(self._handle)

    def _read(self, start: int, stop: int) -> bytes:
        try:
            if stop - start > _BLOCK:
                return os.pread(self._handle, stop - start, start)
            if not self._at <= start <= stop <= self._at + len(self._block):
                self._at, self._block = start, os.pread(self._handle, _BLOCK, start)
        except OSError as error:
            raise IndexError(str(error)) from error
        return self._block[start - self._at : stop - self._at]


Data = bytes | FileBytes


def chunk_cells(data: Data) -> dict[int, int]:
    """Where in `data`, a database file, the cell of each chunk id begins."""
    size = _page_bytes(data)
    found: dict[int, int] = {}
    for start in range(size, len(data) - size + 1, size) if size else ():
        if data[start] != _LEAF:
            continue
        for i in range(min(int.from_bytes(data[start + 3 : start + 5], "big"), size // _CELL_BYTES)):
            pointer = start + 8 + 2 * i
            cell = start + int.from_bytes(data[pointer : pointer + 2], "big")
            try:
                _, after = _varint(data, cell)
                number, _ = _varint(data, after)
            except IndexError:
                break
            if 0 < number <= MAX_CHUNKS:
                found[number] = cell
    return found


def chunk(data: Data, cell: int, max_bytes: int) -> ChunkRow | None:
    """The row in the cell at `cell`; None if it is no chunk, is not whole, or is larger than `max_bytes`."""
    try:
        length, after = _varint(data, cell)
        number, after = _varint(data, after)
        if not 0 < length <= max_bytes:
            return None
        record = _payload(data, after, length)
        return None if record is None else _row(number, record)
    except (IndexError, UnicodeDecodeError):
        return None


def _page_bytes(data: Data) -> int:
    size = int.from_bytes(data[16:18], "big")
    size = 65_536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else 0


def _payload(data: Data, start: int, length: int) -> bytes | None:
    page = _page_bytes(data)
    usable = page - data[20]
    local = length
    if length > usable - 35:
        least = (usable - 12) * 32 // 255 - 23
        local = least + (length - least) % (usable - 4)
        local = local if local <= usable - 35 else least
    parts = [data[start : start + local]]
    left = length - local
    following = int.from_bytes(data[start + local : start + local + 4], "big")
    while left > 0:
        begin = (following - 1) * page
        if following < 2 or begin + page > len(data):
            return None
        taken = min(left, usable - 4)
        parts.append(data[begin + 4 : begin + 4 + taken])
        following = int.from_bytes(data[begin : begin + 4], "big")
        left -= taken
    return b"".join(parts)


def _row(number: int, record: bytes) -> ChunkRow | None:
    header, at = _varint(record, 0)
    values = [bytes(value) for value in _values(record, at, header)]
    if len(values) != _COLUMNS or values[4] not in _KINDS:
        return None
    t0_ns, t1_ns, n, crc32 = (int.from_bytes(values[i], "big", signed=True) for i in (1, 2, 3, 6))
    return ChunkRow(number, t0_ns, t1_ns, n, values[4].decode(), values[5].decode(), crc32, values[7])


def _values(record: bytes, at: int, body: int) -> Iterator[bytes]:
    end_of_header = body
    while at < end_of_header:
        serial, at = _varint(record, at)
        if serial in (8, 9):
            yield bytes([serial - 8])
            continue
        size = _INTEGER_BYTES[serial] if serial < len(_INTEGER_BYTES) else max(serial - 12, 0) // 2
        yield record[body : body + size]
        body += size


def _varint(data: Data, at: int) -> tuple[int, int]:
    """A big-endian integer of 1 to 9 bytes, and where it ends."""
    value = 0
    for i in range(8):
        byte = data[at + i]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + i + 1
    return value << 8 | data[at + 8], at + 9
