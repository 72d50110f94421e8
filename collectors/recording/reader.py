"""A recording as the batches, ticks and Frames that were written, in order. Only reads; believes nothing in the file.

Not here: what plays them (`sources`), and what a chunk's bytes mean (`codec`).
"""

import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from collectors.model.frame import Frame
from collectors.recording import salvage
from collectors.recording.codec import CODECS, Item, unpack
from collectors.recording.database import MAX_BLOB_BYTES, checked, has_code, meta_of, opened
from collectors.recording.errors import DamagedError, NotARecordingError
from collectors.recording.frames import FRAMES_CODEC, OLDER_FRAMES_CODEC, unpack_frames
from collectors.recording.schema import (
    FRAMES,
    ITEMS,
    KEY,
    KINDS,
    ChunkRow,
)

_COLUMNS: Final = "id, t0_ns, t1_ns, n, kind, codec, crc32"
MOST_DAMAGED: Final = 32
"""Chunks of Frames one after the other that cannot be read before it is given up."""
_EARLIEST: Final = -(2**63)
_LATEST: Final = 2**63 - 1


class Info(msgspec.Struct, frozen=True):
    """What a recording says of itself. `t0_ns` and `t1_ns` are the session times of its first and last item, None when there is none."""

    schema_version: int
    writer: str
    clock: str
    created_utc: str
    closed_utc: str | None
    emulated: bool
    redaction: str
    t0_ns: int | None
    t1_ns: int | None
    chunks: int


class Reader:
    """An open recording. Raises `NotARecordingError`, `NewerRecordingError`, or another `RecordingError`. To be used from one thread at a time.

    `torn` says what is missing, None while nothing is known to be: of a recording whose writer was killed, or whose file was cut short, all
    whole chunks are read. From a damaged chunk on nothing is read, because what follows may depend on it; Frames do not, so only those of a damaged chunk are missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn: str | None = None
        self._file: salvage.FileBytes | None = None
        self._cells: list[int] | None = None
        """Where chunk 1, 2, … begins in `_file`; None while SQLite can tell."""
        self._database = opened(path)
        try:
            self._info = self._inspect()
        except DamagedError as error:
            self.close()
            raise DamagedError(f"{path} is damaged: {error}") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()
        if self._file is not None:
            self._file.close()

    def info(self) -> Info:
        return self._info

    def items(self, t0: int | None = None, t1: int | None = None) -> Iterator[Item]:
        """Batches and ticks with t0 ≤ session time < t1, in the order in which they were written; one chunk is in memory at a time.

        Ends before the first damaged chunk and then sets `torn`. A recording that is still being written ends where it was written to.
        """
        begin = _EARLIEST if t0 is None else t0
        end = _LATEST if t1 is None else t1
        try:
            number, last = self._between(t0, t1)
            while number <= last and (row := self._chunk(number, ITEMS)) is not None:
                if row.kind not in KINDS:
                    raise DamagedError(f"chunk {number} is of a kind that this version does not know")
                if row.kind == ITEMS:
                    yield from (item for item in _unpacked(row) if begin <= item.time_ns < end)
                number += 1
        except (DamagedError, sqlite3.Error) as error:
            self._damaged(error)

    def since_key(self, t0: int, t1: int) -> Iterator[Item]:
        """Like `items`, but from the last moment not after `t0` on at which it is said what held then: so all of it can be understood. From the beginning where
        there is none."""
        try:
            row = self._find("kind = ? AND t0_ns <= ? ORDER BY t0_ns DESC, id DESC", KEY, t0)
            begin = None
            if row is not None:
                begin = row.t0_ns
                yield from _unpacked(row)
        except (DamagedError, sqlite3.Error) as error:
            self._damaged(error)
            return
        yield from self.items(begin, t1)

    def frames_at(self, time_ns: int) -> list[Frame]:
        """The Frame that was shown at `time_ns` and those stored with it, in order of time; the first ones where all are later. Empty: there are none."""
        return self._frames("t0_ns <= ? ORDER BY t0_ns DESC", time_ns) or self.frames_after(-(2**63))

    def frames_before(self, time_ns: int) -> list[Frame]:
        """The last ones stored together that all are before `time_ns`."""
        return self._frames("t1_ns < ? ORDER BY t0_ns DESC", time_ns)

    def frames_after(self, time_ns: int) -> list[Frame]:
        return self._frames("t0_ns > ? ORDER BY t0_ns", time_ns)

    def count_frames(self) -> int:
        """How many there are, as far as the file says."""
        if self._cells is not None:
            return 0
        (count,) = self._database.execute("SELECT sum(n) FROM chunk WHERE kind = ?", (FRAMES,)).fetchone()
        return count if isinstance(count, int) else 0

    def _frames(self, which: str, time_ns: int) -> list[Frame]:
        """Of the first chunk of these that can be read."""
        for _ in range(MOST_DAMAGED):
            row = None
            try:
                row = self._find(f"kind = ? AND {which}", FRAMES, time_ns)
                return [] if row is None else _frames(row)
            except (DamagedError, sqlite3.Error) as error:
                self._damaged(error, "what was shown then is not there")
                if row is None:
                    break
                time_ns = row.t0_ns - 1 if "<=" in which else row.t0_ns
        return []

    def _find(self, which: str, *values: str | int) -> ChunkRow | None:
        """None too where there is only what could be found page by page."""
        if self._cells is not None:
            return None
        row = self._database.execute(f"SELECT {_COLUMNS}, blob FROM chunk WHERE {which} LIMIT 1", values).fetchone()
        return None if row is None else _typed(row)

    def _damaged(self, error: Exception, so: str = "nothing after that is read") -> None:
        self.torn = f"{self.path} is damaged: {error}; {so}"

    def _between(self, t0: int | None, t1: int | None) -> tuple[int, int]:
        """Numbers of the first and the last chunk that can have anything in [t0, t1); the last has no bound where there is none."""
        if self._cells is not None:
            return 1, len(self._cells)
        first = 1
        last = _LATEST
        if t0 is not None:
            (first,) = self._database.execute(
                "SELECT min(id) FROM chunk WHERE kind = ? AND t1_ns >= ?", (ITEMS, t0)
            ).fetchone()
        if t1 is not None:
            (last,) = self._database.execute(
                "SELECT max(id) FROM chunk WHERE kind = ? AND t0_ns < ?", (ITEMS, t1)
            ).fetchone()
        return (1, 0) if first is None or last is None else (max(first, 1), last)

    def _chunk(self, number: int, kind: str) -> ChunkRow | None:
        """None after the last one. Chunks are numbered from 1 without a gap. The blob is empty if it is of another kind than `kind`."""
        if self._cells is not None:
            return self._salvaged(number) if number <= len(self._cells) else None
        find = f"SELECT {_COLUMNS}, CASE kind WHEN ? THEN blob ELSE x'' END FROM chunk WHERE id = ?"
        row = self._database.execute(find, (kind, number)).fetchone()
        if row is not None:
            return _typed(row)
        if self._database.execute("SELECT 1 FROM chunk WHERE id > ? LIMIT 1", (number,)).fetchone() is not None:
            raise DamagedError(f"chunk {number} is missing")
        return None

    def _inspect(self) -> Info:
        try:
            version = checked(self.path, self._database)
            first, last, chunks = self._database.execute(
                "SELECT min(t0_ns), max(t1_ns), count(*) FROM chunk"
            ).fetchone()
            meta = meta_of(self._database)
            if self._is_short():
                version, meta = self._salvage()
        except sqlite3.DatabaseError as error:
            if not has_code(error, sqlite3.SQLITE_CORRUPT):
                raise NotARecordingError(f"{self.path} is not a recording ({error})") from error
            version, meta = self._salvage()
        if self._cells is not None:
            chunks = len(self._cells)
            first, last = (self._salvaged(1).t0_ns, self._salvaged(chunks).t1_ns) if chunks else (None, None)
        if not isinstance(first, int | None) or not isinstance(last, int | None):
            raise NotARecordingError(f"{self.path} is not a recording (its times are no numbers)")
        closed = meta.get("closed_utc")
        upto = (
            f"read up to {(last - first) / 1e9:.1f} s after its start"
            if first is not None and last is not None
            else "empty"
        )
        if self._cells is not None:
            self.torn = f"{self.path} was cut short or is damaged: it is {upto}"
        elif closed is None:
            self.torn = f"{self.path} was not closed (its writer was stopped, or is still at work): it is {upto}"
        return Info(
            schema_version=version,
            writer=meta.get("writer", ""),
            clock=meta.get("clock", ""),
            created_utc=meta.get("created_utc", ""),
            closed_utc=closed,
            emulated=meta.get("emulated") == "1",
            redaction=meta.get("redaction", ""),
            t0_ns=first,
            t1_ns=last,
            chunks=chunks,
        )

    def _is_short(self) -> bool:
        """Whether the file has fewer bytes than it says, of which SQLite tells nothing if it is less than a page."""
        (pages,), (size,) = (
            self._database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
        )
        return not os.path.lexists(f"{self.path}-wal") and self.path.stat().st_size < pages * size

    def _salvage(self) -> tuple[int, dict[str, str]]:
        """Find the chunks without the tree above them: all up to the first one that is not there."""
        try:
            # Lets SQLite open a file that has fewer pages than it says.
            self._database.execute("PRAGMA writable_schema = ON")
            version = checked(self.path, self._database)
            meta = meta_of(self._database)
            self._file = salvage.FileBytes(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC))
        except (sqlite3.DatabaseError, OSError) as error:
            raise NotARecordingError(f"{self.path} has nothing left that can be read ({error})") from error
        found = salvage.chunk_cells(self._file)
        self._cells = []
        while (number := len(self._cells) + 1) in found:
            self._cells.append(found[number])
        while self._cells:
            try:
                row = self._salvaged(len(self._cells))
                _frames(row) if row.kind == FRAMES else _unpacked(row)
                break
            except DamagedError:
                self._cells.pop()
        return version, meta

    def _salvaged(self, number: int) -> ChunkRow:
        assert self._file is not None
        assert self._cells is not None
        row = salvage.chunk(self._file, self._cells[number - 1], MAX_BLOB_BYTES)
        if row is None:
            raise DamagedError(f"chunk {number} is not whole")
        return row


def _typed(row: tuple[object, ...]) -> ChunkRow:
    try:
        return msgspec.convert(row, ChunkRow)
    except msgspec.ValidationError as error:
        raise DamagedError(f"a chunk is not what it should be ({error})") from error


def _unpacked(row: ChunkRow) -> list[Item]:
    with _said(row):
        if row.codec not in CODECS:
            raise DamagedError("is in a form that this version does not know")
        items = unpack(row.blob, row.codec)
        _agree(row, [item.time_ns for item in items], "items")
    return items


def _frames(row: ChunkRow) -> list[Frame]:
    with _said(row):
        if row.codec not in (FRAMES_CODEC, OLDER_FRAMES_CODEC):
            raise DamagedError("is in a form that this version does not know")
        frames = unpack_frames(row.blob, row.codec)
        _agree(row, [frame.time_ns for frame in frames], "frames")
    return frames


@contextmanager
def _said(row: ChunkRow) -> Iterator[None]:
    """Which chunk it is that is damaged."""
    if zlib.crc32(row.blob) != row.crc32:
        raise DamagedError(f"chunk {row.id} does not have its checksum")
    try:
        yield
    except DamagedError as error:
        raise DamagedError(f"chunk {row.id} {error}") from error


def _agree(row: ChunkRow, times: list[int], what: str) -> None:
    if len(times) != row.n:
        raise DamagedError(f"has {len(times)} {what} instead of {row.n}")
    if not times or (min(times), max(times)) != (row.t0_ns, row.t1_ns):
        raise DamagedError("does not have the times that it says")
