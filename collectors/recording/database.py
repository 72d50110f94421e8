"""The database of a recording: opened for reading only, and held against what one has to look like."""

import os
import sqlite3
import stat
from pathlib import Path
from typing import Final

from collectors.recording.codec import MAX_RAW_BYTES
from collectors.recording.errors import NewerRecordingError, NotARecordingError, RecordingError
from collectors.recording.schema import (
    APPLICATION_ID,
    INDEX,
    OLDEST_VERSION,
    SCHEMA_VERSION,
    TABLES,
)

MAX_BLOB_BYTES: Final = MAX_RAW_BYTES + (1 << 20)
MAX_META_ROWS: Final = 64


def opened(path: Path) -> sqlite3.Connection:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise RecordingError(f"{path} cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise NotARecordingError(f"{path} is not a file, so not a recording")
    # Without a log nobody is writing, and SQLite need not make files beside a recording that may lie in a read-only place.
    for options in ("mode=ro", "mode=ro&immutable=1") if os.path.lexists(f"{path}-wal") else ("mode=ro&immutable=1",):
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?{options}", uri=True, timeout=1.0, check_same_thread=False
        )
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BLOB_BYTES + 65_536)
        try:
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            database.execute("PRAGMA user_version")
        except sqlite3.OperationalError as error:
            database.close()
            failure = error
        except sqlite3.DatabaseError:
            return database  # What it is will be said by whoever asks it first.
        else:
            return database
    raise RecordingError(f"{path} cannot be opened: {failure}")


def checked(path: Path, database: sqlite3.Connection) -> int:
    """The version of the format, and that the tables are exactly those of a recording: a file with a view or a trigger of its own is none."""
    if database.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
        raise NotARecordingError(f"{path} is not a recording")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise NewerRecordingError(
            f"{path} was written by a later version (format {version}; this one knows {SCHEMA_VERSION}): update to open it"
        )
    parts = TABLES if version == OLDEST_VERSION else TABLES | INDEX
    rows = database.execute("SELECT name, sql FROM sqlite_schema LIMIT ?", (len(parts) + 1,)).fetchall()
    if version < OLDEST_VERSION or len(rows) != len(parts) or dict(rows) != parts:
        raise NotARecordingError(f"{path} does not have the tables of a recording")
    return int(version)


def meta_of(database: sqlite3.Connection) -> dict[str, str]:
    rows = database.execute("SELECT key, value FROM meta LIMIT ?", (MAX_META_ROWS,)).fetchall()
    return {str(key)[:256]: str(value)[:256] for key, value in rows if str(value).isprintable()}


def has_code(error: sqlite3.DatabaseError, code: int) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == code
