"""A recording's file: made, and given chunks. Not here: what the bytes of a chunk are (`codec`, `frames`), and the thread that makes them (`spool`)."""

import contextlib
import os
import sqlite3
import zlib
from datetime import UTC, datetime
from pathlib import Path

from collectors.recording.chunks import Chunk
from collectors.recording.errors import RecordingError, RecordingExistsError
from collectors.recording.schema import APPLICATION_ID, INDEX, SCHEMA_VERSION, TABLES


class File:
    """A new recording at `path`, a `Sink`. `clock` is the kind of session clock (`live` or `virtual`), `version` the writing program's, `redaction` its level (`collectors.recording.redaction`).

    Raises `RecordingExistsError` if there is something at `path`, `RecordingError` if the file cannot be made. May be made in one thread and used in another.
    """

    def __init__(
        self, path: Path, *, clock: str, version: str, emulated: bool = False, redaction: str = "none"
    ) -> None:
        self.path = path
        self.error: str | None = None
        """Why recording has stopped early; None while all is well."""
        self._database = _create(path, _empty(clock, version, emulated, redaction))

    def chunk(self, chunk: Chunk) -> None:
        self._database.execute(
            "INSERT INTO chunk (t0_ns, t1_ns, n, kind, codec, crc32, blob) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (chunk.t0_ns, chunk.t1_ns, chunk.n, chunk.kind, chunk.codec, zlib.crc32(chunk.blob), chunk.blob),
        )

    def emulated(self) -> None:
        _set(self._database, "emulated", "1")

    def commit(self) -> None:
        self._database.commit()

    def fail(self, reason: str) -> None:
        if self.error is None:
            self.error = f"{self.path}: {reason}"

    def close(self) -> None:
        """Without a log the file is whole by itself, and can be read from a read-only place."""
        try:
            if self.error is None:
                _set(self._database, "closed_utc", _now())
            self._database.commit()
            # A reader that is looking on can keep the log alive, but not keep what is in it from the file.
            with contextlib.suppress(sqlite3.OperationalError):
                self._database.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
                self._database.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error as error:
            self.fail(f"recording stopped, {error}")
            with contextlib.suppress(sqlite3.Error):
                self._database.rollback()
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()


def _create(path: Path, empty: bytes) -> sqlite3.Connection:
    """A new database of these bytes that is the caller's alone, never one that was there before, nor through a link."""
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
    database = None
    try:
        # In one write, so that nobody who looks in the meantime sees half of it.
        with open(handle, "wb") as file:
            file.write(empty)
            file.flush()
            os.fsync(handle)
        database = sqlite3.connect(path, timeout=1.0, check_same_thread=False)
        # After the tables: should the log be lost, the file still says what it is.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        # Makes the log, by which a reader knows that somebody is writing.
        database.execute("SELECT count(*) FROM meta").fetchone()
    except (sqlite3.Error, OSError) as error:
        if database is not None:
            database.close()
        path.unlink(missing_ok=True)
        raise RecordingError(f"{path} cannot be made: {error}") from error
    return database


def _empty(clock: str, version: str, emulated: bool, redaction: str) -> bytes:
    """The bytes of a recording that holds nothing yet."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        for statement in (*TABLES.values(), *INDEX.values()):
            database.execute(statement)
        for key, value in (
            ("writer", version),
            ("clock", clock),
            ("created_utc", _now()),
            ("emulated", str(int(emulated))),
            ("redaction", redaction),
        ):
            _set(database, key, value)
        database.commit()
        return database.serialize()


def _set(database: sqlite3.Connection, key: str, value: str) -> None:
    database.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
