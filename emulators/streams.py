"""Numbers for live requests: the lowest that is free, given back when the request has finished."""

import heapq
from typing import Final

MAX_STREAMS: Final = 65_534
"""Stream numbers on the wire are below 65,536."""


class Streams:
    __slots__ = ("_free", "_used")

    def __init__(self) -> None:
        self._free: list[int] = []
        self._used = 0

    def take(self) -> int:
        """The lowest free number. OverflowError if all are taken."""
        if self._free:
            return heapq.heappop(self._free)
        if self._used >= MAX_STREAMS:
            raise OverflowError(f"more than {MAX_STREAMS} live requests: the scenario's load is beyond its capacity")
        self._used += 1
        return self._used - 1

    def give_back(self, stream: int) -> None:
        heapq.heappush(self._free, stream)
