"""Each page of the dashboard beside ingest: CPU and bytes of a frame, with 300 workers that deliver 100,000 tokens a second.

CPU is the child's own, without what the session took for its batches and ticks and what looking for garbage took; caches are those that this leaves. The share of a core is that at the rate
asked for, also where the machine was too busy to keep it.
"""

from typing import Final

from bench.result import Result
from bench.ui import COLUMNS, GOAL_KIB, GOAL_SHARE, KIB, ROWS, watch

WORKERS: Final = 300
TOKENS_PER_S: Final = 100_000
STREAMS: Final = 2_500
FRAMES: Final = {4: 24, 10: 24}
GOAL_MS: Final = 10.0
SCREENS: Final = {
    "1": "Overview",
    "2": "Placement",
    "2v": "Placement, a row a request",
    "3": "Tiers",
    "4": "Jitter",
    "5": "Requests",
    "5e": "Requests, one opened",
    "6": "Routing",
    "7": "SLO",
    "8": "Compare",
    "9": "Stage",
}
"""By the keys that go there; `e` is enter."""
LOAD: Final = f"{WORKERS} workers, {TOKENS_PER_S // 1000}k tok/s"


def run() -> list[Result]:
    results = []
    for hz, frames in FRAMES.items():
        seen = watch(str(hz), str(frames), *SCREENS, module="bench.screens_child", deadline_s=1200)
        for keys, name in SCREENS.items():
            end = seen.marks[f"end {keys}"]
            ms = end["ui_s"] / frames * 1e3
            kib = (seen.bytes_at[f"end {keys}"] - seen.bytes_at[f"begin {keys}"]) / frames / KIB
            goal, share = GOAL_SHARE[hz], ms / 1e3 * hz
            results.append(
                Result(
                    f"{name}, {COLUMNS}×{ROWS}, {LOAD}, {hz} Hz",
                    f"≤ {GOAL_MS:g} ms, {GOAL_KIB:g} KiB, {goal:.0%}",
                    f"{ms:.1f} ms, {kib:.1f} KiB a frame, {share:.1%}",
                    ms <= GOAL_MS and kib <= GOAL_KIB and share <= goal,
                )
            )
    return results
