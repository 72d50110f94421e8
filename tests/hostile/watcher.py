"""A process of its own that watches hostile targets, so that what they cost it can be measured.

Told what to watch as JSON on stdin, it says what came of it as JSON on stdout. First it asks each hostile target once, alone, and looks at its own peak memory; then it
watches all of them at once, beside the healthy ones, and records.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from collectors.model.batch import Batch, Samples, Status, Tick
from collectors.model.frame import Frame
from collectors.model.snapshot import snapshot
from collectors.observe import Observation
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer
from collectors.session.clock import TICK_NS, LiveClock
from collectors.session.session import Session
from collectors.sources.placement import PlacementSource
from collectors.sources.promql import PromqlSource
from collectors.sources.scrape import ScrapeSource
from collectors.sources.source import Source
from collectors.wire.http import HttpClient
from tests.hostile.targets import PATIENT, QUICK

PATIENCE_S = 60.0
RETRY_S = 0.02
SAMPLES = 5
"""Of each healthy target, after every hostile one has answered."""


def opened(name: str, url: str, kind: str, client: HttpClient) -> Source:
    if kind == "stream":
        return PlacementSource(name, url, client, stale_s=0.5, retry_s=RETRY_S)
    if kind == "prom":
        return PromqlSource(name, url, client, interval_s=RETRY_S)
    return ScrapeSource(name, url, client, interval_s=RETRY_S)


def memory(what: str) -> int:
    """Bytes, by its name in /proc."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{what}:"))
    return int(line.split()[1]) << 10


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def alone(hostile: dict[str, tuple[str, str, bool]]) -> dict[str, Any]:
    """By name: its row after one step, what that adds to the peak of memory, and the step's CPU time and duration."""
    found = {}
    for name, (url, kind, slow) in hostile.items():
        session = Session("virtual")
        forget_peak()
        before, cpu_s, at_s = memory("VmRSS"), time.process_time(), time.monotonic()
        async with HttpClient(QUICK if slow else PATIENT) as client:
            source = opened(name, url, kind, client)
            await source.step(TICK_NS, session.feed)
            await source.close()
        cost = (memory("VmHWM") - before, time.process_time() - cpu_s, time.monotonic() - at_s)
        found[name] = {"row": msgspec.to_builtins(session.tick(TICK_NS).targets[0]), "cost": cost}
    return found


async def together(healthy: dict[str, str], hostile: dict[str, tuple[str, str, bool]], path: Path) -> dict[str, Any]:
    """Statuses by target, what the healthy ones brought meanwhile, and every text of the last Frame and of the recording."""
    statuses: dict[str, list[Status]] = {name: [] for name in (*healthy, *hostile)}
    samples = dict.fromkeys(healthy, 0)
    wanted = {
        name: 1 if kind == "stream" else 2 for name, (_, kind, _) in hostile.items()
    }  # a stream says nothing twice
    frames: list[Frame] = []
    clock, done, shown = LiveClock(), asyncio.Event(), asyncio.Event()

    def show(frame: Frame) -> None:
        frames[:] = [frame]
        shown.set()

    class Noting(Writer):
        def batch(self, batch: Batch) -> None:
            super().batch(batch)
            statuses[batch.source] += [part for part in batch.parts if isinstance(part, Status)]
            if all(len(statuses[name]) >= enough for name, enough in wanted.items()) and batch.source in samples:
                samples[batch.source] += sum(isinstance(part, Samples) for part in batch.parts)
                if min(samples.values()) >= SAMPLES:
                    done.set()

    async with HttpClient(QUICK) as client, HttpClient(PATIENT) as patient:
        sources = [ScrapeSource(name, url, patient, interval_s=RETRY_S) for name, url in healthy.items()]
        others = [opened(name, url, kind, client) for name, (url, kind, _) in hostile.items()]
        recorder = Noting(path, clock="live", version="test")
        observation = Observation(Session("live"), [*sources, *others], clock, show, recorder)
        live = asyncio.create_task(observation.live())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await done.wait()
                shown.clear()
                await shown.wait()
        except TimeoutError:
            lacking = [name for name, enough in wanted.items() if len(statuses[name]) < enough]
            raise TimeoutError(f"no answer: {lacking}; samples {samples}") from None
        finally:
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)
            await observation.close()
            recorder.close()
    with Reader(path) as reader:
        recorded = [item for item in reader.items() if not isinstance(item, Tick)]
    return {
        "statuses": {name: [msgspec.to_builtins(one) for one in found] for name, found in statuses.items()},
        "frame": snapshot(frames[-1]),
        "recorded": sorted({text for batch in recorded for part in batch.parts for text in texts(part)}),
    }


def texts(value: object) -> list[str]:
    """Every string in it."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, msgspec.Struct):
        return [text for name in value.__struct_fields__ for text in texts(getattr(value, name))]
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts(one)]
    return [text for one in value for text in texts(one)] if isinstance(value, tuple | list) else []


async def main() -> None:
    told = json.load(sys.stdin)
    one_by_one = await alone(told["hostile"])
    found = await together(told["healthy"], told["hostile"], Path(told["recording"]))
    json.dump({"alone": one_by_one, "peak": memory("VmHWM"), **found}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
