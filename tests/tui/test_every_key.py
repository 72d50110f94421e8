"""Every key that Help lists does on every page what it is said to do; so do the footer's words, headings, rows, titles, graphs and the timeline under the mouse."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.events import MouseScrollDown, MouseScrollUp
from textual.pilot import Pilot

from collectors.compare.comparison import Comparison
from collectors.model.frame import Frame
from collectors.recording.playback import Playback
from tests.tui.demo import demo
from tests.tui.keys import CASES, ENDS, OPENS, REPLAYED, Case, Hand, behind, click
from tests.tui.screen import at_rest, settled
from tests.tui.test_replaying import until
from tui.app import TokenyardApp
from tui.choices import Choices
from tui.commands import TIME, Command
from tui.glyphs import SELECTED
from tui.line import text_of
from tui.pages import BY_NAME
from tui.places import TIMELINE
from tui.playhead import TICK_NS
from tui.recorded import opened as opened_recording
from tui.replaying import ReplayDriver
from tui.screens.help import listed
from tui.screens.page import Page
from tui.table import Order
from tui.widgets.panel import Panel
from tui.widgets.rows import RowsPanel

NAMES = list(BY_NAME)
SIZE = (200, 50)


@pytest.fixture
def shots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(TokenyardApp, "shots", tmp_path)
    return tmp_path


@pytest.fixture
def compared(name: str, request: pytest.FixtureRequest) -> Comparison | None:
    """For the page that shows it."""
    found: Comparison | None = request.getfixturevalue("comparison") if name == "compare" else None
    return found


@asynccontextmanager
async def on(name: str, comparison: Comparison | None = None) -> AsyncIterator[tuple[TokenyardApp, Pilot[None]]]:
    """A page beside a demo of which some seconds were seen."""
    app = TokenyardApp(demo().played(len(demo().frames)), Choices(page=name), comparison)
    async with app.run_test(size=SIZE) as pilot:
        await at_rest(pilot)
        yield app, pilot


def commands(page: Page) -> list[Command]:
    """All that Help lists, but what ends the app."""
    return [one for _, group in listed(page) for one in group if one.action not in ENDS]


async def home(app: TokenyardApp, pilot: Pilot[None], name: str) -> None:
    """As the page was when it was opened."""
    while app.screen is not app.page:
        await pilot.press("escape")
    page = app._pages[name]
    while page.step_out():
        pass
    page.inspecting, page.inspector.chosen = False, ""
    page.set_hidden(set())
    page.zoom(None)
    for panel in page.own.values():
        if isinstance(panel, RowsPanel):
            panel.order, panel.cursor, panel.scroll_rows = None, None, 0
            panel.filter_by("", page.view)
    if app.page is not page:
        app.action_page(name)
    app._been.clear()
    app.action_live()
    page.put_cursor(next(key for key, panel in page.own.items() if panel.focusable and key in page.boxes))
    await pilot.pause()


async def each(
    app: TokenyardApp, pilot: Pilot[None], frames: Sequence[Frame], shots: Path, name: str, cases: Mapping[str, Case]
) -> None:
    """Every way to do every command, one after the other."""
    for command in commands(app.page):
        mouse = _in_footer(app, command) and (name == NAMES[0] or command in app.page.KEYS)
        for key in [*command.keys.split(","), *([""] if mouse else [])]:
            print(name, command.name, key or "by mouse")  # the last one is it
            await cases[command.action](Hand(app, pilot, frames, command, key, shots))
            await home(app, pilot, name)


def _in_footer(app: TokenyardApp, command: Command) -> bool:
    return any(key.action == command.action for key in app.page.footer.keys)


@pytest.mark.parametrize("name", NAMES)
async def test_every_key_of_a_page(name: str, compared: Comparison | None, shots: Path) -> None:
    async with on(name, compared) as (app, pilot):
        await each(app, pilot, demo().frames, shots, name, CASES)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
@pytest.mark.parametrize("name", NAMES)
async def test_quit_leaves_every_page(name: str, key: str) -> None:
    async with on(name) as (app, pilot):
        await pilot.press(key)
        assert not app.is_running or app._exit


# a recording


async def test_every_key_of_time_of_a_recording(recorded: Path, shots: Path) -> None:
    with opened_recording(recorded) as reader:
        played = Playback(reader)
        frames = [found for tick in range(1, 49) if (found := played.at(tick * TICK_NS)) is not None]
    driver = ReplayDriver(recorded, 5.0)
    driver.player.playing = False
    app = TokenyardApp(driver)
    async with app.run_test(size=SIZE) as pilot:
        await until(lambda: app.playhead.shown is not None)
        assert [one for one in commands(app.page) if one in TIME] == list(TIME)
        for command in TIME:
            for key in [*command.keys.split(","), *([""] if _in_footer(app, command) else [])]:
                print(command.name, key or "by mouse")
                app.action_seek(frames[20].time_ns)
                case = REPLAYED.get(command.action, CASES[command.action])
                await case(Hand(app, pilot, frames, command, key, shots))


# by mouse


class Mouse:
    def __init__(self, app: TokenyardApp, pilot: Pilot[None], panel: Panel) -> None:
        self.app, self.pilot, self.panel = app, pilot, panel

    async def click(self, x: int, y: int, times: int = 1) -> None:
        box = self.app.page.boxes[self.panel.key]
        await click(self.app, self.pilot, box.x + x, box.y + y, times)

    async def wheel(self, kind: type[MouseScrollDown | MouseScrollUp]) -> None:
        box = self.app.page.boxes[self.panel.key]
        self.app.post_message(kind(None, box.x + 3, box.y + 1, 0, 1, 0, False, False, False))
        await settled(self.pilot)


def heading_at(panel: RowsPanel) -> int:
    """The line in which the names of its columns stand."""
    names = [head for head in panel._body.heads if head.field]
    for y, line in enumerate(panel.lines):
        drawn = "".join(text for text, _ in line)
        told = [drawn[panel._left + head.x :][: head.width].strip().casefold().replace(" ", ".") for head in names]
        if all(told) and any(text == head.field for text, head in zip(told, names, strict=True)):
            return y
    raise AssertionError(f"{panel.key}: no heading")


async def by_title(mouse: Mouse) -> None:
    page, key = mouse.app.page, mouse.panel.key
    for zoomed in (key, None):
        await mouse.click(4, 0)
        assert page.zoomed == zoomed
        assert page.focus_on == key


async def by_heading(mouse: Mouse, panel: RowsPanel) -> None:
    y = heading_at(panel)
    for head in panel._body.heads:
        if head.field:
            await mouse.click(panel._left + head.x + head.width // 2, y)
            assert panel.order == Order(head.field, descending=True), panel.key
    panel.order = None


async def by_row(mouse: Mouse, panel: RowsPanel) -> None:
    body = panel._body
    for at in (len(body.spots) - 1, 0):
        spot, key = body.spots[at], body.keys[body.first + at]
        await mouse.click(panel._left + spot.x + 1, 1 + spot.y)
        assert panel.current == key
        assert mouse.app.page.focus_on == panel.key
        assert text_of(panel.lines).splitlines()[1 + spot.y][panel._left + spot.x - 1] == SELECTED


async def by_second_click(mouse: Mouse, panel: RowsPanel) -> None:
    body, page = panel._body, mouse.app.page
    at = next((at for at in range(len(body.spots)) if behind(body.keys[body.first + at])), None)
    if at is None:
        return
    await mouse.click(panel._left + body.spots[at].x + 1, 1 + body.spots[at].y, times=2)
    await settled(mouse.pilot)
    assert mouse.app.page.name == OPENS.get(str(page.name), {}).get(panel.key, page.name)
    for _ in range(2):
        if mouse.app.page is not page:
            await mouse.pilot.press("escape")
    assert mouse.app.page is page


async def by_wheel(mouse: Mouse, panel: RowsPanel) -> None:
    if panel.last_first:
        for kind, first in ((MouseScrollDown, 1), (MouseScrollUp, 0)):
            await mouse.wheel(kind)
            assert panel.scroll_rows == first


async def by_graph(mouse: Mouse) -> bool:
    """A cell of a graph of time: the moment that it shows."""
    app, panel = mouse.app, mouse.panel
    assert panel.box is not None
    seeks = [
        (x, y, int(found[1]))
        for y in range(panel.box.height)
        for x in range(panel.box.width)
        if (found := re.fullmatch(r"seek\((\d+)\)", panel.action_at(x, y) or ""))
    ]
    for x, y, time_ns in seeks[len(seeks) * 9 // 10 :][:1]:
        await mouse.click(x, y)
        assert app.playhead.shown is app.feed.history.at(time_ns)
        assert app.playhead.held
    return bool(seeks)


GRAPHS = {"placement": {"river"}, "tiers": {"tiers"}, "jitter": {"lines"}}
"""Panels with graphs of time, beside the timeline."""


@pytest.mark.parametrize("name", NAMES)
async def test_every_panel_of_a_page_by_mouse(name: str, compared: Comparison | None) -> None:
    async with on(name, compared) as (app, pilot):
        page, graphs = app.page, set()
        for key in [key for key, panel in page.own.items() if key in page.boxes]:
            panel = page.own[key]
            mouse = Mouse(app, pilot, panel)
            if panel.focusable:
                await by_title(mouse)
            if isinstance(panel, RowsPanel):
                if panel.head_fields:
                    await by_heading(mouse, panel)
                    await home(app, pilot, name)
                await by_row(mouse, panel)
                await by_wheel(mouse, panel)
                await by_second_click(mouse, panel)
                await home(app, pilot, name)
            if await by_graph(mouse):
                graphs.add(key)
            await home(app, pilot, name)
        assert graphs == GRAPHS.get(name, set())
        assert await by_graph(Mouse(app, pilot, page.panels[TIMELINE]))
