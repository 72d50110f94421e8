"""The store of extents against a plain model of it, block by block: the same blocks, references, evictions and events, in the same order."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from emulators.blocks import Chain, Context, Run, length
from emulators.channel import Channel
from emulators.events import REMOVED, STORED
from emulators.fetching import Source, anywhere, locate
from emulators.journal import Journal
from emulators.kv import Pool, Spill
from emulators.policy import POLICIES, order

TTL_NS = 5
PROMPT = Chain(1)
PROMPT.grow(4)
CONTEXTS = [Context(number, PROMPT) for number in range(3)]
BLOCKS = 10
for context in CONTEXTS:
    context.grow(16 * BLOCKS)

Event = tuple[int, int, int, int]


@dataclass
class Model:
    """One pool: a row for every block."""

    slot: int
    capacity: int
    policy: str
    events: list[Event]
    below: "Model | None" = None
    through: bool = False
    reserved: int = 0
    refs: dict[int, int] = field(default_factory=dict)
    uses: dict[int, int] = field(default_factory=dict)
    last: dict[int, tuple[int, int]] = field(default_factory=dict)
    """When each was last used: number of the use, and time."""
    clock: int = 0

    @property
    def active(self) -> int:
        return sum(count > 0 for count in self.refs.values())

    @property
    def room(self) -> int:
        return self.capacity - self.active - self.reserved

    def claim(self, now: int, names: list[int], reserve: int) -> bool:
        if sum(not self.refs.get(name) for name in names) + reserve > self.room:
            return False
        new = [name for name in names if name not in self.refs]
        for name in names:
            if name in self.refs:
                self.refs[name] += 1
        self._evict(now, len(new))
        self._store(now, new, 1)
        self.reserved += reserve
        return True

    def release(self, now: int, names: list[int], full: int, reserved: int) -> None:
        idle: list[int] = []
        for at, name in reversed(list(enumerate(names))):
            self.refs[name] -= 1
            if not self.refs[name]:
                if at < full:
                    self._use(now, name)
                    idle.append(name)
                else:
                    self._remove(now, name)
        if idle and self.below and self.through:
            self.below.adopt(now, idle)
        self.reserved -= reserved

    def adopt(self, now: int, names: list[int]) -> int:
        for name in names:
            if self.refs.get(name) == 0:
                self._use(now, name)
        new = [name for name in names if name not in self.refs][: self.room]
        self._evict(now, len(new))
        self._store(now, new, 0)
        for name in new:
            self._use(now, name)
        return len(new)

    def expire(self, now: int) -> None:
        if self.policy == "ttl":
            for name in sorted(self._idle(), key=self._rank):
                if self.last[name][1] + TTL_NS <= now:
                    self._remove(now, name)

    def _idle(self) -> list[int]:
        return [name for name, count in self.refs.items() if not count]

    def _rank(self, name: int) -> tuple[int, int]:
        return self.uses[name] if self.policy == "lfu" else 0, self.last[name][0]

    def _use(self, now: int, name: int) -> None:
        self.clock += 1
        self.uses[name] = self.uses.get(name, 0) + 1
        self.last[name] = self.clock, now

    def _store(self, now: int, names: list[int], refs: int) -> None:
        for name in names:
            self.refs[name] = refs
            self.events.append((now, self.slot, STORED, name))

    def _remove(self, now: int, name: int) -> None:
        del self.refs[name]
        self.uses.pop(name, None)
        self.events.append((now, self.slot, REMOVED, name))

    def _evict(self, now: int, new: int) -> None:
        gone = sorted(self._idle(), key=self._rank)[: max(0, len(self.refs) + new - self.capacity)]
        for name in gone:
            self._remove(now, name)
        if gone and self.below and not self.through:
            self.below.adopt(now, gone)


def names_of(runs: tuple[Run, ...] | list[Run]) -> list[int]:
    return [name for chain, lo, hi in runs for name in chain.names(lo, hi).tolist()]


def hosts(rng: Random) -> tuple[list[Pool], list[Model], Journal, list[Event]]:
    """Two pools that spill into a third, and that into a fourth; their models."""
    journal = Journal()
    events: list[Event] = []
    pools: list[Pool] = []
    models: list[Model] = []
    for slot, below in ((0, None), (1, 0), (2, 1), (3, 1)):
        policy, capacity, through = rng.choice(POLICIES), rng.randint(3, 20), rng.random() < 0.3
        spill = None if below is None else Spill(pools[below], Channel(1e15, 0), through)
        evicting = order(policy, TTL_NS if policy == "ttl" else None)
        pools.append(Pool(slot, "HBM", "owner", None, capacity, 1, journal, spill, evicting))
        models.append(Model(slot, capacity, policy, events, None if below is None else models[below], through))
    return pools, models, journal, events


def piece(rng: Random) -> tuple[Run, ...]:
    lo, hi = sorted((rng.randint(0, BLOCKS), rng.randint(0, BLOCKS)))
    return rng.choice(CONTEXTS).runs(rng.choice((0, lo)), hi)


@settings(max_examples=60)
@given(st.integers(0, 1 << 32))
def test_extents_are_blocks(seed: int) -> None:
    rng = Random(seed)
    pools, models, journal, events = hosts(rng)
    held: list[tuple[int, tuple[Run, ...], int]] = []
    told: list[Event] = []
    for now in range(150):
        slot, runs, number = rng.randint(0, 3), piece(rng), rng.randint(0, 12)
        pool, model, names = pools[slot], models[slot], names_of(runs)
        match rng.choice(("claim", "claim", "release", "release", "adopt", "expire", "write")):
            case "claim":
                reserve = number // 4
                fits = pool.fits(runs, reserve)
                assert fits == model.claim(now, names, reserve) == pool.claim(now, runs, reserve)
                if fits:
                    held.append((slot, runs, reserve))
            case "release" if held:
                slot, runs, reserve = held.pop(number % len(held))
                pools[slot].release(now, runs, min(number, length(runs)), reserve)
                models[slot].release(now, names_of(runs), min(number, length(runs)), reserve)
            case "write" if model.reserved and runs:
                chain, at, _ = runs[0]
                one = ((chain, at, at + 1),)
                spent = next(at for at, (owner, _, left) in enumerate(held) if owner == slot and left)
                held[spent] = (slot, held[spent][1], held[spent][2] - 1)
                pool.claim_reserved(now, *one)
                model.reserved -= 1
                assert model.claim(now, names_of(one), 0)
                held.append((slot, one, 0))
            case "adopt":
                backwards = [name for run in runs for name in reversed(names_of([run]))]
                assert pool.adopt(now, runs) == model.adopt(now, backwards)
            case "expire":
                pool.expire(now)
                model.expire(now)
        rows: Any = journal.take().blocks
        told += zip(*(rows[column].tolist() for column in ("time_ns", "pool", "op", "hash")), strict=True)
        assert told == events
        for one_pool, one_model in zip(pools, models, strict=True):
            assert one_pool.residents() == one_model.refs
            assert (one_pool.used, one_pool.active) == (len(one_model.refs), one_model.active)
            assert (one_pool.room, one_pool.reserved) == (one_model.room, one_model.reserved)


@given(st.integers(0, 1 << 32))
def test_what_is_found_where(seed: int) -> None:
    rng = Random(seed)
    pools, *_ = hosts(rng)
    for _ in range(rng.randint(0, 12)):
        rng.choice(pools).adopt(0, piece(rng))
    for one in CONTEXTS:
        runs = one.runs(0, BLOCKS)
        names = names_of(runs)
        held = [set(pool.residents()) for pool in pools]
        owner = [next((slot for slot in range(4) if name in held[slot]), None) for name in names]
        found_until = next((at for at, slot in enumerate(owner) if slot is None), BLOCKS)
        count, found = locate(runs, pools[0], [Source(pool, ()) for pool in pools[1:]])
        assert count == found_until == anywhere(runs, pools)
        for slot, where in enumerate(found, 1):
            assert names_of(where) == [names[at] for at in range(count) if owner[at] == slot]
        for slot, pool in enumerate(pools):
            missing = [name not in held[slot] for name in names]
            assert pool.missing(runs) == sum(missing)
            assert pool.prefix(runs) == (missing.index(True) if True in missing else BLOCKS)
