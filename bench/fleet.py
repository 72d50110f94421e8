"""A fleet of vLLM pages at 1 Hz with the dashboard on a terminal: CPU (collecting, Frames at 4 Hz, drawing) and memory, and memory a target with a full window.

CPU is the child's own (user + system); the pages come from another process. `BENCH_FLEET_S` shortens the measurement.
"""

import asyncio
import gc
import os
import resource
import subprocess
import sys

from bench.pages import serving
from bench.result import Result
from bench.ui import COLUMNS, ROWS, watch

TARGETS = 64
LINES = 730
SECONDS = 20.0
GOAL_SHARE = 0.15
GOAL_KB = 150
FEW = 8
"""Targets that are there before memory is measured: what is shared by all is theirs."""
WINDOW_STEPS = 66


def urls(ports: list[int]) -> list[str]:
    return [f"http://127.0.0.1:{port}/metrics" for port in ports]


def resident() -> int:
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def bytes_a_target(ports: list[int]) -> float:
    """What a target adds to resident memory once its window is full; a second of its time is a step, so that nobody waits for a minute."""
    from collectors.session.session import Session
    from collectors.sources.detect import open_targets
    from collectors.wire.http import HttpClient

    session = Session("virtual")
    async with HttpClient() as client:
        few = open_targets(urls(ports[:FEW]), client)
        many = open_targets(urls(ports[FEW:]), client)
        before = 0
        for step in range(2 * WINDOW_STEPS):
            if step == WINDOW_STEPS:
                before = resident()
            for source in few if step < WINDOW_STEPS else many:
                await source.step((step + 1) * 1_000_000_000, session.feed)
            session.tick((step + 1) * 1_000_000_000)
        return (resident() - before) / len(many)


def run() -> list[Result]:
    seconds = float(os.environ.get("BENCH_FLEET_S", SECONDS))
    where = f"fleet of {TARGETS} vLLM pages of {LINES} lines at 1 Hz"
    with serving(LINES, TARGETS) as ports:
        end = watch(f"{seconds}", *urls(ports), module="bench.fleet_child", deadline_s=seconds + 60).marks["end"]
        share = end["cpu_s"] / end["wall_s"]
        shown = f"{share:.1%} at {end['scrapes'] / end['wall_s']:.0f} scrapes/s"
        arguments = ["memory", *map(str, ports)]
        kb = _child(arguments) / 1e3
    return [
        Result(f"{where}, {COLUMNS}×{ROWS}: CPU", f"<= {GOAL_SHARE:.0%} of a core", shown, share <= GOAL_SHARE),
        Result("its resident memory", "", f"{end['rss_mb']:.0f} MB", None),
        Result("memory a target of it, window full", f"< {GOAL_KB} kB", f"{kb:.0f} kB", kb < GOAL_KB),
    ]


def _child(arguments: list[str]) -> float:
    command = [sys.executable, "-m", "bench.fleet", *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    print(asyncio.run(bytes_a_target([int(port) for port in sys.argv[2:]])))
