"""`make pictures`: pictures of the real screens, exported by the app itself, from a recorded demo on the virtual clock. The same seed gives the same pictures."""

import asyncio
import tempfile
from pathlib import Path

from tui.app import TokenyardApp
from tui.headless import demo_frames
from tui.pages import PAGES
from tui.replaying import ReplayDriver

SEED = 7
SECONDS = 75.0
SIZE = (120, 36)


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"default-seed-{SEED}.tyard"
        await demo_frames("default", SEED, SECONDS, path, lambda _: None)
        driver = ReplayDriver(path, SECONDS)
        app = TokenyardApp(driver)
        async with app.run_test(size=SIZE) as pilot:
            while app.playhead.shown is None:
                await pilot.pause()
            for page in PAGES:
                await pilot.press(page.key)
                await pilot.pause(0.2)
                while app.page.looks_into_requests and driver.detail is None:
                    await pilot.pause(0.1)
                await pilot.pause(0.2)
                (folder / f"{page.name}.svg").write_text(app.export_screenshot(title=f"tokenyard: {page.title}"))


if __name__ == "__main__":
    asyncio.run(main(Path(__file__).parent))
