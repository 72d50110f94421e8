"""Where a replay is and how it moves: position, speed, direction, a loop, moments at which it stops. Plain state over session time; no file, no clock of its own."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Final

SPEEDS: Final = tuple(2.0**power for power in range(-4, 7))
"""1/16 … 64 times as fast as it was."""


@dataclass
class Player:
    first_ns: int
    last_ns: int
    position_ns: float
    speed: float = 1.0
    backwards: bool = False
    playing: bool = True
    loop: tuple[int, int] | None = None
    loop_from: int | None = None
    """Where a loop is to begin of which the end is not said yet."""
    stops: list[int] = field(default_factory=list)
    """Moments at which it pauses by itself when it comes to them, in order."""
    trouble: str = ""
    """Why it has paused by itself, until somebody is told."""

    @property
    def pace(self) -> str:
        """`4×`, `−1/8×`, `2× loop`; empty at the usual one."""
        parts = []
        if self.speed != 1 or self.backwards:
            number = f"{self.speed:g}" if self.speed >= 1 else f"1/{round(1 / self.speed)}"
            parts.append(f"{'−' if self.backwards else ''}{number}×")
        if self.loop is not None:
            parts.append("loop")
        return " ".join(parts)

    @property
    def ended(self) -> bool:
        """It has played to its end, in the direction in which it goes; a loop has none."""
        if self.loop is not None:
            return False
        return self.position_ns <= self.first_ns if self.backwards else self.position_ns >= self.last_ns

    def advance(self, elapsed_s: float) -> None:
        """So much real time went by."""
        if not self.playing or self.ended:
            return
        before = self.position_ns
        step = elapsed_s * 1e9 * self.speed * (-1 if self.backwards else 1)
        begin, end = self.loop or (self.first_ns, self.last_ns)
        after = before + step
        inside = min(max(after, begin), end) if begin <= before <= end else after
        stop = self._stop_between(before, inside)
        if stop is not None:
            after, self.playing = float(stop), False
        elif self.loop is not None and not begin <= after <= end:
            after = float(end if self.backwards else begin)
        self.position_ns = min(max(after, self.first_ns), self.last_ns)

    def go(self, position_ns: int | None) -> None:
        """Play, from there on; from the beginning again where it had ended."""
        if position_ns is not None:
            self.position_ns = position_ns
        if self.ended:
            self.position_ns = self.last_ns if self.backwards else self.first_ns
        self.playing = True

    def mark_loop(self, at_ns: int) -> str:
        """Its beginning, then its end, then none; what was done, in words."""
        if self.loop is not None:
            self.loop = None
            return "no loop any more"
        if self.loop_from is None or self.loop_from == at_ns:
            self.loop_from = at_ns
            return "the loop begins here; again where it ends"
        self.loop = min(self.loop_from, at_ns), max(self.loop_from, at_ns)
        self.loop_from = None
        return f"a loop of {(self.loop[1] - self.loop[0]) / 1e9:g} s"

    def change(self, steps: int) -> None:
        """So many steps faster, or slower."""
        self.speed = SPEEDS[min(max(SPEEDS.index(self.speed) + steps, 0), len(SPEEDS) - 1)]

    def tenth(self, number: int) -> int:
        """The moment at `number` tenths of it all."""
        return self.first_ns + (self.last_ns - self.first_ns) * number // 10

    def _stop_between(self, before: float, after: float) -> int | None:
        """The first stop that is come to after `before`, up to `after`."""
        if after >= before:
            index = bisect_right(self.stops, before)
            return self.stops[index] if index < len(self.stops) and self.stops[index] <= after else None
        index = bisect_right(self.stops, before - 1) - 1
        return self.stops[index] if index >= 0 and self.stops[index] >= after else None
