"""A bookmark's text is typed in, kept beside the recording, and said when it is come to."""

from pathlib import Path

from tests.tui.screen import at_rest, text
from tui.app import TokenyardApp
from tui.headless import demo_frames
from tui.marks import Bookmarks
from tui.playhead import TICK_NS
from tui.replaying import ReplayDriver


async def test_a_bookmark_with_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    await demo_frames("default", 7, 4.0, path, lambda _: None)
    driver = ReplayDriver(path, 2.0)
    driver.player.playing = False
    app = TokenyardApp(driver)
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        while app.playhead.shown is None:
            await pilot.pause()
        await at_rest(pilot)
        at_ns = app.playhead.shown.time_ns
        await pilot.press("B")
        await at_rest(pilot)
        assert "note of this bookmark" in text(app)
        await pilot.press(*"it[b]", "enter")
        await at_rest(pilot)
        assert app.bookmarks.notes == {at_ns: "it[b]"}
        await pilot.press("B", "backspace", "backspace", "backspace", "enter")
        await at_rest(pilot)
        await pilot.press("B", "x", "escape")
        await at_rest(pilot)
    kept = Bookmarks(path)
    kept.load()
    assert kept.notes == {at_ns: "it"}


async def test_a_loop_by_key(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    await demo_frames("default", 7, 4.0, path, lambda _: None)
    driver = ReplayDriver(path, 1.0)
    driver.player.playing = False
    app = TokenyardApp(driver)
    async with app.run_test(size=(100, 30)) as pilot:
        while app.playhead.shown is None:
            await pilot.pause()
        await at_rest(pilot)
        begin = app.playhead.shown.time_ns
        await pilot.press("L", "right", "right", "L")
        await at_rest(pilot)
        assert driver.player.loop == (begin, begin + 500_000_000)
        assert "loop" in text(app).split("\n")[0]
        await pilot.press("L")
        await at_rest(pilot)
        assert driver.player.loop is None


async def test_a_pause_mark_pauses_and_deliveries_are_stepped_through(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    await demo_frames("default", 7, 4.0, path, lambda _: None)
    driver = ReplayDriver(path, 2.0, 4.0)
    driver.player.playing = False
    app = TokenyardApp(driver)
    async with app.run_test(size=(100, 30)) as pilot:
        while app.playhead.shown is None:
            await pilot.pause()
        await at_rest(pilot)
        at_ns = app.playhead.shown.time_ns
        await pilot.press("P", "greater_than_sign")
        await at_rest(pilot)
        assert app.playhead.shown.time_ns == at_ns + TICK_NS
        await pilot.press("less_than_sign", "less_than_sign")
        await at_rest(pilot)
        assert app.playhead.shown.time_ns == at_ns - TICK_NS
        await pilot.press("space")
        while app.playhead.shown.time_ns < at_ns or driver.player.playing:
            await pilot.pause(0.02)
        assert driver.player.position_ns == at_ns
        await pilot.press("P")
        await at_rest(pilot)
        assert driver.player.stops == []
    kept = Bookmarks(path)
    kept.load()
    assert (kept.notes, kept.stops) == ({at_ns: ""}, set())
