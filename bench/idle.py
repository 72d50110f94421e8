"""What the dashboard takes while nobody needs anything drawn: a held view, a fleet that does nothing, a recording that stands still."""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from bench.result import Result
from bench.screens import WORKERS
from bench.ui import COLUMNS, ROWS, watch

SECONDS: Final = 10
GOAL: Final = 0.01
CASES: Final = {
    "held": f"held, {WORKERS} workers go on",
    "quiet": f"{WORKERS} workers, none has anything new",
    "replay": "a recording that is paused",
}


def run() -> list[Result]:
    from tui.headless import demo_frames

    results = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "idle.tyard"
        asyncio.run(demo_frames("default", 7, 10.0, file, lambda _: None))
        for case, name in CASES.items():
            end = watch(case, str(SECONDS), str(file), module="bench.idle_child", deadline_s=300).marks["end"]
            share = end["cpu_s"] / end["wall_s"]
            beside = f" (and {end['taken_s'] / end['wall_s']:.1%} for making Frames)" if end["taken_s"] else ""
            results.append(
                Result(
                    f"Idle, {COLUMNS}×{ROWS}: {name}", f"< {GOAL:.0%} of a core", f"{share:.2%}{beside}", share < GOAL
                )
            )
    return results
