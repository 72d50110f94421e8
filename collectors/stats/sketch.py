"""A log-linear histogram of durations: exact integer counts in bins narrow enough that any quantile is known to 0.1 %.

Durations come as integer nanoseconds. A bin is read off the bits of the duration in microseconds as a float64: 30 octaves from 1 µs to 2^30 µs (1,074 s), each
cut into 512 equal bins; one bin below and one above. The midpoint of a bin differs from any value in it by at most 1/1024 of that value.
Counts are integers, so merging is exact, associative and commutative. What is not here: time (slots) and rows of many histograms at once (histograms).
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Index = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SUB_BITS: Final = 9
SUB: Final = 1 << SUB_BITS
"""Bins in an octave; a block of SUB bins is an octave."""
OCTAVES: Final = 30
BIN_BITS: Final = 14
BINS: Final = 1 << BIN_BITS
"""Numbers that a bin may have: block 0 ends with the bin below the range, blocks 1 … 30 are octaves, block 31 begins with the bin above."""
UNDER: Final = SUB - 1
OVER: Final = SUB * (OCTAVES + 1)
_EXPONENT_OF_ONE: Final = 1023 << SUB_BITS
_MANTISSA_SHIFT: Final = 52 - SUB_BITS

NO_MINIMUM: Final = np.iinfo(np.int64).max
NO_MAXIMUM: Final = -1


class Estimate(NamedTuple):
    """A quantile in seconds and the interval that it is known to lie in."""

    value: float
    low: float
    high: float


def bins(values_ns: Ints) -> Index:
    """Bin of each duration (≥ 0, nanoseconds)."""
    # Dividing (not multiplying by 1e-3) keeps values on a bin's edge on the right side of it: the quotient is correctly rounded.
    bits: Index = np.divide(values_ns, 1000.0).view(np.int64)
    bits >>= _MANTISSA_SHIFT
    bits -= _EXPONENT_OF_ONE - SUB
    np.maximum(bits, UNDER, out=bits)
    np.minimum(bits, OVER, out=bits)
    return bits


def _edges_ns() -> Floats:
    """Lower edges of the bins FIRST … OVER, in ns; everything below is one bin from 0."""
    octave = np.repeat(np.arange(OCTAVES), SUB)
    step = np.tile(np.arange(SUB), OCTAVES)
    return np.append(1000.0 * np.exp2(octave) * (1 + step / SUB), 1000.0 * 2.0**OCTAVES)


LOW_NS: Final[Floats] = np.zeros(BINS)
HIGH_NS: Final[Floats] = np.full(BINS, np.inf)
LOW_NS[SUB : OVER + 1] = _edges_ns()
HIGH_NS[UNDER:OVER] = LOW_NS[SUB : OVER + 1]
MIDDLE_NS: Final[Floats] = np.where(np.isinf(HIGH_NS), np.inf, (LOW_NS + HIGH_NS) / 2)
MIDDLE_NS[UNDER] = 0.0
"""What a bin stands for. Below and above the range nothing but the exact extremes is known: readers clip to them."""


def ranks(n: Ints, q: Floats | float) -> tuple[Ints, Ints, Floats]:
    """The two order statistics (from 0) between which quantile `q` of `n` ≥ 1 values lies, and how far: numpy's default, linear interpolation.

    `n` and `q` are broadcast, here as in `between`.
    """
    place = (n - 1) * q
    below = np.floor(place).astype(np.int64)
    return below, np.minimum(below + 1, n - 1), place - below


def between(
    lower: Index, upper: Index, rank: Ints, n: Ints, part: Floats, minimum_ns: Ints, maximum_ns: Ints
) -> tuple[Floats, Floats, Floats]:
    """Value, low and high in seconds of quantiles at `part` between the order statistics `rank` in bin `lower` and `rank` + 1 in bin `upper`.

    The first and the last order statistic are the extremes, which are known exactly.
    """

    def known(bin_: Index, at: Ints) -> tuple[Floats, Floats, Floats]:
        least = np.where(at >= n - 1, maximum_ns, minimum_ns)
        most = np.where(at <= 0, minimum_ns, maximum_ns)

        def pin(edge: Floats) -> Floats:
            pinned: Floats = np.minimum(np.maximum(edge, least), most)
            return pinned

        return pin(MIDDLE_NS[bin_]), pin(LOW_NS[bin_]), pin(HIGH_NS[bin_])

    first, second = known(lower, rank), known(upper, rank + 1)
    value, low, high = (a + (b - a) * part for a, b in zip(first, second, strict=True))
    return value / 1e9, low / 1e9, high / 1e9


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """A histogram as a value: the occupied span only (`counts[i]` durations in bin `offset + i`) and the exact extremes."""

    offset: int
    counts: Ints
    minimum_ns: int = NO_MINIMUM
    maximum_ns: int = NO_MAXIMUM

    @classmethod
    def of(cls, values_ns: Ints) -> Self:
        if not len(values_ns):
            return cls(0, np.zeros(0, np.int64))
        return cls.span(np.bincount(bins(values_ns)), int(values_ns.min()), int(values_ns.max()))

    @classmethod
    def span(cls, counts: Ints, minimum_ns: int, maximum_ns: int) -> Self:
        """From counts of the bins 0 … len − 1, trimmed."""
        occupied = np.flatnonzero(counts)
        if not len(occupied):
            return cls(0, np.zeros(0, np.int64))
        first, last = int(occupied[0]), int(occupied[-1])
        return cls(first, counts[first : last + 1].astype(np.int64), minimum_ns, maximum_ns)

    @property
    def n(self) -> int:
        return int(self.counts.sum())

    def merge(self, other: "Counts") -> "Counts":
        if not len(other.counts):
            return self
        if not len(self.counts):
            return other
        offset = min(self.offset, other.offset)
        end = max(self.offset + len(self.counts), other.offset + len(other.counts))
        merged = np.zeros(end - offset, np.int64)
        for part in (self, other):
            start = part.offset - offset
            merged[start : start + len(part.counts)] += part.counts
        return Counts(
            offset,
            merged,
            min(self.minimum_ns, other.minimum_ns),
            max(self.maximum_ns, other.maximum_ns),
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Counts)
            and self.offset == other.offset
            and self.minimum_ns == other.minimum_ns
            and self.maximum_ns == other.maximum_ns
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # type: ignore[assignment]

    def up_to(self, bounds_s: Floats) -> Ints:
        """How many are at most each of the bounds for sure: a bin that one of them cuts is above it."""
        below = np.concatenate(([0], np.cumsum(self.counts)))
        highs = HIGH_NS[self.offset : self.offset + len(self.counts)]
        sure: Ints = below[np.searchsorted(highs, bounds_s * 1e9, side="right")]
        return sure

    def quantile(self, q: float) -> Estimate | None:
        """Quantile `q` in [0, 1]; None of nothing."""
        total = self.n
        if not total:
            return None
        n = np.array([total])
        lower, upper, part = ranks(n, q)
        below = np.cumsum(self.counts)
        first = self.offset + np.searchsorted(below, lower, side="right")
        second = self.offset + np.searchsorted(below, upper, side="right")
        extremes = np.array([self.minimum_ns]), np.array([self.maximum_ns])
        value, low, high = between(first, second, lower, n, part, *extremes)
        return Estimate(float(value[0]), float(low[0]), float(high[0]))
