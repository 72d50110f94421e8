"""The workers of a source as the session has them: by the names that everybody has for them, and with those that others say took over its requests. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from collectors.model.batch import Inventory, WorkerInfo
from collectors.model.vocabulary import UNKNOWN_WORKER
from collectors.stats.workers_said import apart, language

MAX_LENT: Final = 256
ANSWERS: Final = "target"
"""What names a worker that nobody names: it is whoever answers there."""


class Naming:
    def __init__(self) -> None:
        self.told = Inventory(workers=())
        """As the source said it."""
        self.inventory = self.told
        self._called: dict[str, str] = {}
        """By the source's own name everybody's."""
        self._lent: dict[str, WorkerInfo] = {}

    def learn(self, told: Inventory) -> Inventory:
        """Gives it with everybody's names."""
        self.told = told
        self._make()
        return self.inventory

    def call(self, names: Mapping[str, str]) -> list[tuple[str, str]]:
        """Workers have these names, by the source's own, unless it tells the two apart itself. Gives who is called otherwise now: before, after."""
        own = {worker.id for worker in self.told.workers}
        before, self._called = self._called, {one: names[one] for one in own if one in names and names[one] not in own}
        if before == self._called:
            return []
        self._make()
        return [
            (before.get(one, one), self._called.get(one, one)) for one in own if one in before or one in self._called
        ]

    def slot(self, name: str) -> int | None:
        """Of the one worker that is called so, with or without a rank, by somebody who knows."""
        same = [
            one.slot
            for one in self.inventory.workers
            if one.named_by != ANSWERS and language(one.id) == language(name) and not apart((one.id, name))
        ]
        return same[0] if len(same) == 1 else None

    def lend(self, name: str, by: str) -> int | None:
        """A slot for a worker that the source has not met; None if there are too many. Its own slots are small numbers."""
        if len(self._lent) >= MAX_LENT:
            return None
        slot = UNKNOWN_WORKER - 1 - len(self._lent)
        self._lent[name] = WorkerInfo(slot, name, named_by=by)
        self._make()
        return slot

    def _make(self) -> None:
        own = [msgspec.structs.replace(one, id=self._called.get(one.id, one.id)) for one in self.told.workers]
        known = {one.id for one in own}
        lent = (one for name, one in self._lent.items() if name not in known)
        self.inventory = (
            msgspec.structs.replace(self.told, workers=(*own, *lent)) if self._called or self._lent else self.told
        )
