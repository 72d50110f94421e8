"""`make pictures`: pictures of the real screen, exported by the app itself, from a seeded demo on the virtual clock. The same seed gives the same picture."""

import asyncio
from pathlib import Path
from typing import Literal

from collectors.model.frame import Frame
from collectors.recording.history import History
from tui.app import TokenyardApp
from tui.driver import Post
from tui.headless import demo_frames

SEED = 7
SECONDS = 75.0
SIZE = (120, 36)


class Still:
    """A driver that shows one moment."""

    clock: Literal["live"] = "live"
    title = f"default/seed {SEED}"

    def __init__(self, frame: Frame) -> None:
        self.history = History()
        self.detail = None
        self._frame = frame

    async def run(self, post: Post) -> None:
        post(self._frame)
        await asyncio.Event().wait()

    def hold(self, held: bool) -> None:
        pass


async def main(folder: Path) -> None:
    frames: list[Frame] = []
    await demo_frames("default", SEED, SECONDS, None, frames.append)
    app = TokenyardApp(Still(frames[-1]))
    async with app.run_test(size=SIZE) as pilot:
        while app.playhead.shown is None:
            await pilot.pause()
        await pilot.pause(0.2)
        (folder / "overview.svg").write_text(app.export_screenshot(title="tokenyard demo"))


if __name__ == "__main__":
    asyncio.run(main(Path(__file__).parent))
