"""The tiered KV block store: pools of equal blocks, each with an order of eviction, spilling into a slower pool.

A pool counts distinct resident blocks. A block is *active* while a request refers to it and *evictable* from then on; what is evicted moves to the pool
below, if there is one and the path to it is not congested. A block is resident from when room is made for it, under the name that it has once full; a request that
ends in mid-block gives that block up, as nobody could find it. Blocks are held as extents, so that what is done to a prompt costs by its pieces and not by its blocks. Nothing
here takes time: `emulators.channel` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from emulators.blocks import Chain, Run, length
from emulators.channel import Channel
from emulators.extents import Extent, cut, find, join
from emulators.journal import Journal
from emulators.policy import Lru, Order

MAX_BACKLOG_NS: Final = 1_000_000_000
"""Evicted blocks are dropped rather than queued behind more than this much writing."""


class Pool:
    """KV memory of one worker or host. Sizes in blocks; `reserved` blocks are promised to running requests but not yet written."""

    __slots__ = (
        "_chains", "_idle", "_journal", "_order", "_reported", "_touched", "block_bytes", "capacity", "copied_in_bytes", "fetched_bytes", "hit_tokens", "owner", "reserved", "slot", "spill",
        "tier", "used", "worker",
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
        self.used = 0
        self.hit_tokens = 0
        """Prompt tokens that were found here when their request was admitted for the first time."""
        self.copied_in_bytes = 0
        """Written here by the pool above: evicted blocks, or with write-through all that are full."""
        self.fetched_bytes = 0
        """Read here by those who found blocks of their prompts here."""
        self._touched = False
        """Whether anything has happened here since the last `report`."""
        self._reported = (0, 0)
        self._journal = journal
        self._chains: dict[Chain, list[Extent]] = {}
        """Extents of each chain, in order; no list is empty."""
        self._idle = 0
        self._order: Order = Lru() if order is None else order

    @property
    def active(self) -> int:
        return self.used - self._idle

    @property
    def room(self) -> int:
        """Blocks that may yet become active."""
        return self.capacity - self.used + self._idle - self.reserved

    def residents(self) -> dict[int, int]:
        """References to each resident block by its name, 0 for an evictable one."""
        return {
            name: extent.refs
            for chain, extents in self._chains.items()
            for extent in extents
            for name in chain.names(extent.lo, extent.hi).tolist()
        }

    def stretch(self, run: Run) -> int:
        """How many of the first blocks of `run` are alike: resident, or, as a negative number, not."""
        chain, lo, hi = run
        extents = self._chains.get(chain)
        if extents is None:
            return lo - hi
        index = find(extents, lo)
        if index == len(extents):
            return lo - hi
        if extents[index].lo > lo:
            return lo - min(hi, extents[index].lo)
        end = lo
        for extent in extents[index:]:
            if extent.lo > end:
                break
            end = extent.hi
            if end >= hi:
                return hi - lo
        return end - lo

    def prefix(self, runs: Sequence[Run]) -> int:
        """How many of the first blocks are resident without a gap."""
        count = 0
        for run in runs:
            here = self.stretch(run)
            count += max(0, here)
            if here < run[2] - run[1]:
                break
        return count

    def missing(self, runs: Sequence[Run]) -> int:
        """How many are not resident."""
        return self._tally(runs)[1]

    def fits(self, runs: Sequence[Run], reserve: int = 0) -> bool:
        """Whether `claim` would succeed."""
        idle, missing = self._tally(runs)
        return idle + missing + reserve <= self.room

    def claim(self, now_ns: int, runs: Sequence[Run], reserve: int = 0) -> bool:
        """Makes all blocks active, those that are not resident by storing them, and promises `reserve` more. All or nothing."""
        idle, missing = self._tally(runs)
        if idle + missing + reserve > self.room:
            return False
        if len(runs) == 1 and self._append(now_ns, runs[0]):
            self.reserved += reserve
            return True
        new = [gap for run in runs for gap in self._refer(run)]
        if new:
            self._evict(now_ns, self.used + missing - self.capacity)
            for run in new:
                self._store(run, 1)
            self._journal.stored(now_ns, self.slot, self.block_bytes, new)
        self.reserved += reserve
        self._touch()
        return True

    def claim_reserved(self, now_ns: int, run: Run) -> None:
        """Stores blocks out of what was reserved. RuntimeError if nothing is."""
        count = run[2] - run[1]
        if self.reserved < count:
            raise RuntimeError(f"nothing is reserved in {self.tier} of {self.owner}")
        self.reserved -= count
        if not self._append(now_ns, run):
            self.claim(now_ns, (run,))

    def release(self, now_ns: int, runs: Sequence[Run], full: int, reserved: int = 0) -> None:
        """Gives up references, and what is left of a reservation. The first `full` blocks stay, evictable; later ones that nobody else holds go.

        The last blocks become the first to be evicted, as they are of no use without those before them.
        """
        idle: list[Run] = []
        gone: list[Run] = []
        start = length(runs)
        for chain, lo, hi in reversed(runs):
            start -= hi - lo
            stay = min(hi, max(lo, lo + full - start))
            extents = self._chains[chain]
            first, middle, last = cut(extents, lo), cut(extents, stay), cut(extents, hi)
            for index in range(last - 1, first - 1, -1):
                extent = extents[index]
                if extent.refs > 1:
                    extent.refs -= 1
                elif index < middle:
                    extent.refs = 0
                    self._idle += extent.hi - extent.lo
                    self._order.put(now_ns, extent)
                    idle.append((chain, extent.lo, extent.hi))
                else:
                    self.used -= extent.hi - extent.lo
                    del extents[index]
                    last -= 1
                    gone.append((chain, extent.lo, extent.hi))
            if extents:
                join(extents, first, last)
            else:
                del self._chains[chain]
        if gone:
            self._journal.removed(now_ns, self.slot, self.block_bytes, gone)
        if idle and self.spill is not None and self.spill.through:
            self.spill.take(now_ns, idle)
        self.reserved -= reserved
        self._touch()

    def adopt(self, now_ns: int, runs: Sequence[Run]) -> int:
        """Takes in evictable blocks, of each run the last block first, the latest as the most recently used; how many were not there. Those beyond its room are left out."""
        new: list[Run] = []
        for run in runs:
            new += self._refresh(now_ns, run)
        new = _first(new, self.room)
        count = length(new)
        if count:
            self._evict(now_ns, self.used + count - self.capacity)
            for run in new:
                self._store(run, 0, now_ns)
            self._journal.stored(now_ns, self.slot, self.block_bytes, new, backwards=True)
            self._touch()
        return count

    def expire(self, now_ns: int) -> None:
        """Drops what the order of eviction says is too old; it goes nowhere else."""
        gone: list[Run] = []
        while (extent := self._order.expired(now_ns)) is not None:
            gone.append(self._drop(extent, extent.hi - extent.lo))
        if gone:
            self._journal.removed(now_ns, self.slot, self.block_bytes, gone)
            self._touch()

    def report(self, now_ns: int) -> None:
        """Writes an occupancy row, if it says something else than the last."""
        self._touched = False
        used, active = held = self.used, self.used - self._idle
        if held != self._reported:
            self._reported = held
            size = self.block_bytes
            self._journal.occupied(now_ns, self.slot, used * size, active * size)

    def _touch(self) -> None:
        if not self._touched:
            self._touched = True
            self._journal.touched.append(self.slot)

    def _append(self, now_ns: int, run: Run) -> bool:
        """Stores blocks, for which there is room, behind those that the only holder of a chain has: what decoding does. False if it is something else."""
        chain, lo, hi = run
        extents = self._chains.get(chain)
        if extents is None:
            return False
        last = extents[-1]
        if last.hi != lo or last.refs != 1 or last.uses:
            return False
        used = self.used + hi - lo
        if used > self.capacity:
            self._evict(now_ns, used - self.capacity)
            used = self.capacity
        last.hi = hi
        self.used = used
        self._journal.stored(now_ns, self.slot, self.block_bytes, (run,))
        if not self._touched:
            self._touch()
        return True

    def _tally(self, runs: Sequence[Run]) -> tuple[int, int]:
        """How many blocks are evictable, and how many are not resident."""
        idle = missing = 0
        for chain, lo, hi in runs:
            missing += hi - lo
            extents = self._chains.get(chain)
            if extents is None:
                continue
            for index in range(find(extents, lo), len(extents)):
                extent = extents[index]
                if extent.lo >= hi:
                    break
                count = min(hi, extent.hi) - max(lo, extent.lo)
                missing -= count
                if not extent.refs:
                    idle += count
        return idle, missing

    def _refer(self, run: Run) -> list[Run]:
        """One reference more to each block that is resident; those that are not."""
        chain, lo, hi = run
        extents = self._chains.get(chain)
        if extents is None or lo >= extents[-1].hi:
            return [run]
        gaps: list[Run] = []
        first, last = cut(extents, lo), cut(extents, hi)
        for extent in extents[first:last]:
            if lo < extent.lo:
                gaps.append((chain, lo, extent.lo))
            lo = extent.hi
            if not extent.refs:
                self._order.take(extent)
                self._idle -= extent.hi - extent.lo
            extent.refs += 1
        if lo < hi:
            gaps.append((chain, lo, hi))
        join(extents, first, last)
        return gaps

    def _refresh(self, now_ns: int, run: Run) -> list[Run]:
        """The evictable blocks have been used, the first one last; those that are not resident, the last first."""
        chain, lo, hi = run
        extents = self._chains.get(chain)
        if extents is None:
            return [run]
        gaps: list[Run] = []
        first, last = cut(extents, lo), cut(extents, hi)
        for extent in reversed(extents[first:last]):
            if extent.hi < hi:
                gaps.append((chain, extent.hi, hi))
            hi = extent.lo
            if not extent.refs:
                self._order.take(extent)
                self._order.put(now_ns, extent)
        if lo < hi:
            gaps.append((chain, lo, hi))
        join(extents, first, last)
        return gaps

    def _store(self, run: Run, refs: int, now_ns: int = 0) -> None:
        """Makes blocks resident that are not; there is room for them."""
        chain, lo, hi = run
        self.used += hi - lo
        extent = Extent(chain, lo, hi, refs)
        if not refs:
            self._idle += hi - lo
            self._order.put(now_ns, extent)
        extents = self._chains.get(chain)
        if extents is None:
            self._chains[chain] = [extent]
        else:
            index = find(extents, lo)
            extents.insert(index, extent)
            join(extents, index, index + 1)

    def _evict(self, now_ns: int, count: int) -> None:
        if count <= 0:
            return
        gone: list[Run] = []
        while count > 0:
            extent = self._order.oldest()
            if extent is None:
                raise RuntimeError(f"nothing can be evicted from {self.tier} of {self.owner}")
            run = self._drop(extent, count)
            gone.append(run)
            count -= run[2] - run[1]
        self._journal.removed(now_ns, self.slot, self.block_bytes, gone)
        if self.spill is not None and not self.spill.through:
            self.spill.take(now_ns, gone)

    def _drop(self, extent: Extent, most: int) -> Run:
        """Takes up to so many blocks from the end of an evictable extent; which they were."""
        chain, hi = extent.chain, extent.hi
        lo = hi - most
        if lo > extent.lo:
            extent.hi = lo
        else:
            lo = extent.lo
            self._order.take(extent)
            extents = self._chains[chain]
            if len(extents) == 1:
                del self._chains[chain]
            else:
                del extents[find(extents, lo)]
        self.used -= hi - lo
        self._idle -= hi - lo
        return chain, lo, hi


def _first(runs: Sequence[Run], most: int) -> list[Run]:
    """The first `most` blocks, of each run the last block first."""
    kept: list[Run] = []
    for chain, lo, hi in runs:
        if most <= 0:
            break
        kept.append((chain, max(lo, hi - most), hi))
        most -= hi - lo
    return kept


@dataclass(slots=True)
class Spill:
    """Where evicted blocks go, and by which path. `through`: blocks are copied there as soon as nobody refers to them, not when they are evicted."""

    pool: Pool
    channel: Channel
    through: bool = False

    def take(self, now_ns: int, runs: Sequence[Run]) -> None:
        if self.channel.backlog_ns(now_ns) <= MAX_BACKLOG_NS:
            new = self.pool.adopt(now_ns, runs)
            if new:
                size = new * self.pool.block_bytes
                self.channel.put(now_ns, size)
                self.pool.copied_in_bytes += size
