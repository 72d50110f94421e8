"""A show on a pseudo-terminal: how soon it moves, and how late its latest frame is. Wall-clock times: what else runs on the machine is in them."""

import statistics
import sys

from bench.result import Result
from bench.ui import watch

STARTS = 5
GOAL_START_S = 1.5
GOAL_LATE_S = 0.25
LONG_S = 300.0


def starting() -> Result:
    """From the command to the second Frame, that is, to a picture that has moved; fresh processes, of which the first fills the caches."""
    times = [watch("0", module="bench.show_child").at["end"] for _ in range(1 + STARTS)][1:]
    median = statistics.median(times)
    measured = f"{median:.2f} s (of {STARTS}: {min(times):.2f}–{max(times):.2f})"
    return Result("Show: first frame that moves", f"≤ {GOAL_START_S} s", measured, median <= GOAL_START_S)


def lasting(seconds: float = LONG_S) -> Result:
    """Each Frame against when the show's clock says that it is due, from the earliest drawn on."""
    end = watch(f"{seconds:g}", module="bench.show_child", deadline_s=seconds + 60).marks["end"]
    measured = f"{end['late_s'] * 1000:.0f} ms (p99 {end['late_p99_s'] * 1000:.0f}, longest wait {end['between_s'] * 1000:.0f}, {end['drawn']:.0f} frames)"
    return Result(
        f"Show of {seconds:g} s: latest frame", f"≤ {GOAL_LATE_S * 1000:.0f} ms", measured, end["late_s"] <= GOAL_LATE_S
    )


def run() -> list[Result]:
    return [starting(), lasting(30.0)]


if __name__ == "__main__":
    print(*(starting() if len(sys.argv) < 2 else lasting(float(sys.argv[1])),), sep="\n")
