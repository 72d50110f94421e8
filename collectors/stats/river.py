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


class River:
    """Ticks are numbered by session time; `tokens` and `late` are (tick modulo the ring, row)."""

    def __init__(self, rows: int) -> None:
        self._tokens = np.zeros((_SIZE, rows), np.int64)
        self._late = np.zeros((_SIZE, rows), np.uint8)
        self._observed = np.zeros(_SIZE, np.bool_)
        self._newest = _NEVER
        self._drawn = _NEVER

    @property
    def oldest(self) -> int:
        """The first tick that the ring may still show."""
        return max(self._newest - _SIZE + 1, self._drawn - RIVER_COLUMNS)

    def reach(self, tick: int) -> None:
        """Makes room up to `tick`."""
        if tick <= self._newest:
            return
        new = np.arange(max(self._newest + 1, tick - _SIZE + 1), tick + 1) % _SIZE
        self._tokens[new] = 0
        self._late[new] = 0
        self._observed[new] = False
        self._newest = tick

    def add_tokens(self, ticks: Index, rows: Index, tokens: Ints) -> None:
        """Ticks from `oldest` to the last one reached."""
        width = self._tokens.shape[1]
        np.add.at(self._tokens.reshape(-1), ticks % _SIZE * width + rows, tokens)

    def late(self, first: int, ticks: int) -> npt.NDArray[np.uint8]:
        """Lateness of `ticks` ticks from `first` on, (ticks, rows)."""
        return self._late[np.arange(first, first + ticks) % _SIZE]

    def set_late(self, first: int, late: npt.NDArray[np.uint8]) -> None:
        self._late[np.arange(first, first + len(late)) % _SIZE] = late

    def draw(self, tick: int, observed: bool) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
        """Tokens and lateness of the RIVER_COLUMNS ticks before `tick`, (rows, columns); the ticks since the last drawing were `observed`, or not."""
        self.reach(tick)
        since = max(self._drawn, tick - RIVER_COLUMNS) if self._drawn != _NEVER else tick - 1
        self._observed[np.arange(since, tick) % _SIZE] = observed
        self._drawn = max(self._drawn, tick)
        shown = np.arange(tick - RIVER_COLUMNS, tick) % _SIZE
        tokens = np.minimum(self._tokens[shown], NOT_OBSERVED - 1).astype(np.uint16)
        seen = self._observed[shown]
        tokens[~seen] = NOT_OBSERVED
        late = np.where(seen[:, None], self._late[shown], 0)
        return np.ascontiguousarray(tokens.T), np.ascontiguousarray(late.T.astype(np.uint8))

    def resize(self, rows: int) -> None:
        more = rows - self._tokens.shape[1]
        self._tokens = np.pad(self._tokens, ((0, 0), (0, more)))
        self._late = np.pad(self._late, ((0, 0), (0, more)))
