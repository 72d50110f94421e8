"""Commands without a screen: a stepped demo, one look at live targets, a moment of a recording. Never loads Textual."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click
import msgspec

from collectors.model.batch import Batch, Tick
from collectors.model.frame import Frame, SignalRow
from collectors.model.vocabulary import NO_TARGETS, TargetStatus
from collectors.observe import Observation
from collectors.session.clock import TICK_NS, LiveClock, VirtualClock
from collectors.session.session import Session
from collectors.wire.access import Clients
from collectors.wire.http import HttpClient
from collectors.wire.limits import DEFAULT
from tui.config.resolve import Plan
from tui.emulator import Emulator
from tui.recorded import opened as opened_recording
from tui.recorded import recorder
from tui.targets import opened

SNAPSHOT_TIMEOUT_S: Final = 8.0
"""How long a snapshot waits for each target's second sample."""
SNAPSHOT_ANSWERS: Final = 2
HANGS_S: Final = 2.0
"""Real time after which a page of an emulator on a virtual clock is given up. It has nothing else to do meanwhile, and its world stands."""


class Seen(NamedTuple):
    """A Frame, and what else its session could say at that moment."""

    frame: Frame
    signals: tuple[SignalRow, ...]


async def demo_frame(
    scenario: str, seed: int, duration_s: float, record: Path | None, faults: Sequence[str] = ()
) -> Seen:
    """The last Frame of `demo_frames`."""
    last: deque[Frame] = deque(maxlen=1)
    session = await demo_frames(scenario, seed, duration_s, record, last.append, faults)
    return _seen(session, last[0])


async def demo_frames(
    scenario: str,
    seed: int,
    duration_s: float,
    record: Path | None,
    on_frame: Callable[[Frame], None],
    faults: Sequence[str] = (),
) -> Session:
    """Steps the emulators on their virtual clock, tick by tick, through `duration_s` (at least one tick)."""
    clock = VirtualClock()
    session = Session(clock.kind)
    with recorder(record, clock.kind) as writer:
        emulated = Emulator(scenario, seed=seed, clock="stepped", faults=faults)
        limits = msgspec.structs.replace(DEFAULT, total_s=HANGS_S)
        async with emulated as emulator, HttpClient(limits) as client:
            observation = Observation(session, emulator.sources(client), clock, on_frame, writer)
            try:
                await observation.step(0)
                for tick in range(1, max(round(duration_s * 1e9 / TICK_NS), 1) + 1):
                    await emulator.advance(tick * TICK_NS)
                    clock.time_ns = tick * TICK_NS
                    await observation.step(clock.time_ns)
            finally:
                await observation.close()
    return session


async def snapshot_frame(plan: Plan, duration_s: float | None) -> Seen:
    """Watches for `duration_s`, or until each target has given two samples or failed; the Frame of then."""
    clock = LiveClock()
    session = Session(clock.kind, judging=plan.judged.judging)
    settled = asyncio.Event()

    def look(frame: Frame) -> None:
        if duration_s is None and _settled(session, targets.expected):
            settled.set()

    async with Clients() as clients:
        targets = opened(plan, clients)
        observation = Observation(session, [targets], clock, look)
        live = asyncio.create_task(observation.live())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(duration_s or SNAPSHOT_TIMEOUT_S):
                    await settled.wait()
        finally:
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)
            await observation.close()
    return _seen(session, observation.finish())


def replay_frame(file: Path, at_s: float) -> Seen:
    """The Frame at `at_s` after the first tick of a recording (infinity: at its end)."""
    frame: Frame | None = None
    before: list[Batch] = []
    with opened_recording(file) as reader:
        session = Session(reader.info().clock)
        for item in reader.items():
            if not isinstance(item, Tick):
                before.append(item)
                continue
            if frame is not None and item.time_ns > at_s * 1e9:
                break
            for batch in before:
                session.feed(batch)
            before.clear()
            frame = session.tick(item.time_ns, item.utc_s)
    if frame is None:
        raise click.ClickException(f"{file} holds no whole tick: there is nothing to show")
    return _seen(session, frame)


def _seen(session: Session, frame: Frame) -> Seen:
    return Seen(frame, session.signals(frame.time_ns))


def any_up(frame: Frame) -> bool:
    """Whether a target is; that it can be said which there are, or that we probe one, is not enough."""
    return any(
        target.status in (TargetStatus.UP, TargetStatus.STALE) and target.backend not in NO_TARGETS
        for target in frame.targets
    )


def _settled(session: Session, names: list[str]) -> bool:
    """Every source has answered often enough, or has been found not to be up."""
    return all(
        session.knows(name) and (session.answers(name) or SNAPSHOT_ANSWERS) >= SNAPSHOT_ANSWERS for name in names
    )
