"""The App: every key, what a tick costs, and what happens when things end."""

import gc

import msgspec
import pytest
from textual.events import MouseScrollDown
from textual.widgets import Static

from tests.tui import frames
from tests.tui.frames import TICK_NS, emulated
from tests.tui.playing import Played
from tests.tui.screen import lines, minute, running, settled, text
from tui.app import FrameArrived, TokenyardApp
from tui.commands import COMMANDS, bindings
from tui.layout import Section
from tui.playhead import Playhead
from tui.screens.help import Help
from tui.screens.overview import Overview
from tui.theme import DARK, LIGHT, PALETTES, Ink, styles
from tui.view import view_of


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
        header = app.overview.panels[Section.HEADER].render_lines(app.overview.panels[Section.HEADER].size.region)[0]
        assert {segment.style for segment in header} <= set(styles(LIGHT))
        await pilot.press("t")
        assert app.theme == DARK.name


async def test_help_lists_every_command_and_closes() -> None:
    async with running(Played(minute(3600)), (120, 60)) as (app, pilot):
        await pilot.press("question_mark")
        await settled(pilot)
        assert isinstance(app.screen, Help)
        shown = text(app)
        assert all(command.name in shown for command in COMMANDS)
        assert "the back end does not say" in shown
        await pilot.press("escape")
        await settled(pilot)
        assert isinstance(app.screen, Overview)


async def test_z_goes_round_and_one_and_escape_return() -> None:
    async with running(Played(minute(3600))) as (app, pilot):
        titles = []
        words = ("Fleet", "Tiers", "Token river", "Newest stalls", "Requests")
        for _ in range(6):
            await pilot.press("z")
            await settled(pilot)
            titles.append([word for word in words if f"─ {word} " in text(app)])
        assert titles == [
            ["Fleet"],
            ["Tiers"],
            ["Token river"],
            ["Newest stalls"],
            ["Requests"],
            ["Fleet", "Tiers", "Token river", "Newest stalls"],
        ]
        for key in ("1", "escape"):
            await pilot.press("Z")
            await settled(pilot)
            assert "─ Fleet " not in text(app)
            await pilot.press(key)
            await settled(pilot)
            assert "─ Fleet " in text(app)


async def test_rows_scroll_to_the_last_worker() -> None:
    async with running(Played([emulated(3600, frames.big_fleet(16))]), (80, 24)) as (app, pilot):
        assert "lpu-7" not in text(app)
        await pilot.press("down")
        await settled(pilot)
        assert "2–5 of 16" in text(app)
        await pilot.press("pagedown", "pagedown")
        await settled(pilot)
        assert text(app).count("lpu-7 ") == 2
        await pilot.press("up", "pageup", "pageup")
        await settled(pilot)
        assert "1–4 of 16" in text(app)


async def test_the_palette_has_the_same_commands() -> None:
    async with running(Played(minute(3600))) as (app, pilot):
        found = {command.title: command for command in app.get_system_commands(app.screen)}
        assert set(found) == {command.name for command in COMMANDS} - {"Palette"}
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


def test_every_command_has_an_action_and_a_tooltip() -> None:
    for binding in bindings():
        assert hasattr(TokenyardApp, f"action_{binding.action.partition('(')[0]}")
        assert binding.tooltip


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
        assert "─ Fleet " not in text(app)


async def test_the_wheel_scrolls_what_is_under_it() -> None:
    async with running(Played(minute(3600)), (80, 24)) as (app, pilot):
        y = next(y for y, line in enumerate(lines(app)) if "─ Newest stalls " in line)
        app.post_message(MouseScrollDown(None, 9, y + 1, 0, 1, 0, False, False, False))
        await settled(pilot)
        assert "2–2 of 12" in text(app)
        assert "─ Fleet window 60 s ─" in text(app)


# ticks


async def test_a_tick_never_lays_out() -> None:
    played = Played([emulated(3600)])
    async with running(played, (200, 50)) as (app, pilot):
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
        panels = app.overview.panels
        assert {
            section: panel.show(app.overview.view) for section, panel in panels.items() if panel.show(app.overview.view)
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
        for size in ((80, 24), (60, 20), (120, 36), (79, 24), (200, 50)):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            shown = lines(app)
            assert len(shown) == size[1]
            assert ("needs 80 × 24 cells" in text(app)) == (size[0] < 80)
            assert ("─ Token river " in text(app)) == (size[0] >= 80)


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
        for panel in app.overview.panels.values():
            for strip in panel.render_lines(panel.size.region):
                assert all(segment.style is None or segment.style.color is None for segment in strip)
