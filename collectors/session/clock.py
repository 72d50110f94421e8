"""Session time: nanoseconds since the session began, on a monotonic clock or on the emulator's virtual one. Wall-clock time only labels."""

import time
from typing import Final

TICK_NS: Final = 250_000_000
"""The grid on which Frames are made."""


class LiveClock:
    """Real time, from the moment of construction."""

    kind: Final = "live"

    def __init__(self) -> None:
        self._origin_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns() - self._origin_ns

    def utc_s(self) -> float | None:
        """What the wall clock says now (seconds since 1970)."""
        return time.time()


class VirtualClock:
    """Time that moves only when it is set."""

    kind: Final = "virtual"

    def __init__(self) -> None:
        self.time_ns = 0

    def now_ns(self) -> int:
        return self.time_ns

    def utc_s(self) -> float | None:
        return None
