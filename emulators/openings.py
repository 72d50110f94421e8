"""Blocks that decoding will open at times that are known beforehand: who they are, until somebody needs to know what a pool holds.

An LPU's tokens come on a fixed beat, so all that a request will write is known when it begins; an event for each block would cost more than all the rest.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from emulators.blocks import Chain, Run
from emulators.loop import Loop

_NEVER: Final = 1 << 63


@dataclass(slots=True)
class Opening:
    """Consecutive blocks of a chain, from `lo` on, and when each is opened, in order."""

    chain: Chain
    lo: int
    times_ns: list[int]


class Openings:
    """What is to be opened in one pool, one block a time each. `next_ns`: when the first is; `left`: how many there are."""

    __slots__ = ("_planned", "left", "loop", "next_ns")

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._planned: list[Opening] = []
        self.next_ns = _NEVER
        self.left = 0

    def plan(self, chain: Chain, lo: int, times_ns: list[int]) -> None:
        if times_ns:
            self._planned.append(Opening(chain, lo, times_ns))
            self.next_ns = min(self.next_ns, times_ns[0])
            self.left += len(times_ns)

    def open_any(self, runs: Sequence[Run]) -> bool:
        """Whether any of these blocks is to be opened; True if in doubt."""
        for opening in self._planned:
            for chain, _, hi in runs:
                if opening.chain is chain and opening.lo < hi:
                    return True
        return False

    def forget(self, runs: Sequence[Run]) -> None:
        """Takes these blocks out of the plan."""
        gone = {chain for chain, _, _ in runs}
        self._planned = [opening for opening in self._planned if opening.chain not in gone]
        self.next_ns = min([opening.times_ns[0] for opening in self._planned], default=_NEVER)
        self.left = sum(len(opening.times_ns) for opening in self._planned)

    def take(self, until_ns: int) -> tuple[list[Run], list[int]]:
        """What is opened before `until_ns`, taken out of the plan, in the order in which it was planned; when each of its blocks is."""
        runs: list[Run] = []
        opened: list[int] = []
        next_ns, over = _NEVER, False
        for opening in self._planned:
            times = opening.times_ns
            if times[0] < until_ns:
                count = bisect_left(times, until_ns)
                lo = opening.lo
                opening.lo += count
                runs.append((opening.chain, lo, opening.lo))
                opened += times[:count]
                del times[:count]
                if not times:
                    over = True
                    continue
            if times[0] < next_ns:
                next_ns = times[0]
        if over:
            self._planned = [opening for opening in self._planned if opening.times_ns]
        self.left -= len(opened)
        self.next_ns = next_ns
        return runs, opened
