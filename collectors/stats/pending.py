"""Deliveries that wait to be dealt with together: many small frames cost as much as one large one."""

from typing import Any

import numpy as np

from collectors.model.batch import DELIVERY, EXTRA, Deliveries, Rows
from collectors.stats.sketch import Ints


class Pending:
    """Parts in their order, each with the session time of its batch."""

    def __init__(self) -> None:
        self.rows = 0
        self._parts: list[Deliveries] = []
        self._limits_ns: list[int] = []

    def add(self, part: Deliveries, limit_ns: int) -> None:
        if not len(part.rows):
            return
        self.rows += len(part.rows)
        self._parts.append(part)
        self._limits_ns.append(limit_ns)

    def take(self) -> tuple[Rows, Rows, int | Ints]:
        """All rows, all extras, and the batch's time of each row (one number if it is the same for all)."""
        parts, limits_ns = self._parts, self._limits_ns
        self.rows, self._parts, self._limits_ns = 0, [], []
        rows = _join([part.rows for part in parts], DELIVERY)
        extras = _join([part.extras for part in parts], EXTRA)
        if min(limits_ns) == max(limits_ns):
            return rows, extras, limits_ns[0]
        return rows, extras, np.repeat(limits_ns, [len(part.rows) for part in parts])


def _join(arrays: list[Rows], dtype: np.dtype[Any]) -> Rows:
    if len(arrays) == 1:
        return arrays[0]
    # Joining bytes is a hundred times faster than numpy's concatenation of many small structured arrays.
    whole = [array if array.flags.c_contiguous else np.ascontiguousarray(array) for array in arrays]
    return np.frombuffer(b"".join(whole), dtype)  # type: ignore[arg-type]  # numpy declares the buffer protocol from Python 3.12 on only
