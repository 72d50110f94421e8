"""How requests ended in the window: their times, the worker that generated last, their model and labels. Columns, an array a second.

Not here: what is good enough (`diagnose.objectives`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from collectors.stats.sketch import Ints
from collectors.stats.slots import NEVER

UNKNOWN: Final = -1
MOST_A_SECOND: Final = 8_192
"""Requests that end in one second and are kept; further ones are only counted."""
MOST_LABELS: Final = 60
MOST_MODELS: Final = 256


class Ended(IntEnum):
    COMPLETED = 0
    ERROR = 1
    ABORTED = 2


REASONS: Final = {"error": Ended.ERROR, "abort": Ended.ABORTED}
"""All others are how a request ends that was answered."""


class Outcome(NamedTuple):
    """Times in nanoseconds, UNKNOWN where they are. `labels` has a bit for each of `Names.labels`."""

    row: int
    model: int
    labels: int
    ttft_ns: int
    tpot_ns: int
    request_ns: int
    ended: int


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Columns of an `Outcome` each, over the window. `models` and `labels` are the names of the numbers and bits; `more`: how many requests are not in the columns."""

    columns: Ints
    models: tuple[str, ...]
    labels: tuple[str, ...]
    more: int

    def column(self, name: str) -> Ints:
        return self.columns[:, Outcome._fields.index(name)]


class Names:
    """Numbers for names, in order of appearance; those past `most` are one, the last."""

    def __init__(self, most: int) -> None:
        self.known: list[str] = []
        self._numbers: dict[str, int] = {}
        self._most = most

    def number(self, name: str) -> int:
        found = self._numbers.get(name)
        if found is None:
            found = min(len(self.known), self._most - 1)
            if found == len(self.known):
                self.known.append(name if found < self._most - 1 else "(others)")
            if len(self._numbers) < 64 * self._most:
                self._numbers[name] = found
        return found

    def mask(self, names: Sequence[str]) -> int:
        mask = 0
        for name in names:
            mask |= 1 << self.number(name)
        return mask


class OutcomeSlots:
    def __init__(self) -> None:
        self.models = Names(MOST_MODELS)
        self.labels = Names(MOST_LABELS)
        self._open: dict[int, list[Outcome]] = {}
        self._closed: dict[int, Ints] = {}
        self._more: dict[int, int] = {}
        self._first = NEVER

    def add(self, second: int, outcome: Outcome) -> None:
        if second < self._first:
            return
        kept = self._open.setdefault(second, [])
        if len(kept) + len(self._closed.get(second, ())) < MOST_A_SECOND:
            kept.append(outcome)
        else:
            self._more[second] = self._more.get(second, 0) + 1

    def expire(self, first: int) -> None:
        self._first = max(self._first, first)
        for slots in (self._open, self._closed, self._more):
            for second in [one for one in slots if one < self._first]:
                del slots[second]

    def window(self) -> Outcomes:
        for second, kept in self._open.items():
            if kept:
                new = np.array(kept, np.int64)
                known = self._closed.get(second)
                self._closed[second] = new if known is None else np.concatenate([known, new])
        self._open.clear()
        parts = [self._closed[second] for second in sorted(self._closed)]
        columns = np.concatenate(parts) if parts else np.zeros((0, len(Outcome._fields)), np.int64)
        return Outcomes(columns, tuple(self.models.known), tuple(self.labels.known), sum(self._more.values()))
