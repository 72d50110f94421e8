"""What of a publisher's numbered messages is new, was heard before, or is missing. Pure; asking for what is missing is the source's.

A publisher numbers its messages from 0 and begins anew when it is restarted. Its own times tell a repetition from a new beginning: of what is said
again the time is not later than the last one heard.
"""

from enum import Enum


class Heard(Enum):
    NEXT = "next"
    AGAIN = "again"
    AHEAD = "ahead"
    """Messages before it are missing."""
    RESTARTED = "restarted"
    """It is of a publisher that counts from 0 again."""


class Sequence:
    """`next` is the number that is expected; `last_ns` the publisher's time in the last message, None if that could not be read."""

    def __init__(self) -> None:
        self.next = 0
        self.last_ns: int | None = None
        self._latest_ns: int | None = None
        self.gaps = 0
        self.lost = 0
        """Messages that nobody has any more, since the publisher's start; those before we came are `missed`."""
        self.missed = 0
        self.restarts = 0

    @property
    def begun(self) -> bool:
        return self.next > 0

    @property
    def ask(self) -> int:
        """What to ask a replay to begin with: the last one heard, by which the publisher is known again."""
        return max(self.next - 1, 0)

    def judge(self, seq: int, time_ns: int | None) -> Heard:
        if seq == self.next:
            return Heard.NEXT
        if seq > self.next:
            return Heard.AHEAD
        later = time_ns is not None and self._latest_ns is not None and time_ns > self._latest_ns
        return Heard.RESTARTED if later else Heard.AGAIN

    def is_last(self, seq: int, time_ns: int | None) -> bool:
        """Whether a message is the last one that was heard."""
        return seq == self.next - 1 and (time_ns == self.last_ns or None in (time_ns, self.last_ns))

    def take(self, seq: int, time_ns: int | None) -> bool:
        """Counts a message as heard. False if any before it are missing, which are then given up."""
        missing = seq - self.next
        if missing and not self.begun:
            self.missed += missing
        elif missing:
            self.gaps += 1
            self.lost += missing
        self.next, self.last_ns = seq + 1, time_ns
        self._latest_ns = self._latest_ns if time_ns is None else time_ns
        return not missing

    def restart(self) -> None:
        """The publisher has begun anew; what was lost before is of no account any more."""
        self.next, self.last_ns, self._latest_ns, self.missed = 0, None, None, 0
        self.restarts += 1
