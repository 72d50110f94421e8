"""The workers of a source as the session has them: by the names that everybody has for them. Pure."""

from collections.abc import Mapping

import msgspec

from collectors.model.batch import Inventory


class Naming:
    def __init__(self) -> None:
        self.told = Inventory(workers=())
        """As the source said it."""
        self.inventory = self.told
        self._called: dict[str, str] = {}
        """By the source's own name everybody's."""

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

    def _make(self) -> None:
        own = [msgspec.structs.replace(one, id=self._called.get(one.id, one.id)) for one in self.told.workers]
        self.inventory = msgspec.structs.replace(self.told, workers=tuple(own)) if self._called else self.told
