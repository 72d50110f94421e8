"""The tiered KV block store: pools of equal blocks, each with an order of eviction, spilling into a slower pool.

A pool counts distinct resident blocks. A block is *active* while a request refers to it and *evictable* from then on; what is evicted moves to the pool
below, if there is one and the path to it is not congested. A block is resident from when room is made for it, under the name that it has once full; a request that
ends in mid-block gives that block up, as nobody could find it. Nothing here takes time: `emulators.channel` does.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import indexOf
from typing import Final

from emulators.channel import Channel
from emulators.journal import Journal
from emulators.loop import Loop
from emulators.policy import Lru, Order

MAX_BACKLOG_NS: Final = 1_000_000_000
"""Evicted blocks are dropped rather than queued behind more than this much writing."""


class Pool:
    """KV memory of one worker or host. Sizes in blocks; `reserved` blocks are promised to running requests but not yet written."""

    __slots__ = (
        "_idle", "_journal", "_refs", "_reported", "block_bytes", "capacity", "changed", "copied_in_bytes", "fetched_bytes", "hit_tokens", "owner", "reserved", "slot", "spill", "tier", "worker",
    )  # fmt: skip

    def __init__(
        self,
        slot: int,
        tier: str,
        owner: str,
        worker: int | None,
        capacity: int,
        block_bytes: int,
        journal: Journal,
        spill: "Spill | None" = None,
        order: Order | None = None,
    ) -> None:
        self.slot, self.tier, self.owner, self.worker = slot, tier, owner, worker
        self.capacity, self.block_bytes = capacity, block_bytes
        self.spill = spill
        self.reserved = 0
        self.hit_tokens = 0
        """Prompt tokens that were found here when their request was admitted for the first time."""
        self.copied_in_bytes = 0
        """Written here by the pool above: evicted blocks, or with write-through all that are full."""
        self.fetched_bytes = 0
        """Read here by those who found blocks of their prompts here."""
        self.changed = False
        """Whether anything has happened here since the last `report`."""
        self._reported = (0, 0)
        self._journal = journal
        self._refs: dict[int, int] = {}
        self._idle: Order = Lru() if order is None else order

    def __contains__(self, name: int) -> bool:
        return name in self._refs

    @property
    def used(self) -> int:
        return len(self._refs)

    @property
    def active(self) -> int:
        return len(self._refs) - len(self._idle)

    @property
    def room(self) -> int:
        """Blocks that may yet become active."""
        return self.capacity - len(self._refs) + len(self._idle) - self.reserved

    def residents(self) -> dict[int, int]:
        """References to each resident block by its name, 0 for an evictable one."""
        return dict(self._refs)

    def prefix(self, names: Sequence[int]) -> int:
        """How many of the first `names` are resident without a gap."""
        try:
            return indexOf(map(self._refs.__contains__, names), False)
        except ValueError:
            return len(names)

    def missing(self, names: Sequence[int]) -> list[int]:
        refs = self._refs
        return [name for name in names if name not in refs]

    def fits(self, names: Sequence[int], reserve: int = 0) -> bool:
        """Whether `claim` would succeed."""
        refs = self._refs
        return len(names) - _truths(map(refs.get, names)) + reserve <= self.room

    def claim(self, now_ns: int, names: Sequence[int], reserve: int = 0) -> bool:
        """Makes all `names` active, those that are not resident by storing them, and promises `reserve` more. All or nothing."""
        refs = self._refs
        counts = list(map(refs.get, names))
        idle = counts.count(0)
        missing = counts.count(None)
        if idle + missing + reserve > self.room:
            return False
        new: Sequence[int] = names
        if missing < len(names):
            pairs = list(zip(names, counts, strict=True))
            revived = names if idle == len(names) else [name for name, count in pairs if count == 0]
            self._idle.take(revived)
            refs.update(dict.fromkeys(revived, 1))
            if idle + missing < len(names):
                refs.update([(name, count + 1) for name, count in pairs if count])
            new = [name for name, count in pairs if count is None] if missing else ()
        if new:
            self._evict(now_ns, len(refs) + len(new) - self.capacity)
            refs.update(dict.fromkeys(new, 1))
            self._journal.stored(now_ns, self.slot, self.block_bytes, new)
        self.reserved += reserve
        self.changed = True
        return True

    def claim_reserved(self, now_ns: int, name: int) -> None:
        """Stores one block out of what was reserved. RuntimeError if nothing is."""
        if self.reserved < 1:
            raise RuntimeError(f"nothing is reserved in {self.tier} of {self.owner}")
        self.reserved -= 1
        self.claim(now_ns, (name,))

    def release(self, now_ns: int, names: Sequence[int], full: int, reserved: int = 0) -> None:
        """Gives up references, and what is left of a reservation. The first `full` blocks stay, evictable; later ones that nobody else holds go.

        The last blocks become the first to be evicted, as they are of no use without those before them.
        """
        refs = self._refs
        counts = list(map(refs.__getitem__, names))
        ending = names
        if counts.count(1) < len(names):
            pairs = list(zip(names, counts, strict=True))
            ending = [name for name, count in pairs if count == 1]
            refs.update([(name, count - 1) for name, count in pairs if count > 1])
        stay = counts[:full].count(1)
        idle, gone = ending[:stay][::-1], ending[stay:][::-1]
        refs.update(dict.fromkeys(idle, 0))
        self._idle.put(now_ns, idle)
        for name in gone:
            del refs[name]
        if gone:
            self._idle.forget(gone)
            self._journal.removed(now_ns, self.slot, self.block_bytes, gone)
        if idle and self.spill is not None and self.spill.through:
            self.spill.take(now_ns, idle[::-1])
        self.reserved -= reserved
        self.changed = True

    def adopt(self, now_ns: int, names: Sequence[int]) -> int:
        """Takes in evictable blocks, the last as the most recently used; how many were not there. Those beyond its room are left out."""
        refs, idle = self._refs, self._idle
        counts = list(map(refs.get, names))
        new = [name for name, count in zip(names, counts, strict=True) if count is None]
        idle.put(now_ns, [name for name, count in zip(names, counts, strict=True) if count == 0])
        del new[max(0, self.room) :]
        if new:
            self._evict(now_ns, len(refs) + len(new) - self.capacity)
            refs.update(dict.fromkeys(new, 0))
            idle.put(now_ns, new)
            self._journal.stored(now_ns, self.slot, self.block_bytes, new)
            self.changed = True
        return len(new)

    def expire(self, now_ns: int) -> None:
        """Drops what the order of eviction says is too old; it goes nowhere else."""
        gone = self._idle.expired(now_ns)
        if gone:
            for name in gone:
                del self._refs[name]
            self._journal.removed(now_ns, self.slot, self.block_bytes, gone)
            self.changed = True

    def report(self, now_ns: int) -> None:
        """Writes an occupancy row, if it says something else than the last."""
        self.changed = False
        held = self.used, self.active
        if held != self._reported:
            self._reported = held
            used, active = held
            self._journal.occupied(now_ns, self.slot, used * self.block_bytes, active * self.block_bytes)

    def _evict(self, now_ns: int, count: int) -> None:
        if count <= 0:
            return
        refs = self._refs
        gone = self._idle.pop(count)
        for name in gone:
            del refs[name]
        self._journal.removed(now_ns, self.slot, self.block_bytes, gone)
        if self.spill is not None and not self.spill.through:
            self.spill.take(now_ns, gone)


def _truths(counts: Iterable[int | None]) -> int:
    """How many are neither 0 nor None."""
    return sum(map(bool, counts))


@dataclass(slots=True)
class Spill:
    """Where evicted blocks go, and by which path. `through`: blocks are copied there as soon as nobody refers to them, not when they are evicted."""

    pool: Pool
    channel: Channel
    through: bool = False

    def take(self, now_ns: int, names: Sequence[int]) -> None:
        if self.channel.backlog_ns(now_ns) <= MAX_BACKLOG_NS:
            new = self.pool.adopt(now_ns, names)
            if new:
                size = new * self.pool.block_bytes
                self.channel.put(now_ns, size)
                self.pool.copied_in_bytes += size


@dataclass(frozen=True, slots=True)
class Source:
    """A pool from which a prompt's blocks can be fetched, and the path to the one who fetches."""

    pool: Pool
    channels: tuple[Channel, ...]

    def send(self, loop: Loop, blocks: int, arrived: Callable[[], None]) -> None:
        """Sends so many blocks along all parts of the path at once; `arrived` is called when the slowest part is through."""
        parts = len(self.channels)

        def part() -> None:
            nonlocal parts
            parts -= 1
            if not parts:
                arrived()

        size = blocks * self.pool.block_bytes
        self.pool.fetched_bytes += size
        for channel in self.channels:
            channel.send(loop, size, part)


def locate(names: Sequence[int], own: Pool, sources: Sequence[Source]) -> tuple[int, list[list[int]]]:
    """Where the longest prefix that is anywhere lies: how many of `names` from the start, and which of them are in each source.

    A block that is in several places counts for the first: `own`, then the sources in their order.
    """
    found: list[list[int]] = [[] for _ in sources]
    at = own.prefix(names)
    while at < len(names):
        name = names[at]
        if name not in own:
            for source, blocks in zip(sources, found, strict=True):
                if name in source.pool:
                    blocks.append(name)
                    break
            else:
                break
        at += 1
    return at, found
