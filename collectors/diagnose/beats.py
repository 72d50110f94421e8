"""The last minute and a half of every worker, a number a second: what rules compare now with before, and one worker with others. Columns, NaN where nothing is known."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

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

COUNTED: Final = ("page_tokens",)
"""Kept to the last digit; of the others seven are enough."""


class Beats:
    """Rows are workers, in the order of `ids`."""

    def __init__(self) -> None:
        self.ids: tuple[str, ...] = ()
        self.index: dict[str, int] = {}
        self.seconds = 0
        """How many have been put so far."""
        self._held = self._unknown(0)

    def put(self, ids: Sequence[str], values: Mapping[str, Floats]) -> None:
        """The next second: of each column a number for each of `ids`; those that are not there are not known."""
        self._order(tuple(ids))
        for name, held in self._held.items():
            held[:, :-1] = held[:, 1:]
            held[:, -1] = values.get(name, np.nan)
        self.seconds += 1

    def recent(self, column: str, of: str | None = None) -> Floats:
        """(workers, seconds), oldest first; of one worker its seconds."""
        return self._rows(column, of)[..., -RECENT_S:].astype(np.float64)

    def before(self, column: str, of: str | None = None) -> Floats:
        return self._rows(column, of)[..., :-RECENT_S].astype(np.float64)

    def _rows(self, column: str, of: str | None) -> npt.NDArray[np.float32 | np.float64]:
        held = self._held[column]
        return held if of is None else held[self.index[of]]

    def _order(self, ids: tuple[str, ...]) -> None:
        if ids == self.ids:
            return
        held = self._unknown(len(ids))
        places = [place for place, name in enumerate(ids) if name in self.index]
        earlier = [self.index[ids[place]] for place in places]
        for name, rows in held.items():
            rows[places] = self._held[name][earlier]
        self.ids, self._held = ids, held
        self.index = {name: place for place, name in enumerate(ids)}

    @staticmethod
    def _unknown(workers: int) -> dict[str, npt.NDArray[np.float32 | np.float64]]:
        return {
            name: np.full((workers, HISTORY_S), np.nan, dtype=np.float64 if name in COUNTED else np.float32)
            for name in COLUMNS
        }
