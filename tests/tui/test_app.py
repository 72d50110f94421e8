"""The App: every key, what a tick costs, and what happens when things end."""

import gc
from collections.abc import Sequence

import msgspec
import pytest
from textual.events import MouseScrollDown
from textual.geometry import Region
from textual.widgets import Static

from tests.tui import frames
from tests.tui.frames import TICK_NS, emulated
from tests.tui.playing import Played
from tests.tui.screen import at_rest, lines, minute, running, settled, text
from tui.app import FrameArrived, TokenyardApp
from tui.commands import GLOBAL, PAGE, bindings
from tui.layout import Section
from tui.pages import PAGES, make
from tui.palettes import DARK, LIGHT, PALETTES
from tui.places import HEADER, TIMELINE
from tui.playhead import Playhead
from tui.screens.arranged import Arranged
from tui.screens.help import Help
from tui.screens.overview import Overview
from tui.theme import Ink, styles
from tui.view import View, view_of
from tui.widgets.panel import Panel
from tui.widgets.rows import RowsPanel


def shown_tick(app: TokenyardApp) -> int:
    assert app.playhead.shown is not None
    return app.playhead.shown.time_ns // TICK_NS


def held(it: Played | Playhead) -> bool:
    return it.held


# keys


async def test_space_holds_the_view_while_collecting_goes_on() -> None:
    played = Played(minute(3598, 3599))
    async with running(played) as (app, pilot):
        await pilot.press("space")
        played.post(emulated(3600))
        played.post(emulated(3620))
        await settled(pilot)
        assert held(played)
        assert shown_tick(app) == 3599
        assert "‖ PAUSED 09:08:19, 5 s behind (collecting goes on)" in text(app)
        assert "space resume" in lines(app)[-1]
        await pilot.press("space")
        await settled(pilot)
        assert not held(played)
        assert shown_tick(app) == 3620
        assert "● LIVE" in text(app)


async def test_of_a_held_view_only_what_tells_of_the_newest_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played(minute(3598, 3599))
    async with running(played) as (app, pilot):
        await pilot.press("space")
        played.post(emulated(3600))
        await settled(pilot)
        drawn: list[str] = []
        draw = Panel.changed

        def noted(panel: Panel, view: View) -> Sequence[int]:
            drawn.append(panel.key)
            return draw(panel, view)

        monkeypatch.setattr(Panel, "changed", noted)
        played.post(emulated(3620))
        await settled(pilot)
        assert "5 s behind" in text(app)
        assert drawn == [HEADER, TIMELINE]
        await pilot.press("left")
        await settled(pilot)
        assert shown_tick(app) == 3598
        assert Section.FLEET in drawn


async def test_arrows_step_and_end_returns() -> None:
    played = Played(minute(*range(3588, 3601)))
    async with running(played) as (app, pilot):
        await pilot.press("left")
        assert shown_tick(app) == 3599
        await pilot.press("shift+left")
        assert shown_tick(app) == 3589
        await pilot.press("right")
        assert shown_tick(app) == 3590
        await pilot.press("shift+right")
        assert shown_tick(app) == 3600
        await pilot.press("left", "left")
        await settled(pilot)
        assert "┃" in lines(app)[-2]
        assert played.held
        await pilot.press("end")
        await settled(pilot)
        assert shown_tick(app) == 3600
        assert "┃" not in lines(app)[-2]
        assert not played.held


async def test_t_changes_the_theme_and_back() -> None:
    async with running(Played(minute(3600))) as (app, pilot):
        before = text(app)
        await pilot.press("t")
        await settled(pilot)
        assert app.theme == LIGHT.name
        assert text(app) == before
        header = app.page.panels[HEADER].render_lines(app.page.panels[HEADER].size.region)[0]
        assert {segment.style for segment in header} <= set(styles(LIGHT))
        await pilot.press(*["t"] * (len(PALETTES) - 1))
        assert app.theme == DARK.name


async def test_help_lists_every_command_and_closes() -> None:
    async with running(Played(minute(3600)), (120, 110)) as (app, pilot):
        await pilot.press("question_mark")
        await settled(pilot)
        assert isinstance(app.screen, Help)
        shown = text(app)
        assert all(command.name in shown for command in (*GLOBAL, *PAGE))
        assert "the back end does not say" in shown
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, Overview)


def titles(app: TokenyardApp) -> list[str]:
    """Panels that are shown; the one with the focus is marked."""
    words = ("Fleet", "Tiers", "Token river", "Newest stalls", "Requests")
    return [f"{mark}{word}".strip() for word in words for mark in " ▸" if f"─{mark}{word} " in text(app)]


ALL = ["▸Fleet", "Tiers", "Token river", "Newest stalls"]


async def test_z_shows_a_panel_alone_and_tab_the_next() -> None:
    async with running(Played(minute(3600))) as (app, pilot):
        assert titles(app) == ALL
        for key, shown in (
            ("z", ["▸Fleet"]),
            ("tab", ["▸Tiers"]),
            ("tab", ["▸Token river"]),
            ("tab", ["▸Newest stalls"]),
            ("tab", ["▸Fleet"]),
            ("shift+tab", ["▸Newest stalls"]),
            ("z", ["Fleet", "Tiers", "Token river", "▸Newest stalls"]),
            ("tab", ["Fleet", "Tiers", "Token river", "Newest stalls"]),
            ("tab", ALL),
        ):
            await pilot.press(key)
            await settled(pilot)
            assert titles(app) == shown
        for key in ("1", "escape", "z"):
            await pilot.press("z")
            await settled(pilot)
            assert titles(app) == ["▸Fleet"]
            await pilot.press(key)
            await settled(pilot)
            assert titles(app) == ALL


def cursor(app: TokenyardApp) -> list[str]:
    """First words of the rows that are marked."""
    return [line.partition("▸")[2].split()[0] for line in lines(app) if "▸" in line and "─▸" not in line]


async def test_the_cursor_goes_to_the_last_worker_and_the_river_goes_along() -> None:
    async with running(Played([emulated(3600, frames.big_fleet(16))]), (80, 24)) as (app, pilot):
        assert cursor(app) == ["gpu-0"]
        await pilot.press("down")
        await settled(pilot)
        assert cursor(app) == ["lpu-0", "lpu-0"]
        await pilot.press("pagedown")
        await settled(pilot)
        assert cursor(app) == ["gpu-2", "gpu-2"]
        assert "2–5 of 16 ↑↓" in text(app)
        await pilot.press("G")
        await settled(pilot)
        assert cursor(app) == ["lpu-7", "lpu-7"]
        await pilot.press("pageup", "up")
        await settled(pilot)
        assert cursor(app) == ["lpu-5", "lpu-5"]
        await pilot.press("home")
        await settled(pilot)
        assert "1–4 of 16" in text(app)


async def test_the_cursor_stays_with_its_row_wherever_it_goes() -> None:
    first, later = emulated(3600), emulated(3601)
    turned = msgspec.structs.replace(later, workers=later.workers[::-1])
    gone = msgspec.structs.replace(later, workers=later.workers[1:])
    played = Played([first])
    async with running(played) as (app, pilot):
        await pilot.press("down")
        await settled(pilot)
        panel = app.page.own["fleet"]
        assert isinstance(panel, RowsPanel)
        assert panel.current == "gpu-1/0"
        for frame in (turned, gone, first):
            played.post(frame)
            await settled(pilot)
            assert cursor(app)[0] == "gpu-1"
        played.post(msgspec.structs.replace(later, workers=(later.workers[0], *later.workers[2:])))
        await settled(pilot)
        assert cursor(app)[0] == "lpu-0", "the place where it was"
        played.post(first)
        await settled(pilot)
        assert cursor(app)[0] == "gpu-1"


# pages


async def test_pages_are_made_when_they_are_shown_and_only_the_one_that_is_shown_is_drawn() -> None:
    played = Played(minute(3600))
    async with running(played) as (app, pilot):
        overview = app.page
        await pilot.press("5")
        await settled(pilot)
        assert titles(app) == ["▸Requests"]
        assert app.page is not overview
        drawn: list[object] = []
        overview.redraw = lambda: drawn.append(None)  # type: ignore[method-assign]
        played.post(emulated(3601))
        await settled(pilot)
        assert not drawn
        assert app.page.view.frame is app.playhead.shown
        del overview.redraw
        await pilot.press("t", "1")
        await settled(pilot)
        assert app.page is overview
        assert overview.view.frame is app.playhead.shown
        assert "09:08:20" in lines(app)[0]
        header = overview.panels[HEADER].render_lines(overview.panels[HEADER].size.region)[0]
        assert {segment.style for segment in header} <= set(styles(LIGHT))


async def test_a_page_is_drawn_once_when_it_is_turned_to_and_its_styles_are_worked_out_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn, styled = list[str | None](), list[object]()
    redraw, refresh_css = Arranged.redraw, TokenyardApp.refresh_css

    def counted(page: Arranged) -> None:
        drawn.append(page.name)
        redraw(page)

    def worked_out(app: TokenyardApp, animate: bool = True) -> None:
        styled.append(app.page.name)
        refresh_css(app, animate)

    async with running(Played(minute(3600))) as (app, pilot):
        monkeypatch.setattr(Arranged, "redraw", counted)
        for key in ("6", "1", "6"):
            if key == "1":
                monkeypatch.setattr(TokenyardApp, "refresh_css", worked_out)
            await pilot.press(key)
            await settled(pilot)
        assert drawn == ["routing", "overview", "routing"]
        assert not styled
        await pilot.resize_terminal(100, 40)
        await settled(pilot)
        assert drawn[3:] == ["routing"]
        assert len(lines(app)) == 40


async def test_what_is_behind_the_panels_is_made_once_and_follows_the_theme() -> None:
    async with running(Played(minute(3600))) as (app, pilot):
        page, whole = app.page, Region(0, 0, 100, 30)
        behind = page.render_lines(whole)
        assert page.render_lines(whole) is behind
        before = page.background_colors
        app.dress("light")
        assert page.render_lines(whole), "painted before Textual has worked out the styles of the other theme"
        await settled(pilot)
        assert page.background_colors != before
        [segment] = page.render_lines(whole)[0]
        assert segment.style is not None
        assert segment.style.bgcolor is not None
        assert segment.style.bgcolor.get_truecolor() == page.background_colors[1].rich_color.get_truecolor()


async def test_a_stall_opens_its_request_and_escape_comes_back() -> None:
    async with running(Played(minute(3600))) as (app, pilot):
        await pilot.press("shift+tab", "shift+tab", "enter")
        await settled(pilot)
        assert titles(app) == ["▸Requests"]
        await pilot.press("escape")
        await settled(pilot)
        assert titles(app) == ["Fleet", "Tiers", "Token river", "▸Newest stalls"]
        await pilot.press("escape")
        await settled(pilot)
        assert app.page.name == "overview"


async def test_a_page_follows_the_size_that_it_was_not_shown_at() -> None:
    async with running(Played(minute(3600)), (120, 36)) as (app, pilot):
        await pilot.press("5")
        await settled(pilot)
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        await pilot.press("1")
        await settled(pilot)
        assert len(lines(app)) == 24
        assert titles(app) == ALL


def test_every_page_can_be_made_and_no_key_is_there_twice() -> None:
    for spec in PAGES:
        page = make(spec.name, styles(DARK))
        for commands in (GLOBAL, (*PAGE, *page.KEYS)):
            keys = [key for command in commands for key in command.keys.split(",")]
            assert len(keys) == len(set(keys))
        for binding in bindings(page.commands):
            where, _, action = binding.action.rpartition(".")
            assert hasattr(page if where else TokenyardApp, f"action_{action.partition('(')[0]}")
            assert binding.tooltip


async def test_the_palette_has_the_same_commands() -> None:
    async with running(Played(minute(3600))) as (app, pilot):
        found = {command.title: command for command in app.get_system_commands(app.screen)}
        names = {command.name for command in (*GLOBAL, *PAGE, *app.page.KEYS)} - {"Palette"}
        assert set(found) == names | {f"Hide {panel}" for panel in ("fleet", "tiers", "river", "stalls")}
        await found["Step back"].callback()
        assert app.playhead.held
        await pilot.press("colon")
        await settled(pilot)
        assert app.screen.__class__.__name__ == "CommandPalette"
        await pilot.press("q")
        assert app.is_running


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_quit_stops_the_driver(key: str) -> None:
    played = Played(minute(3600))
    async with running(played) as (app, pilot):
        await pilot.press(key)
        await settled(pilot)
    assert played.cancelled
    assert app.return_code == 0


# mouse


async def test_clicks_reach_keys_titles_and_the_timeline() -> None:
    played = Played([emulated(tick) for tick in (2000, 3600)])
    async with running(played) as (app, pilot):
        footer = lines(app)[-1]
        await pilot.click(offset=(footer.index("pause"), 35))
        assert held(app.playhead)
        await pilot.click(offset=(footer.index("live"), 35))
        assert not held(app.playhead)
        strip = lines(app)[-2]
        await pilot.click(offset=(strip.index("┊"), 34))
        assert shown_tick(app) == 2000
        river = next(y for y, line in enumerate(lines(app)) if "─ Token river " in line)
        await pilot.click(offset=(20, river))
        await settled(pilot)
        assert titles(app) == ["▸Token river"]


async def test_a_click_takes_the_cursor_along_and_a_second_one_opens() -> None:
    async with running(Played(minute(3600))) as (app, pilot):
        for word, found in (
            ("lpu-0   LPU", ["lpu-0", "lpu-0"]),
            ("host-0 DRAM", ["host-0"]),
            ("lpu-1  SRAM", ["lpu-1"]),
        ):
            y = next(y for y, line in enumerate(lines(app)) if word in line)
            await pilot.click(offset=(lines(app)[y].index(word) + 1, y))
            await settled(pilot)
            assert cursor(app) == found
        y = next(y for y, line in enumerate(lines(app)) if "r-1798" in line)
        await pilot.click(offset=(9, y), times=2)
        await settled(pilot)
        assert titles(app) == ["▸Requests"]


async def test_the_wheel_scrolls_what_is_under_it() -> None:
    async with running(Played(minute(3600)), (80, 24)) as (app, pilot):
        y = next(y for y, line in enumerate(lines(app)) if "─ Newest stalls " in line)
        app.post_message(MouseScrollDown(None, 9, y + 1, 0, 1, 0, False, False, False))
        await settled(pilot)
        assert "2–2 of 12" in text(app)
        assert "─▸Fleet window 60 s ─" in text(app)


# ticks


async def test_a_tick_never_lays_out() -> None:
    played = Played([emulated(3600)])
    async with running(played, (200, 50)) as (app, pilot):
        await at_rest(pilot)
        layouts: list[object] = []
        app.screen.screen_layout_refresh_signal.subscribe(app, layouts.append)
        for tick in range(3601, 3651):
            played.post(emulated(tick))
            await pilot.pause()
        assert shown_tick(app) == 3650
        assert layouts == []
        played.post(emulated(3651, frames.big_fleet(8)))
        await settled(pilot)
        assert layouts, "a fleet that grew takes other places"


async def test_only_changed_rows_are_repainted() -> None:
    frame = emulated(3600)
    busier = msgspec.structs.replace(frame.workers[2], running=frames.known(99))
    async with running(Played([frame])) as (app, _):
        panels = app.page.panels
        assert {
            section: panel.show(app.page.view) for section, panel in panels.items() if panel.show(app.page.view)
        } == {}
        app.playhead.arrive(msgspec.structs.replace(frame, workers=(*frame.workers[:2], busier, *frame.workers[3:])))
        view = view_of(app.playhead, "default/seed 7")
        changed = {section: rows for section, panel in panels.items() if (rows := panel.show(view))}
        assert changed == {Section.FLEET: 1}


async def test_a_newer_frame_replaces_a_waiting_one() -> None:
    first, second = FrameArrived(emulated(1)), FrameArrived(emulated(2))
    assert first.can_replace(second)


async def test_no_widget_of_the_overview_is_static() -> None:
    async with running(Played(minute(3600))) as (app, _):
        assert not app.screen.query(Static)


async def test_every_size_can_follow_every_other() -> None:
    async with running(Played(minute(3600)), (200, 50)) as (app, pilot):
        for size in ((80, 24), (20, 5), (120, 36), (59, 24), (60, 20), (200, 50)):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            shown = lines(app)
            assert len(shown) == size[1]
            assert ("needs 60 × 20 cells" in text(app)) == (size[0] < 60)
            assert ("─ Token river " in text(app)) == (size[0] >= 60)


# ends


async def test_an_error_of_the_driver_is_a_banner_and_history_stays() -> None:
    played = Played(minute(3599, 3600), error=ConnectionRefusedError("10.0.0.9:8000 [bold]refused"))
    async with running(played) as (app, pilot):
        assert "✗ collecting stopped: ConnectionRefusedError: 10.0.0.9:8000 [bold]refused" in text(app)
        assert "✗ STOPPED" in text(app)
        await pilot.press("left")
        await settled(pilot)
        assert shown_tick(app) == 3599


async def test_an_error_before_the_first_frame() -> None:
    async with running(Played(error=OSError())) as (app, _):
        assert "✗ collecting stopped: OSError: no reason given" in text(app)


async def test_a_recording_ends() -> None:
    played = Played(minute(3600), clock="replay", title="incident.tyard")
    async with running(played) as (app, pilot):
        assert "▶ REPLAY" in text(app)
        assert "incident.tyard" in text(app)
        played.done.set()
        await settled(pilot)
        assert "■ REPLAY ENDED" in text(app)


async def test_the_collector_is_left_as_it_was_found() -> None:
    before = gc.get_threshold()
    async with running(Played(minute(3600))):
        assert gc.get_threshold() != before
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


# colour


def test_without_colour_only_bold_and_reverse_are_left() -> None:
    for palette in PALETTES.values():
        plain = styles(palette, colour=False)
        assert all(style.color is None and style.bgcolor is None for style in plain)
        assert plain[Ink.BADGE].reverse
        assert len(plain) == len(styles(palette))


async def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(Played(minute(3600))) as (app, _):
        for panel in app.page.panels.values():
            for strip in panel.render_lines(panel.size.region):
                assert all(segment.style is None or segment.style.color is None for segment in strip)
