"""When the sessions of one kind arrive: drawn ahead of time, and brought nearer or further apart while a simulation runs. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

NS: Final = 1_000_000_000
MOST: Final = 10.0
"""Times as often as is written."""


class LoadError(ValueError):
    """No such load; the message says what there is."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`rate` sessions a second on average, in bursts of `burst` that are `spacing_s` apart on average; from and until when bursts begin, in seconds of simulated time."""

    rate: float
    burst: int
    spacing_s: float
    from_s: float
    until_s: float | None


class Arrivals:
    """One after the other. What is drawn does not depend on `factor`, by which all is as often as the rhythm says: the times of what has yet to come are only brought together."""

    def __init__(self, rhythm: Rhythm, rng: np.random.Generator) -> None:
        self._drawn = _drawn(rhythm, rng)
        self._until_ns = None if rhythm.until_s is None else rhythm.until_s * NS
        self._since_ns = self._own_ns = round(rhythm.from_s * NS)
        """Since when the factor is what it is, in simulated time and in the time in which it was drawn."""
        self._factor = 1.0
        self._next: tuple[int, bool] | None = None
        self.take()

    def take(self) -> None:
        """The next one has arrived."""
        self._next = next(self._drawn, None)

    def due_ns(self) -> int | None:
        """When the next one arrives; None: never, as things stand."""
        if self._next is None or not self._factor:
            return None
        own_ns, begins = self._next
        at_ns = self._since_ns + round((own_ns - self._own_ns) / self._factor)
        return None if begins and self._until_ns is not None and at_ns >= self._until_ns else at_ns

    def quicken(self, now_ns: int, factor: float) -> None:
        """From now on `factor` times as often as the rhythm says; 0: none."""
        if now_ns > self._since_ns:
            self._own_ns += round((now_ns - self._since_ns) * self._factor)
            self._since_ns = now_ns
        self._factor = factor


def checked(factor: object) -> float:
    """Raises LoadError."""
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 <= factor <= MOST:
        raise LoadError(f"factor must be a number from 0 (no new sessions) to {MOST:g}, 1 is as the scenario says")
    return float(factor)


def _drawn(rhythm: Rhythm, rng: np.random.Generator) -> Iterator[tuple[int, bool]]:
    """Times, and whether a burst begins: bursts by a Poisson process."""
    burst_ns = last_ns = round(rhythm.from_s * NS)
    while rhythm.rate > 0:
        burst_ns += round(rng.exponential(rhythm.burst / rhythm.rate) * NS)
        at = last_ns = max(burst_ns, last_ns)
        for number in range(rhythm.burst):
            yield at, not number
            last_ns = at
            at += round(rng.exponential(rhythm.spacing_s) * NS)
