"""What the readers of traces have in common: names made safe, times as integers. Pure."""

from datetime import UTC, datetime
from typing import Final

from collectors.wire.safe import safe_text

MS: Final = 1_000_000
_NAME: Final = 128
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST_NS: Final = 1 << 62


class NotARecordError(ValueError):
    """A line or a span that is not what it should be; the message says why."""


def named(text: str | None) -> tuple[str, ...]:
    """An id or a name from outside; none where nothing visible is left of it."""
    safe = safe_text(text, _NAME) if text else ""
    return (safe,) if safe else ()


def worker(id_: int | str | None, rank: int | str | None) -> str | None:
    """A Dynamo worker as the tap names it: `id/rank`, or `id` where no rank is said."""
    if id_ is None or id_ == "":
        return None
    return safe_text(str(id_) if rank in (None, "") else f"{id_}/{rank}", _NAME)


def ns_of_ms(milliseconds: float) -> int:
    return round(milliseconds * MS)


def ns_of_rfc3339(text: str) -> int:
    """Nanoseconds since 1970, to the microsecond. Raises NotARecordError."""
    try:
        at = datetime.fromisoformat(text)
        since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        raise NotARecordError(f"time {safe_text(text, 40)!r}") from None
    found = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000
    if not 0 <= found <= _LARGEST_NS:
        raise NotARecordError(f"time {safe_text(text, 40)!r}")
    return found
