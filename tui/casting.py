"""`cast`: a replay as a film of the real screens, in asciinema's form (v2, docs.asciinema.org/manual/asciicast/v2), drawn without a terminal and as fast as that goes.

Each picture is what the dashboard shows of a moment of the recording; only lines that changed are written.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from rich.console import Console

from tui.app import TokenyardApp
from tui.player import Player
from tui.replaying import ReplayDriver

if TYPE_CHECKING:
    from pathlib import Path

    from textual.pilot import Pilot
    from textual.strip import Strip

CLEAR: Final = "\x1b[?25l\x1b[2J"
END: Final = "\x1b[0m\x1b[?25h"
MAX_PICTURES: Final = 36_000
WAIT_S: Final = 20.0
"""How long single deliveries of a moment may take to be read."""


class Press(NamedTuple):
    """A key, so many seconds of the recording after its beginning, as a viewer would press it."""

    at_s: float
    key: str


class Film(NamedTuple):
    """From `begin_s` to `end_s` of the recording, `rate` pictures a second of the film, `speed` times as fast as it was."""

    begin_s: float
    end_s: float
    rate: float
    speed: float

    @property
    def pictures(self) -> int:
        return max(math.ceil((self.end_s - self.begin_s) / self.speed * self.rate), 1)

    def at(self, picture: int) -> tuple[float, float]:
        """Seconds in the film, and of the recording."""
        return picture / self.rate, self.begin_s + picture / self.rate * self.speed


class Led(Player):
    """Goes where it is put, and says that it plays."""

    def advance(self, elapsed_s: float) -> None:
        pass


class Changed:
    """Lines of a screen as escape sequences, of those that are not as they were."""

    def __init__(self, width: int) -> None:
        self._console = Console(file=StringIO(), force_terminal=True, color_system="256", width=width)
        self._lines: list[str] = []

    def of(self, strips: Sequence[Strip]) -> str:
        lines = [strip.render(self._console) for strip in strips]
        before = self._lines if len(self._lines) == len(lines) else [""] * len(lines)
        self._lines = lines
        return "".join(
            f"\x1b[{row};1H\x1b[0m{line}"
            for row, (line, old) in enumerate(zip(lines, before, strict=True), 1)
            if line != old
        )


async def film(
    out: BinaryIO,
    file: Path,
    span_s: tuple[float, float],
    size: tuple[int, int],
    it: Film,
    page: str,
    presses: Sequence[Press],
) -> int:
    """How many pictures it wrote. `span_s`: session seconds of the recording's first and last Frame."""
    width, height = size
    header = {
        "version": 2,
        "width": width,
        "height": height,
        "title": f"tokenyard: {file.name}",
        "env": {"TERM": "xterm-256color"},
    }
    out.write(json.dumps(header).encode() + b"\n")
    driver = ReplayDriver(file, it.begin_s)
    driver.player = Led(0, 0, 0.0, it.speed)
    changed, app = Changed(width), TokenyardApp(driver)
    waiting = sorted(presses)
    async with app.run_test(size=size) as pilot:
        await _until(lambda: app.playhead.shown is not None)
        await pilot.press(*([page] if page else []))
        for picture, (film_s, at_s) in enumerate(map(it.at, range(it.pictures))):
            while waiting and waiting[0].at_s <= at_s:
                await pilot.press(waiting.pop(0).key)
            await _shows(app, driver, pilot, round((span_s[0] + at_s) * 1e9))
            text = changed.of(app.screen._compositor.render_strips())
            text = (CLEAR if not picture else "") + text
            if text:
                out.write(_event(film_s, text))
    out.write(_event(it.at(it.pictures)[0], END))
    return it.pictures


def _event(at_s: float, text: str) -> bytes:
    return json.dumps([round(at_s, 3), "o", text], ensure_ascii=False).encode("utf-8", "replace") + b"\n"


async def _shows(app: TokenyardApp, driver: ReplayDriver, pilot: Pilot[None], time_ns: int) -> None:
    """Until the moment, and what is looked at of it, is drawn."""
    frame = driver.history.at(time_ns)
    driver.lead(time_ns)
    held = app.playhead.held
    await _until(
        lambda: (
            held or frame is None or (app.playhead.shown is not None and app.playhead.shown.time_ns == frame.time_ns)
        )
    )
    if app.page.looks_into_requests:
        await _until(lambda: driver.detail is not None)
    await pilot.pause()


async def _until(true: Callable[[], bool]) -> None:
    """What is waited for is the dashboard's own, which tells nobody."""
    async with asyncio.timeout(WAIT_S):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
