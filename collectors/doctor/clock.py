"""How far a host's clock may be from ours, from the Date of its answers: see `collectors.stats.offsets`. Pure."""

from email.utils import parsedate_to_datetime
from typing import Final

from collectors.stats.offsets import Offset, between

DATE_S: Final = 2.0
"""What an HTTP Date leaves open: it is cut to whole seconds, and some servers (uvicorn) write one text for up to a second."""


def from_date(date: str, sent_s: float, received_s: float) -> Offset | None:
    """From an HTTP Date header, in Unix time; None if it is none."""
    try:
        said_s = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return between(said_s, said_s + DATE_S, sent_s, received_s, "HTTP Date")
