"""Which KV blocks are where: an index of a source's pools, kept from blocks stored and removed, and how many moved in the window.

Said twice is said once. No event says that a block was hit: all that shows of reading is promotion, a block that a slower tier of the worker holds is stored in
a faster one (or was computed anew). So what was written and never read is known about, and only of tiers that have a faster one above them.
"""

from typing import Final, NamedTuple

import numpy as np

from collectors.model.batch import EMPTIED, STORED, Blocks, Inventory, PoolInfo, Rows
from collectors.model.vocabulary import Counted, Tier
from collectors.stats.block_set import ABSENT, BlockSet, Hashes
from collectors.stats.fleet import PoolKey
from collectors.stats.sketch import Bools, Index, Ints
from collectors.stats.slots import SECOND_NS, Tally
from collectors.stats.unread import Unread

MAX_BLOCKS: Final = 1 << 22
"""Of one source (50 MB). Further blocks are not counted, and what is counted is an estimate then."""
SPEED: Final = {Tier.SRAM: 0, Tier.HBM: 1, Tier.GDDR: 1, Tier.DRAM: 2, Tier.FLASH: 3, Tier.OBJECT: 4}
"""Order of the tiers of a worker. Memory of others, and what is not known, has no place in it."""


class Resident(NamedTuple):
    """A pool at a tick. `size` is the sum over its blocks, in tokens or bytes, None if any block's is not known.

    `stored`, `removed` and `promoted` are blocks in the window; `promoted` are those of `stored` that a slower tier held.
    """

    worker: int | None
    blocks: int
    size: int | None
    in_tokens: bool
    estimate: bool
    stored: int
    removed: int
    promoted: int
    written: tuple[int, int] | None
    """(never read, stored) blocks of the window; None for a pool that no faster one of its worker reads from."""


class _Pool:
    def __init__(self, info: PoolInfo) -> None:
        self.info = info
        self.held = BlockSet()
        self.in_tokens = False
        self.overflowed = False
        self.flows: Tally[str] = Tally("")
        self.unread = Unread()

    @property
    def key(self) -> PoolKey:
        return PoolKey(self.info.owner, self.info.tier)


class Residency:
    """The window is that of whole seconds, [ceil(T − window_s), T), from the first inventory on. How rows were split into parts matters to `promoted` and `written` only."""

    def __init__(self, window_s: int = 60) -> None:
        self._window_ns = window_s * SECOND_NS
        self._since_ns: int | None = None
        self._pools: dict[PoolKey, _Pool] = {}
        self._slots: dict[int, _Pool] = {}

    @property
    def nbytes(self) -> int:
        """What the index takes in memory, but for what Python needs for itself."""
        return sum(pool.held.nbytes + pool.unread.nbytes for pool in self._pools.values())

    def inventory(self, part: Inventory, time_ns: int) -> None:
        """`time_ns`, here and below, is that of the batch. A pool that is left out is forgotten."""
        known = self._pools
        self._pools, self._slots = {}, {}
        for info in part.pools:
            if info.counted is not Counted.NO:
                key = PoolKey(info.owner, info.tier)
                pool = self._pools[key] = self._slots[info.slot] = known.get(key) or _Pool(info)
                pool.info = info
        if self._since_ns is None:
            self._since_ns = time_ns

    def blocks(self, part: Blocks, time_ns: int) -> None:
        """Rows of pools that are not counted are passed over."""
        rows: Rows = part.rows
        second = None if part.past else time_ns // SECOND_NS
        told = [self._slots[slot] for slot in np.unique(rows["pool"]).tolist() if slot in self._slots]
        # Faster tiers first: what they are given is looked up in the slower ones as those were before.
        for pool in sorted(told, key=lambda pool: SPEED.get(pool.info.tier, 0)):
            pool.in_tokens = part.in_tokens
            self._take(pool, rows[rows["pool"] == pool.info.slot], second)

    def tick(self, time_ns: int) -> dict[PoolKey, Resident]:
        """The state at a tick after all parts before it; ticks come in order."""
        first = -(-(time_ns - self._window_ns) // SECOND_NS)
        found = {}
        for key, pool in self._pools.items():
            pool.flows.expire(first)
            pool.unread.expire(first)
            flows, held = pool.flows.sums(), pool.held
            found[key] = Resident(
                worker=pool.info.worker,
                blocks=held.blocks,
                size=None if held.unsized else held.total,
                in_tokens=pool.in_tokens,
                estimate=pool.overflowed or pool.info.counted is not Counted.WHOLE,
                stored=flows.get("stored", 0),
                removed=flows.get("removed", 0),
                promoted=flows.get("promoted", 0),
                written=pool.unread.sums() if self._is_read(pool) else None,
            )
        return found

    def window_s(self, time_ns: int) -> float:
        """Length of the window at a tick, as far as it was observed."""
        first = -(-(time_ns - self._window_ns) // SECOND_NS)
        since_ns = time_ns if self._since_ns is None else self._since_ns
        return max(time_ns - max(first * SECOND_NS, since_ns), 0) / SECOND_NS

    def _take(self, pool: _Pool, rows: Rows, second: int | None) -> None:
        """Rows of one pool in their order. What happened between two emptyings is as if it had not been."""
        emptied = np.flatnonzero(rows["op"] == EMPTIED)
        if len(emptied):
            self._apply(pool, rows[: emptied[0]], second)
            pool.held = BlockSet()
            pool.overflowed = False
            rows = rows[emptied[-1] + 1 :]
        self._apply(pool, rows, second)

    def _apply(self, pool: _Pool, rows: Rows, second: int | None) -> None:
        if not len(rows):
            return
        order = np.argsort(rows["hash"], kind="stable")
        hashes, stored, sizes = rows["hash"][order], rows["op"][order] == STORED, rows["bytes"][order].astype(np.int64)
        begins = np.append(True, hashes[1:] != hashes[:-1])
        stays = stored[np.append(begins[1:], True)]
        distinct: Hashes = hashes[begins]
        before = pool.held.sizes(distinct)
        there = np.append(False, stored[:-1])
        there[begins] = before != ABSENT
        arrived, left = stored & ~there, ~stored & there
        promoted = self._slower(pool, np.unique(hashes[arrived])) if second is not None else 0
        if second is not None and self._is_read(pool):
            pool.unread.store(second, np.unique(hashes[arrived]))
        after = _sizes_said(np.flatnonzero(begins), stored, sizes, before)
        new = self._admitted(pool, stays & (before == ABSENT))
        put = new | (stays & (before != ABSENT) & (after != before))
        if put.any():
            pool.held.put(distinct[put], after[put])
        if (gone := ~stays & (before != ABSENT)).any():
            pool.held.drop(distinct[gone])
        if second is not None:
            flows = {"stored": arrived.sum(), "removed": left.sum(), "promoted": promoted}
            for name, moved in flows.items():
                pool.flows.add(second, name, int(moved))

    def _admitted(self, pool: _Pool, new: Bools) -> Bools:
        """Those of the new blocks that there is room for."""
        room = max(MAX_BLOCKS - sum(one.held.blocks for one in self._pools.values()), 0)
        if np.count_nonzero(new) <= room:
            return new
        pool.overflowed = True
        return new & (np.cumsum(new) <= room)

    def _slower(self, pool: _Pool, hashes: Hashes) -> int:
        """How many of these blocks a slower tier of the worker held before this part; from there they were read."""
        if pool.info.worker is None or pool.info.tier not in SPEED or not len(hashes):
            return 0
        held = np.zeros(len(hashes), np.bool_)
        for other in self._pools.values():
            if other.info.worker == pool.info.worker and SPEED.get(other.info.tier, 0) > SPEED[pool.info.tier]:
                there = other.held.sizes(hashes) != ABSENT
                other.unread.read(hashes[there])
                held |= there
        return int(np.count_nonzero(held))

    def _is_read(self, pool: _Pool) -> bool:
        """Whether a faster tier of the same worker is counted too, so that reading would show."""
        worker, speed = pool.info.worker, SPEED.get(pool.info.tier, 0)
        others = (one.info for one in self._pools.values() if one.info.worker == worker)
        return worker is not None and any(SPEED.get(one.tier, speed) < speed for one in others)


def _sizes_said(starts: Index, stored: Bools, sizes: Ints, before: Ints) -> Ints:
    """The largest size that was said of each block since it came; `starts` are the first rows of the blocks, whose rows are in their order."""
    row = np.arange(len(stored))
    last_left = np.maximum.reduceat(np.where(stored, -1, row), starts)
    since = stored & (row > np.repeat(last_left, np.diff(starts, append=len(stored))))
    said = np.maximum.reduceat(np.where(since, sizes, 0), starts)
    return np.where(last_left < 0, np.maximum(said, before), said)
