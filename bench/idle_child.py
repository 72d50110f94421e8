"""The child of `bench.idle`: the dashboard with nothing to do. `held SECONDS`, `quiet SECONDS`, `replay SECONDS FILE`.

`cpu_s` is without what a session took to make Frames, garbage looked for with it, which is `taken_s`.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from bench.screens_child import BEFORE, Loaded
from bench.ui_child import Silent, mark
from tui.app import TokenyardApp
from tui.driver import Post
from tui.replaying import ReplayDriver

HZ: Final = 4
QUIET: Final = 260
"""Ticks after the last delivery: more than a window."""
SETTLED_S: Final = 3.0


def told(cpu_s: float, wall_s: float, taken_s: float = 0.0) -> None:
    """Of what passed since: processor, clock, making Frames."""
    mark("end", cpu_s=time.process_time() - cpu_s - taken_s, wall_s=time.monotonic() - wall_s, taken_s=taken_s)
    app.exit()


class Live(Silent):
    """A loaded fleet; `held`: the view is, while that goes on; else it comes to rest, and the view follows."""

    def __init__(self, seconds: float, *, held: bool) -> None:
        self._seconds, self._held = seconds, held

    async def run(self, post: Post) -> None:
        loaded = Loaded()
        loaded.with_garbage(app)
        for _ in range(BEFORE):
            loaded.frame()
        for _ in range(0 if self._held else QUIET):
            loaded.frame(quiet=True)
        cpu = wall = 0.0
        due = time.monotonic()
        settled = round(SETTLED_S * HZ)
        for number in range(settled + round(self._seconds * HZ)):
            if number == settled:
                cpu, wall, loaded.taken_s = time.process_time(), time.monotonic(), 0.0
            post(loaded.frame(quiet=not self._held))
            if number == 2 and self._held:
                app.simulate_key("space")
            due += 1 / HZ
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        told(cpu, wall, loaded.taken_s)


class Paused(ReplayDriver):
    def __init__(self, seconds: float, file: Path) -> None:
        super().__init__(file, 5.0)
        self._seconds = seconds

    async def run(self, post: Post) -> None:
        measure = asyncio.create_task(self._measure())
        try:
            await super().run(post)
        finally:
            measure.cancel()

    async def _measure(self) -> None:
        await asyncio.sleep(SETTLED_S / 2)
        app.simulate_key("space")
        await asyncio.sleep(SETTLED_S / 2)
        assert not self.player.playing
        cpu, wall = time.process_time(), time.monotonic()
        await asyncio.sleep(self._seconds)
        told(cpu, wall)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["held" | "quiet" as case, seconds, *_]:
            app = TokenyardApp(Live(float(seconds), held=case == "held"))
        case ["replay", seconds, file]:
            app = TokenyardApp(Paused(float(seconds), Path(file)))
        case other:
            raise SystemExit(f"held SECONDS, quiet SECONDS or replay SECONDS FILE, not {other}")
    app.run()
