"""The last minute of each worker tick by tick: output tokens, and how late its worst delivery was. A ring of ticks."""

from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.model.frame import RIVER_COLUMNS
from collectors.stats.sketch import Index, Ints

NOT_OBSERVED: Final = 0xFFFF
TICK_NS: Final = 250_000_000
"""The grid of session time."""
_SIZE: Final = 256
"""Ticks in the ring: those of a frame, and room for what lies ahead of its tick."""
_NEVER: Final = -(1 << 62)

Codes = npt.NDArray[np.uint8]


class River:
    """A cell for each tick and row; a tick that has left the ring shares one that is never drawn."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._tokens = np.zeros((_SIZE + 1, rows), np.int64)
        self._late = np.zeros((_SIZE + 1, rows), np.uint8)
        self._observed = np.zeros(_SIZE, np.bool_)
        self._newest = _NEVER
        self._drawn = _NEVER

    @property
    def late(self) -> Codes:
        """Lateness by cell."""
        return self._late.reshape(-1)

    def cells(self, ticks: Ints, rows: Index) -> Index:
        """The cells of at least one (tick, row)."""
        self._reach(int(ticks.max()))
        return np.where(ticks > self._newest - _SIZE, ticks % _SIZE, _SIZE) * self._rows + rows

    def add(self, cells: Index, tokens: Ints) -> None:
        np.add.at(self._tokens.reshape(-1), cells, tokens)

    def _reach(self, tick: int) -> None:
        """Makes room up to `tick`."""
        if tick <= self._newest:
            return
        new = np.arange(max(self._newest + 1, tick - _SIZE + 1), tick + 1) % _SIZE
        self._tokens[new] = 0
        self._late[new] = 0
        self._observed[new] = False
        self._newest = tick

    def draw(self, tick: int, observed: bool) -> tuple[npt.NDArray[np.uint16], Codes]:
        """Tokens and lateness of the RIVER_COLUMNS ticks before `tick`, (rows, columns); the ticks since the last drawing were `observed`, or not."""
        self._reach(tick)
        since = tick - 1 if self._drawn == _NEVER else max(self._drawn, tick - RIVER_COLUMNS)
        self._observed[np.arange(since, tick) % _SIZE] = observed
        self._drawn = max(self._drawn, tick)
        shown = np.arange(tick - RIVER_COLUMNS, tick) % _SIZE
        seen = self._observed[shown, None]
        tokens = np.where(seen, np.minimum(self._tokens[shown], NOT_OBSERVED - 1), NOT_OBSERVED)
        late = np.where(seen, self._late[shown], np.uint8(0))
        return np.ascontiguousarray(tokens.T.astype(np.uint16)), np.ascontiguousarray(late.T)

    def heal(self, since: int) -> None:
        """The ticks from `since` on that were drawn as not observed will have been: what happened then is told now."""
        self._observed[np.arange(max(since, self._drawn - _SIZE), max(self._drawn, since)) % _SIZE] = True

    def resize(self, rows: int) -> None:
        more = rows - self._rows
        self._rows = rows
        self._tokens = np.pad(self._tokens, ((0, 0), (0, more)))
        self._late = np.pad(self._late, ((0, 0), (0, more)))
