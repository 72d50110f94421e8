"""Constants, limits and errors of the token placement stream (`docs/placement-stream.md`). Nothing here reads or decodes."""

from typing import Final

VERSION: Final = 1
BINARY: Final = "application/vnd.tokenyard.placement.v1"
NDJSON: Final = "application/x-ndjson"

RESUME: Final = "Last-Event-ID"
"""The header in which a reader says after which message the stream may go on, as readers of server-sent events do."""

MAX_MESSAGE: Final = 1 << 20
"""Bytes in a line or in the body of a frame."""
MAX_WORKERS: Final = 4096
MAX_POOLS: Final = 16_384
MAX_SLOT: Final = 0xFFFF
MAX_STREAMS: Final = 65_536
MAX_CANDIDATES: Final = 256
MAX_LABELS: Final = 16
MAX_TERMS: Final = 64
MAX_EXTRA: Final = 8
MAX_NAME: Final = 256
"""Bytes of UTF-8 in an id or name."""
MAX_INT: Final = 2**63 - 1


class MessageError(ValueError):
    """What is wrong with a message or row. A decoder adds where it stood and raises it as `PlacementError`."""

    limit = ""


class TooLongError(MessageError):
    """A message over MAX_MESSAGE."""

    limit = "max_event_bytes"


class PlacementError(ValueError):
    """The stream breaks its format, or passes a limit of it: `what`, and `where` (line or frame, and the byte at which it begins).

    The decoder that raised it has lost its place and reads no further. `limit`: which of a target's limits it is over.
    """

    def __init__(self, what: str, where: str, limit: str = "") -> None:
        super().__init__(f"{where}: {what}")
        self.what = what
        self.where = where
        self.limit = limit


def unsupported(version: int | None) -> str:
    return f"version {version} of the placement stream; this reader speaks version {VERSION}"
