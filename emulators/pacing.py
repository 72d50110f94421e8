"""Moves the virtual clock with real time. Each step's target is computed from the start, so that no error adds up."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

PERIOD_S: Final = 0.02
"""Real time between two steps, each of which is written to the stream's readers."""
FINE_PERIOD_S: Final = 0.001
"""The same while somebody waits for single tokens."""


class RealTime:
    """Virtual time that goes `speed` times as fast as real time, from `origin_ns` now."""

    def __init__(self, origin_ns: int, speed: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._origin_ns, self._speed, self._clock = origin_ns, speed, clock
        self._start = clock()

    @property
    def elapsed_s(self) -> float:
        """Real time since the start."""
        return self._clock() - self._start

    def now_ns(self) -> int:
        return self._origin_ns + round(self.elapsed_s * self._speed * 1e9)


async def pace(
    advance: Callable[[int], Awaitable[None]],
    real: RealTime,
    *,
    period: Callable[[], float] = lambda: PERIOD_S,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Calls `advance(ns)` every `period()` seconds of real time with the virtual time by then. Runs until it is cancelled.

    A step that takes longer than a period makes the next ones due at once; they are merged into one. `sleep` may end early, and the step comes early then.
    """
    last = 0.0
    while True:
        length = period()
        due = max(last + length, math.floor(real.elapsed_s / length) * length)
        await sleep(max(0.0, due - real.elapsed_s))
        last = min(due, real.elapsed_s)
        await advance(real.now_ns())
