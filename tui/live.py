"""Drivers on live sources: a demo on emulators of its own, and a watch on back ends. What is heavy is imported after the first paint."""

from __future__ import annotations

import asyncio
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from tui.marks import Bookmarks
from tui.memory import Late
from tui.urgency import Urgency

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from collectors.model.frame import Frame
    from collectors.observe import Observation
    from collectors.recording.memory import Memory
    from collectors.session.clock import VirtualClock
    from collectors.session.detail import Detail
    from collectors.session.session import Session
    from collectors.sources.source import Source
    from tui.config.judging import Judged
    from tui.config.resolve import Plan
    from tui.driver import Clock, Post
    from tui.player import Player
    from tui.tapping import Settings

SWITCH_S = 0.0005
"""A thread that wants to go on waits so long for another that works: whoever counts gives way at each of some hundred steps of arrays a second, 5 ms each by default."""
DRAIN_SHOWN_S = 1.0
"""How long a dashboard that is closed waits for its tap, which goes on until what is in flight has come through."""


class LiveDriver:
    """Observes what it is given until it is cancelled."""

    clock: Clock = "live"
    recorded = "live"
    """By which clock, as a recording says it."""
    player: Player | None = None

    def __init__(self, title: str, record: Path | None, *, redact: bool = False, judged: Judged | None = None) -> None:
        self._record = record
        self._redaction = "names" if redact else "none"
        self._memory: Memory | None = None
        self._session: Session | None = None
        self._given = judged
        self.urgency = Urgency()
        self.history = Late()
        self.detail: Detail | None = None
        self.bookmarks = Bookmarks(record)
        self.title = title

    @cached_property
    def _judged(self) -> Judged:
        from tui.config.judging import Judged

        return self._given or Judged()

    @property
    def held_bytes(self) -> int:
        """What is remembered takes so much."""
        return self._memory.held_bytes if self._memory is not None else 0

    def delivery(self, time_ns: int, direction: int) -> int | None:
        return None

    def next_profile(self, after: str) -> str:
        if self._session is None:
            return ""
        names = [*self._judged.profiles]
        name = names[(names.index(after) + 1) % len(names) if after in names else 0]
        self._session.judge(self._judged.profiles[name])
        return name

    def hold(self, held: bool, at_ns: int | None = None) -> None:
        """Collecting goes on."""

    async def save(self, path: Path) -> tuple[str, str]:
        from collectors.recording.errors import RecordingError
        from tui.recorded import WRITER

        if self._memory is None:
            return "nothing was seen yet", ""
        try:
            seconds = await asyncio.to_thread(
                self._memory.save, path, clock=self.recorded, version=WRITER, redaction=self._redaction
            )
        except RecordingError as error:
            return str(error), ""
        return "", f"{seconds:.0f} s written to {path}"

    async def _observe(
        self,
        sources: Sequence[Source],
        post: Post,
        clock: VirtualClock | None = None,
        run: Callable[[Observation], Awaitable[None]] | None = None,
    ) -> None:
        """Live until it is cancelled, or by a `clock` of its own as `run` has it go."""
        from collectors.observe import Observation
        from collectors.recording.memory import Memory
        from collectors.recording.redaction import LEVEL, Redactor
        from collectors.session.clock import LiveClock
        from collectors.session.detail import Detail
        from collectors.session.session import Session
        from tui.recorded import remembering

        self._memory = memory = Memory()
        self.history.behind = memory.history

        def keep(frame: Frame) -> None:
            memory.history.append(frame)
            post(frame)

        by = clock or LiveClock()
        self.detail = Detail()
        self._session = session = Session(by.kind, judging=self._judged.judging, detail=self.detail)
        change = Redactor().batch if self._redaction == LEVEL else None
        with remembering(memory, self._record, by.kind, self._redaction, self.urgency.busy) as spool:
            observation = Observation(session, sources, by, keep, spool, change, self.urgency.answering)
            switch_s = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_S)
            try:
                await (observation.live() if run is None else run(observation))
            finally:
                sys.setswitchinterval(switch_s)
                await observation.close()


class WatchDriver(LiveDriver):
    """Observes what `plan` says is to be watched."""

    def __init__(self, plan: Plan, record: Path | None, *, redact: bool = False) -> None:
        super().__init__("redacted targets" if redact else plan.title, record, redact=redact, judged=plan.judged)
        self._plan = plan

    async def run(self, post: Post) -> None:
        from collectors.wire.access import Clients
        from tui.targets import opened

        async with Clients() as clients:
            await self._observe([opened(self._plan, clients)], post)


class DemoDriver(LiveDriver):
    """Starts the emulators as a child process and observes them over loopback."""

    def __init__(self, scenario: str, seed: int, record: Path | None, faults: Sequence[str] = ()) -> None:
        super().__init__(f"{scenario}/seed {seed}", record)
        self._scenario = scenario
        self._seed = seed
        self._faults = faults

    async def run(self, post: Post) -> None:
        from collectors.wire.http import HttpClient
        from tui.emulator import Emulator

        emulated = Emulator(self._scenario, seed=self._seed, clock="paced", faults=self._faults)
        async with emulated as emulator, HttpClient() as client:
            await self._observe(emulator.sources(client), post)


class TapDriver(LiveDriver):
    """Starts the tap as a child process, whose times are not ours to disturb, and observes it over loopback."""

    def __init__(self, settings: Settings, judged: Judged | None = None) -> None:
        super().__init__(f"tap of {settings.upstream}", None, judged=judged)
        self._settings = settings

    async def run(self, post: Post) -> None:
        import msgspec

        from collectors.sources.placement import PlacementSource
        from collectors.wire.http import HttpClient
        from tui.child import Child

        child = Child("the tap", "tap", *self._settings.arguments)
        try:
            stream = msgspec.json.decode(await child.start())["stream"]
            async with HttpClient() as client:
                await self._observe([PlacementSource("tap", stream, client)], post)
        finally:
            await child.stop(DRAIN_SHOWN_S, then_kill=False)
