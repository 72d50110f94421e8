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
    # Joining bytes is an order of magnitude faster than numpy's concatenation of many structured arrays.
    return np.frombuffer(b"".join([np.ascontiguousarray(array).data for array in arrays]), dtype)
