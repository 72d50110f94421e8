"""How often the screen is drawn, and what is told of it."""

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from io import StringIO

import pytest
from textual import events
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.drivers.headless_driver import HeadlessDriver
from textual.drivers.linux_driver import LinuxDriver

from tests.tui import frames
from tests.tui.playing import Played
from tests.tui.screen import lines, running, settled
from tui.app import LATE_S
from tui.pace import EASE_S, UNANSWERED_S, Costs, Meter, Pace
from tui.paced_driver import DRAWN, Metered, PacedDriver
from tui.urgency import ANSWER_S, Urgency

ASK = b"\x1b[6n"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(pace: Pace, clock: Clock, seconds: float, hz: float = 4.0) -> float:
    """Frames a second of ticks at `hz`."""
    count = 0
    for _ in range(round(seconds * hz)):
        clock.now += 1 / hz
        count += pace.due()
    return count / seconds


def test_every_tick_is_shown_where_nothing_speaks_against_it() -> None:
    clock = Clock()
    assert shown(Pace(clock=clock), clock, 10) == 4
    assert shown(Pace(clock=clock), clock, 10, hz=20) == 20


def test_ssh_and_what_nobody_looks_at_are_drawn_less() -> None:
    clock = Clock()
    pace = Pace(ssh=True, clock=clock)
    assert shown(pace, clock, 20) == pytest.approx(2, abs=0.1)
    pace.focused = False
    assert shown(pace, clock, 20) == pytest.approx(1, abs=0.1)
    assert pace.limit == (1.0, "not looked at")
    stage = Pace(stage=True, clock=clock)
    stage.focused = False
    assert shown(stage, clock, 10) == 4


def test_a_terminal_that_does_not_keep_up_gets_less_and_later_more_again() -> None:
    clock = Clock()
    pace = Pace(clock=clock)
    waited = 0.0
    rates = []
    for share, seconds in ((0.0, 3), (0.8, 4), (0.3, 15), (0.0, 4 * EASE_S + 5)):
        for _ in range(round(seconds)):
            clock.now += 1.0
            waited += share
            pace.waited(waited)
        rates.append(pace.limit)
    assert rates == [None, (0.5, "slow terminal"), (0.5, "slow terminal"), None]


def test_waiting_that_still_goes_on_counts() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.begin()
    clock.now += 3
    assert meter.waited_s == 3
    meter.end(500)
    meter.begin()
    clock.now += 1
    meter.end(20)
    assert (meter.waited_s, meter.bytes) == (4, 520)


def behind(meter: Meter) -> bool:
    return meter.behind


def test_a_terminal_that_answers_is_behind_until_it_has() -> None:
    """What was written stands in buffers on its way: that the system took it is not yet that the terminal has it."""
    clock = Clock()
    meter = Meter(clock)
    meter.ask()
    assert not behind(meter), "not known yet to answer"
    clock.now += 0.2
    meter.answer()
    assert (behind(meter), meter.waited_s) == (False, 0), "a way of 0.2 s is no waiting"
    clock.now += 5
    meter.ask()
    meter.begin()
    clock.now += 0.5
    meter.end(500)
    meter.ask()
    assert behind(meter)
    clock.now += 0.7
    meter.answer()
    assert behind(meter), "one of two"
    clock.now += 0.4
    meter.answer()
    assert not behind(meter)
    assert meter.waited_s == pytest.approx(1.2)
    meter.answer()
    meter.ask()
    assert behind(meter), "one too many answers none of those to come"


def test_a_terminal_that_answers_no_more_is_not_waited_for_again() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.ask()
    meter.answer()
    meter.ask()
    clock.now += UNANSWERED_S
    assert behind(meter)
    clock.now += 1
    assert (behind(meter), meter.answers, meter.outstanding) == (False, False, False)
    meter.ask()
    assert not behind(meter)
    meter.answer()
    assert meter.answers


async def test_nothing_is_drawn_behind_what_the_terminal_has_not_taken() -> None:
    played = Played([frames.emulated(3600)])
    async with running(played) as (app, pilot):
        meter = Meter()
        app._driver.meter = meter  # type: ignore[union-attr]
        meter.given += 1
        before = app.page.view.frame
        for tick in range(3601, 3604):
            played.post(frames.emulated(tick))
            await settled(pilot)
        assert app.page.view.frame is before
        meter.begin()
        meter.end(500)
        await asyncio.sleep(2 * LATE_S)
        await settled(pilot)
        assert app.page.view.frame is app.playhead.shown is not before


def heeding(urgency: Urgency) -> PacedDriver:
    """A driver without a terminal."""
    driver = PacedDriver.__new__(PacedDriver)
    driver.meter = Meter()
    driver._metered = Metered(StringIO(), driver.meter)
    driver.heed(urgency)
    return driver


def put(driver: PacedDriver, given: list[str]) -> None:
    """What the thread that writes has comes to the terminal."""
    for text in given:
        driver._metered.write(text)
    driver._metered.flush()
    given.clear()


def test_a_key_is_heeded_in_the_thread_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the app hears of it, which may be at work."""
    urgency, heard = Urgency(), list[tuple[str, bool]]()
    monkeypatch.setattr(
        LinuxDriver,
        "process_message",
        lambda self, message: heard.append((type(message).__name__, urgency.answering())),
    )
    driver = heeding(urgency)
    for message in (events.Paste("a"), events.Key("a", "a"), events.CursorPosition(1, 1)):
        driver.process_message(message)
    assert heard == [("Paste", False), ("Key", True)]
    assert driver.meter.answers


def test_a_key_is_answered_by_what_is_drawn_after_the_app_has_heard_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LinuxDriver, "process_message", lambda self, message: None)
    given, urgency = list[str](), Urgency()
    monkeypatch.setattr(LinuxDriver, "write", lambda self, data: given.append(data))
    driver = heeding(urgency)
    drawn = "x" * (DRAWN + 1)
    driver.process_message(events.Key("a", "a"))
    driver.write(drawn)
    urgency.heard()
    driver.write("\x1b[?25l")
    assert given == [drawn, "\x1b[?25l"]
    put(driver, given)
    assert urgency.answering(), "that Frame was begun before, and the other is no part of one"
    driver.write(drawn)
    assert urgency.answering(), "the thread that writes has it, the terminal has not"
    urgency.heard()
    put(driver, given)
    assert urgency.answering(), "it answers the first key alone"
    driver.write(drawn)
    put(driver, given)
    assert not urgency.answering()
    assert not urgency.busy()


def test_an_update_is_written_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    given = list[str]()
    monkeypatch.setattr(LinuxDriver, "write", lambda self, data: given.append(data))
    driver = heeding(Urgency())
    driver.meter.answer()
    drawn = "x" * (DRAWN + 1)
    for data in ("a", SYNC_START, drawn, SYNC_END, "b", SYNC_START, SYNC_END):
        driver.write(data)
    assert given == ["a", f"{SYNC_START}{drawn}{SYNC_END}{ASK.decode()}", "b", SYNC_START + SYNC_END]


def test_a_key_that_changes_nothing_is_waited_for_no_longer_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("tui.urgency.time.monotonic", clock)
    urgency = Urgency()
    urgency.heard()
    clock.now += ANSWER_S * 0.9
    assert urgency.answering()
    clock.now += ANSWER_S * 0.2
    assert not urgency.answering()


async def test_who_keeps_what_was_seen_gives_way_while_a_frame_is_drawn() -> None:
    played, seen = Played([frames.emulated(3600)]), list[bool]()
    async with running(played) as (app, _):
        show = app._show

        def shown() -> None:
            seen.append(played.urgency.busy())
            show()

        app._show = shown  # type: ignore[method-assign]
        app.show_now()
        assert seen == [True]
        assert not played.urgency.busy()


async def test_a_dashboard_heeds_its_keys_where_its_driver_can_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    heeded: list[object] = []
    monkeypatch.setattr(HeadlessDriver, "heed", lambda self, urgency: heeded.append(urgency), raising=False)
    played = Played([frames.emulated(3600)])
    async with running(played):
        assert heeded == [played.urgency]


def test_costs_are_means_of_the_newest_frames() -> None:
    clock, cpu = Clock(), Clock()
    costs = Costs(clock, cpu)
    assert costs.told(None) == "measuring …"
    for number in range(5):
        costs.shown(0.003, number * 2048)
        clock.now += 0.25
        cpu.now += 0.01
    assert costs.told(None) == "3.0 ms drawn, 10.0 ms CPU, 2.0 KiB a frame · 4.0 fps"
    assert costs.told((2.0, "ssh")).endswith(" · at most 2 Hz: ssh")


async def test_f12_tells_costs_in_the_place_of_the_keys() -> None:
    played = Played([frames.emulated(3600)])
    async with running(played, (80, 24)) as (app, pilot):
        await pilot.press("f12")
        for tick in range(3601, 3605):
            played.post(frames.emulated(tick))
            await settled(pilot)
        assert lines(app)[-1].startswith(" ")
        assert lines(app)[-1].endswith(" fps")
        await pilot.press("5", "f12")
        await settled(pilot)
        assert "q quit" in lines(app)[-1]


async def test_ticks_that_are_not_drawn_are_not_lost() -> None:
    played = Played([frames.emulated(3600)])
    async with running(played) as (app, pilot):
        app.post_message(events.AppBlur())
        await settled(pilot)
        for tick in range(3601, 3604):
            played.post(frames.emulated(tick))
            await settled(pilot)
        assert app.playhead.shown is not None
        assert app.page.view.frame is not app.playhead.shown
        app.post_message(events.AppFocus())
        await settled(pilot)
        assert app.page.view.frame is app.playhead.shown


# a terminal that goes


@pytest.mark.parametrize("how", ["hangup", "closed", "SIGTERM"])
def test_a_lost_terminal_ends_the_dashboard_and_what_it_started(how: str) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "tui", "demo"]
    env = os.environ | {"TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True) as child:
        os.close(slave)
        seen = b""
        deadline = time.monotonic() + 60
        while b"EMULATED" not in seen and time.monotonic() < deadline:
            if select.select([master], [], [], 1)[0]:
                seen += os.read(master, 65536)
        assert b"EMULATED" in seen
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(child.pid)], capture_output=True, text=True, check=False
        )
        pids = [int(pid) for pid in children.stdout.split()]
        assert pids
        if how == "closed":
            os.close(master)
        else:
            child.send_signal(signal.SIGHUP if how == "hangup" else signal.SIGTERM)
            while select.select([master], [], [], 0.2)[0]:
                try:
                    if not os.read(master, 65536):
                        break
                except OSError:
                    break
        try:
            code = child.wait(20)
        finally:
            child.kill()
    assert code == 0
    left = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
    assert not left
    if how != "closed":
        os.close(master)


def test_no_answer_of_the_terminal_is_left_to_the_shell() -> None:
    """One that is asked and answers a moment later, while the dashboard ends."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "tui", "demo"]
    env = os.environ | {"TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True) as child:
        seen, answered, left = b"", 0, False
        due: list[float] = []
        deadline = time.monotonic() + 90
        while child.poll() is None and time.monotonic() < deadline:
            if select.select([master], [], [], 0.02)[0]:
                seen += os.read(master, 65536)
            due += [time.monotonic() + 0.45] * (seen.count(ASK) - answered - len(due))
            if answered > 6 and due and not left:
                os.write(master, b"q")
                left = True
            while due and due[0] < time.monotonic():
                os.write(master, b"\x1b[24;80R")
                due.pop(0)
                answered += 1
        child.kill()
    assert (child.returncode, left, due) == (0, True, [])
    attributes = termios.tcgetattr(slave)
    attributes[3] &= ~termios.ICANON
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    assert not select.select([slave], [], [], 0.2)[0], os.read(slave, 100)
    os.close(master)
    os.close(slave)
