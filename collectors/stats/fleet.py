"""Which row of the statistics a worker has, and what is in a source's memory pools. Ids are kept, slots come and go with connections."""

from typing import Final, NamedTuple

import numpy as np

from collectors.model.batch import Inventory, Rows
from collectors.model.vocabulary import UNKNOWN_WORKER, Tier
from collectors.stats.sketch import Index

UNKNOWN_ROW: Final = 0
"""Row of what no known worker did."""
MAX_ROWS: Final = 4_097


class PoolKey(NamedTuple):
    owner: str
    tier: Tier


NO_POOL: Final = PoolKey("", Tier.UNKNOWN)


class Occupied(NamedTuple):
    """What a pool held at `time_ns` (the emitter's)."""

    time_ns: int
    used_bytes: int
    active_bytes: int


class Fleet:
    """Rows are numbered by first appearance of a worker's id, from 1; a worker that leaves the inventory keeps its row."""

    def __init__(self) -> None:
        self.ids: list[str] = [""]
        self.row_of_slot: Index = np.zeros(UNKNOWN_WORKER + 1, np.intp)
        """UNKNOWN_ROW where no worker has the slot."""
        self.clock_offset_ns = 0
        self.occupied: dict[PoolKey, Occupied] = {}
        self._rows: dict[str, int] = {"": UNKNOWN_ROW}
        self._pools: dict[int, PoolKey] = {}

    def fits(self, inventory: Inventory) -> bool:
        """Whether there are rows left for it."""
        return len(self.ids) + sum(worker.id not in self._rows for worker in inventory.workers) <= MAX_ROWS

    def learn(self, inventory: Inventory) -> None:
        """A slot that the inventory leaves out may still be named by rows: it keeps its meaning until it is given a new one."""
        self.clock_offset_ns = inventory.clock_offset_ns
        for worker in inventory.workers:
            if worker.id not in self._rows and len(self.ids) < MAX_ROWS:
                self._rows[worker.id] = len(self.ids)
                self.ids.append(worker.id)
            if 0 <= worker.slot < UNKNOWN_WORKER:
                self.row_of_slot[worker.slot] = self._rows.get(worker.id, UNKNOWN_ROW)
        self._pools |= {pool.slot: PoolKey(pool.owner, pool.tier) for pool in inventory.pools}

    def rename(self, before: str, after: str) -> None:
        """A worker is called otherwise from now on, with all that it did; unless another one is called so."""
        if before in self._rows and after not in self._rows:
            row = self._rows[after] = self._rows.pop(before)
            self.ids[row] = after

    def disconnect(self) -> None:
        """Slots mean nothing any more, and nobody says what the pools hold."""
        self.row_of_slot[:] = UNKNOWN_ROW
        self._pools.clear()
        self.occupied.clear()

    def row(self, slot: int | None) -> int:
        return int(self.row_of_slot[slot]) if slot is not None and 0 <= slot < UNKNOWN_WORKER else UNKNOWN_ROW

    def pool(self, slot: int) -> PoolKey:
        return self._pools.get(slot, NO_POOL)

    def occupancy(self, rows: Rows) -> None:
        """Keeps the latest row of each pool; of two with one time the one that came later."""
        latest = np.lexsort((rows["time_ns"], rows["pool"]))
        last = np.append(np.diff(rows["pool"][latest]) != 0, True)[: len(rows)]
        for time_ns, slot, used, active in rows[latest[last]].tolist():
            key = self._pools.get(slot)
            if key is not None and (key not in self.occupied or self.occupied[key].time_ns <= time_ns):
                self.occupied[key] = Occupied(time_ns, used, active)
