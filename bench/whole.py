"""The dashboard as one process on a terminal: lateness of the event loop, CPU, and memory. The whole demo after ten minutes, and a full load that is recorded after one.

`BENCH_DEMO_S` shortens the ten minutes, `BENCH_LOAD_S` the one (and says so).
"""

import os
from collections.abc import Mapping
from typing import Final

from bench.result import Result
from bench.screens import LOAD, STREAMS, TOKENS_PER_S, WORKERS
from bench.stream import streaming
from bench.ui import COLUMNS, ROWS, watch

MINUTES_10_S: Final = 600.0
MINUTE_S: Final = 60.0
GOAL_LATE_MS: Final = 10.0
GOAL_MIB: Final = 200
GOAL_SHARE: Final = 0.33


def lateness(where: str, end: Mapping[str, float]) -> Result:
    late = f"{end['p50_ms']:.2f} / {end['p99_ms']:.1f} / {end['max_ms']:.0f} ms (p50 / p99 / max)"
    name = f"{where}: lateness of a 10 ms timer"
    return Result(name, f"p99 <= {GOAL_LATE_MS:g} ms", late, end["p99_ms"] <= GOAL_LATE_MS)


def demo() -> list[Result]:
    seconds = float(os.environ.get("BENCH_DEMO_S", MINUTES_10_S))
    end = watch("demo", f"{seconds}", module="bench.whole_child", deadline_s=seconds + 60).marks["end"]
    whole = seconds >= MINUTES_10_S
    where = f"demo {COLUMNS}×{ROWS}"
    return [
        lateness(where, end),
        Result(f"{where}: CPU, ingest and UI at 4 Hz", "", f"{end['cpu_s'] / end['wall_s']:.1%} of a core", None),
        Result(
            f"{where}: RSS after {seconds / 60:g} min, 48 MB ring",
            f"<= {GOAL_MIB} MB",
            f"{end['rss_mb']:.0f} MB (ring {end['ring_mb']:.1f} MB)",
            end["rss_mb"] <= GOAL_MIB if whole else None,
        ),
    ]


def load() -> list[Result]:
    """As one placement stream from another process."""
    seconds = float(os.environ.get("BENCH_LOAD_S", MINUTE_S))
    with streaming(WORKERS, TOKENS_PER_S, STREAMS) as url:
        end = watch("load", f"{seconds}", url, module="bench.whole_child", deadline_s=seconds + 60).marks["end"]
    assert end["workers"] == WORKERS, end
    share = end["cpu_s"] / end["wall_s"]
    where = f"{LOAD}, {COLUMNS}×{ROWS}"
    told = f"{share:.1%} at {end['tokens_per_s'] / 1e3:.1f}k tok/s"
    return [
        Result(f"{where}: CPU, all but its sender", f"<= {GOAL_SHARE:.0%} of a core", told, share <= GOAL_SHARE),
        lateness(where, end),
        Result(f"{where}: RSS after {seconds / 60:g} min", "", f"{end['rss_mb']:.0f} MB", None),
    ]


def run() -> list[Result]:
    return [*load(), *demo()]
