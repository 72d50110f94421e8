"""What single rows are made with: the statistics of one source, fed as a session feeds them, and who its workers are."""

from collections.abc import Callable
from typing import Final

import msgspec

from collectors.model.batch import Batch, Deliveries, Inventory, PoolInfo, Requests, Status, Watermark, WorkerInfo
from collectors.model.vocabulary import UNKNOWN_WORKER
from collectors.session.source_state import SourceState
from collectors.stats.gaps import Dealt
from collectors.stats.outcomes import Outcome

_WINDOW_S: Final = 60
_EXPIRE_NS: Final = 10_000_000_000
"""Session time between two moments at which the statistics let go what has left their window."""
_COUNTED: Final = (Deliveries, Inventory, Requests, Status, Watermark)


class Source:
    """`hear` is told of its deliveries as they are counted, at the latest at a tick, and `hear_end` of its requests as they end."""

    def __init__(
        self,
        name: str,
        hear: Callable[["Source", Dealt], None] | None = None,
        hear_end: Callable[["Source", int, Outcome], None] | None = None,
    ) -> None:
        self.name = name
        self.state = SourceState(
            name,
            _WINDOW_S,
            hear=None if hear is None else lambda dealt: hear(self, dealt),
            hear_end=None if hear_end is None else lambda second, outcome: hear_end(self, second, outcome),
        )
        self.workers: dict[str, WorkerInfo] = {}
        """All that there were, by id."""
        self._slots: dict[int, WorkerInfo] = {}
        self._pools: dict[int, PoolInfo] = {}
        self._expired_ns: int | None = None

    @property
    def offset_ns(self) -> int:
        """Session time less the emitter's."""
        return self.state.inventory.clock_offset_ns

    @property
    def emulated(self) -> bool:
        return self.state.emulated

    def worker(self, slot: int | None) -> WorkerInfo | None:
        return None if slot is None or slot == UNKNOWN_WORKER else self._slots.get(slot)

    def pool(self, slot: int) -> PoolInfo | None:
        return self._pools.get(slot)

    def feed(self, batch: Batch) -> None:
        parts = tuple(part for part in batch.parts if isinstance(part, _COUNTED))
        self.state.feed(msgspec.structs.replace(batch, parts=parts))
        for part in parts:
            if isinstance(part, Inventory):
                self.workers |= {worker.id: worker for worker in part.workers}
                self._slots |= {worker.slot: worker for worker in part.workers}
                self._pools |= {pool.slot: pool for pool in part.pools}

    def tick(self, time_ns: int) -> None:
        if self._expired_ns is not None and 0 <= time_ns - self._expired_ns < _EXPIRE_NS:
            self.flush()
            return
        self._expired_ns = time_ns
        self.state.tick(time_ns)

    def flush(self) -> None:
        if self.state.placed is not None:
            self.state.placed.flush()
