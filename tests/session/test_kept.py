"""Rows that are kept between ticks: equal to rows made anew, and made anew only where something was heard."""

import random

import numpy as np
import pytest

from collectors.model.batch import Batch, Inventory, Layout, Part, Samples, Status, WorkerInfo
from collectors.model.frame import Frame
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Role, State, TargetStatus, Tier
from collectors.session.clock import TICK_NS
from collectors.session.session import Session
from collectors.session.source_state import SourceState

S = 1_000_000_000
BOUNDS = (0.1, 0.5, float("inf"))


def series(worker: str, *, tiers: bool = True) -> tuple[Series, ...]:
    found = [
        Series(Signal.REQUESTS_RUNNING, Kind.GAUGE, worker, "x:running"),
        Series(Signal.GENERATION_TOKENS, Kind.COUNTER, worker, "x:tokens_total"),
        *(Series(Signal.TTFT, Kind.BUCKET, worker, "x:ttft_bucket", le=bound) for bound in BOUNDS),
        *(Series(Signal.GAP, Kind.BUCKET, worker, "x:gap_bucket", le=bound) for bound in BOUNDS),
    ]
    if tiers:
        found.append(Series(Signal.KV_ACTIVE_RATIO, Kind.GAUGE, worker, "x:kv", Tier.HBM))
    return tuple(found)


class Target:
    """A page that counts, restarts, changes its layout, goes away and comes back."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name = name
        self._rng = rng
        self._tiers = True
        self._told: tuple[Series, ...] = ()
        self._counts = [0] * 7

    def batch(self, time_ns: int) -> Batch:
        rng = self._rng
        if rng.random() < 0.05:
            status = Status(f"http://{self.name}", "x", TargetStatus.DOWN, "refused")
            return Batch(self.name, time_ns, (status,))
        if rng.random() < 0.05:
            self._counts = [0] * 7
        if rng.random() < 0.05:
            self._tiers = not self._tiers
        tokens, low, middle, high, *gaps = self._counts
        if rng.random() < 0.7:
            new = rng.randrange(40)
            middle, high = middle + new, high + new
            self._counts = [tokens + rng.randrange(1000), low, middle, high, *(one + 7 * new for one in gaps)]
        worker = f"{self.name}/0"
        told = series(worker, tiers=self._tiers)
        parts: list[Part] = [Status(f"http://{self.name}", "x", TargetStatus.UP)]
        if told != self._told:
            role = Role.DECODE if self._tiers else Role.PREFILL
            parts += [Inventory((WorkerInfo(0, worker, role, model="m"),)), Layout(told)]
        self._told = told
        values = [float(rng.randrange(3)), *map(float, self._counts), *([rng.random()] if self._tiers else [])]
        return Batch(self.name, time_ns, (*parts, Samples(np.array(values))))


def observed(seed: int, seconds: int = 90, fleet: int = 5) -> list[Frame]:
    rng = random.Random(seed)
    targets = [Target(f"t-{index}", rng) for index in range(fleet)]
    session, frames = Session("virtual"), []
    for tick in range(seconds * 4):
        for target in targets:
            often = 0.3 if tick < 40 * 4 else 0.02
            if rng.random() < often:
                session.feed(target.batch(tick * TICK_NS + rng.randrange(TICK_NS)))
        frames.append(session.tick((tick + 1) * TICK_NS))
    return frames


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_is_what_would_be_made_anew(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = observed(seed)
    monkeypatch.setattr(SourceState, "stamp", lambda *_: None)
    anew = observed(seed)
    assert kept == anew
    states = {row.running.state for frame in kept for row in frame.workers}
    assert {State.OK, State.ZERO, State.STALE} <= states


def test_rows_of_what_was_not_heard_stay_the_same_objects() -> None:
    session, names = Session("virtual"), [f"t-{index}" for index in range(40)]
    for second in range(3):
        for name in names:
            values = [1.0, 100.0 * second, *(10.0 * second,) * 6, 0.5]
            told: tuple[Part, ...] = (Samples(np.array(values)),)
            if not second:
                worker = WorkerInfo(0, f"{name}/0", Role.DECODE)
                told = Status("", "x", TargetStatus.UP), Inventory((worker,)), Layout(series(worker.id)), *told
            session.feed(Batch(name, second * S, told))
        before = session.tick(second * S + TICK_NS)
    quiet = session.tick(2 * S + 2 * TICK_NS)
    session.feed(Batch(names[7], 2 * S + 2 * TICK_NS, (Samples(np.array([2.0, 250.0, *(30.0,) * 6, 0.5])),)))
    after = session.tick(2 * S + 3 * TICK_NS)
    rounds: tuple[tuple[Frame, Frame, set[int]], ...] = ((before, quiet, set()), (quiet, after, {7}))
    for frame, other, different in rounds:
        for rows, others in ((frame.workers, other.workers), (frame.tiers, other.tiers), (frame.jitter, other.jitter)):
            assert len(rows) == len(names)
            changed = {at for at, (one, two) in enumerate(zip(rows, others, strict=True)) if one is not two}
            assert changed == different
    assert after.workers[7].running.value == 2
