"""A figure on the screen and what is known of it: what a panel tells of the figures under its cursor. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui.format import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.model.figure import Distribution, Figure


@dataclass(frozen=True)
class Told:
    """`name` as its column has it, `of` what. `population` and `n` where the figure itself has none; `now`: it is of this moment, not of the window; `window_s`:
    the window is another one than the Frame's; `span`: what it is over in words, where that does not end at the moment shown."""

    name: str
    it: Figure
    unit: Unit
    definition: str = ""
    population: str = ""
    n: int | None = None
    of: str = ""
    now: bool = False
    window_s: float | None = None
    span: str = ""

    @property
    def number(self) -> float | None:
        """What it is sorted and filtered by: its value, or the bound that it is known to be above."""
        return number_of(self.it)


def number_of(it: Figure) -> float | None:
    """The value, or the bound that it is known to be above."""
    if it.value is not None:
        return it.value
    low: float | None = getattr(it, "low", None)
    return low


def quantiles(
    name: str, it: Distribution, unit: Unit = Unit.SECONDS, definition: str = "", of: str = ""
) -> Iterator[Told]:
    """Each figure of a distribution, by `name p50` and so on."""
    for which, one in (("p50", it.p50), ("p99", it.p99), ("p99.9", it.p999), ("max", it.max)):
        yield Told(f"{name} {which}", one, unit, definition, it.population, it.n, of)
