"""The tables of a recording, and what its reader and writer must agree on. `docs/recording.md` describes them for others."""

from typing import Final, NamedTuple

APPLICATION_ID: Final = 0x54594152
"""`TYAR`: tells the file from other SQLite databases (bytes 68–71 of the file)."""
SCHEMA_VERSION: Final = 2
OLDEST_VERSION: Final = 1
"""Can still be read: its chunks say by their `codec` that they are older."""
SUFFIX: Final = ".tyard"
ITEMS: Final = "items"
"""Batches and ticks."""
KEY: Final = "key"
"""Batches that say what held just before the items after it: for a reader that begins there."""
FRAMES: Final = "frames"
"""What was shown at some ticks."""
KINDS: Final = (ITEMS, KEY, FRAMES)

TABLES: Final = {
    "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "chunk": (
        "CREATE TABLE chunk (id INTEGER PRIMARY KEY, t0_ns INTEGER NOT NULL, t1_ns INTEGER NOT NULL, n INTEGER NOT NULL,"
        " kind TEXT NOT NULL, codec TEXT NOT NULL, crc32 INTEGER NOT NULL, blob BLOB NOT NULL)"
    ),
}
INDEX: Final = {"chunk_time": "CREATE INDEX chunk_time ON chunk (kind, t0_ns)"}
"""Not in version 1."""


class ChunkRow(NamedTuple):
    """`n` items or frames of session times t0 … t1 (both included). `crc32` is zlib's, of `blob`."""

    id: int
    t0_ns: int
    t1_ns: int
    n: int
    kind: str
    codec: str
    crc32: int
    blob: bytes
