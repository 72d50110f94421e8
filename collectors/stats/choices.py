"""What a router chose in the window: by label and worker, and how clearly, by rule. Per second, in integers."""

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

from collectors.model.batch import Decision
from collectors.model.routing import MARGIN_EDGES
from collectors.stats.slots import Tally

ALONE: Final = -1
"""Class of a choice among one."""


@dataclass(frozen=True, slots=True)
class Choices:
    """`labelled`: choices by label and row of the worker that is to generate. `margins`: by rule and class of MARGIN_EDGES, or ALONE."""

    labelled: dict[tuple[str, int], int]
    margins: dict[tuple[str, int], int]


class ChoiceSlots:
    def __init__(self, other: str) -> None:
        self._labelled: Tally[tuple[str, int]] = Tally((other, 0), 16_384)
        self._margins: Tally[tuple[str, int]] = Tally((other, ALONE), 1_024)

    def add(self, second: int, row: int, decision: Decision) -> None:
        for label in decision.labels:
            self._labelled.add(second, (label, row))
        margin = decision.margin
        self._margins.add(second, (decision.rule, ALONE if margin is None else bisect_right(MARGIN_EDGES, margin)))

    def expire(self, first: int) -> None:
        self._labelled.expire(first)
        self._margins.expire(first)

    def window(self) -> Choices:
        return Choices(self._labelled.sums(), self._margins.sums())
