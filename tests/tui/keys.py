"""What each command does, as a user sees it: a case by its action, done by key or by a click on the footer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from textual.command import CommandPalette
from textual.events import Click
from textual.pilot import Pilot
from textual.screen import Screen

from collectors.model.frame import Frame
from tui.app import TokenyardApp
from tui.commands import Command
from tui.glyphs import BOOKMARK, FALLING, RISING, SELECTED
from tui.line import text_of
from tui.pages import PAGES
from tui.palettes import PALETTES
from tui.places import FOOTER, HEADER, INSPECTOR, KPI, TIMELINE
from tui.screens.help import Help
from tui.screens.jitter import JitterPage
from tui.screens.note import Note
from tui.screens.page import Page
from tui.screens.placement import PlacementPage
from tui.screens.requests import LISTS, RequestsPage
from tui.screens.routing import RoutingPage
from tui.screens.tenth import Tenth
from tui.table import Order
from tui.travel import NO_PLAYER
from tui.verdicts import first, where
from tui.widgets.panel import Panel
from tui.widgets.rows import RowsPanel

OPENS: Final = {
    "overview": {"fleet": "placement", "tiers": "tiers", "river": "placement", "stalls": "requests"},
    "placement": {"river": "placement"},
    "tiers": {"tiers": "overview", "prompts": "overview"},
    "jitter": {"ledger": "requests"},
    "requests": {"requests": "requests"},
    "routing": {"labels": "requests"},
    "slo": {"attainment": "overview"},
}
"""To which page enter leads from a panel; from all others nowhere."""
NOTHING: Final = "nothing is behind this row"


async def click(app: TokenyardApp, pilot: Pilot[None], x: int, y: int, times: int = 1) -> None:
    """And until the page has done what that does."""
    done, mouse = asyncio.Event(), app.page.mouse
    doing, clicks = mouse.click, 0

    async def clicked(event: Click) -> None:
        nonlocal clicks
        clicks += 1
        await doing(event)
        if clicks == times:
            done.set()

    mouse.click = clicked  # type: ignore[method-assign]
    try:
        await pilot.click(offset=(x, y), times=times)
        async with asyncio.timeout(30):
            await done.wait()
    finally:
        mouse.click = doing  # type: ignore[method-assign]
    await pilot.pause()


@dataclass
class Hand:
    """Does one command: by its key, or (without one) by a click on the footer."""

    app: TokenyardApp
    pilot: Pilot[None]
    frames: Sequence[Frame]
    command: Command
    key: str
    shots: Path

    async def do(self) -> None:
        self.app.clear_notifications()
        if self.key:
            await self.press(self.key)
            return
        start = next(key.start for key in self.page.footer.keys if key.action == self.command.action)
        await click(self.app, self.pilot, start, self.app.size.height - 1)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def back(self, page: Page) -> None:
        """By escape: out of what was opened, and of the filter that it may have come with."""
        for _ in range(2):
            if self.page is not page:
                await self.press("escape")
        assert self.page is page

    @property
    def page(self) -> Page:
        return self.app.page

    def sees(self, kind: type[Screen[Any]]) -> bool:
        """Whether a page, or something of that kind above it, is on top."""
        return isinstance(self.app.screen, kind)

    @property
    def now(self) -> int:
        assert self.app.playhead.shown is not None
        return self.app.playhead.shown.time_ns

    @property
    def tick(self) -> int:
        """Number of the Frame that is shown."""
        return [frame.time_ns for frame in self.frames].index(self.now)

    @property
    def said(self) -> str:
        """What was told last."""
        return str([*self.app._notifications][-1].message) if self.app._notifications else ""

    def drawn(self, panel: str) -> str:
        return text_of(self.page.panels[panel].lines)

    def at(self, tick: int) -> None:
        self.app.action_seek(self.frames[tick].time_ns)

    def focus(self, panel: Panel, row: object = None) -> None:
        self.page.put_cursor(panel.key, row)

    def lists(self) -> list[RowsPanel]:
        """Those in sight, the one with the most rows first."""
        found = [one for key, one in self.page.own.items() if key in self.page.boxes and isinstance(one, RowsPanel)]
        return sorted(found, key=lambda one: -len(one._body.keys))

    def list(self) -> RowsPanel:
        """One with some rows, with the focus."""
        panel = self.lists()[0]
        assert len(panel._body.keys) >= 3, self.page.name
        self.focus(panel)
        return panel


Case = Callable[[Hand], Awaitable[None]]
CASES: Final[dict[str, Case]] = {}
"""By action."""
REPLAYED: Final[dict[str, Case]] = {}
"""Of those that do something else where there is a player."""
ENDS: Final = frozenset({"quit"})
"""Those that end the app."""


def does(*actions: str, among: dict[str, Case] = CASES) -> Callable[[Case], Case]:
    def known(case: Case) -> Case:
        among.update(dict.fromkeys(actions, case))
        return case

    return known


# time


@does("hold")
async def holds(hand: Hand) -> None:
    before = hand.app.playhead.held
    for held in (not before, before):
        await hand.do()
        assert hand.app.playhead.held is held
        assert ("PAUSED" in hand.drawn(HEADER)) is held


async def steps(by: int, hand: Hand) -> None:
    hand.at(25)
    await hand.do()
    assert hand.tick == 25 + by
    assert "PAUSED" in hand.drawn(HEADER)


CASES.update({f"step({by})": partial(steps, by) for by in (-1, 1, -10, 10)})


@does("delivery(-1)", "delivery(1)")
async def says_that_only_recordings_step_by_delivery(hand: Hand) -> None:
    await hand.do()
    assert hand.said == "only a recording can be stepped through by delivery"


async def to_a_mark(by: int, hand: Hand) -> None:
    hand.app.bookmarks.add(hand.frames[20].time_ns, "here")
    hand.at(20 - by)
    await hand.do()
    assert hand.tick == 20
    assert hand.said == "here"
    hand.app.bookmarks.remove(hand.now)


CASES.update({f"mark({by})": partial(to_a_mark, by) for by in (-1, 1)})


@does("bookmark")
async def bookmarks(hand: Hand) -> None:
    for there in (True, False):
        await hand.do()
        assert (hand.now in hand.app.bookmarks.notes) is there
        behind = hand.page.view.behind_s > 0  # then the moment that is shown stands there
        assert (BOOKMARK in hand.drawn(TIMELINE)) is (there and not behind)


@does("note")
async def notes(hand: Hand) -> None:
    await hand.do()
    assert hand.sees(Note)
    await hand.press(*"a[b", "enter")
    assert hand.app.bookmarks.notes == {hand.now: "a[b"}
    await hand.do()
    await hand.press("c", "escape")
    assert hand.app.bookmarks.notes == {hand.now: "a[b"}
    hand.app.bookmarks.remove(hand.now)


@does("pause_mark")
async def pause_marks(hand: Hand) -> None:
    for there in (True, False):
        await hand.do()
        assert (hand.now in hand.app.bookmarks.stops) is there
    hand.app.bookmarks.remove(hand.now)


@does("save")
async def saves(hand: Hand) -> None:
    await hand.do()
    assert hand.said.startswith("saved to tokenyard-")


@does("speed(-1)", "speed(1)", "reverse")
async def says_that_only_what_is_played_has_a_speed(hand: Hand) -> None:
    await hand.do()
    assert hand.said == NO_PLAYER


@does("loop")
async def says_that_only_recordings_loop(hand: Hand) -> None:
    await hand.do()
    assert hand.said == "only a recording can be played in a loop"


@does("ask_tenth")
async def goes_to_a_tenth(hand: Hand) -> None:
    for digit in "05":
        await hand.do()
        assert hand.sees(Tenth)
        await hand.press(digit)
        first_ns, last_ns = hand.frames[0].time_ns, hand.frames[-1].time_ns
        wanted = first_ns + (last_ns - first_ns) * int(digit) // 10
        assert hand.now == max(one.time_ns for one in hand.frames if one.time_ns <= wanted)


@does("live")
async def goes_to_the_end(hand: Hand) -> None:
    hand.at(10)
    await hand.do()
    assert hand.tick == len(hand.frames) - 1
    assert not hand.app.playhead.held


async def speed(words: str, hand: Hand) -> None:
    player = hand.app.feed.player
    assert player is not None
    await hand.do()
    assert words in hand.drawn(HEADER)
    player.speed, player.backwards = 1.0, False


REPLAYED.update({f"speed({by})": partial(speed, words) for by, words in ((-1, " 1/2× "), (1, " 2× "))})
REPLAYED["reverse"] = partial(speed, " −1× ")


async def by_delivery(by: int, hand: Hand) -> None:
    hand.at(20)
    await hand.do()
    assert (hand.tick - 20) * by > 0


REPLAYED.update({f"delivery({by})": partial(by_delivery, by) for by in (-1, 1)})


@does("loop", among=REPLAYED)
async def loops(hand: Hand) -> None:
    player = hand.app.feed.player
    assert player is not None
    hand.at(8)
    begin = hand.now
    await hand.do()
    hand.at(16)
    await hand.do()
    assert player.loop == (begin, hand.now)
    assert " loop " in hand.drawn(HEADER)
    await hand.do()
    assert player.loop is None


@does("save", among=REPLAYED)
async def says_that_it_is_a_recording(hand: Hand) -> None:
    await hand.do()
    assert hand.said.startswith("this is a recording already")


@does("live", among=REPLAYED)
async def goes_to_the_end_of_it(hand: Hand) -> None:
    hand.at(10)
    await hand.do()
    assert hand.tick == len(hand.frames) - 1


# everywhere


async def turns_to(name: str, hand: Hand) -> None:
    if hand.page.name == name:
        hand.page.zoom(next(iter(hand.page.own)))
    await hand.do()
    assert hand.page.name == name
    assert hand.page.zoomed is None
    assert hand.sees(Page)
    assert any(panel.lines for panel in hand.page.own.values())


CASES.update({f"page('{spec.name}')": partial(turns_to, spec.name) for spec in PAGES})


@does("verdict")
async def goes_where_the_verdict_is_seen(hand: Hand) -> None:
    frame = hand.app.playhead.shown
    finding = first(frame)
    await hand.do()
    assert frame is not None
    if finding is None:
        assert "no verdict" in hand.said
        return
    page, panel, _ = where(finding, frame)
    assert hand.page.name == page
    assert panel is None or hand.page.focus_on == panel
    assert hand.page.view.spoken(finding.knob) in hand.said


@does("shoot")
async def shoots(hand: Hand) -> None:
    before = {*hand.shots.glob("*")}
    await hand.do()
    svg, text = sorted({*hand.shots.glob("*")} - before)
    assert svg.read_text().startswith("<svg")
    assert text.read_text().startswith(hand.drawn(HEADER).rstrip())


@does("costs")
async def tells_costs(hand: Hand) -> None:
    for told in (True, False):
        await hand.do()
        assert ("measuring" in hand.drawn(FOOTER)) is told


@does("next_theme")
async def takes_the_next_theme(hand: Hand) -> None:
    names = list(PALETTES)
    before = names.index(hand.app.palette)
    await hand.do()
    assert hand.app.palette == names[(before + 1) % len(names)]
    assert hand.app.theme == PALETTES[hand.app.palette].name
    hand.app.dress(names[before])


@does("help")
async def helps(hand: Hand) -> None:
    for key in ("escape", "question_mark", "q", "space"):
        await hand.do()
        assert hand.sees(Help)
        await hand.press(key)
        assert hand.sees(Page)
    assert not hand.app.playhead.held


@does("command_palette")
async def finds_a_command(hand: Hand) -> None:
    await hand.do()
    assert hand.sees(CommandPalette)
    await hand.press("escape")
    assert hand.sees(Page)


# panels and rows


async def focuses(by: int, hand: Hand) -> None:
    """Each panel that there is in turn, and each says that it has the focus."""
    page = hand.page
    wanted = {key for key, panel in page.own.items() if panel.focusable and key not in page.optional}
    wanted |= {key for key in page.optional if key in page.boxes} | ({KPI} if page.kpi else set())
    seen = []
    for _ in wanted:
        await hand.do()
        assert page.focus_on is not None
        seen.append(page.focus_on)
        assert SELECTED in hand.drawn(page.focus_on) or page.focus_on == "board", page.focus_on
        assert [key for key, panel in page.panels.items() if panel.focused] == [page.focus_on]
    assert set(seen) == wanted
    if len(seen) > 2:
        order = [*page.own, KPI]
        at = [order.index(one) for one in seen]
        assert sum((one - two) * by > 0 for one, two in zip(at[1:], at[:-1], strict=True)) >= len(at) - 2


CASES.update({f"screen.focus_panel({by})": partial(focuses, by) for by in (1, -1)})


async def moves(begin: Callable[[int], int], end: Callable[[int, int, int], int], hand: Hand) -> None:
    panel = hand.list()
    keys = panel._body.keys
    hand.focus(panel, keys[begin(len(keys))])
    before, page = panel._locate(keys), max(panel._body.shown - 1, 1)
    await hand.do()
    after = end(before, page, len(keys))
    assert before != after
    assert panel.current == keys[after]
    assert panel.row_text, "it is in sight"


CASES.update(
    {
        "screen.move(-1)": partial(moves, lambda n: 2, lambda at, page, n: 1),
        "screen.move(1)": partial(moves, lambda n: 1, lambda at, page, n: 2),
        "screen.move_page(-1)": partial(moves, lambda n: n - 1, lambda at, page, n: max(at - page, 0)),
        "screen.move_page(1)": partial(moves, lambda n: 0, lambda at, page, n: min(at + page, n - 1)),
        "screen.move(-100000)": partial(moves, lambda n: n - 1, lambda at, page, n: 0),
        "screen.move(100000)": partial(moves, lambda n: 0, lambda at, page, n: n - 1),
    }
)


@does("screen.open")
async def opens(hand: Hand) -> None:
    page = hand.page
    for panel in hand.lists():
        for row in panel._body.keys:
            if not behind(row):
                continue
            hand.focus(panel, row)
            await hand.do()
            to = OPENS.get(str(page.name), {}).get(panel.key)
            assert hand.page.name == (to or page.name), panel.key
            assert (hand.said == NOTHING) is (to is None), panel.key
            await hand.back(page)
            break


def behind(row: object) -> bool:
    """Of objectives there is something behind workers alone."""
    return not (isinstance(row, tuple) and row[0] in ("all", "model", "device kind"))


@does("screen.inspect")
async def inspects(hand: Hand) -> None:
    for panel in hand.page.own.values():
        if not panel.focusable or panel.key not in hand.page.boxes:
            continue
        hand.focus(panel)
        told = panel.figures(hand.page.view, panel.current if isinstance(panel, RowsPanel) else None)
        await hand.do()
        assert hand.page.inspecting
        assert (told[0].name if told else "no figure under the cursor") in hand.drawn(INSPECTOR)
        await hand.do()
        assert INSPECTOR not in hand.page.boxes


async def other_figures(by: int, hand: Hand) -> None:
    page = hand.page
    for panel in hand.page.own.values():
        hand.focus(panel)
        if len(told := page.inspector.told(page.view)) > 1:
            page.action_inspect()
            tick = hand.now
            await hand.do()
            assert page.inspector.chosen == told[by % len(told)].name
            assert page.inspector.chosen in hand.drawn(INSPECTOR)
            assert hand.now == tick
            return
    assert page.name in ("compare", "placement"), "there are no pages without figures but these"


CASES.update({f"screen.figure({by})": partial(other_figures, by) for by in (1, -1)})


@does("screen.filter")
async def filters(hand: Hand) -> None:
    page = hand.page
    for panel in hand.page.own.values():
        if panel.key not in page.boxes or not panel.focusable:
            continue
        hand.focus(panel)
        await hand.do()
        if not isinstance(panel, RowsPanel) or not panel.fields(page.view):
            assert hand.said == "nothing to filter by in this panel"
            continue
        assert page.prompt.panel is panel
        await hand.press(*"qqq", "enter")
        assert hand.page.prompt.panel is None
        assert "no row is like that" in hand.drawn(panel.key) or not panel._all
        await hand.do()
        await hand.press("escape")
        assert not panel.filter_text
        assert "no row is like that" not in hand.drawn(panel.key)


@does("screen.sort")
async def sorts(hand: Hand) -> None:
    for panel in hand.lists():
        hand.focus(panel)
        fields = [field.name for field in panel.fields(hand.page.view)]
        if not fields:
            await hand.do()
            assert hand.said == "nothing to sort by in this panel"
        for field in [*fields, None]:
            await hand.do()
            assert panel.order == (Order(field, descending=True) if field else None)
            if field in panel.head_fields:
                assert FALLING in hand.drawn(panel.key)


@does("screen.turn")
async def turns(hand: Hand) -> None:
    for panel in hand.lists():
        hand.focus(panel)
        await hand.do()
        assert hand.said == "rows are as they come: s sorts them"
        if not panel.head_fields:
            continue
        panel.order = Order(panel.head_fields[0], descending=True)
        for sign in (RISING, FALLING):
            await hand.do()
            assert sign in hand.drawn(panel.key)
        panel.order = None


@does("screen.zoom", "page_does('zoom')")
async def zooms(hand: Hand) -> None:
    page = hand.page
    for key, panel in page.own.items():
        if not panel.focusable or key not in page.boxes:
            continue
        hand.focus(panel)
        before = dict(page.boxes)
        await hand.do()
        assert {*page.boxes} & {*page.own} == {key}
        await hand.do()
        assert dict(page.boxes) == before


@does("screen.jump")
async def jumps(hand: Hand) -> None:
    page = hand.page
    await hand.do()
    assert page.jump.on
    labels = {panel.label: key for key, panel in page.own.items() if panel.label}
    assert set(labels.values()) == {key for key, panel in page.own.items() if panel.focusable and key in page.boxes}
    letter, goal = list(labels.items())[-1]
    assert letter in hand.drawn(goal).splitlines()[0]
    await hand.press(letter)
    assert not hand.page.jump.on
    assert page.focus_on == goal
    panel = hand.list()
    await hand.do()
    row, letter = list(panel.row_labels.items())[1]
    await hand.press(letter)
    assert panel.current == row


@does("screen.hide")
async def hides(hand: Hand) -> None:
    page = hand.page
    seen = [key for key in page.own if key in page.boxes]
    panel = next(page.own[key] for key in seen if page.own[key].focusable)
    hand.focus(panel)
    await hand.do()
    assert (panel.key in page.boxes) is (len(seen) == 1)
    assert page.hidden == (set() if len(seen) == 1 else {panel.key})
    assert ("no other panel" in hand.said) is (len(seen) == 1)
    page.set_hidden(set())


@does("screen.show_all")
async def shows_all(hand: Hand) -> None:
    page = hand.page
    before = dict(page.boxes)
    page.set_hidden({next(iter(page.own))})
    await hand.do()
    assert dict(page.boxes) == before


@does("screen.copy")
async def copies(hand: Hand) -> None:
    panel = hand.list()
    await hand.do()
    assert hand.app.clipboard == panel.row_text != ""
    assert panel.row_text in hand.said
    hand.page.action_inspect()
    if hand.page.inspector.text:
        await hand.do()
        assert hand.app.clipboard == hand.page.inspector.text
    hand.page.action_inspect()


@does("screen.back")
async def goes_back(hand: Hand) -> None:
    page = hand.page
    panel = hand.list()
    page.zoom(panel.key)
    if panel.fields(page.view):
        panel.filter_by("qqq", page.view)
    page.action_inspect()
    await hand.do()
    assert not page.inspecting
    if panel.fields(page.view):
        await hand.do()
        assert not panel.filter_text
    assert page.zoomed
    await hand.do()
    assert hand.page.zoomed is None
    other = "tiers" if page.name == "overview" else "overview"
    hand.app.open_page(other)
    hand.app.open_page(str(page.name))
    await hand.do()
    assert hand.page.name == other


# of single pages


@does("screen.rows")
async def takes_other_rows(hand: Hand) -> None:
    page, seen = hand.page, []
    for _ in range(3):
        await hand.do()
        seen.append(page.river.by if isinstance(page, PlacementPage) else page.focus_on)
        if isinstance(page, PlacementPage):
            assert f"a row a {page.river.by}" in hand.drawn("river")
        else:
            assert [key for key in page.own if key in page.boxes] == [page.focus_on]
    assert len(set(seen)) == 3
    if isinstance(page, RequestsPage):
        assert set(seen) == set(LISTS)


@does("screen.hue", "page_does('hue')")
async def takes_another_hue(hand: Hand) -> None:
    seen = []
    for _ in range(2):
        await hand.do()
        page = hand.page
        assert isinstance(page, PlacementPage)
        assert f"hue {page.river.hue}" in hand.drawn("river")
        assert page.follow.hue is page.river.hue
        seen.append(page.river.hue)
    assert len(set(seen)) == 2


async def slices(by: int, hand: Hand) -> None:
    page = hand.page
    assert isinstance(page, PlacementPage)
    before = page.river.slice_ns
    await hand.do()
    assert (page.river.slice_ns - before) * by > 0
    page.action_slice(-by)


CASES.update({f"screen.slice({by})": partial(slices, by) for by in (-1, 1)})


@does("screen.smoothed")
async def takes_other_lines(hand: Hand) -> None:
    assert isinstance(hand.page, JitterPage)
    for smoothed in (True, False):
        await hand.do()
        assert ("RFC 3550 jitter" in hand.drawn("lines")) is smoothed


@does("screen.follow")
async def follows(hand: Hand) -> None:
    page = hand.page
    assert isinstance(page, RequestsPage)
    row = page.table.current
    await hand.do()
    assert isinstance(hand.page, PlacementPage)
    assert hand.page.follow.of == row
    assert hand.page.focus_on == "follow"


@does("screen.measure")
async def takes_another_measure(hand: Hand) -> None:
    assert isinstance(hand.page, RoutingPage)
    before = hand.drawn("labels")
    seen = set()
    for _ in range(5):
        await hand.do()
        seen.add(hand.drawn("labels"))
    assert len(seen) == 5
    assert hand.drawn("labels") == before


@does("screen.profile")
async def judges_by_the_next_profile(hand: Hand) -> None:
    frame = hand.app.playhead.newest
    await hand.do()
    assert frame is not None
    assert frame.slo is not None
    name = hand.said.removeprefix("judged by ").removesuffix(" from now on")
    assert name not in ("", frame.slo.profile)
    assert hand.app.feed.profile == name  # type: ignore[attr-defined]


@does("screen.shape")
async def draws_the_fleet_in_its_other_shape(hand: Hand) -> None:
    shown = "a cell a worker" in text_of(hand.page.panels["fleet"].lines)
    for there in (not shown, shown):
        await hand.do()
        assert ("a cell a worker" in text_of(hand.page.panels["fleet"].lines)) is there


async def goes_by_cells(by: int, hand: Hand) -> None:
    fleet = hand.page.own["fleet"]
    assert isinstance(fleet, RowsPanel)
    await hand.do()
    if not hand.page.own["fleet"].as_map:  # type: ignore[attr-defined]
        assert hand.said == "cells are of the map: m"
        await hand.press("m")
    hand.focus(fleet)
    await hand.press("G" if by < 0 else "home")
    before = fleet.current
    await hand.do()
    assert fleet.current != before
    await hand.press("m")


CASES.update({f"screen.cell({by})": partial(goes_by_cells, by) for by in (-1, 1)})
