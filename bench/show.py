"""A show on a pseudo-terminal: how soon it moves, and how late its latest frame is. Wall-clock times: what else runs on the machine is in them."""

import os
import re
import select
import statistics
import sys
import time
from subprocess import Popen
from typing import Final

from bench.result import Result
from bench.ui import SYNC_ANSWER, SYNC_QUERY, UNSET, terminal, watch

STARTS: Final = 5
GOAL_START_S: Final = 1.5
GOAL_LATE_S: Final = 0.25
LONG_S: Final = 300.0
DEADLINE_S: Final = 30.0
MOVED: Final = re.compile(rb"DEMO \+0:(?!00\.2)\d\d\.\d")
"""The head of the screen at any Frame after the first."""


def start_s() -> float:
    """From the command to the picture of the second Frame, that is, to one that has moved."""
    env = {k: v for k, v in os.environ.items() if k not in UNSET} | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with terminal() as (master, slave):
        begun = time.monotonic()
        with Popen(
            [sys.executable, "-m", "tui", "demo", "bad-day"], stdin=slave, stdout=slave, stderr=slave, env=env
        ) as child:
            os.close(slave)
            seen = bytearray()
            while not MOVED.search(seen):
                if time.monotonic() - begun > DEADLINE_S:
                    raise RuntimeError(f"nothing moved: {bytes(seen[-500:])!r}")
                if select.select([master], [], [], 1.0)[0]:
                    chunk = os.read(master, 65_536)
                    seen += chunk
                    if SYNC_QUERY in chunk:
                        os.write(master, SYNC_ANSWER)
            took = time.monotonic() - begun
            child.kill()
        return took


def starting() -> Result:
    """Fresh processes, of which the first fills the caches."""
    times = [start_s() for _ in range(1 + STARTS)][1:]
    median = statistics.median(times)
    measured = f"{median:.2f} s (of {STARTS}: {min(times):.2f}–{max(times):.2f})"
    return Result(
        "Show: from command to first frame that moves", f"≤ {GOAL_START_S} s", measured, median <= GOAL_START_S
    )


def lasting(seconds: float = LONG_S) -> Result:
    """Each Frame against when the show's clock says that it is due, from the earliest drawn on."""
    end = watch(f"{seconds:g}", module="bench.show_child", deadline_s=2 * seconds + 60).marks["end"]
    late, p99, between = (1000 * end[name] for name in ("late_s", "late_p99_s", "between_s"))
    measured = f"{late:.0f} ms (p99 {p99:.0f}, longest wait {between:.0f}, {end['drawn']:.0f} frames)"
    goal_ms = 1000 * GOAL_LATE_S
    return Result(f"Show of {seconds:g} s: latest frame", f"≤ {goal_ms:.0f} ms", measured, late <= goal_ms)


def run() -> list[Result]:
    return [starting(), lasting(30.0)]


if __name__ == "__main__":
    print(starting() if len(sys.argv) < 2 else lasting(float(sys.argv[1])))
