"""Moves the virtual clock with real time. Each step's target is computed from the start, so that no error adds up."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

PERIOD_S: Final = 0.02
"""Real time between two steps, each of which is written to the stream's readers."""
LEAST_S: Final = 0.0005
"""The same at least, while somebody waits for single tokens."""
LATE_S: Final = 0.0012
"""An event loop's timers are late by up to a millisecond, in which epoll counts."""
THREAD_S: Final = 0.00015
"""A thread takes so long, or longer, to say that it is awake."""


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

    def when_s(self, time_ns: int) -> float:
        """At how much real time since the start something is over that happens at a virtual time."""
        return (time_ns + 1 - self._origin_ns) / self._speed / 1e9


async def pace(
    advance: Callable[[int], Awaitable[None]],
    real: RealTime,
    *,
    due_ns: Callable[[], int | None] = lambda: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Calls `advance(ns)` with the virtual time by then, every `PERIOD_S` of real time, and as soon as `due_ns()`, if it says a virtual time. Runs until it is cancelled.

    A step that takes longer than a period makes the next ones due at once; they are merged into one. `sleep` may end early, and the step comes early then.
    """
    last = 0.0
    while True:
        # The next multiple of the period; a step that a rounding has made early was on the one before.
        at = math.floor(last / PERIOD_S + 1.000001) * PERIOD_S
        next_ns = due_ns()
        if next_ns is not None:
            at = min(at, max(last + LEAST_S, real.when_s(next_ns)))
        await sleep(max(0.0, at - real.elapsed_s))
        last = real.elapsed_s
        await advance(real.now_ns())


async def doze(seconds: float, woken: asyncio.Event, *, exact: bool) -> None:
    """Sleeps so long, or until `woken`. `exact`: not the millisecond longer that an event loop may; the end of it is slept in a thread then, which nobody wakes."""
    end = time.monotonic() + seconds
    roughly = seconds - LATE_S if exact else seconds
    if roughly > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(roughly):
                await woken.wait()
                return
    left = end - THREAD_S - time.monotonic()
    if exact and left > 0:
        await asyncio.to_thread(time.sleep, left)
    await asyncio.sleep(0)
    while exact and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0)
