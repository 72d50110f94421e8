"""Places on scales, as the histories of a Frame have them in bytes: shares of a capacity, durations on a logarithm, bins of gaps. For pictures, not figures."""

from __future__ import annotations

import math
import sys
from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collectors.model.history import GapRow

TIER_SAMPLES: Final = 150
TIER_STEP_S: Final = 2
"""Five minutes of a tier."""
FULL: Final = 200
"""A share of 1 in a `TierPast`."""
UNKNOWN_SHARE: Final = 255

GAP_SAMPLES: Final = 240
"""Seconds of a `GapRow`."""
LINES: Final = ("p50", "p99", "p99.9", "max", "RFC 3550")
NOTHING: Final = 0
UNOBSERVED: Final = 0xFFFF
"""Codes of a second in which there were too few gaps to tell, and of one that was not observed."""
_A_DECADE: Final = 6_000
_LEAST_S: Final = 1e-7

OCTAVE: Final = 32
"""Bins of a `GapRow` in an octave above 1 µs, of equal width within it."""
UNDER: Final = -1
"""Number of the bin below 1 µs."""


def share_code(part: float, whole: float) -> int:
    """Of `part` of a `whole` above 0."""
    if part <= 0:
        return 0
    return FULL if part >= whole else min(max(round(FULL * part / whole), 1), FULL - 1)


def code(seconds: float) -> int:
    """A duration's place on a logarithmic scale."""
    return min(max(1 + round(_A_DECADE * math.log10(max(seconds, _LEAST_S) / _LEAST_S)), 1), UNOBSERVED - 1)


def moment(code: int) -> float:
    """The duration in seconds at that place."""
    return float(_LEAST_S * 10 ** ((code - 1) / _A_DECADE))


def edge(number: int) -> float:
    """Lower edge of a bin, in seconds."""
    if number < 0:
        return 0.0
    octave, part = divmod(number, OCTAVE)
    return float(1e-6 * 2**octave * (1 + part / OCTAVE))


def spans(row: GapRow) -> Iterator[tuple[float, float, int]]:
    """Bins with anything in them: (lower, upper bound in seconds, gaps)."""
    counts = _words("I", row.counts)
    if row.bounds:
        for low, high, n in zip((0.0, *row.bounds), row.bounds, counts, strict=False):
            if n:
                yield low, high, n
        return
    for number, n in enumerate(counts, row.first):
        if n:
            yield edge(number), edge(number + 1), n


def codes(line: bytes) -> Sequence[int]:
    """Of a line of `GapRow.past`."""
    return _words("H", line)


def _words(kind: str, data: bytes) -> Sequence[int]:
    values = array(kind)
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values
