"""The driver of a show: emulators on a clock of ours, which runs, stands, and goes as fast as it can.

The world is simulated as far as somebody has looked, and all of that is remembered: what was seen is shown again from memory, what was not is run at full speed.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from tui.live import LiveDriver
from tui.player import Player

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from collectors.observe import Observation
    from collectors.session.clock import VirtualClock
    from tui.child import Child
    from tui.driver import Clock, Post
    from tui.emulator import Emulator
    from tui.show.faults import Offer
    from tui.show.script import Script

TICK_NS: Final = 250_000_000
HANGS_S: Final = 0.15
"""Real time after which a page that does not answer is given up: the world stands meanwhile, so a fault that hangs would hold up the show at every tick."""
READY_NS: Final = 4 * TICK_NS
"""While it plays the world is ahead of what is shown by so much, so that a tick that takes long makes no frame late."""
LOOK_S: Final = 0.1
"""Real time between two looks at where the show is."""


class ShowDriver(LiveDriver):
    """Plays `script` on the emulators of `scenario`. `waits`: stops where a chapter wants that."""

    clock: Clock = "demo"
    recorded = "virtual"
    player: Player

    def __init__(
        self,
        script: Script,
        scenario: str,
        seed: int,
        record: Path | None,
        faults: Sequence[str] = (),
        *,
        waits: bool = False,
        child: Child | None = None,
    ) -> None:
        """`child`: the emulators, where they have begun already."""
        super().__init__(f"{script.name}/seed {seed}", record)
        self.script = script
        self.waits = waits
        self.player = Player(0, script.length_ns, 0.0, stops=script.stops if waits else [])
        self.ahead_ns: int | None = None
        """To where the world is being run at full speed."""
        self.by_hand: list[tuple[int, str]] = []
        """What the presenter did to the world, and when."""
        self.world_ns = 0
        """How far the world was simulated."""
        self._child = child
        self._scenario, self._seed, self._faults = scenario, seed, faults
        self._wake = asyncio.Event()
        self._shown: tuple[int, int | None] | None = None
        self._anew = False
        self._emulator: Emulator | None = None

    @property
    def position_ns(self) -> int:
        return round(self.player.position_ns)

    def jump(self, at_ns: int) -> None:
        """Show that moment and go on from there: at once where it was seen, else as soon as the world has come so far."""
        self._shown = None
        if at_ns > self.world_ns:
            self.ahead_ns = at_ns
        else:
            self.ahead_ns = None
            self._arrive(at_ns)
        self._wake.set()

    def restart(self) -> bool:
        """From the beginning. True: in a new world, without what the presenter has done to this one; else what was seen is shown again, which the seed would repeat."""
        if not self.by_hand or self._record is not None:
            self.jump(0)
            return False
        self._anew = True
        self._wake.set()
        return True

    def hold(self, held: bool, at_ns: int | None = None) -> None:
        """The world stands while the view is held, and goes on from what is shown."""
        self.ahead_ns = None
        if held:
            self.player.playing = False
            self.player.position_ns = self.player.position_ns if at_ns is None else at_ns
        else:
            self.player.go(at_ns)
        self._shown = None
        self._wake.set()

    async def faults(self) -> list[Offer]:
        """What can go wrong now. Raises ClickException."""
        from tui.show.faults import faults

        return faults(await self._emulator.ask("faults")) if self._emulator is not None else []

    async def loads(self) -> list[Offer]:
        """Other loads than the one that is. Raises ClickException."""
        from tui.show.faults import loads

        return loads((await self._emulator.ask("load"))["factor"]) if self._emulator is not None else []

    async def give(self, offer: Offer) -> None:
        """Does that to the world, from now on. The show goes to the newest moment for it. Raises ClickException where it cannot be."""
        if self._emulator is None:
            return
        await self._emulator.ask(offer.path, offer.table)
        self.by_hand.append((self.world_ns, offer.text))
        if self._record is not None:
            self.bookmarks.add(self.world_ns, f"by hand: {offer.text}")
        self.jump(self.world_ns)

    async def run(self, post: Post) -> None:
        import msgspec

        from collectors.session.clock import VirtualClock
        from collectors.wire.http import HttpClient
        from collectors.wire.limits import DEFAULT
        from tui.emulator import Emulator
        from tui.show.notes import telling

        if self._record is not None:
            for chapter in self.script.chapters:
                self.bookmarks.add(chapter.at_ns, chapter.title, stop=chapter.at_ns in self.script.stops)
        limits = msgspec.structs.replace(DEFAULT, total_s=HANGS_S)
        asyncio.get_running_loop().run_in_executor(None, _load)
        async with telling(self):
            while True:
                self._anew, self.world_ns, self._shown, self.ahead_ns = False, 0, None, None
                self.by_hand.clear()
                self.player.go(TICK_NS)  # before it there is nothing to see
                clock = VirtualClock()
                world = Emulator(
                    self._scenario, seed=self._seed, clock="stepped", faults=self._faults, child=self._child
                )
                self._child = None
                async with world as self._emulator, HttpClient(limits) as client:
                    play = partial(self._play, emulator=self._emulator, clock=clock, post=post)
                    await self._observe(self._emulator.sources(client), _nobody, clock, play)
                self._emulator = None
                if not self._anew:
                    return

    async def _play(self, observation: Observation, emulator: Emulator, clock: VirtualClock, post: Post) -> None:
        """Until the world is to begin anew. A tick of the world is a task of its own, as a page that hangs or a long one must not hold up what is shown."""
        await observation.step(0)
        last = time.monotonic()
        tick: asyncio.Task[None] | None = None
        try:
            while True:
                now = time.monotonic()
                if self.ahead_ns is None:
                    self.player.advance(now - last)
                last = now
                self._wake.clear()
                if tick is not None and tick.done():
                    await tick
                    tick = None
                if tick is None:
                    if self._anew:
                        return
                    tick = self._next_tick(observation, emulator, clock)
                frame = self.history.at(self.position_ns)
                # Again for each second that the world runs ahead: how far it has come stands beside the Frame.
                ahead_s = None if self.ahead_ns is None else self.world_ns // (4 * TICK_NS)
                if frame is not None and (frame.time_ns, ahead_s) != self._shown:
                    self._shown = frame.time_ns, ahead_s
                    post(frame)
                stands = not self.player.playing or self.player.ended
                try:
                    async with asyncio.timeout(None if stands or self._anew else self._rest_s()):
                        await self._wake.wait()
                except TimeoutError:
                    continue
                if stands:
                    last = time.monotonic()
        finally:
            if tick is not None:
                tick.cancel()
                await asyncio.gather(tick, return_exceptions=True)

    def _next_tick(
        self, observation: Observation, emulator: Emulator, clock: VirtualClock
    ) -> asyncio.Task[None] | None:
        """The world on its way to what is to be shown, and a little further while it plays. Where it is behind, what is shown waits for it."""
        if self.ahead_ns is None and self.player.playing:
            self.player.position_ns = min(self.player.position_ns, max(self.world_ns, TICK_NS))
        elif self.ahead_ns is not None and self.world_ns + TICK_NS > self.ahead_ns:
            goal, self.ahead_ns = self.ahead_ns, None
            self._arrive(goal)
        until_ns = self.world_ns + TICK_NS
        if until_ns > self._goal_ns():
            return None
        tick = asyncio.create_task(self._tick(observation, emulator, clock, until_ns))
        tick.add_done_callback(lambda _: self._wake.set())
        return tick

    async def _tick(self, observation: Observation, emulator: Emulator, clock: VirtualClock, until_ns: int) -> None:
        await emulator.advance(until_ns)
        clock.time_ns = until_ns
        await observation.step(until_ns)
        self.world_ns = until_ns

    def _goal_ns(self) -> int:
        if self.ahead_ns is not None:
            return self.ahead_ns
        ahead_ns = READY_NS if self.player.playing and not self.player.backwards else 0
        return min(self.position_ns + ahead_ns, max(self.position_ns, self.player.last_ns))

    def _arrive(self, at_ns: int) -> None:
        self.player.go(at_ns)
        self.player.playing = at_ns not in self.player.stops

    def _rest_s(self) -> float:
        """Until the next tick of what is shown."""
        left_ns = TICK_NS - self.player.position_ns % TICK_NS
        return min(left_ns / 1e9 / self.player.speed + 0.001, LOOK_S)


def _load() -> None:
    """What observing needs, while the emulators come up."""
    import tui.recorded  # noqa: F401


def _nobody(frame: object) -> None:
    """Frames are posted when the show comes to them."""
