"""Moves the virtual clock with real time. Each step's target is computed from the start, so that no error adds up."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

PERIOD_S: Final = 0.02
"""Real time between two steps, each of which is written to the stream's readers."""


async def pace(
    advance: Callable[[int], Awaitable[None]],
    *,
    origin_ns: int,
    speed: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Calls `advance(ns)` every `PERIOD_S` with `origin_ns` + `speed` × the real time since now. Runs until it is cancelled.

    A step that takes longer than a period makes the next ones due at once; they are merged into one.
    """
    start = clock()
    step = 0
    while True:
        step = max(step + 1, math.floor((clock() - start) / PERIOD_S))
        await sleep(max(0.0, start + step * PERIOD_S - clock()))
        await advance(origin_ns + round((clock() - start) * speed * 1e9))
