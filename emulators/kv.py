"""The tiered KV block store: pools of equal blocks, each with an order of eviction, spilling into a slower pool.

A pool counts distinct resident blocks. A block is *active* while a request refers to it and *evictable* from then on; what is evicted moves to the pool
below, if there is one and the path to it is not congested. A block is resident from when room is made for it, under the name that it has once full; a request that
ends in mid-block gives that block up, as nobody could find it. Blocks are held as extents (`emulators.residence`), so that what is done to a prompt costs by its pieces and not by its
blocks; those that are opened on a known beat (`emulators.openings`) are settled when somebody looks. Nothing here takes time: `emulators.channel` does.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from emulators.blocks import Chain, Run, length
from emulators.channel import Channel
from emulators.journal import Journal, block_words
from emulators.loop import Loop
from emulators.openings import Openings
from emulators.policy import Lru, Order
from emulators.residence import Residence

MAX_BACKLOG_NS: Final = 1_000_000_000
"""Evicted blocks are dropped rather than queued behind more than this much writing."""


class Pool:
    """KV memory of one worker or host. Sizes in blocks; `reserved` blocks are promised to running requests but not yet written."""

    __slots__ = (
        "_blocks", "_journal", "_openings", "_removed", "_reported", "_stored", "_touched", "block_bytes", "capacity", "copied_in_bytes", "fetched_bytes", "hit_tokens", "lost_ns", "owner", "reserved", "slot", "spill",
        "tier", "worker",
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
        self.lost_ns = -1
        """When all that was here was lost, the last time."""
        self._touched = False
        """Whether anything has happened here since the last `report`."""
        self._reported = (0, 0)
        self._journal = journal
        self._stored, self._removed = block_words(slot, block_bytes)
        self._blocks = Residence(Lru() if order is None else order)
        self._openings: Openings | None = None

    @property
    def used(self) -> int:
        return self._blocks.used

    @property
    def active(self) -> int:
        return self._blocks.used - self._blocks.idle

    @property
    def room(self) -> int:
        """Blocks that may yet become active. The opening of a promised block does not change it."""
        return self.capacity - self._blocks.used + self._blocks.idle - self.reserved

    def residents(self) -> dict[int, int]:
        """References to each resident block by its name, 0 for an evictable one."""
        self._look()
        return self._blocks.references()

    def runs(self) -> list[Run]:
        """All that is resident, of each chain in order."""
        self._look()
        return self._blocks.runs()

    def shed(self, now_ns: int, share: float) -> int:
        """Evicts this share of the evictable blocks, in the pool's order, as if their room was needed; how many."""
        self._look()
        count = int(self._blocks.idle * share)
        self._evict(now_ns, count)
        self._touch()
        return count

    def resize(self, now_ns: int, capacity: int) -> bool:
        """Has room for so many blocks, or for as many as are in use or promised if these are more, and evicts the others; whether it is as small as that by now."""
        self._look()
        self.capacity = max(capacity, self.active + self.reserved)
        self._evict(now_ns, self._blocks.used - self.capacity)
        self._touch()
        return self.capacity == capacity

    def lose(self, now_ns: int) -> None:
        """Everything is gone, whoever refers to it, and nothing is promised any more: its process has ended. For a worker's own pool, which evicts by least recent use."""
        self._look()
        gone = self._blocks.runs()
        self._journal.blocks_backwards(now_ns, self._removed, gone)
        self._blocks, self._openings = Residence(Lru()), None
        self.reserved, self.lost_ns = 0, now_ns
        self._touch()

    def stretch(self, run: Run) -> int:
        """How many of the first blocks of `run` are alike: resident, or, as a negative number, not."""
        if self._openings is not None:
            self._look_for((run,))
        return self._blocks.stretch(run)

    def reach(self, chain: Chain, lo: int, hi: int) -> int:
        """Up to and without which of these blocks all from the first on are resident."""
        if self._openings is not None:
            self._look_for(((chain, lo, hi),))
        end = self._blocks.reach(chain, lo)
        return end if end < hi else hi

    def prefix(self, runs: Sequence[Run]) -> int:
        """How many of the first blocks are resident without a gap."""
        openings, blocks = self._openings, self._blocks
        if openings is not None and openings.next_ns <= openings.loop.now_ns:
            count = blocks.held_prefix(runs)
            if count >= 0 and not openings.open_any(runs):
                return count
            self._look_for(runs)
        return blocks.prefix(runs)

    def missing(self, runs: Sequence[Run]) -> int:
        """How many are not resident."""
        self._look()
        return self._blocks.tally(runs)[1]

    def fits(self, runs: Sequence[Run], reserve: int = 0) -> bool:
        """Whether `claim` would succeed."""
        self._look()
        return self._fits(runs, reserve)

    def claim(self, now_ns: int, runs: Sequence[Run], reserve: int = 0) -> bool:
        """Makes all blocks active, those that are not resident by storing them, and promises `reserve` more. All or nothing."""
        self._look()
        if not self._fits(runs, reserve):
            return False
        self.reserved += reserve
        self._hold(now_ns, runs)
        return True

    def claim_reserved(self, now_ns: int, run: Run) -> None:
        """Stores blocks out of what was reserved. RuntimeError if nothing is."""
        self._look()
        self._redeem(run[2] - run[1])
        self._hold(now_ns, (run,))

    def open_later(self, loop: Loop, runs: Sequence[Run], times_ns: Sequence[int]) -> None:
        """Will store these blocks out of what was reserved, one at each of so many times. Their rows are written when somebody looks at the pool."""
        if self._openings is None:
            self._openings = Openings(loop)
        at = 0
        for chain, lo, hi in runs:
            self._openings.plan(chain, lo, list(times_ns[at : at + hi - lo]))
            at += hi - lo

    def open_no_more(self, runs: Sequence[Run]) -> None:
        """Of these blocks, those that are not open yet will not be opened; what was reserved for them stays so until `release`."""
        self._look()
        if self._openings is not None:
            self._openings.forget(runs)

    def settle(self, until_ns: int) -> None:
        """Stores what was to be opened before `until_ns`, which nobody has looked for since."""
        openings, blocks = self._openings, self._blocks
        if openings is None or openings.next_ns >= until_ns:
            return
        (runs, opened), now = openings.take(until_ns), openings.loop.now_ns
        if self.spill is not None or not all(blocks.extends(chain, lo) for chain, lo, _ in runs):
            self._open_singly(runs, opened, now)
            return
        times, count = sorted(opened), len(opened)
        self._redeem(count)
        capacity, journal = self.capacity, self._journal
        used, active = blocks.used, blocks.used - blocks.idle
        lacking = used + count - capacity
        if lacking > 0:
            journal.removed_singly(now, times[-lacking:], self._removed, self._drop(lacking))
        for chain, _, hi in runs:
            blocks.extend(chain, hi)
        journal.stored_singly(now, opened, self._stored, runs)
        told = bisect_left(times, now)
        if told < count:
            self._touch()
        if told:
            self._reported = min(used + told, capacity), active + told
            journal.occupied_singly(times[:told], self.slot, self.block_bytes, used, active, capacity)

    def release(self, now_ns: int, runs: Sequence[Run], full: int, reserved: int = 0) -> None:
        """Gives up references, and what is left of a reservation. The first `full` blocks stay, evictable; later ones that nobody else holds go."""
        self._look()
        idle, gone = self._blocks.give_up(now_ns, runs, full)
        if gone:
            self._journal.blocks_backwards(now_ns, self._removed, gone)
        if idle and self.spill is not None and self.spill.through:
            self.spill.take(now_ns, idle)
        self.reserved -= reserved
        self._touch()

    def adopt(self, now_ns: int, runs: Sequence[Run]) -> int:
        """Takes in evictable blocks, of each run the last block first, the latest as the most recently used; how many were not there. Those beyond its room are left out."""
        self._look()
        blocks, room = self._blocks, self.room
        new = [gap for run in runs for gap in blocks.refresh(now_ns, run)]
        count = length(new)
        if count > room:
            new, count = _first(new, room), max(0, room)
        if count:
            self._evict(now_ns, blocks.used + count - self.capacity)
            for run in new:
                blocks.store(run, 0, now_ns)
            self._journal.blocks_backwards(now_ns, self._stored, new)
            self._touch()
        return count

    def expire(self, now_ns: int) -> None:
        """Drops what the order of eviction says is too old; it goes nowhere else."""
        self._look()
        gone = self._blocks.expire(now_ns)
        if gone:
            self._journal.blocks_backwards(now_ns, self._removed, gone)
            self._touch()

    def report(self, now_ns: int) -> None:
        """Writes an occupancy row, if it says something else than the last."""
        self._touched = False
        used = self._blocks.used
        held = used, used - self._blocks.idle
        if held != self._reported:
            self._reported = held
            size = self.block_bytes
            self._journal.occupied(now_ns, self.slot, used * size, held[1] * size)

    def _touch(self) -> None:
        if not self._touched:
            self._touched = True
            self._journal.touched.append(self.slot)

    def _look(self) -> None:
        """Brings the blocks up to now, before anybody asks for them or changes them."""
        openings = self._openings
        if openings is not None and openings.next_ns <= openings.loop.now_ns:
            self.settle(openings.loop.now_ns + 1)

    def _look_for(self, runs: Sequence[Run]) -> None:
        """The same, if it may matter to which of these are resident."""
        openings, blocks = self._openings, self._blocks
        if openings is None or openings.next_ns > openings.loop.now_ns:
            return
        if openings.open_any(runs) or not blocks.keeps(runs, blocks.used + openings.left - self.capacity):
            self.settle(openings.loop.now_ns + 1)

    def _open_singly(self, runs: Sequence[Run], times_ns: Sequence[int], now_ns: int) -> None:
        """For blocks that others may hold, too."""
        singly = [(chain, at, at + 1) for chain, lo, hi in runs for at in range(lo, hi)]
        for time, run in sorted(zip(times_ns, singly, strict=True), key=itemgetter(0)):
            self._redeem(1)
            self._hold(time, (run,))
            if time < now_ns:
                self.report(time)

    def _redeem(self, count: int) -> None:
        if self.reserved < count:
            raise RuntimeError(f"nothing is reserved in {self.tier} of {self.owner}")
        self.reserved -= count

    def _fits(self, runs: Sequence[Run], reserve: int) -> bool:
        room = self.room - reserve
        if length(runs) <= room:
            return True
        idle, missing = self._blocks.tally(runs)
        return idle + missing <= room

    def _hold(self, now_ns: int, runs: Sequence[Run]) -> None:
        """Makes blocks active for which there is room."""
        blocks = self._blocks
        if len(runs) == 1 and blocks.extends(runs[0][0], runs[0][1]):
            self._append(now_ns, runs[0])
            return
        new = [gap for run in runs for gap in blocks.refer(run)]
        if new:
            self._evict(now_ns, blocks.used + length(new) - self.capacity)
            for run in new:
                blocks.store(run, 1)
            self._journal.blocks(now_ns, self._stored, new)
        self._touch()

    def _append(self, now_ns: int, run: Run) -> None:
        """Stores blocks, for which there is room, behind those that the only holder of a chain has: what decoding does."""
        chain, lo, hi = run
        blocks = self._blocks
        self._evict(now_ns, blocks.used + hi - lo - self.capacity)
        blocks.extend(chain, hi)
        self._journal.blocks(now_ns, self._stored, (run,))
        self._touch()

    def _evict(self, now_ns: int, count: int) -> None:
        if count <= 0:
            return
        gone = self._drop(count)
        self._journal.blocks_backwards(now_ns, self._removed, gone)
        if self.spill is not None and not self.spill.through:
            self.spill.take(now_ns, gone)

    def _drop(self, count: int) -> list[Run]:
        if count > self._blocks.idle:
            raise RuntimeError(f"nothing can be evicted from {self.tier} of {self.owner}")
        return self._blocks.evict(count)


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
