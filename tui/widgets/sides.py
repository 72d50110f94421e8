"""The two sides of a show beside each other on the stage: the same figures of both, each of the worst of its workers.

A Frame's distributions cannot be merged, so what is said of a side is said of one of its workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tui import format as fmt
from tui import meanings
from tui.format import Unit
from tui.glyphs import ABSENT
from tui.inks import figure_ink
from tui.theme import Ink
from tui.told import Told
from tui.widgets.kpi import Kpi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.model.figure import Distribution, Quantile
    from tui.show.script import Side
    from tui.view import View


class Asked(NamedTuple):
    """Of each worker: which of its distributions, and which quantile of that."""

    name: str
    of: str
    quantile: str
    means: str


ASKED: Final = (
    Asked("gap p99", "gap", "p99", meanings.GAP),
    Asked("gap p50", "gap", "p50", meanings.GAP),
    Asked("TTFT p50", "ttft", "p50", meanings.TTFT),
)


def figures(view: View, side: Side) -> list[Kpi]:
    return [_worst(view, side, asked) for asked in ASKED]


def _worst(view: View, side: Side, asked: Asked) -> Kpi:
    rows = [row for row in view.frame.workers if row.id in side.workers] if view.frame is not None else []
    known: list[tuple[float, Quantile, Distribution, str]] = []
    reason: Sequence[str] = (ABSENT,)
    for row in rows:
        found: Distribution = getattr(row, asked.of)
        it: Quantile = getattr(found, asked.quantile)
        # Over range it is above what is known, and above all that is counted.
        rank = it.value if it.value is not None else it.low
        if rank is not None:
            known.append((rank, it, found, row.id))
        elif found.n:
            reason = fmt.unknown(it.state)
    if view.frame is None or not known:
        return Kpi(asked.name, tuple(reason), Ink.DIM)
    _, it, found, worker = max(known, key=lambda one: (one[1].value is None, one[0]))
    worst = f" worst of {len(known)}" if len(known) > 1 else ""
    forms = fmt.quantile(it, Unit.SECONDS, view.frame.time_ns)
    told = Told(asked.name, it, Unit.SECONDS, asked.means, found.population, found.n, view.name(worker))
    name = f"{asked.name}{worst}, n {fmt.count(found.n)}"
    return Kpi(name, forms, figure_ink(it, Ink.STRONG), short=(asked.name,), told=told)
