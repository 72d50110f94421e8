"""The whole demo on a terminal: lateness of the event loop, CPU, and memory after ten minutes. `BENCH_DEMO_S` shortens the ten minutes (and says so)."""

import os

from bench.result import Result
from bench.ui import COLUMNS, ROWS, watch

MINUTES_10_S = 600.0
GOAL_LATE_MS = 10.0
GOAL_MIB = 200


def run() -> list[Result]:
    seconds = float(os.environ.get("BENCH_DEMO_S", MINUTES_10_S))
    end = watch("demo", f"{seconds}", module="bench.whole_child", deadline_s=seconds + 60).marks["end"]
    whole = seconds >= MINUTES_10_S
    where = f"demo {COLUMNS}×{ROWS}"
    late = f"{end['p50_ms']:.2f} / {end['p99_ms']:.1f} / {end['max_ms']:.0f} ms (p50 / p99 / max)"
    return [
        Result(
            f"{where}: lateness of a 10 ms timer", f"p99 <= {GOAL_LATE_MS:g} ms", late, end["p99_ms"] <= GOAL_LATE_MS
        ),
        Result(f"{where}: CPU, ingest and UI at 4 Hz", "", f"{end['cpu_s'] / end['wall_s']:.1%} of a core", None),
        Result(
            f"{where}: RSS after {seconds / 60:g} min, 48 MB ring",
            f"<= {GOAL_MIB} MB",
            f"{end['rss_mb']:.0f} MB (ring {end['ring_mb']:.1f} MB)",
            end["rss_mb"] <= GOAL_MIB if whole else None,
        ),
    ]
