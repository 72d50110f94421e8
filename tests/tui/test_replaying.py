"""What is replayed is what was seen: every Frame, at any speed and after any seek."""

import asyncio
import random
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.model.batch import Tick
from collectors.model.detail import By
from collectors.model.frame import Frame
from collectors.recording.playback import Playback
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer
from collectors.session.clock import TICK_NS
from collectors.session.detail import Detail
from collectors.session.session import Session
from tests.tui.playing import Played
from tests.tui.screen import running
from tui.along import Along
from tui.app import TokenyardApp
from tui.headless import demo_frames
from tui.line import Line
from tui.playhead import Mode, Playhead
from tui.replaying import ReplayDriver


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replay") / "demo.tyard"


@pytest.fixture(scope="module")
def seen(path: Path) -> list[Frame]:
    frames: list[Frame] = []
    asyncio.run(demo_frames("default", 5, 12.0, path, frames.append))
    return frames


Moves = st.lists(
    st.one_of(
        st.tuples(st.just("seek"), st.integers(-1, 13 * 10**9)),
        st.tuples(st.just("step"), st.sampled_from([-10, -1, 1, 10])),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(Moves)
def test_every_frame_is_equal_after_any_seek(path: Path, seen: list[Frame], moves: list[tuple[str, int]]) -> None:
    with Reader(path) as reader:
        playback = Playback(reader)
        playhead = Playhead(playback, "replay")
        playhead.arrive(seen[0])
        at = 0
        for move, number in moves:
            if move == "seek":
                at = max((i for i, frame in enumerate(seen) if frame.time_ns <= number), default=0)
                playhead.seek(number)
            else:
                at = min(max(at + number, 0), len(seen) - 1)
                playhead.step(number)
            assert playhead.shown == seen[at]
        assert playhead.newest is not None
        assert playhead.newest == seen[-1]
        assert reader.torn is None


@asynccontextmanager
async def playing(path: Path, at_s: float, speed: float) -> AsyncIterator[tuple[ReplayDriver, list[Frame]]]:
    driver, posted = ReplayDriver(path, at_s, speed), list[Frame]()
    running = asyncio.create_task(driver.run(posted.append))
    try:
        async with asyncio.timeout(30):
            yield driver, posted
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  what changes has no event
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("speed", [4.0, 64.0])
async def test_at_any_speed_frames_are_those_that_were_seen(path: Path, seen: list[Frame], speed: float) -> None:
    async with playing(path, 2.0 if speed > 4 else 9.0, speed) as (driver, posted):
        await until(lambda: bool(posted) and posted[-1].time_ns == seen[-1].time_ns)
        by_time = {frame.time_ns: frame for frame in seen}
        assert all(frame == by_time[frame.time_ns] for frame in posted)
        assert [frame.time_ns for frame in posted] == sorted(frame.time_ns for frame in posted)
        # And back, and again.
        driver.player.backwards = True
        driver.hold(False, seen[-5].time_ns)
        await until(lambda: posted[-1].time_ns == seen[0].time_ns)
        assert all(frame == by_time[frame.time_ns] for frame in posted)


async def test_held_it_goes_on_from_what_is_shown(path: Path, seen: list[Frame]) -> None:
    async with playing(path, 3.0, 64.0) as (driver, posted):
        await until(lambda: bool(posted))
        driver.hold(True)
        count = len(posted)
        await asyncio.sleep(0.3)
        assert len(posted) <= count + 1
        driver.player.speed = 1 / 16
        driver.hold(False, seen[7].time_ns)
        await until(lambda: posted[-1] == seen[7])


async def test_a_file_that_is_still_written_is_followed(tmp_path: Path, path: Path, seen: list[Frame]) -> None:
    with Reader(path) as reader:
        items = list(reader.items())
    writer, frames = Writer(tmp_path / "b.tyard", clock="virtual", version="test"), iter(seen)

    def write(until_ns: int) -> None:
        while items and items[0].time_ns <= until_ns:
            item = items.pop(0)
            if isinstance(item, Tick):
                writer.tick(item.time_ns, item.utc_s)
                writer.frame(next(frames))
            else:
                writer.batch(item)

    write(16 * TICK_NS)
    async with asyncio.timeout(20):
        while True:
            with Reader(tmp_path / "b.tyard") as reader:
                if reader.count_frames() == 16:
                    break
            await asyncio.sleep(0.1)
    async with playing(tmp_path / "b.tyard", float("inf"), 64.0) as (driver, posted):
        await until(lambda: bool(posted))
        assert posted[-1] == seen[15]
        write(10**12)
        writer.close()
        await until(lambda: driver.player.last_ns == seen[-1].time_ns)
        await until(lambda: posted[-1] == seen[-1])


async def test_screens_are_those_that_were_seen(path: Path, seen: list[Frame]) -> None:
    """Of every page whose panels are drawn of a Frame alone, after seeks and steps from anywhere, and while it plays fast and backwards."""
    pages = ("overview", "tiers", "jitter", "routing", "slo")
    drawn: dict[tuple[str, int], Drawn] = {}
    live = Played(seen)
    async with running(live, (120, 36)) as (app, pilot):
        for page in pages:
            app.action_page(page)
            await pilot.pause()
            for frame in seen:
                app.action_seek(frame.time_ns)
                drawn[page, frame.time_ns] = screen(app)
    assert len({repr(one) for one in drawn.values()}) > 2 * len(seen)
    chance, compared = random.Random(3), 0
    app = TokenyardApp(ReplayDriver(path, 1.0, 1.0))
    async with app.run_test(size=(120, 36)) as pilot:
        async with asyncio.timeout(60):
            while app.playhead.shown is None:
                await pilot.pause(0.02)
            for page in pages:
                app.action_page(page)
                await pilot.pause()
                for _ in range(12):
                    moves = (
                        lambda: app.action_seek(chance.randrange(13 * 10**9)),
                        lambda: app.action_step(chance.choice((-10, -1, 1, 10))),
                        lambda: app.action_tenth(chance.randrange(10)),
                        app.action_live,
                    )
                    chance.choice(moves)()
                    assert screen(app) == drawn[page, shown_ns(app)]
                    compared += 1
            player = app.feed.player
            assert player is not None
            for player.speed, player.backwards in ((64.0, True), (16.0, False)):
                app.action_seek(seen[-1 if player.backwards else 0].time_ns)
                app.action_hold()
                assert not app.playhead.held
                while not player.ended:
                    await pilot.pause(0.05)
                    if not app.playhead.held:
                        app.show_now()
                        assert screen(app) == drawn["slo", shown_ns(app)]
                        compared += 1
    assert compared > 65


Drawn = dict[str, list[Line]]


def screen(app: TokenyardApp) -> Drawn:
    """What the page's own panels show."""
    return {key: list(panel.lines) for key, panel in app.page.own.items()}


def shown_ns(app: TokenyardApp) -> int:
    assert app.playhead.shown is not None
    return app.playhead.shown.time_ns


async def test_what_cannot_be_drawn_pauses_and_says_so_once(tmp_path: Path, path: Path, seen: list[Frame]) -> None:
    broken = Path(shutil.copy(path, tmp_path / "d.tyard"))
    with sqlite3.connect(broken) as database:
        database.execute(
            "UPDATE chunk SET codec = 'later' WHERE kind = 'frames' AND t0_ns <= 4000000000 AND t1_ns >= 4000000000"
        )
    database.close()
    # Slowly: a hitch of a busy machine must not carry it past what is broken.
    async with playing(broken, 3.0, 1.0) as (driver, posted):
        await until(lambda: not driver.player.playing)
        driver.player.speed = 16.0
        assert "in a form that this version does not know" in driver.player.trouble
        await until(lambda: posted[-1].time_ns >= 3 * 10**9)
        assert posted[-1] == seen[posted[-1].time_ns // TICK_NS - 1]
        assert not driver.player.ended
        driver.player.trouble = ""
        driver.hold(False, posted[-1].time_ns)
        await until(lambda: posted[-1].time_ns == seen[-1].time_ns)
        assert driver.player.trouble == ""
        assert {frame.time_ns for frame in posted}.isdisjoint({4 * 10**9})


async def test_the_pause_is_on_the_screen(tmp_path: Path, path: Path, seen: list[Frame]) -> None:
    broken = Path(shutil.copy(path, tmp_path / "e.tyard"))
    with sqlite3.connect(broken) as database:
        database.execute("UPDATE chunk SET codec = 'later' WHERE kind = 'frames' AND t0_ns > 4000000000")
    database.close()
    app = TokenyardApp(ReplayDriver(broken, 3.0, 16.0))
    async with app.run_test(size=(120, 36)) as pilot:
        async with asyncio.timeout(20):
            while "does not know" not in "".join(str(one.message) for one in app._notifications):
                await pilot.pause(0.05)
        assert app.playhead.mode is Mode.HELD


async def test_a_recording_without_frames_is_run_through_a_session(
    tmp_path: Path, path: Path, seen: list[Frame]
) -> None:
    """As format 1 was."""
    writer = Writer(tmp_path / "c.tyard", clock="virtual", version="test")
    with Reader(path) as reader:
        for item in reader.items(None, 5_000_000_001):
            if isinstance(item, Tick):
                writer.tick(item.time_ns, item.utc_s)
            else:
                writer.batch(item)
    writer.close()
    async with playing(tmp_path / "c.tyard", float("inf"), 1.0) as (driver, posted):
        await until(lambda: bool(posted))
        assert posted == [seen[19]]
        assert driver.history.at(seen[7].time_ns) == seen[7]


def test_what_is_looked_into_is_what_was_known_live(path: Path) -> None:
    """The detail of a moment, come to by seeks from anywhere, is that of a session that ran from the beginning."""
    whole = Detail()
    session = Session("virtual", detail=whole)
    with Reader(path) as reader:
        for item in reader.items():
            if isinstance(item, Tick):
                session.tick(item.time_ns, item.utc_s)
            else:
                session.feed(item)
        along = Along(reader)
        for at_s in (9, 4, 11):
            until_ns = at_s * 10**9
            while not along.work(until_ns, 0.05):
                pass
            assert along.detail is not None
            for by in By:
                asked = (until_ns, TICK_NS, 12, by)
                assert repr(along.detail.river(*asked)) == repr(whole.river(*asked))
            assert along.detail.requests(until_ns) == whole.requests(until_ns)


def test_beyond_the_end_there_is_nothing_to_wait_for(path: Path) -> None:
    with Reader(path) as reader:
        along = Along(reader)
        while not along.work(10**12, 0.05):
            pass
        assert along.work(10**12, 0.05)


async def test_right_after_a_seek_nothing_is_told_of_what_is_not_made_yet(path: Path, seen: list[Frame]) -> None:
    """What was made for an earlier moment would draw the later one half."""
    driver = ReplayDriver(path, 0.0)
    driver.player.playing = False
    app = TokenyardApp(driver)
    async with app.run_test() as pilot:
        await until(lambda: app.playhead.shown is not None)
        app.open_page("placement")
        app.action_seek(seen[4].time_ns)
        await until(lambda: driver.detail is not None)
        app.action_seek(seen[-1].time_ns)
        assert app.playhead.shown is not None
        assert app.playhead.shown.time_ns == seen[-1].time_ns
        assert driver.detail is None
        assert app.page.view.detail is None
        await until(lambda: app.page.view.detail is not None)
        await pilot.pause()
