"""What sources have said that still holds: with it what they say next can be understood by somebody who heard nothing before.

Like what a placement stream opens with: inventory, living requests, how full each pool is. Not the layouts of pages, which are large (`chunks`).
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from collectors.model.batch import (
    OCCUPANCY,
    Batch,
    Finished,
    Inventory,
    Occupancy,
    Part,
    Received,
    Requests,
    Status,
)

MAX_LIVING: Final = 65_536
"""Requests of one source that are remembered; more cannot live, as streams are numbered."""


class _Source:
    def __init__(self) -> None:
        self.inventory: Inventory | None = None
        self.status: Status | None = None
        self.living: dict[str, Received] = {}
        self.levels: dict[int, np.void] = {}

    def feed(self, part: Part) -> None:
        match part:
            case Inventory():
                self.inventory = part
                if not part.resumed:
                    self.living.clear()
                    self.levels.clear()
            case Requests():
                for row in part.rows:
                    if isinstance(row, Received):
                        self.living[row.request] = row
                    elif isinstance(row, Finished):
                        self.living.pop(row.request, None)
                while len(self.living) > MAX_LIVING:
                    del self.living[next(iter(self.living))]
            case Occupancy():
                # The last row of each pool.
                _, last = np.unique(part.rows["pool"][::-1], return_index=True)
                self.levels.update((int(row["pool"]), row) for row in part.rows[::-1][last])
            case Status():
                self.status = part
            case _:
                pass


class Opening:
    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}

    def feed(self, batch: Batch) -> None:
        source = self._sources.get(batch.source)
        if source is None:
            source = self._sources[batch.source] = _Source()
        for part in batch.parts:
            source.feed(part)

    def batches(self, time_ns: int) -> list[Batch]:
        """One for each source that has anything to say, at `time_ns`."""
        made = ((name, tuple(_parts(source))) for name, source in self._sources.items())
        return [Batch(name, time_ns, parts) for name, parts in made if parts]


def _parts(source: _Source) -> Iterable[Part]:
    if source.status is not None:
        yield source.status
    if source.inventory is not None:
        yield source.inventory
    if source.living:
        yield Requests(tuple(source.living.values()))
    if source.levels:
        yield Occupancy(np.array(list(source.levels.values()), OCCUPANCY))
