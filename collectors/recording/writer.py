"""Batches and ticks into a recording, in a thread of its own. Nothing that happens to the file ever reaches the caller but as `error`.

Not here: what the bytes of a chunk are (`codec`).
"""

import contextlib
import os
import sqlite3
import threading
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from collectors.model.batch import (
    Batch,
    Blocks,
    Decisions,
    Deliveries,
    Inventory,
    Layout,
    Occupancy,
    Phases,
    Requests,
    Samples,
    Tick,
)
from collectors.recording.codec import CODEC, MAX_RAW_BYTES, Item, compress, pack
from collectors.recording.errors import RecordingError, RecordingExistsError
from collectors.recording.schema import APPLICATION_ID, KIND, SCHEMA_VERSION, TABLES

CHUNK_NS: Final = 1_000_000_000
CHUNK_DELIVERIES: Final = 16_384
CHUNK_BYTES: Final = 4 << 20
"""A chunk is closed when it spans, or holds, as much as this."""
COMMIT_S: Final = 1.0
"""What is lost at most when the process is killed."""
MAX_WAITING_BYTES: Final = 64 << 20
"""Of batches that wait for the disk."""
CLOSE_S: Final = 10.0

_ROW_BYTES: Final = 256
"""Rough size of a row that is not in an array."""


class Writer:
    """A new recording at `path`. `clock` is the kind of session clock (`live` or `virtual`), `version` the writing program's.

    Raises `RecordingExistsError` if there is something at `path`, `RecordingError` if the file cannot be made. After that nothing raises:
    when the file cannot be written any more, recording stops and `error` says why. To be used from one thread.
    """

    def __init__(self, path: Path, *, clock: str, version: str, emulated: bool = False) -> None:
        self.path = path
        self.error: str | None = None
        """Why recording has stopped early; None while all is well."""
        self._emulated = emulated
        self._database = _create(path, clock, version, emulated)
        self._queue: SimpleQueue[tuple[Item, int] | None] = SimpleQueue()
        self._offered_bytes = 0
        self._taken_bytes = 0
        self._closed = False
        self._items: list[Item] = []
        self._item_bytes = 0
        self._deliveries = 0
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def batch(self, batch: Batch) -> None:
        self._offer(batch, _weight(batch))

    def tick(self, time_ns: int, utc_s: float | None = None) -> None:
        self._offer(Tick(time_ns, utc_s), 32)

    def close(self) -> None:
        """Write what is waiting and close the file. Waits for the disk, but not for ever."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join(CLOSE_S)
        if self._thread.is_alive() and self.error is None:
            self.error = f"{self.path}: the disk did not take the rest within {CLOSE_S:g} s; the end is missing"

    def _offer(self, item: Item, size: int) -> None:
        if self._closed or self.error is not None:
            return
        if self._offered_bytes - self._taken_bytes > MAX_WAITING_BYTES:
            self.error = (
                f"{self.path}: recording stopped, the disk is too slow ({MAX_WAITING_BYTES >> 20} MiB were waiting)"
            )
            self._queue.put(None)
            return
        self._offered_bytes += size
        self._queue.put((item, size))

    def _run(self) -> None:
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 (the thread's boundary: whatever it was, the recording ends and says so)
            if self.error is None:
                self.error = f"{self.path}: recording stopped, {error}"
            with contextlib.suppress(sqlite3.Error):
                self._database.rollback()
        finally:
            self._items = []
            while not self._queue.empty():
                self._queue.get()
            with contextlib.suppress(sqlite3.Error):
                self._database.close()

    def _write(self) -> None:
        due: float | None = None
        while True:
            try:
                waiting = self._queue.get(timeout=None if due is None else max(due - time.monotonic(), 0.0))
            except Empty:
                waiting = None
            else:
                if waiting is None:
                    break
                self._taken_bytes += waiting[1]
                self._add(*waiting)
                if due is None:
                    due = time.monotonic() + COMMIT_S
            if due is not None and time.monotonic() >= due:
                self._flush()
                self._database.commit()
                due = None
        self._flush()
        if self.error is None:
            _set(self._database, "closed_utc", _now())
        self._database.commit()
        # Without a log the file is whole by itself, and can be read from a read-only place. A reader that is looking on can keep the log
        # alive, but not keep what is in it from the file.
        with contextlib.suppress(sqlite3.OperationalError):
            self._database.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
            self._database.execute("PRAGMA journal_mode = DELETE")

    def _add(self, item: Item, size: int) -> None:
        if self._items and item.time_ns - self._items[0].time_ns >= CHUNK_NS:
            self._flush()
        self._items.append(item)
        self._item_bytes += size
        if isinstance(item, Batch):
            for part in item.parts:
                if isinstance(part, Deliveries):
                    self._deliveries += len(part.rows)
                elif isinstance(part, Inventory) and part.emulated and not self._emulated:
                    self._emulated = True
                    _set(self._database, "emulated", "1")
        if self._deliveries >= CHUNK_DELIVERIES or self._item_bytes >= CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        items, self._items = self._items, []
        self._item_bytes = self._deliveries = 0
        if items:
            self._insert(items)

    def _insert(self, items: list[Item]) -> None:
        raw = pack(items)
        if len(raw) > MAX_RAW_BYTES:
            if len(items) == 1:
                raise RecordingError(f"one batch has {len(raw) >> 20} MiB")
            self._insert(items[: len(items) // 2])
            self._insert(items[len(items) // 2 :])
            return
        blob = compress(raw)
        times = [item.time_ns for item in items]
        self._database.execute(
            "INSERT INTO chunk (t0_ns, t1_ns, n, kind, codec, crc32, blob) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (min(times), max(times), len(items), KIND, CODEC, zlib.crc32(blob), blob),
        )


def _create(path: Path, clock: str, version: str, emulated: bool) -> sqlite3.Connection:
    """A new database that is the caller's alone, never one that was there before, nor through a link."""
    try:
        for beside in ("-wal", "-shm", "-journal"):
            if os.path.lexists(f"{path}{beside}"):
                raise RecordingExistsError(
                    f"{path}{beside} is left over from another recording: move it away, or choose another name"
                )
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise RecordingExistsError(f"{path} is there already: choose another name, or move it away") from None
    except OSError as error:
        raise RecordingError(f"{path} cannot be made: {error.strerror}") from error
    os.close(handle)
    database = None
    try:
        database = sqlite3.connect(path, timeout=1.0, check_same_thread=False)
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        for statement in TABLES.values():
            database.execute(statement)
        for key, value in (
            ("writer", version),
            ("clock", clock),
            ("created_utc", _now()),
            ("emulated", str(int(emulated))),
            ("redaction", "none"),
        ):
            _set(database, key, value)
        database.commit()
        # After the tables: should the log be lost, the file still says what it is.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        # Makes the log, by which a reader knows that somebody is writing.
        database.execute("SELECT count(*) FROM meta").fetchone()
    except sqlite3.Error as error:
        if database is not None:
            database.close()
        path.unlink(missing_ok=True)
        raise RecordingError(f"{path} cannot be made: {error}") from error
    return database


def _set(database: sqlite3.Connection, key: str, value: str) -> None:
    database.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _weight(batch: Batch) -> int:
    """Roughly what a batch takes in memory and in a chunk, in bytes."""
    size = _ROW_BYTES
    for part in batch.parts:
        match part:
            case Deliveries():
                size += part.rows.nbytes + part.extras.nbytes
            case Blocks() | Occupancy():
                size += part.rows.nbytes
            case Samples():
                size += part.values.nbytes
            case Requests() | Decisions() | Phases():
                size += _ROW_BYTES * len(part.rows)
            case Layout():
                size += _ROW_BYTES * len(part.series)
            case _:
                size += _ROW_BYTES
    return size
