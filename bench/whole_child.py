"""The child of `bench.whole`: `demo SECONDS` is the real demo with a probe on its event loop."""

import asyncio
import resource
import sys
import time

from bench.ui_child import mark
from tui.app import TokenyardApp
from tui.driver import Post
from tui.live import DemoDriver

PERIOD_S = 0.01
WARM_UP_S = 3.0


class Probed(DemoDriver):
    """A demo that ends by itself, and says how late a timer came."""

    def __init__(self, seconds: float) -> None:
        super().__init__("default", 7, None)
        self._seconds = seconds

    async def run(self, post: Post) -> None:
        probe = asyncio.create_task(self._probe())
        try:
            await super().run(post)
        finally:
            probe.cancel()

    async def _probe(self) -> None:
        await asyncio.sleep(WARM_UP_S)
        late: list[float] = []
        cpu, begin = time.process_time(), time.monotonic()
        while time.monotonic() - begin < self._seconds:
            due = time.monotonic() + PERIOD_S
            await asyncio.sleep(PERIOD_S)
            late.append(time.monotonic() - due)
        late.sort()
        mark(
            "end",
            p50_ms=1e3 * late[len(late) // 2],
            p99_ms=1e3 * late[int(len(late) * 0.99)],
            max_ms=1e3 * late[-1],
            cpu_s=time.process_time() - cpu,
            wall_s=time.monotonic() - begin,
            rss_mb=resident_mb(),
            ring_mb=self.held_bytes / 1e6,
        )
        app.exit()


def resident_mb() -> float:
    """Resident memory now, not the highest."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    app = TokenyardApp(Probed(float(sys.argv[2])))
    app.run()
