"""How the gaps of each device kind and model are spread, in the window and second by second. Kinds and models are never mixed (METRICS: jitter)."""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Final, NamedTuple

import numpy as np

from collectors.model.figure import Figure
from collectors.model.history import GapRow
from collectors.model.scales import GAP_SAMPLES, LINES, NOTHING, OCTAVE, UNDER, UNOBSERVED, code
from collectors.model.signals import Signal
from collectors.model.vocabulary import Device, Provenance, State
from collectors.session.fleet import Worker
from collectors.session.kept import kept
from collectors.session.row_figures import POPULATION
from collectors.session.source_state import SourceState
from collectors.session.worker_rows import by_whose_clock
from collectors.stats.columns import Key
from collectors.stats.figures import absent, distribution, figure, histogram, no_distribution, outdated
from collectors.stats.histograms import QUANTILES
from collectors.stats.past import Past
from collectors.stats.quantiles import enough
from collectors.stats.rfc3550 import PARTS
from collectors.stats.scraped import Histogram, merged
from collectors.stats.sketch import SUB, Counts, Index
from collectors.stats.sketch import UNDER as UNDER_RANGE
from collectors.stats.slots import SECOND_NS

Kind = tuple[Device, str]
_WIDE: Final = SUB // OCTAVE
"""Bins of the sketch in one of a row."""


class _Teller(NamedTuple):
    """A source that sees single deliveries of a kind: which group of its rows they are."""

    source: SourceState
    group: int
    rows: Index


class _Seen:
    """Of one kind: who tells of it, and what was told of the last seconds."""

    def __init__(self, past: Past | None) -> None:
        self.tellers: list[_Teller] = []
        self.past = past or Past(len(LINES), GAP_SAMPLES, "u2", UNOBSERVED)
        self.told: tuple[bytes, ...] = ()

    @property
    def connected(self) -> bool:
        return any(teller.source.connected for teller in self.tellers)


class GapRows:
    """Remembers the last seconds. Ticks come in order."""

    def __init__(self) -> None:
        self._fleet: dict[str, Worker] | None = None
        self._told: list[tuple[SourceState, tuple[str, ...]]] = []
        """What the groups were made of."""
        self._kinds: dict[Kind, list[Worker]] = {}
        self._groups: dict[str, tuple[Index, int]] = {}
        """By source: the group of each row, and how many groups."""
        self._seen: dict[Kind, _Seen] = {}

    def tick(
        self, sources: Sequence[SourceState], fleet: dict[str, Worker], tick_ns: int, window_ns: int
    ) -> tuple[GapRow, ...]:
        """Kinds in order of appearance; of one, first what was seen one by one, then what pages tell by buckets."""
        placed = [source for source in sources if source.summary is not None and not source.twice]
        self._arrange(placed, fleet)
        counted = {source.name: self._counted(source) for source in placed}
        self._look_back(placed, tick_ns // SECOND_NS)
        rows: list[GapRow] = []
        for kind, workers in self._kinds.items():
            if (seen := self._seen.get(kind)) is not None:
                rows.append(_streamed(kind, seen, counted))
            rows += _paged(kind, workers, tick_ns, window_ns)
        return tuple(rows)

    def _arrange(self, placed: Sequence[SourceState], fleet: dict[str, Worker]) -> None:
        """Which rows of which source are of which kind."""
        told = [(source, source.summary.workers) for source in placed if source.summary is not None]
        if fleet is self._fleet and told == self._told:
            return
        self._fleet, self._told, self._kinds, self._groups = fleet, told, {}, {}
        for worker in fleet.values():
            if worker.runs_tokens:
                self._kinds.setdefault((worker.info.device, worker.info.model), []).append(worker)
        before, self._seen = self._seen, {}
        for source, ids in told:
            group_of_row = np.full(len(ids), -1, np.intp)
            groups = 0
            for kind, workers in self._kinds.items():
                rows = np.array([worker.row for worker in workers if worker.placed is source], np.intp)
                if len(rows):
                    group_of_row[rows] = groups
                    if kind not in self._seen:
                        self._seen[kind] = _Seen(before[kind].past if kind in before else None)
                    self._seen[kind].tellers.append(_Teller(source, groups, rows))
                    groups += 1
            self._groups[source.name] = group_of_row, groups
        for seen in self._seen.values():
            seen.told = tuple(seen.past.told())

    def _counted(self, source: SourceState, second: int | None = None) -> list[Counts]:
        """Gaps of each of the source's groups."""
        assert source.placed is not None
        return source.placed.gaps_by_group(*self._groups[source.name], second)

    def _look_back(self, placed: Sequence[SourceState], end: int) -> None:
        """The seconds that ended, and those of which more was told since."""
        told = {
            (source.name, second): self._counted(source, second)
            for source in placed
            if source.summary is not None
            for second, _ in source.summary.seconds
        }
        for seen in self._seen.values():
            new = [
                (second, counts[teller.group])
                for (name, second), counts in told.items()
                for teller in seen.tellers
                if teller.source.name == name
            ]
            if not new and seen.past.end >= end:
                continue
            seen.past.reach(end)
            for second in {second for second, _ in new} if seen.connected else ():
                smoothed = _smoothed(seen) if second == end - 1 else None
                line = [*_codes(reduce(Counts.merge, [counts for one, counts in new if one == second]))]
                line.append(NOTHING if smoothed is None else code(smoothed[0]))
                seen.past.put(second, line)
            seen.told = tuple(seen.past.told())


def _streamed(kind: Kind, seen: _Seen, counted: dict[str, list[Counts]]) -> GapRow:
    sources = [teller.source for teller in seen.tellers]
    counts = reduce(Counts.merge, [counted[teller.source.name][teller.group] for teller in seen.tellers])
    emulated = any(source.emulated for source in sources)
    heard_ns = min((source.heard_ns for source in sources if source.heard_ns is not None), default=None)
    population = POPULATION[Signal.GAP]
    gap = no_distribution(population=population, emulated=emulated, state=State.UNSAMPLED, heard_ns=heard_ns)
    if counts.n:
        gap = distribution(
            counts.n,
            [one for q in QUANTILES if (one := counts.quantile(q)) is not None],
            counts.maximum_ns / 1e9,
            population=population,
            provenance=by_whose_clock(sources),
            emulated=emulated,
            heard_ns=heard_ns,
        )
    smoothed: Figure = absent(emulated=emulated, heard_ns=heard_ns)
    if (known := _smoothed(seen)) is not None:
        smoothed = figure(known[0], Provenance.DERIVED, emulated=emulated, heard_ns=heard_ns, n=known[1])
    first, bins = _widened(counts)
    workers = sum(len(teller.rows) for teller in seen.tellers)
    row = GapRow(*kind, workers, gap, first, bins, past=seen.told, rfc3550_s=smoothed)
    return row if seen.connected else outdated(row)


def _paged(kind: Kind, workers: Sequence[Worker], tick_ns: int, window_ns: int) -> Iterator[GapRow]:
    """Of the workers of which there are only pages: those whose buckets have the same bounds together."""
    found: dict[tuple[float, ...], list[tuple[Worker, Histogram]]] = {}
    for worker in workers:
        page = None if worker.placed is not None else _page(worker, tick_ns, window_ns)
        if page is not None and page.buckets is not None:
            found.setdefault(tuple(page.buckets.bounds.tolist()), []).append((worker, page))
    for bounds, told in found.items():
        whole = merged([page for _, page in told])
        if whole.buckets is None:
            continue
        counts = np.diff(whole.buckets.cumulative, prepend=0)
        gap = histogram(whole, population=POPULATION[Signal.GAP], emulated=any(worker.emulated for worker, _ in told))
        yield GapRow(*kind, len(told), gap, 0, counts.astype("<u4").tobytes(), bounds)


@kept
def _page(worker: Worker, tick_ns: int, window_ns: int) -> Histogram | None:
    if worker.scraped is None or worker.scraped.scraped is None:
        return None
    return worker.scraped.scraped.histogram(tick_ns, window_ns, Key(worker.info.id, Signal.GAP))


def _smoothed(seen: _Seen) -> tuple[float, int] | None:
    """Mean of J in seconds over the requests that are being generated, and how many they are."""
    summaries = [(teller.source.summary, teller.rows) for teller in seen.tellers]
    n = sum(int(summary.settled[rows].sum()) for summary, rows in summaries if summary is not None)
    parts = sum(int(summary.smoothed[rows].sum()) for summary, rows in summaries if summary is not None)
    return (parts / n / PARTS / SECOND_NS, n) if n and seen.connected else None


def _codes(counts: Counts) -> Iterator[int]:
    """Of one second: the quantiles that there are enough gaps for, and the longest."""
    n = counts.n
    for q in QUANTILES:
        found = counts.quantile(q) if enough(n, q) else None
        yield NOTHING if found is None else code(found.value)
    yield code(counts.maximum_ns / SECOND_NS) if n else NOTHING


def _widened(counts: Counts) -> tuple[int, bytes]:
    """The number of the first bin of a row, and its counts; what is above the range stands in the last."""
    if not counts.n:
        return 0, b""
    numbers = (np.arange(counts.offset, counts.offset + len(counts.counts)) - (UNDER_RANGE + 1)) // _WIDE
    numbers = np.maximum(numbers, UNDER)
    first = int(numbers[0])
    return first, np.bincount(numbers - first, weights=counts.counts).astype("<u4").tobytes()
