"""Single seconds and single pieces of work, as whoever compares now with before wants them. Data only."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from collectors.model.batch import Span
from collectors.model.vocabulary import Phase
from collectors.stats.sketch import Floats, Index, Ints

PACES: Final = (0.1, 0.5, 0.99, 1.0)
SLOW: Final = 1.2
PIECES: Final = frozenset({Phase.PREFILL, Phase.TRANSFER, Phase.FETCH})
"""Phases whose size and duration tell how fast something is."""
MOST_PIECES: Final = 16_384
"""Between two ticks."""


@dataclass(frozen=True, slots=True, eq=False)
class Pace:
    """Gaps of one session second: `rows` of workers that had any, how many, and their quantiles PACES in seconds (rows, 4)."""

    second: int
    rows: Index
    n: Ints
    values: Floats
    slow: Ints
    """Gaps longer than SLOW medians, by about a bin."""


class Piece(NamedTuple):
    """A phase that ended in that session second, on the worker of that row."""

    second: int
    row: int
    span: Span
