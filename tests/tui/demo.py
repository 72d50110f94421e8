"""The seeded demo on its virtual clock, stepped once: its Frames, and the detail behind them."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

from collectors.model.frame import Frame
from collectors.observe import Observation
from collectors.session.clock import TICK_NS, VirtualClock
from collectors.session.detail import Detail
from collectors.session.session import Session
from collectors.wire.http import HttpClient
from tests.tui.playing import Played
from tui.emulator import Emulator

SECONDS = 14
SEED = 7


@dataclass(frozen=True)
class Demo:
    frames: list[Frame]
    detail: Detail

    def played(self, count: int = 1) -> Played:
        """A driver that shows the last `count` Frames."""
        driver = Played(self.frames[-count:])
        driver.detail = self.detail
        return driver


@lru_cache
def demo(scenario: str = "default", *faults: str, seconds: int = SECONDS) -> Demo:
    with ThreadPoolExecutor(1) as pool:  # a test may have an event loop of its own
        return pool.submit(lambda: asyncio.run(_step(scenario, faults, seconds))).result()


async def _step(scenario: str, faults: Sequence[str], seconds: int) -> Demo:
    clock, detail = VirtualClock(), Detail()
    frames: list[Frame] = []
    async with Emulator(scenario, seed=SEED, clock="stepped", faults=faults) as emulator, HttpClient() as client:
        observation = Observation(Session(clock.kind, detail=detail), emulator.sources(client), clock, frames.append)
        await observation.step(0)
        for tick in range(1, seconds * 4 + 1):
            await emulator.advance(tick * TICK_NS)
            clock.time_ns = tick * TICK_NS
            await observation.step(clock.time_ns)
        await observation.close()
    return Demo(frames, detail)
