"""What one side of a comparison is made of: durations by device kind and model, and what happened in each piece of its time. Data only."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from collectors.compare.tally import Tally
from collectors.model.vocabulary import Device
from collectors.stats.sketch import Counts, Ints

REQUESTS: Final = 512
"""Clusters by request: with more requests, each is some of them."""
PIECES: Final = 40
"""Clusters by time: equal pieces of the whole, so that what falls on many requests at once stays together."""


class Measure(StrEnum):
    TTFT = "ttft"
    TPOT = "tpot"
    GAP = "gap"


class Group(NamedTuple):
    """Workers whose durations may be looked at together."""

    device: Device
    model: str


class Samples:
    """The same durations twice, by the two kinds of cluster."""

    def __init__(self) -> None:
        self.by_request = Tally(REQUESTS)
        self.by_time = Tally(PIECES)

    def all(self) -> Counts:
        return self.by_request.all()

    def take(self, other: "Samples") -> None:
        self.by_request.take(other.by_request)
        self.by_time.take(other.by_time)


def _pieces() -> Ints:
    return np.zeros(PIECES, np.int64)


@dataclass(slots=True, eq=False)
class Judged:
    """Requests that ended in each piece of the time: that met all objectives, of those of which that is known."""

    met: Ints = field(default_factory=_pieces)
    n: Ints = field(default_factory=_pieces)

    def take(self, other: "Judged") -> None:
        self.met += other.met
        self.n += other.n


@dataclass(slots=True, eq=False)
class Population:
    """`seconds` is its length; `tokens` are the output tokens in each piece of it, `requests` how many had a delivery in it."""

    seconds: float
    samples: dict[tuple[Measure, Group], Samples] = field(default_factory=dict)
    judged: dict[Group, Judged] = field(default_factory=dict)
    tokens: Ints = field(default_factory=_pieces)
    requests: int = 0
    uncounted: int = 0
    """Deliveries of nobody knows how many tokens, which are not among the tokens."""
    unobserved_s: dict[str, float] = field(default_factory=dict)
    """Of each source that was not heard for some of the time, for how long."""
    twice: dict[str, str] = field(default_factory=dict)
    """Sources that told of the same requests as another one, which counts in their place."""

    def groups(self, measure: Measure) -> list[Group]:
        return sorted(group for one, group in self.samples if one is measure)

    def all(self, measure: Measure) -> Samples:
        """Of all groups together."""
        every = Samples()
        for group in self.groups(measure):
            every.take(self.samples[measure, group])
        return every
