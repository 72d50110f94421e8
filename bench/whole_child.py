"""The child of `bench.whole`, with a probe on its event loop: `demo SECONDS` is the real demo, `load SECONDS URL` the dashboard on a placement stream, recorded."""

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.ui_child import mark
from tui.app import TokenyardApp
from tui.driver import Post
from tui.live import DemoDriver, LiveDriver

PERIOD_S = 0.01
WARM_UP_S = 3.0


@asynccontextmanager
async def probed(driver: LiveDriver, seconds: float) -> AsyncIterator[None]:
    """Ends the app after so many seconds, and says how late a timer came."""
    probe = asyncio.create_task(_probe(driver, seconds))
    try:
        yield
    finally:
        probe.cancel()


async def _probe(driver: LiveDriver, seconds: float) -> None:
    await asyncio.sleep(WARM_UP_S)
    late: list[float] = []
    cpu, begin = time.process_time(), time.monotonic()
    while time.monotonic() - begin < seconds:
        due = time.monotonic() + PERIOD_S
        await asyncio.sleep(PERIOD_S)
        late.append(time.monotonic() - due)
    late.sort()
    frame = driver.history.newest()
    assert frame is not None
    mark(
        "end",
        p50_ms=1e3 * late[len(late) // 2],
        p99_ms=1e3 * late[int(len(late) * 0.99)],
        max_ms=1e3 * late[-1],
        cpu_s=time.process_time() - cpu,
        wall_s=time.monotonic() - begin,
        rss_mb=resident_mb(),
        ring_mb=driver.held_bytes / 1e6,
        tokens_per_s=frame.tokens_per_s.value or 0.0,
        workers=len(frame.workers),
    )
    app.exit()


class Demo(DemoDriver):
    def __init__(self, seconds: float) -> None:
        super().__init__("default", 7, None)
        self._seconds = seconds

    async def run(self, post: Post) -> None:
        async with probed(self, self._seconds):
            await super().run(post)


class Load(LiveDriver):
    def __init__(self, seconds: float, url: str, record: Path) -> None:
        super().__init__("load", record)
        self._seconds, self._url = seconds, url

    async def run(self, post: Post) -> None:
        from collectors.sources.placement import PlacementSource
        from collectors.wire.http import HttpClient

        async with HttpClient() as client, probed(self, self._seconds):
            await self._observe([PlacementSource("router", self._url, client)], post)


def resident_mb() -> float:
    """Resident memory now, not the highest."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        match sys.argv[1:]:
            case ["demo", seconds]:
                app = TokenyardApp(Demo(float(seconds)))
            case ["load", seconds, url]:
                app = TokenyardApp(Load(float(seconds), url, Path(folder) / "load.tyard"))
            case other:
                raise SystemExit(f"demo SECONDS or load SECONDS URL, not {other}")
        app.run()
