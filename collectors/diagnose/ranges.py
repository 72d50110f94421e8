"""What is known of a figure, as an interval, and of sums, ratios and comparisons of such. Pure."""

import math
from collections.abc import Iterable
from typing import NamedTuple


class UnknownError(Exception):
    """A figure that is not known; the message says which, and why."""


class Range(NamedTuple):
    """What is known of a figure: it lies in low … high. `high` is infinite where only a lower bound is known."""

    low: float
    high: float

    @property
    def text(self) -> str:
        if math.isinf(self.high):
            return f"≥ {self.low:.4g}"
        if self.high - self.low <= 1e-3 * abs(self.high):
            return f"{(self.low + self.high) / 2:.4g}"
        return f"{self.low:.4g} … {self.high:.4g}"


def below(one: Range, other: Range) -> bool | None:
    """one < other; None where what is known allows both."""
    return True if one.high < other.low else False if one.low >= other.high else None


def at_most(one: Range, other: Range) -> bool | None:
    """one <= other; None where what is known allows both."""
    return True if one.high <= other.low else False if one.low > other.high else None


def added(one: Range, other: Range) -> Range:
    return Range(one.low + other.low, one.high + other.high)


def less(one: Range, other: Range) -> Range:
    return Range(one.low - other.high, one.high - other.low)


def multiplied(one: Range, other: Range) -> Range:
    """Raises UnknownError."""
    return _spread(x * y for x in one for y in other)


def divided(one: Range, other: Range) -> Range:
    """Raises UnknownError."""
    if other.low <= 0 <= other.high:
        raise UnknownError("divided by what may be 0")
    return _spread(x / y for x in one for y in other)


def _spread(results: Iterable[float]) -> Range:
    found = list(results)
    if any(math.isnan(one) for one in found):
        raise UnknownError("neither side has an upper bound")
    return Range(min(found), max(found))
