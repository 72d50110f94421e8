"""A show: its world goes as the presenter says, what was seen is shown again as it was, and keys do what they say."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot

from collectors.model.frame import Frame
from tests.tui.screen import settled, text
from tui.app import TokenyardApp
from tui.headless import demo_frames
from tui.replaying import ReplayDriver
from tui.show import attaching, notes
from tui.show.driver import READY_NS, ShowDriver
from tui.show.script import Chapter, Script

S = 10**9
SCRIPT = Script(
    "default",
    8.0,
    (
        Chapter(0, "Calm", "Nothing happens yet.", "overview", "Say hello."),
        Chapter(2, "Gaps", "Look at the gaps.", "jitter/gaps", "", True),
        Chapter(5, "Placement", "Look at the river.", "placement"),
    ),
)


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "folder", lambda: tmp_path / "run")
    monkeypatch.setattr(attaching, "folder", lambda: tmp_path / "run")


def test_chapters_before_and_after() -> None:
    assert [SCRIPT.number(at * S) for at in (0, 1.9, 2, 7)] == [0, 0, 1, 2]
    assert [SCRIPT.after(at * S) for at in (0, 2, 5)] == [2 * S, 5 * S, None]
    assert SCRIPT.before(5 * S, S) == 2 * S
    assert SCRIPT.before(7 * S, S) == 5 * S
    assert SCRIPT.before(0, S) == 0
    assert SCRIPT.stops == [2 * S]


def without_ports(frame: Frame) -> Frame:
    """Servers listen on any free ports."""
    return msgspec.structs.replace(frame, targets=())


@asynccontextmanager
async def on(*, waits: bool = False, record: Path | None = None) -> AsyncIterator[tuple[ShowDriver, list[Frame]]]:
    driver, posted = ShowDriver(SCRIPT, "default", 5, record, waits=waits), list[Frame]()
    running = asyncio.create_task(driver.run(posted.append))
    try:
        async with asyncio.timeout(40):
            yield driver, posted
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110  what changes has no event
            await asyncio.sleep(0.01)


async def test_a_recorded_show_replays_with_its_chapters_and_pauses(tmp_path: Path) -> None:
    path = tmp_path / "show.tyard"
    async with on(record=path) as (driver, posted):
        driver.player.speed = 16.0
        await until(lambda: bool(posted) and posted[-1].time_ns >= 4 * S)
    replay = ReplayDriver(path, 0.5, 4.0)
    assert replay.bookmarks.load() is None
    assert replay.bookmarks.notes == {0: "Calm", 2 * S: "Gaps", 5 * S: "Placement"}
    seen: list[Frame] = []
    running = asyncio.create_task(replay.run(seen.append))
    await until(lambda: bool(seen) and not replay.player.playing)
    assert replay.player.position_ns == 2 * S
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(scope="module")
def stepped() -> list[Frame]:
    frames: list[Frame] = []
    asyncio.run(demo_frames("default", 5, 6.0, None, frames.append))
    return frames


async def test_frames_are_those_of_the_seed_at_any_speed_and_after_any_jump(stepped: list[Frame]) -> None:
    async with on() as (driver, posted):
        await until(lambda: bool(posted))
        driver.jump(5 * S)
        await until(lambda: posted[-1].time_ns == 5 * S)
        world = driver.world_ns
        driver.jump(2 * S)
        await until(lambda: posted[-1].time_ns == 2 * S)
        assert driver.world_ns <= world + READY_NS, "what was seen is not simulated again"
        driver.player.speed = 16.0
        await until(lambda: posted[-1].time_ns >= 6 * S)
        by_time = {frame.time_ns: without_ports(frame) for frame in stepped}
        seen = [frame for frame in posted if frame.time_ns in by_time]
        assert len(seen) > 8
        assert all(without_ports(frame) == by_time[frame.time_ns] for frame in seen)


async def test_it_waits_where_a_chapter_says_so_and_ends_at_its_length() -> None:
    async with on(waits=True) as (driver, posted):
        driver.player.speed = 16.0
        await until(lambda: not driver.player.playing)
        assert driver.position_ns == 2 * S
        await until(lambda: bool(posted) and posted[-1].time_ns == 2 * S)
        await asyncio.sleep(0.1)
        world = driver.world_ns
        assert world <= 2 * S + READY_NS
        await asyncio.sleep(0.5)
        assert driver.world_ns == world, "the world stands"
        driver.hold(False, 2 * S)
        await until(lambda: driver.player.ended and driver.world_ns == 8 * S)


async def test_a_fault_by_hand_is_undone_by_a_restart() -> None:
    async with on() as (driver, posted):
        await until(lambda: bool(posted))
        offers = {one.text: one for one in [*await driver.faults(), *await driver.loads()]}
        await driver.give(offers["straggler gpu-1/0, 8 s"])
        await driver.give(offers["twice the load"])
        assert [text for _, text in driver.by_hand] == ["straggler gpu-1/0, 8 s", "twice the load"]
        assert "twice the load" not in {one.text for one in await driver.loads()}
        assert driver.restart()
        await until(lambda: not driver.by_hand and bool(posted) and posted[-1].time_ns <= S)
        await until(lambda: driver.world_ns > 0)
        assert driver._emulator is not None
        assert (await driver._emulator.ask("faults"))["faults"] == []
        assert "twice the load" in {one.text for one in await driver.loads()}
        assert not driver.restart(), "nothing was done to this world: it is shown as it was"


@asynccontextmanager
async def shown(*, waits: bool = False) -> AsyncIterator[tuple[TokenyardApp, ShowDriver, Pilot[None]]]:
    driver = ShowDriver(SCRIPT, "default", 5, None, waits=waits)
    app = TokenyardApp(driver)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(lambda: app.playhead.shown is not None)
        yield app, driver, pilot


async def test_keys_of_a_presenter() -> None:
    async with shown(waits=True) as (app, driver, pilot):
        assert "1/3  Calm" in text(app)
        await pilot.press("pagedown")
        await until(lambda: "2/3  Gaps" in text(app))
        assert "waits: PgDn or space goes on" in text(app)
        assert app.page.name == "jitter"
        await pilot.press("pagedown")
        await until(lambda: driver.player.playing)
        await pilot.press("n")
        await until(lambda: "3/3  Placement" in text(app))
        assert "PAUSED" not in text(app)
        await pilot.press("pageup")
        await until(lambda: "2/3  Gaps" in text(app))
        assert "as it was" in text(app) or "PAUSED" in text(app)
        await pilot.press("c")
        await until(lambda: "Look at the gaps" not in text(app))
        await pilot.press("k", "J")
        await until(lambda: "0:05  Placement" in text(app))
        await pilot.press("3")
        await until(lambda: driver.position_ns >= 5 * S)
        await until(lambda: "[ 3 ]" in text(app))
        await pilot.press("F")
        await until(lambda: "straggler gpu-0/0" in text(app))
        await pilot.press("escape")
        await until(lambda: app.screen is app.page)
        await pilot.press("l")
        await until(lambda: "twice the load" in text(app))
        await pilot.press("2")
        await until(lambda: bool(driver.by_hand))
        await pilot.press("c")
        await until(lambda: "1 by hand: twice the load" in text(app))
        await pilot.press("question_mark")
        await settled(pilot)
        assert "Next chapter" in text(app)


async def test_what_is_asked_for_stays_while_a_chapter_begins() -> None:
    async with shown() as (app, driver, pilot):
        driver.jump(S)
        await until(lambda: driver.position_ns >= S and driver.ahead_ns is None)
        await pilot.press("J")
        await until(lambda: "to which chapter?" in text(app))
        await until(lambda: app.playhead.shown is not None and app.playhead.shown.time_ns > 2 * S)
        assert "to which chapter?" in text(app)
        assert app.page.name == "overview"
        await pilot.press("escape")
        await until(lambda: app.page.name == "jitter")


async def test_how_far_the_world_has_come_while_it_runs_ahead() -> None:
    script = Script("default", 60.0, SCRIPT.chapters)
    driver = ShowDriver(script, "default", 5, None)
    app = TokenyardApp(driver)
    async with app.run_test(size=(80, 24)):
        await until(lambda: app.playhead.shown is not None)
        driver.jump(40 * S)
        told = set[str]()

        def come() -> bool:
            told.update(re.findall(r"at full speed, (0:\d\d) of 0:40", text(app)))
            return len(told) > 2

        await until(come)


async def test_without_a_show_its_keys_are_those_of_the_page() -> None:
    from tests.tui import frames
    from tests.tui.playing import Played
    from tests.tui.screen import running

    async with running(Played([frames.emulated()])) as (app, pilot):
        await pilot.press("z")
        assert app.page.zoomed == "fleet"
        await pilot.press("question_mark")
        await settled(pilot)
        assert "Next chapter" not in text(app)


async def test_a_second_terminal_has_notes_and_what_comes_next(tmp_path: Path) -> None:
    pages: list[str] = []
    async with on(waits=True) as (driver, posted):
        await until(lambda: bool(posted))
        (path,) = attaching.sockets()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        follower = asyncio.create_task(attaching.follow(pages.append))
        await until(lambda: bool(pages))
        assert "Say hello." in pages[-1]
        assert "Gaps: Look at the gaps." in pages[-1]
        driver.jump(2 * S)
        await until(lambda: "chapter 2/3" in pages[-1])
        assert "waits for you" in pages[-1]
        assert "0:06 left" in pages[-1]
    await until(lambda: "no show is on" in pages[-1])
    assert attaching.sockets() == []
    # It comes back with the next show.
    async with on():
        await until(lambda: "chapter 1/3" in pages[-1])
    follower.cancel()
    with suppress(asyncio.CancelledError):
        await follower


async def test_a_folder_that_others_may_write_has_no_socket(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "run").chmod(0o777)
    async with on() as (_, posted):
        await until(lambda: bool(posted))
        assert not list((tmp_path / "run").iterdir())


def test_what_another_process_says_is_only_printed() -> None:
    told = dict.fromkeys(("title", "chapter", "caption", "note", "next", "state", "pace"), "\x1b[2Jx\u202e")
    page = attaching.page({**told, "number": 1, "of": 2, "at_s": 3, "left_s": 4, "next_s": 5}, 80)
    assert "\x1b" not in page
    assert "\u202e" not in page
