"""Ticks fall exactly where they belong between batches, whoever is late."""

import asyncio

from collectors.model.batch import Batch, Status
from collectors.model.frame import Frame
from collectors.model.vocabulary import TargetStatus
from collectors.observe import MAX_LAG_NS, Observation
from collectors.session.clock import TICK_NS, VirtualClock
from collectors.session.session import Session
from collectors.sources.source import Clock, Emit


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
