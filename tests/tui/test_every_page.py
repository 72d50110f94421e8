"""What holds on every page there is: no layout in a tick, any size, hostile words, every key."""

import random

import pytest
from rich.cells import cell_len

from tests.tui import frames
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, running, settled, text
from tui.commands import GLOBAL, PAGE
from tui.pages import PAGES
from tui.screens.page import Page

NAMES = [spec.name for spec in PAGES]
KEY = {spec.name: spec.key for spec in PAGES}
LEAVES = ("q", "ctrl+c")
"""Keys that end the app."""


@pytest.mark.parametrize("name", NAMES)
async def test_a_tick_never_lays_out(name: str) -> None:
    played = Played([frames.emulated(3600)])
    async with running(played, (200, 50)) as (app, pilot):
        await pilot.press(KEY[name])
        await at_rest(pilot)
        layouts: list[object] = []
        app.screen.screen_layout_refresh_signal.subscribe(app, layouts.append)
        for tick in range(3601, 3651):
            played.post(frames.emulated(tick))
            await pilot.pause()
        assert app.page.name == name
        assert layouts == []


@pytest.mark.parametrize("name", NAMES)
async def test_any_size_can_come_at_any_time(name: str) -> None:
    chance = random.Random(7)
    played = Played([frames.hostile()])
    async with running(played, (200, 50)) as (app, pilot):
        await pilot.press(KEY[name])
        sizes = [(20, 5), (60, 20), (59, 20), (1, 1), (200, 50), (80, 24)]
        sizes += [(chance.randrange(1, 220), chance.randrange(1, 60)) for _ in range(12)]
        for number, size in enumerate([*sizes, (120, 36)]):
            await pilot.resize_terminal(*size)
            played.post(frames.hostile() if number % 2 else frames.with_trouble())
            await settled(pilot)
            shown = lines(app)
            assert len(shown) == size[1]
            assert all(cell_len(line) <= size[0] for line in shown)
        assert "q quit" in text(app)


@pytest.mark.parametrize("name", NAMES)
async def test_hostile_words_stay_words(name: str) -> None:
    async with running(Played([frames.hostile()], title="\x1b[31m[b]\u202e\x00" + "x" * 10_000)) as (app, pilot):
        await pilot.press(KEY[name])
        for keys in (["i"], ["right", "down"], ["tab"], ["i"], ["j"], ["escape"], ["y"], ["question_mark"], ["escape"]):
            await pilot.press(*keys)
            await settled(pilot)
            shown = text(app)
            assert all(character.isprintable() for character in shown.replace("\n", ""))
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                assert "\x1b" not in segment.text


@pytest.mark.parametrize("name", NAMES)
async def test_every_key_does_something_sane(name: str) -> None:
    """No key breaks the page, in any of its states, and the page draws the next tick."""
    played = Played([frames.emulated(tick) for tick in range(3596, 3601)])
    async with running(played) as (app, pilot):
        await pilot.press(KEY[name])
        page = app.page
        for command in (*GLOBAL, *PAGE, *page.KEYS):
            for key in command.keys.split(","):
                if key in LEAVES or command.action in ("shoot", "save"):
                    continue
                await pilot.press(key)
                await settled(pilot)
                for _ in range(6):
                    if isinstance(app.screen, Page) and app.page.name == name:
                        break
                    await pilot.press("escape" if not isinstance(app.screen, Page) else KEY[name])
                    await settled(pilot)
                if page.prompt.panel is not None:
                    await pilot.press("escape")
                assert app.is_running, key
        played.post(frames.emulated(3601))
        await pilot.press("end")
        await settled(pilot)
        assert app.page.view.frame is app.playhead.shown
