"""KV that moved for requests, by worker: handed on from a prefill to a decode worker, or fetched from a slower tier. From spans that have ended; per second."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from collectors.model.batch import Span
from collectors.model.vocabulary import TIERS, Phase, Tier
from collectors.stats.histograms import Histograms, Quantiles
from collectors.stats.sketch import Ints
from collectors.stats.slots import Slots, Tally, each_second

MOVES: Final = frozenset({Phase.TRANSFER, Phase.FETCH})


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Over the window."""

    duration: Quantiles
    """Of handovers, by the worker that took them."""
    bytes: Ints
    """Of the same, shape (rows,)."""
    unsized: Ints
    """Handovers of which nobody says how much they moved."""
    into: dict[tuple[int, Tier], int]
    """Bytes of the same, by row and the tier that took them."""
    fetched: dict[tuple[int, Tier], int]
    """Bytes fetched, by row of the worker and the tier that they came from."""
    fetches: Quantiles
    """How long those fetches took, by `fetch_row`."""


def fetch_row(row: int, tier: Tier) -> int:
    return row * len(TIERS) + TIERS.index(tier)


class Handovers:
    def __init__(self, rows: int) -> None:
        self._duration = Histograms(rows)
        self._bytes = Slots(rows)
        self._unsized = Slots(rows)
        self._into: Tally[tuple[int, Tier]] = Tally((0, Tier.UNKNOWN), 16_384)
        self._fetched: Tally[tuple[int, Tier]] = Tally((0, Tier.UNKNOWN), 16_384)
        self._fetches = Histograms(rows * len(TIERS))

    def add(self, spans: Sequence[tuple[int, int, Span]]) -> None:
        """(second, row, span) each; the spans are of any phase, and none has a negative duration."""
        moved, fetches = [], []
        for second, row, span in spans:
            if span.phase is Phase.TRANSFER:
                moved.append((second, row, span.duration_ns, span.bytes or 0, span.bytes is None))
                self._into.add(second, (row, span.tier), span.bytes or 0)
            elif span.phase is Phase.FETCH and span.bytes is not None:
                self._fetched.add(second, (row, span.tier), span.bytes)
                fetches.append((second, fetch_row(row, span.tier), span.duration_ns))
        if fetches:
            self._fetches.add(*np.array(fetches, np.int64).T.copy())
        if moved:
            seconds, rows, durations_ns, sizes, unsized = np.array(moved, np.int64).T.copy()
            self._duration.add(seconds, rows, durations_ns)
            for second, mine in each_second(seconds):
                self._bytes.add(second, rows[mine], sizes[mine])
                self._unsized.add(second, rows[mine], unsized[mine])

    def expire(self, first: int) -> None:
        for part in (self._duration, self._bytes, self._unsized, self._into, self._fetched, self._fetches):
            part.expire(first)

    def resize(self, rows: int) -> None:
        for part in (self._duration, self._bytes, self._unsized):
            part.resize(rows)
        self._fetches.resize(rows * len(TIERS))

    def moved(self) -> Moved:
        return Moved(
            self._duration.quantiles(),
            self._bytes.sums(),
            self._unsized.sums(),
            self._into.sums(),
            self._fetched.sums(),
            self._fetches.quantiles(),
        )
