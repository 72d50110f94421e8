"""The last minute and a half of every worker, a number a second: what rules compare now with before, and one worker with others. Columns, NaN where nothing is known."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from collectors.stats.sketch import Floats

HISTORY_S: Final = 90
RECENT_S: Final = 10
"""The newest seconds: what is told of `now`. All before them are `before`."""
COLUMNS: Final = (
    "n",
    "fast",
    "median",
    "p99",
    "longest",
    "slow",
    "running",
    "waiting",
    "active",
    "tokens",
    "page_tokens",
)
"""Gaps of that second, their 10th, 50th and 99th percentile and the longest in seconds, and how many were far above the median; requests that run and wait; bytes of KV that they refer to; output tokens that
its stream tells, and all that its page has counted so far."""


class Beats:
    """Rows are workers, in the order of `ids`."""

    def __init__(self) -> None:
        self.ids: tuple[str, ...] = ()
        self.index: dict[str, int] = {}
        self.seconds = 0
        """How many have been put so far."""
        self._held: Floats = np.full((len(COLUMNS), 0, HISTORY_S), np.nan)

    def put(self, ids: Sequence[str], values: Mapping[str, Floats]) -> None:
        """The next second: of each column a number for each of `ids`; those that are not there are not known."""
        self._order(tuple(ids))
        self._held[:, :, :-1] = self._held[:, :, 1:]
        for place, name in enumerate(COLUMNS):
            self._held[place, :, -1] = values.get(name, np.nan)
        self.seconds += 1

    def recent(self, column: str, seconds: int = RECENT_S) -> Floats:
        """(workers, seconds), oldest first."""
        return self._held[COLUMNS.index(column), :, -seconds:]

    def before(self, column: str, seconds: int = RECENT_S) -> Floats:
        return self._held[COLUMNS.index(column), :, :-seconds]

    def _order(self, ids: tuple[str, ...]) -> None:
        if ids == self.ids:
            return
        held = np.full((len(COLUMNS), len(ids), HISTORY_S), np.nan)
        for place, name in enumerate(ids):
            if name in self.index:
                held[:, place] = self._held[:, self.index[name]]
        self.ids, self._held = ids, held
        self.index = {name: place for place, name in enumerate(ids)}
