"""The discrete-event loop: what is due when, on a virtual clock.

What falls on the same nanosecond runs in the order in which it was planned, so a run does not depend on how its advances are split.
"""

import heapq
from collections.abc import Callable
from typing import Any, Final

_FIRST: Final = 1 << 62
"""By which calls that go ahead of others of their nanosecond are numbered lower."""


class Loop:
    """A heap of calls. `now_ns` is the time of the call that runs, between runs the end of the last one."""

    __slots__ = ("_heap", "_planned", "now_ns")

    def __init__(self) -> None:
        self.now_ns = 0
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._planned = 0

    def at(self, time_ns: int, call: Callable[..., None], *args: Any) -> None:
        """Plans `call(*args)` for `time_ns`, which is not in the past."""
        if time_ns < self.now_ns:
            raise ValueError(f"{time_ns} ns is before now, {self.now_ns} ns")
        self._planned += 1
        heapq.heappush(self._heap, (time_ns, self._planned, call, args))

    def ahead(self, time_ns: int, call: Callable[..., None], *args: Any, sooner: bool = False) -> None:
        """The same, ahead of all that is planned with `at` for that nanosecond, whenever it was planned; with `sooner` ahead of those without, too."""
        if time_ns < self.now_ns:
            raise ValueError(f"{time_ns} ns is before now, {self.now_ns} ns")
        self._planned += 1
        heapq.heappush(self._heap, (time_ns, self._planned - (2 if sooner else 1) * _FIRST, call, args))

    def next_ns(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def run(self, until_ns: int, between: Callable[[], None]) -> None:
        """Runs everything before `until_ns`, calling `between` when all of one nanosecond has run; ends with `now_ns` = `until_ns`."""
        heap, pop = self._heap, heapq.heappop
        while heap and heap[0][0] < until_ns:
            now, _, call, args = pop(heap)
            self.now_ns = now
            call(*args)
            while heap and heap[0][0] == now:
                _, _, call, args = pop(heap)
                call(*args)
            between()
        self.now_ns = until_ns
