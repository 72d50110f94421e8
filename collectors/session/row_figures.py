"""What a source's deliveries say of its workers, as figures by row: made for all rows at once, when the first of them is asked for."""

from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.model.figure import Distribution, Figure
from collectors.model.signals import Signal
from collectors.model.vocabulary import Provenance, State
from collectors.stats.elsewhere import disputed
from collectors.stats.figure_columns import distributions, figures
from collectors.stats.figures import Row, absent, counted, distribution, figure, no_distribution, outdated
from collectors.stats.histograms import Quantiles
from collectors.stats.medians import ENOUGH
from collectors.stats.sketch import Floats, Ints
from collectors.stats.summary import Summary

Flags = npt.NDArray[np.bool_]
POPULATION: Final = {
    Signal.TTFT: "requests with a first token",
    Signal.QUEUE: "requests that left the queue",
    Signal.GAP: "gaps between deliveries",
    Signal.TPOT: "completed requests",
}


class RowFigures:
    """Of one summary. Every list has an entry for each of its workers, stale where the source is not `heard` now."""

    def __init__(self, summary: Summary, *, measured: bool, emulated: bool, heard_ns: int | None, heard: bool) -> None:
        """`measured`: by an observer's clock, of arrivals."""
        self.summary = summary
        self._provenance = Provenance.MEASURED if measured else Provenance.DERIVED
        self._emulated, self._heard_ns, self._heard = emulated, heard_ns, heard

    def durations(self, columns: Quantiles, population: str) -> list[Distribution]:
        """Any of the summary's, by rows of its own."""
        nothing = self._nothing(population)
        return self._dated(distributions(columns, nothing, self._provenance, heard_ns=self._heard_ns))

    def duration(self, columns: Quantiles, population: str, row: int) -> Distribution:
        """The same of one row only, stale or not."""
        n, estimates, longest_s = columns.told(row)
        if not n:
            return self._nothing(population)
        return distribution(
            n,
            estimates,
            longest_s,
            population=population,
            provenance=self._provenance,
            emulated=self._emulated,
            heard_ns=self._heard_ns,
        )

    @cached_property
    def ttft(self) -> list[Distribution]:
        return self.durations(self.summary.ttft, POPULATION[Signal.TTFT])

    @cached_property
    def queue(self) -> list[Distribution]:
        return self.durations(self.summary.queue, POPULATION[Signal.QUEUE])

    @cached_property
    def gap(self) -> list[Distribution]:
        return self.durations(self.summary.gap, POPULATION[Signal.GAP])

    @cached_property
    def tpot(self) -> list[Distribution]:
        return self.durations(self.summary.tpot, POPULATION[Signal.TPOT])

    @cached_property
    def running(self) -> list[Figure]:
        """Requests that have begun and of which it has not seen the end."""
        return self._dated(self.derived(self.summary.running))

    @cached_property
    def waiting(self) -> list[Figure]:
        return self._dated(self.derived(self.summary.waiting))

    @cached_property
    def tokens_per_s(self) -> list[Figure]:
        placed, window_s = self.summary.placed, self.summary.window_s
        tokens, uncounted = placed.tokens.sum(axis=(1, 2)), placed.uncounted.sum(axis=(1, 2))
        if not window_s:
            emulated, heard_ns = self._emulated, self._heard_ns
            made = [
                figure(None, Provenance.DERIVED, emulated=emulated, heard_ns=heard_ns, n=n) for n in tokens.tolist()
            ]
        else:
            made = self.derived(tokens / window_s, tokens)
        for row in uncounted.nonzero()[0].tolist():
            made[row] = counted(made[row], int(uncounted[row]))
        for row, some in self.summary.disputed.items():
            made[row] = disputed(made[row], some)
        return self._dated(made)

    @cached_property
    def tokens_per_delivery(self) -> list[Figure]:
        deliveries = self.summary.placed.deliveries
        made = self.derived(self.summary.placed.delivered / np.maximum(deliveries, 1), deliveries)
        return self._dated(self._unsampled(made, deliveries == 0))

    @cached_property
    def longest_stall_s(self) -> list[Figure]:
        """Zero only where there were gaps enough to find a stall among."""
        longest_s = self.summary.longest_stall_s
        none = np.isnan(longest_s)
        made = self.derived(np.where(none, 0.0, longest_s), self.summary.stalled)
        return self._dated(self._unsampled(made, none & (self.summary.gap.n <= ENOUGH)))

    def reported(self, values: Ints) -> list[Figure]:
        """As the source says, with nothing said of whether it is heard; so the next."""
        return figures(values, Provenance.REPORTED, emulated=self._emulated, heard_ns=self._heard_ns)

    def derived(self, values: Ints | Floats, n: Ints | None = None) -> list[Figure]:
        return figures(values, Provenance.DERIVED, emulated=self._emulated, heard_ns=self._heard_ns, n=n)

    def _nothing(self, population: str) -> Distribution:
        return no_distribution(
            population=population, emulated=self._emulated, state=State.UNSAMPLED, heard_ns=self._heard_ns
        )

    def _unsampled(self, made: list[Figure], where: Flags) -> list[Figure]:
        nothing = absent(emulated=self._emulated, state=State.UNSAMPLED, heard_ns=self._heard_ns)
        for row in where.nonzero()[0].tolist():
            made[row] = nothing
        return made

    def _dated(self, made: list[Row]) -> list[Row]:
        return made if self._heard else list(map(outdated, made))
