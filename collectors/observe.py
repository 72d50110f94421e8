"""Runs sources against a session: ticks fall exactly where they belong between the batches, live or step by step.

The only place where batches, ticks and the recorder meet; so what is recorded is what the session saw, in that order.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from collectors.model.batch import Batch
from collectors.model.frame import Frame
from collectors.session.clock import TICK_NS, LiveClock, VirtualClock
from collectors.session.session import Session
from collectors.sources.source import Source, guarded

MAX_LAG_NS: Final = 2_000_000_000
"""After a longer sleep of the whole process the missed ticks are not made up: the time axis shows a gap."""


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
    ) -> None:
        self._session = session
        self._sources = sources
        self._clock = clock
        self._on_frame = on_frame
        self._recorder = recorder
        self._change = change
        self._next_tick_ns = TICK_NS
        self._last_ns = 0

    def emit(self, batch: Batch) -> None:
        """Takes a batch, after every tick that is due before its time. Time never runs backwards: a batch late for its tick counts in the next."""
        self._tick_until(batch.time_ns)
        if batch.time_ns < self._last_ns:
            batch = msgspec.structs.replace(batch, time_ns=self._last_ns)
        self._last_ns = batch.time_ns
        if self._change is not None:
            batch = self._change(batch)
        self._session.feed(batch)
        if self._recorder is not None:
            self._recorder.batch(batch)

    async def live(self) -> None:
        """Runs all sources and ticks on the grid until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for source in self._sources:
                tasks.create_task(guarded(source, self._clock, self.emit))
            while True:
                await asyncio.sleep(max(self._next_tick_ns - self._clock.now_ns(), 0) / 1e9)
                self._tick_until(self._clock.now_ns())

    async def step(self, until_ns: int) -> None:
        """Virtual time: every source yields what lies before `until_ns` (a multiple of the tick), then the tick is made."""
        for source in self._sources:
            await source.step(until_ns, self.emit)
        self._tick_until(until_ns)

    def finish(self) -> Frame:
        """One more Frame, at the next tick of the grid, with all that has come so far. Nothing may be emitted afterwards."""
        time_ns = max(self._next_tick_ns, self._last_ns - self._last_ns % -TICK_NS)
        return self._session.tick(time_ns, self._clock.utc_s())

    async def close(self) -> None:
        for source in self._sources:
            await source.close()

    def _tick_until(self, now_ns: int) -> None:
        """Makes every tick that is due at `now_ns`."""
        if now_ns - self._next_tick_ns > MAX_LAG_NS:
            self._next_tick_ns = now_ns - now_ns % TICK_NS
        while self._next_tick_ns <= now_ns:
            time_ns = self._next_tick_ns
            self._next_tick_ns += TICK_NS
            utc_s = self._clock.utc_s()
            if self._recorder is not None:
                self._recorder.tick(time_ns, utc_s)
            self._last_ns = max(self._last_ns, time_ns)
            frame = self._session.tick(time_ns, utc_s)
            self._on_frame(frame)
            if self._recorder is not None:
                self._recorder.frame(frame)
