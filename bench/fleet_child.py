"""The child of `bench.fleet`: the real dashboard on targets for so many seconds: `python -m bench.fleet_child SECONDS URL…`."""

import asyncio
import sys
import time

from bench.pages import served
from bench.ui_child import mark
from bench.whole_child import resident_mb
from tui.app import TokenyardApp
from tui.config.load import load
from tui.config.resolve import resolve
from tui.driver import Post
from tui.live import WatchDriver

WARM_UP_S = 5.0


class Measured(WatchDriver):
    """Ends by itself, and says what it took."""

    def __init__(self, seconds: float, targets: list[str]) -> None:
        super().__init__(resolve(load({"targets": targets})), None)
        self._seconds = seconds
        self._targets = targets

    async def run(self, post: Post) -> None:
        measure = asyncio.create_task(self._measure())
        try:
            await super().run(post)
        finally:
            measure.cancel()

    async def _measure(self) -> None:
        await asyncio.sleep(WARM_UP_S)
        port = int(self._targets[0].split(":")[2].partition("/")[0])
        cpu, wall, before = time.process_time(), time.monotonic(), served(port)
        await asyncio.sleep(self._seconds)
        scrapes = served(port) - before
        newest = self.history.at(2**62)
        up = 0 if newest is None else sum(row.status == "up" for row in newest.targets)
        assert up == len(self._targets), f"{up} of {len(self._targets)} targets are up"
        mark(
            "end",
            cpu_s=time.process_time() - cpu,
            wall_s=time.monotonic() - wall,
            rss_mb=resident_mb(),
            scrapes=scrapes,
        )
        app.exit()


if __name__ == "__main__":
    app = TokenyardApp(Measured(float(sys.argv[1]), sys.argv[2:]))
    app.run()
