"""Runs sources against a session: ticks fall exactly where they belong between the batches, live or step by step.

The only place where batches, ticks and the recorder meet; so what is recorded is what the session saw, in that order.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from collectors.model.batch import Batch
from collectors.model.frame import Frame
from collectors.session.clock import TICK_NS, LiveClock, VirtualClock
from collectors.session.session import Session
from collectors.sources.source import Source, guarded
from collectors.stats.steps import Steps, nothing, whole

MAX_LAG_NS: Final = 2_000_000_000
"""After a longer sleep of the whole process the missed ticks are not made up: the time axis shows a gap."""

STEP_S: Final = 0.004
"""Steps of a tick that are made together, about."""
MAX_WAIT_NS: Final = 500_000_000
MAX_BUSY_NS: Final = 2_000_000_000
"""So old may what waits for a tick be, or nobody else has a turn until it is taken; and where somebody is busy."""
IDLE_S: Final = 60e-6
"""A turn of the event loop in which nobody did anything takes less,"""
IDLE: Final = 4
"""but so does one that only hands something on: after so many nobody does."""
TURNS: Final = 100
"""Of others, at most, between two steps."""
BREATH_S: Final = 0.002
"""How often it is asked whether somebody is still busy."""


class Recorder(Protocol):
    """Takes what the session saw, in order."""

    def batch(self, batch: Batch) -> None: ...
    def tick(self, time_ns: int, utc_s: float | None) -> None: ...
    def frame(self, frame: Frame) -> None: ...


class Observation:
    """Sources, one session, and optionally a recorder. `on_frame` is called with each Frame, in order; `change` makes of a batch what session and recorder are to see."""

    def __init__(
        self,
        session: Session,
        sources: Sequence[Source],
        clock: LiveClock | VirtualClock,
        on_frame: Callable[[Frame], None],
        recorder: Recorder | None = None,
        change: Callable[[Batch], Batch] | None = None,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """`busy`: whether somebody else has something to do that is not to wait."""
        self._session = session
        self._sources = sources
        self._clock = clock
        self._on_frame = on_frame
        self._recorder = recorder
        self._change = change
        self._busy = busy
        self._next_tick_ns = TICK_NS
        self._last_ns = 0
        self._due: asyncio.Event | None = None
        """Set where something waits or a tick is to be made; None where batches are taken at once."""
        self._waiting: deque[Batch] = deque()

    def emit(self, batch: Batch) -> None:
        """Takes a batch, after every tick that is due before its time. Time never runs backwards: a batch late for its tick counts in the next."""
        if self._due is None:
            self._take(batch)
        else:
            self._waiting.append(batch)
            self._due.set()

    async def live(self) -> None:
        """Runs all sources and ticks on the grid until cancelled. What comes waits in order, so that others have their turn between the batches and the steps of a tick."""
        loop = asyncio.get_running_loop()
        self._due = due = asyncio.Event()
        steps = nothing()
        try:
            async with asyncio.TaskGroup() as tasks:
                for source in self._sources:
                    tasks.create_task(guarded(source, self._clock, self.emit))
                while True:
                    timer = loop.call_later(max(self._next_tick_ns - self._clock.now_ns(), 0) / 1e9, due.set)
                    await due.wait()
                    timer.cancel()
                    steps = self._catching_up()
                    begun_s = loop.time()
                    for _ in steps:
                        most_ns = MAX_BUSY_NS if self._busy() else MAX_WAIT_NS
                        if loop.time() - begun_s > STEP_S and not self._behind(most_ns):
                            await others()
                            while self._busy() and not self._behind() and not self._late:  # noqa: ASYNC110  nobody tells when it is over
                                await asyncio.sleep(BREATH_S)
                            begun_s = loop.time()
                    due.clear()
        finally:
            self._due = None
            whole(steps)
            while self._waiting:
                self._take(self._waiting.popleft())

    async def step(self, until_ns: int) -> None:
        """Virtual time: every source yields what lies before `until_ns` (a multiple of the tick), then the tick is made."""
        for source in self._sources:
            await source.step(until_ns, self.emit)
        whole(self._until(until_ns))

    def finish(self) -> Frame:
        """One more Frame, at the next tick of the grid, with all that has come so far. Nothing may be emitted afterwards."""
        time_ns = max(self._next_tick_ns, self._last_ns - self._last_ns % -TICK_NS)
        return self._session.tick(time_ns, self._clock.utc_s())

    async def close(self) -> None:
        for source in self._sources:
            await source.close()

    def _behind(self, most_ns: int = MAX_WAIT_NS) -> bool:
        """Whether what waits is so old that nobody else may have a turn, so that sources are slowed down."""
        return bool(self._waiting) and self._clock.now_ns() - self._waiting[0].time_ns > most_ns

    @property
    def _late(self) -> bool:
        """Whether what is being done should have been done so long ago that it waits for nobody."""
        return self._clock.now_ns() - self._last_ns > MAX_WAIT_NS

    def _catching_up(self) -> Steps[None]:
        """Takes what waits, and makes the ticks that are due: each before what came after it, and after what came before."""
        while self._waiting or self._next_tick_ns <= self._clock.now_ns():
            if self._waiting:
                yield from self._taking(self._waiting.popleft())
            else:
                self._skip(self._clock.now_ns())
                yield from self._until(self._next_tick_ns)

    def _take(self, batch: Batch) -> None:
        whole(self._taking(batch))

    def _taking(self, batch: Batch) -> Steps[None]:
        yield from self._until(batch.time_ns)
        if batch.time_ns < self._last_ns:
            batch = msgspec.structs.replace(batch, time_ns=self._last_ns)
        self._last_ns = batch.time_ns
        if self._change is not None:
            batch = self._change(batch)
        yield from self._session.feeding(batch)
        if self._recorder is not None:
            self._recorder.batch(batch)
        yield

    def _until(self, now_ns: int) -> Steps[None]:
        """Makes every tick that is due at `now_ns`."""
        self._skip(now_ns)
        while self._next_tick_ns <= now_ns:
            time_ns = self._next_tick_ns
            self._next_tick_ns += TICK_NS
            utc_s = self._clock.utc_s()
            if self._recorder is not None:
                self._recorder.tick(time_ns, utc_s)
            self._last_ns = max(self._last_ns, time_ns)
            frame = yield from self._session.ticking(time_ns, utc_s)
            self._on_frame(frame)
            if self._recorder is not None:
                self._recorder.frame(frame)

    def _skip(self, now_ns: int) -> None:
        if now_ns - self._next_tick_ns > MAX_LAG_NS:
            self._next_tick_ns = now_ns - now_ns % TICK_NS


async def others() -> None:
    """Gives everybody else turns until nobody has anything to do: a key goes through many hands until its answer is drawn."""
    loop = asyncio.get_running_loop()
    idle = 0
    for _ in range(TURNS):
        begun_s = loop.time()
        await asyncio.sleep(0)
        idle = idle + 1 if loop.time() - begun_s < IDLE_S else 0
        if idle == IDLE:
            return
