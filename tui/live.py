"""Drivers on live sources: a demo on emulators of its own, and a watch on back ends. What is heavy is imported after the first paint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from collectors.model.frame import Frame
    from collectors.session.ring import Ring
    from collectors.sources.source import Source
    from tui.driver import Post


class WatchDriver:
    """Observes `targets` until it is cancelled."""

    clock: Literal["live"] = "live"

    def __init__(self, targets: Sequence[str], ring: Ring, record: Path | None) -> None:
        self._targets = targets
        self._record = record
        self.history = ring
        self.title = ", ".join(targets)

    async def run(self, post: Post) -> None:
        from collectors.sources.detect import open_targets
        from collectors.wire.http import HttpClient

        async with HttpClient() as client:
            await self._observe(open_targets(self._targets, client), post)

    def hold(self, held: bool) -> None:
        """Collecting goes on."""

    async def _observe(self, sources: Sequence[Source], post: Post) -> None:
        from collectors.observe import Observation
        from collectors.session.clock import LiveClock
        from collectors.session.session import Session
        from tui.recorded import recorder

        def keep(frame: Frame) -> None:
            self.history.append(frame)
            post(frame)

        clock = LiveClock()
        with recorder(self._record, clock.kind) as writer:
            observation = Observation(Session(clock.kind), sources, clock, keep, writer)
            try:
                await observation.live()
            finally:
                await observation.close()


class DemoDriver(WatchDriver):
    """Starts the emulators as a child process and observes them over loopback."""

    def __init__(self, scenario: str, seed: int, ring: Ring, record: Path | None) -> None:
        super().__init__((), ring, record)
        self._scenario = scenario
        self._seed = seed
        self.title = f"{scenario}/seed {seed}"

    async def run(self, post: Post) -> None:
        from collectors.wire.http import HttpClient
        from tui.emulator import Emulator

        async with Emulator(self._scenario, seed=self._seed, clock="paced") as emulator, HttpClient() as client:
            await self._observe(emulator.sources(client), post)
