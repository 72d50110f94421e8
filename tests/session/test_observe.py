"""Ticks fall exactly where they belong between batches, whoever is late."""

import asyncio
import time
from collections.abc import Callable

import pytest

from collectors.model.batch import Batch, Status
from collectors.model.frame import Frame
from collectors.model.vocabulary import TargetStatus
from collectors.observe import MAX_BUSY_NS, MAX_LAG_NS, MAX_WAIT_NS, STEP_S, Observation
from collectors.session.clock import TICK_NS, LiveClock, VirtualClock
from collectors.session.session import Session
from collectors.sources.source import Clock, Emit
from collectors.stats.steps import Steps


class Log:
    """What a recorder would write: batch times as they are, ticks as negative ones."""

    def __init__(self) -> None:
        self.times: list[int] = []

    def batch(self, batch: Batch) -> None:
        self.times.append(batch.time_ns)

    def tick(self, time_ns: int, utc_s: float | None) -> None:
        self.times.append(-time_ns)

    def frame(self, frame: Frame) -> None:
        pass


def up(time_ns: int, source: str = "a") -> Batch:
    return Batch(source, time_ns, (Status("http://a", "vllm", TargetStatus.UP),))


def observation(log: Log, frames: list[Frame]) -> Observation:
    return Observation(Session("virtual"), [], VirtualClock(), frames.append, log)


def test_a_tick_comes_before_the_first_batch_of_its_time() -> None:
    log, frames = Log(), list[Frame]()
    observed = observation(log, frames)
    for time_ns in (10, TICK_NS - 1, TICK_NS, 2 * TICK_NS + 5):
        observed.emit(up(time_ns))
    assert log.times == [10, TICK_NS - 1, -TICK_NS, TICK_NS, -2 * TICK_NS, 2 * TICK_NS + 5]
    assert [frame.time_ns for frame in frames] == [TICK_NS, 2 * TICK_NS]


def test_a_batch_that_is_late_counts_in_the_next_frame_and_time_never_runs_backwards() -> None:
    log, frames = Log(), list[Frame]()
    observed = observation(log, frames)
    observed.emit(up(TICK_NS + 3))
    observed.emit(up(TICK_NS - 7, "late"))
    assert log.times == [-TICK_NS, TICK_NS + 3, TICK_NS + 3]
    assert frames[0].targets == ()
    assert [row.name for row in observed.finish().targets] == ["a", "late"]


def test_after_a_long_sleep_missed_ticks_are_not_made_up() -> None:
    log, frames = Log(), list[Frame]()
    observed = observation(log, frames)
    observed.emit(up(1))
    observed.emit(up(MAX_LAG_NS * 10))
    assert len(frames) <= 2
    assert frames[-1].time_ns == MAX_LAG_NS * 10


async def test_a_source_that_fails_is_a_row_and_the_others_go_on() -> None:
    class Broken:
        name = "broken"

        async def run(self, clock: Clock, emit: Emit) -> None:
            raise ZeroDivisionError("of all things")

        async def step(self, until_ns: int, emit: Emit) -> None: ...
        async def close(self) -> None: ...

    class Fine(Broken):
        name = "fine"

        async def run(self, clock: Clock, emit: Emit) -> None:
            emit(up(0, "fine"))
            done.set()
            await asyncio.Event().wait()

    done, session = asyncio.Event(), Session("virtual")
    observed = Observation(session, [Broken(), Fine()], VirtualClock(), lambda frame: None)
    live = asyncio.create_task(observed.live())
    await asyncio.wait_for(done.wait(), 5)
    live.cancel()
    await asyncio.gather(live, return_exceptions=True)
    rows = {row.name: row for row in observed.finish().targets}
    assert rows["fine"].status is TargetStatus.UP
    assert rows["broken"].status is TargetStatus.REJECTED
    assert "ZeroDivisionError: of all things" in rows["broken"].reason


class Slow(Session):
    """A tick of twenty steps, each of which takes longer than some make together."""

    def __init__(self, during: Callable[[int], None] = lambda step: None) -> None:
        super().__init__("live")
        self._during = during

    def ticking(self, time_ns: int, utc_s: float | None = None) -> Steps[Frame]:
        for step in range(20):
            self._during(step)
            time.sleep(1.1 * STEP_S)
            yield
        return (yield from super().ticking(time_ns, utc_s))


class Turns(Log):
    """How many turns another task had within each tick."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = self._before = 0
        self.of_ticks: list[int] = []
        self.framed = asyncio.Event()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.turns += 1

    def tick(self, time_ns: int, utc_s: float | None) -> None:
        super().tick(time_ns, utc_s)
        self._before = self.turns

    def frame(self, frame: Frame) -> None:
        self.of_ticks.append(self.turns - self._before)
        self.framed.set()


async def live(
    session: Session,
    log: Turns,
    during: Callable[[Observation], None] = lambda it: None,
    busy: Callable[[], bool] = lambda: False,
) -> None:
    """Until the first Frame is made, and cancelled then."""
    observed = Observation(session, [], LiveClock(), lambda frame: None, log, busy=busy)
    during(observed)
    running, other = asyncio.create_task(observed.live()), asyncio.create_task(log.run())
    await log.framed.wait()
    running.cancel()
    other.cancel()
    await asyncio.wait({running, other})


async def test_others_have_their_turn_between_the_steps_of_a_tick() -> None:
    log = Turns()
    await live(Slow(), log)
    assert log.of_ticks[0] >= 20


async def test_what_comes_while_a_tick_is_made_counts_in_the_next() -> None:
    log, hold = Turns(), list[Observation]()

    def during(step: int) -> None:
        if step in (3, 7):
            hold[0].emit(up(step))
            hold[0].emit(up(TICK_NS + step))

    await live(Slow(during), log, hold.append)
    assert log.times == [-TICK_NS, TICK_NS, TICK_NS + 3, TICK_NS + 3, TICK_NS + 7]


async def test_a_tick_that_is_cancelled_is_made_to_its_end_and_what_waits_is_taken() -> None:
    log, hold = Turns(), list[Observation]()
    begun = asyncio.Event()

    def during(step: int) -> None:
        if step == 3:
            hold[0].emit(up(TICK_NS + 3))
            begun.set()

    frames: list[Frame] = []
    observed = Observation(Slow(during), [], LiveClock(), frames.append, log)
    hold.append(observed)
    running = asyncio.create_task(observed.live())
    await begun.wait()
    running.cancel()
    await asyncio.wait({running})
    assert [frame.time_ns for frame in frames] == [TICK_NS]
    assert log.times == [-TICK_NS, TICK_NS + 3]


async def test_nobody_else_has_a_turn_while_what_waits_is_old() -> None:
    log, hold = Turns(), list[Observation]()
    turns: list[int] = []

    def during(step: int) -> None:
        if step == 3:
            hold[0].emit(up(TICK_NS - MAX_WAIT_NS - 1))
        turns.append(log.turns)

    await live(Slow(during), log, hold.append)
    assert turns[3] > turns[0]
    assert turns[-1] == turns[4]


@pytest.mark.parametrize(("old_ns", "turn"), [(MAX_WAIT_NS, True), (MAX_BUSY_NS, False)])
async def test_who_is_busy_has_a_turn_even_then_but_not_whatever_waits(old_ns: int, turn: bool) -> None:
    """As whoever pressed a key; one who goes on pressing must not keep sources from being slowed down."""
    log, hold, turns, busy = Turns(), list[Observation](), list[int](), list[int]()

    def during(step: int) -> None:
        if step == 3:
            hold[0].emit(up(TICK_NS - old_ns - 1))
        busy[:] = [step] * (step in (8, 9))
        turns.append(log.turns)

    await live(Slow(during), log, hold.append, lambda: bool(busy))
    assert turns[4] == turns[8]
    assert (turns[8] < turns[9] < turns[10]) is turn
    assert turns[10] == turns[-1]


async def test_a_tick_does_not_wait_for_ever_for_who_is_busy() -> None:
    """As whoever holds a key: it is made before it would be left out."""
    log = Turns()
    async with asyncio.timeout(30):
        await live(Slow(), log, busy=lambda: True)
    assert log.times[0] == -TICK_NS
    assert log.of_ticks[0] > 20


async def test_what_came_before_a_tick_counts_in_it_however_late_it_is_made() -> None:
    def block(clock: Clock) -> None:
        while clock.now_ns() < 2 * TICK_NS:
            time.sleep(0.01)

    class Blocking:
        name = "a"

        async def run(self, clock: Clock, emit: Emit) -> None:
            emit(up(TICK_NS - 5))
            emit(up(TICK_NS + 5))
            block(clock)
            await asyncio.Event().wait()

        async def step(self, until_ns: int, emit: Emit) -> None: ...
        async def close(self) -> None: ...

    log, twice = Turns(), asyncio.Event()

    def framed(frame: Frame) -> None:
        if frame.time_ns == 2 * TICK_NS:
            twice.set()

    running = asyncio.create_task(Observation(Session("live"), [Blocking()], LiveClock(), framed, log).live())
    await twice.wait()
    running.cancel()
    await asyncio.wait({running})
    assert log.times[:4] == [TICK_NS - 5, -TICK_NS, TICK_NS + 5, -2 * TICK_NS]
