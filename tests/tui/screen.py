"""The App under test: what it shows, as text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from collectors.model.frame import Frame
from tests.tui.playing import Played
from tui.app import TokenyardApp


def text(app: TokenyardApp) -> str:
    """The whole screen as plain text. Textual has no public way but an SVG; this is the only place that looks inside."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


def lines(app: TokenyardApp) -> list[str]:
    return text(app).split("\n")


@asynccontextmanager
async def running(
    played: Played, size: tuple[int, int] = (120, 36), *, toasts: bool = False
) -> AsyncIterator[tuple[TokenyardApp, Pilot[None]]]:
    """The dashboard on a driver, after it has shown the driver's Frames."""
    app = TokenyardApp(played)
    async with app.run_test(size=size, notifications=toasts) as pilot:
        await settled(pilot)
        yield app, pilot


async def settled(pilot: Pilot[None]) -> None:
    """All messages are handled, also those that they caused."""
    for _ in range(2):
        await pilot.pause()


async def at_rest(pilot: Pilot[None]) -> None:
    """What a page sets up a moment after it is opened has been laid out, too."""
    await settled(pilot)
    await asyncio.sleep(0.1)
    await settled(pilot)


def minute(*ticks: int) -> Sequence[Frame]:
    from tests.tui.frames import emulated

    return [emulated(tick) for tick in ticks]
