"""Scrape fan-out: many targets at 1 Hz, fetched, parsed, mapped and counted in this process (`bench.pages` is another one), and Frames of them at 4 Hz."""

import asyncio
import time
from typing import NamedTuple

from bench.pages import serving
from bench.result import Result
from collectors.model.vocabulary import TargetStatus
from collectors.recording.history import History
from collectors.session.clock import TICK_NS, LiveClock
from collectors.session.session import Session
from collectors.sources.detect import open_targets
from collectors.sources.source import Source
from collectors.wire.http import HttpClient

START_S = 15
"""Within which all answer: their first connections and the learning of their pages are no steady cost."""
WARM_UP_S = 2.0
SECONDS = 8.0
ALL_LINES = 2_896


class Measured(NamedTuple):
    """Shares of a core, and what was observed."""

    collecting: float
    frames: float
    ring: float
    scrapes_per_s: float
    workers: int
    up: int


async def consume(port: int, targets: int) -> Measured:
    """First without Frames, then with one every 250 ms, timed apart from the rest, as is what remembers them."""
    clock, session, ring = LiveClock(), Session("live"), History()
    async with HttpClient() as client:
        sources = open_targets([f"http://127.0.0.1:{port}/{number}/metrics" for number in range(targets)], client)
        tasks = [asyncio.create_task(source.run(clock, session.feed)) for source in sources]
        for _ in range(START_S):
            if all(session.answers(source.name) for source in sources):
                break
            await asyncio.sleep(1.0)
        await asyncio.sleep(WARM_UP_S)
        cpu, wall, scrapes = time.process_time(), time.perf_counter(), answers(session, sources)
        await asyncio.sleep(SECONDS)
        lasted = time.perf_counter() - wall
        collecting = (time.process_time() - cpu) / lasted
        scrapes = answers(session, sources) - scrapes
        frame_s = ring_s = 0.0
        wall = time.perf_counter()
        next_ns = clock.now_ns() // TICK_NS * TICK_NS
        while time.perf_counter() - wall < SECONDS:
            next_ns += TICK_NS
            await asyncio.sleep(max(next_ns - clock.now_ns(), 0) / 1e9)
            begin = time.process_time()
            frame = session.tick(next_ns)
            middle = time.process_time()
            ring.append(frame)
            frame_s, ring_s = frame_s + middle - begin, ring_s + time.process_time() - middle
        observed = time.perf_counter() - wall
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    up = sum(row.status is TargetStatus.UP for row in frame.targets)
    return Measured(collecting, frame_s / observed, ring_s / observed, scrapes / lasted, len(frame.workers), up)


def answers(session: Session, sources: list[Source]) -> int:
    return sum(session.answers(source.name) or 0 for source in sources)


def run() -> list[Result]:
    results = []
    for targets, lines, goal in ((100, ALL_LINES, 0.12), (1_000, 300, 0.40)):
        with serving(lines) as (port,):
            found = asyncio.run(consume(port, targets))
        what = f"scrape {targets:,} targets x {lines:,} lines at 1 Hz"
        down = f", {targets - found.up} not up" if found.up < targets else ""
        share = f"{found.collecting:.1%} ({found.collecting / found.scrapes_per_s * 1e6:.0f} us of {found.scrapes_per_s:.0f}/s{down})"
        results.append(Result(what, f"<= {goal:.0%} of a core", share, found.collecting <= goal))
        frames = f"{found.frames:.1%} and {found.ring:.1%} of a core"
        results.append(Result(f"Frames of their {found.workers:,} workers at 4 Hz, and the ring", "", frames, None))
    return results
