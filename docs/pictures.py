"""`make pictures`: pictures of the real screens, exported by the app itself, and a film of them for asciinema. All on the virtual clock: the same seed gives the same pictures."""

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from textual.pilot import Pilot

from tui.app import TokenyardApp
from tui.casting import Film, Press, film
from tui.headless import demo_frames
from tui.pages import PAGES
from tui.replaying import ReplayDriver
from tui.show.driver import ShowDriver
from tui.show.scripts import script_of

SEED: Final = 7
SECONDS: Final = 75.0
SIZE: Final = (120, 36)
UNTIL: Final = 7
"""Pages whose picture it is: the others want two recordings, or a show."""
FILM_SIZE: Final = (100, 30)
SHOWS: Final = {"face-off": (95, "z"), "bad-day": (19, "")}
"""Of a show: at which second, and the key of what is shown then, where it is not what the chapter turns to."""
FILM: Final = ("bad-day", 40.0, (Press(9.0, "4"), Press(21.0, "1"), Press(31.0, "3")))
"""Of which show, how many seconds, and what is pressed."""


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    while not condition():
        await pilot.pause(0.1)
    await pilot.pause(0.3)


async def pages(folder: Path, recordings: Path) -> None:
    path = recordings / f"default-seed-{SEED}.tyard"
    await demo_frames("default", SEED, SECONDS, path, lambda _: None)
    driver = ReplayDriver(path, SECONDS)
    app = TokenyardApp(driver)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.playhead.shown is not None)
        for page in PAGES[:UNTIL]:
            await pilot.press(page.key)
            await pilot.pause(0.2)
            await until(pilot, lambda: not app.page.looks_into_requests or driver.detail is not None)
            (folder / f"{page.name}.svg").write_text(app.export_screenshot(title=f"tokenyard: {page.title}"))


async def show(folder: Path, name: str, at_s: int, key: str) -> None:
    script = script_of(name)
    assert script is not None
    driver = ShowDriver(script, name, SEED, None)
    app = TokenyardApp(driver)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.playhead.shown is not None)
        driver.player.stops = [at_s * 10**9]
        driver.jump(at_s * 10**9)
        await until(pilot, lambda: app.playhead.shown is not None and app.playhead.shown.time_ns == at_s * 10**9)
        await pilot.press(*key)
        await pilot.pause(0.5)
        (folder / f"show-{name}.svg").write_text(app.export_screenshot(title=f"tokenyard demo {name}"))


async def moving(folder: Path, recordings: Path) -> None:
    name, seconds, presses = FILM
    path = recordings / f"{name}-seed-{SEED}.tyard"
    await demo_frames(name, SEED, seconds, path, lambda _: None)
    with (folder / f"{name}.cast").open("wb") as out:
        await film(out, path, (0.0, seconds), FILM_SIZE, Film(0.0, seconds, 2.0, 2.0), "1", presses)


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        recordings = Path(name)
        await pages(folder, recordings)
        await moving(folder, recordings)
    for show_name, (at_s, key) in SHOWS.items():
        await show(folder, show_name, at_s, key)


if __name__ == "__main__":
    os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}  # wherever it is run, all colours
    asyncio.run(main(Path(__file__).parent))
