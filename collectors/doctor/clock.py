"""How far a host's clock may be from ours, from what its answers say of the time. Pure.

No single number: an interval that holds the offset (its clock minus ours), however wide. Each answer narrows it.
"""

from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

DATE_S: Final = 2.0
"""What an HTTP Date leaves open: it is cut to whole seconds, and some servers (uvicorn) write one text for up to a second."""


class Offset(msgspec.Struct, frozen=True):
    """Seconds by which the other clock is ahead of ours, at least and at most; `source` says from what."""

    low_s: float
    high_s: float
    source: str

    @property
    def contradicts(self) -> bool:
        """No one clock said all of this: several hosts behind one address, or a clock that was set meanwhile."""
        return self.low_s > self.high_s

    def narrowed(self, other: "Offset") -> "Offset":
        """What both allow."""
        return Offset(max(self.low_s, other.low_s), min(self.high_s, other.high_s), self.source)


def between(earliest_s: float, latest_s: float, sent_s: float, received_s: float, source: str) -> Offset:
    """Of a clock that stood between `earliest_s` and `latest_s` at some moment between our `sent_s` and `received_s`."""
    return Offset(earliest_s - received_s, latest_s - sent_s, source)


def from_date(date: str, sent_s: float, received_s: float) -> Offset | None:
    """From an HTTP Date header, in Unix time; None if it is none."""
    try:
        said_s = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return between(said_s, said_s + DATE_S, sent_s, received_s, "HTTP Date")
