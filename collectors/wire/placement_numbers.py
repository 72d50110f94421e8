"""Where a reader of the placement stream is: the number of the last message, by which it can ask for what follows, and how many it missed. Pure.

A producer need not number anything: then there is no position, and nothing is known to be missed.
"""

import re
from typing import Final, NamedTuple

from collectors.wire.placement_format import MessageError

_EPOCH: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What can be sent back in a header as it is."""


class Position(NamedTuple):
    """`seq`: of the last message that was read. Numbers of different epochs have nothing to do with each other."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        """As `Last-Event-ID` has it."""
        return f"{self.epoch}/{self.seq}"


class Numbers:
    """Of one reader over all its connections, of which each begins with a `hello`."""

    def __init__(self) -> None:
        self._epoch = ""
        self._seq: int | None = None
        """None until the first numbered watermark of a connection."""
        self._before: Position | None = None
        """Where the last connection ended that had a position."""
        self._greeted = False
        self._whole = False
        """Before a connection's `hello`: whether what is known is that of `_before`."""

    @property
    def position(self) -> Position | None:
        if self._greeted:
            return None if self._seq is None else Position(self._epoch, self._seq)
        return self._before if self._whole else None

    def message(self, count: int = 1) -> None:
        """That so many were read, before what they say is looked at."""
        if self._seq is not None:
            self._seq += count

    def disconnect(self) -> None:
        if self._greeted:  # else the connection brought nothing
            at = self.position
            self._before, self._whole = at or self._before, at is not None
        self._greeted, self._seq = False, None

    def begin(self, epoch: str | None, resumed_after: int | None) -> bool:
        """The first `hello` of a connection; whether the next message is the one after the last that was read. Raises `MessageError`."""
        self._greeted = True
        self._epoch = epoch if epoch and _EPOCH.fullmatch(epoch) else ""
        if resumed_after is None:
            return False
        before = self._before if self._whole else None
        if before is None or before != (self._epoch, resumed_after):
            raise MessageError(f"resumed after {self._epoch}/{resumed_after}; asked was to go on after {before}")
        self._seq = resumed_after
        return True

    def go_on(self, epoch: str | None) -> None:
        """A further `hello` of the same connection. Raises `MessageError`."""
        if (epoch or "") != self._epoch and self._epoch:
            raise MessageError("the epoch changes within a connection")

    def mark(self, seq: int | None) -> int:
        """A watermark; how many messages are known to be missing before it. Raises `MessageError`."""
        if seq is None or not self._epoch:
            return 0
        counted, self._seq = self._seq, seq
        if counted is None:
            before = self._before
            return max(seq - before.seq, 0) if before is not None and before.epoch == self._epoch else 0
        if seq < counted:
            raise MessageError(f"a watermark numbered {seq} is message {counted}")
        return seq - counted
