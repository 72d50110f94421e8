"""What a router chose in the window, and what came of it. Part of the public object `tokenyard.snapshot/1`."""

from typing import Final

import msgspec

from collectors.model.figure import Distribution, Figure

MARGIN_EDGES: Final = (1e-9, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Bounds of the classes of `RuleRow.margins`: below the first is a tie, the last class has no upper bound. A margin is in the units of its rule's score."""


class LabelRow(msgspec.Struct, frozen=True, gc=False):
    """Requests with `label` that `worker` generates: a request counts once for each of its labels, so rows of several labels do not add up.

    `decided`: choices of the window. `ttft` and `tpot`: of the requests that ended in the window.
    """

    label: str
    worker: str
    decided: Figure
    ttft: Distribution
    tpot: Distribution


class RuleRow(msgspec.Struct, frozen=True, gc=False):
    """Choices of the window by one rule. `alone`: there was one candidate. `margins`: how many of the others lie in each class of MARGIN_EDGES."""

    rule: str
    decided: Figure
    ties: Figure
    alone: Figure
    margins: tuple[int, ...]


class Routing(msgspec.Struct, frozen=True, gc=False):
    """Of all routers that tell their choices."""

    labels: tuple[LabelRow, ...] = ()
    rules: tuple[RuleRow, ...] = ()
