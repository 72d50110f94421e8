"""A short history of many series, a sample of each at equal times: one array that moves on, and is told as bytes. Where nothing was put it is `missing`."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

_NEVER: Final = -(1 << 62)


class Past:
    """The newest `size` samples of `series` series, oldest first. Samples are numbered by their time: number `end` − 1 is the newest."""

    def __init__(self, series: int, size: int, dtype: npt.DTypeLike, missing: int) -> None:
        self._missing = missing
        self._held: npt.NDArray[Any] = np.full((series, size), missing, np.dtype(dtype).newbyteorder("<"))
        self.end = _NEVER

    def reach(self, end: int) -> None:
        """Samples up to `end` may be put from now on; those that fall out are forgotten."""
        moved = min(max(end - self.end, 0), self._held.shape[1])
        if moved:
            self._held[:, :-moved] = self._held[:, moved:].copy()
            self._held[:, -moved:] = self._missing
        self.end = max(self.end, end)

    def put(self, number: int, values: npt.ArrayLike, series: slice = slice(None)) -> None:
        """The sample of that number of all series, or of some; one that has fallen out, or is yet to come, is passed over."""
        at = self._held.shape[1] - (self.end - number)
        if 0 <= at < self._held.shape[1]:
            self._held[series, at] = values

    def pick(self, series: npt.ArrayLike) -> None:
        """Goes on with these series in this order; a new one for each −1."""
        index = np.asarray(series, np.intp)
        picked = np.full((len(index), self._held.shape[1]), self._missing, self._held.dtype)
        picked[index >= 0] = self._held[index[index >= 0]]
        self._held = picked

    def told(self) -> list[bytes]:
        """Of each series, little endian."""
        return [row.tobytes() for row in self._held]
