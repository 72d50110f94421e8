"""What two parts of recordings are compared by: gaps, TTFT and TPOT of single requests, and tokens second by second. Columns; a Python object for a request, none for a token.

Gaps of one request depend on each other, so requests are what is drawn again, in at most GROUPS groups: `bootstrap` needs no more of them than their histograms.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from collectors.export.source import Source
from collectors.export.span import Part
from collectors.model.batch import UNCOUNTED, WHOLE, Batch, Finished, Received, Requests
from collectors.model.vocabulary import Device
from collectors.recording.codec import Item
from collectors.stats.gaps import Dealt
from collectors.stats.lives import COMPLETED
from collectors.stats.sketch import BIN_BITS, BINS, Floats, Ints, bins

GROUPS: Final = 512
_SECOND_NS: Final = 1_000_000_000


class Population(NamedTuple):
    """Of one model on one kind of device; the empty model and no device: of all."""

    device: Device | None
    model: str


ALL: Final = Population(None, "")


class Histogram:
    """Counts by group and bin of `stats.sketch`."""

    def __init__(self) -> None:
        self._cells: Ints = np.zeros(0, np.int64)
        self._counts: Ints = np.zeros(0, np.int64)

    def add(self, groups: Ints, bins_: Ints) -> None:
        cells, counts = np.unique(groups << BIN_BITS | bins_, return_counts=True)
        at = np.atleast_1d(self._cells.searchsorted(cells))
        there = np.isin(cells, self._cells, assume_unique=True)
        self._counts[at[there]] += counts[there]
        new = ~there
        if new.any():
            self._cells = np.insert(self._cells, at[new], cells[new])
            self._counts = np.insert(self._counts, at[new], counts[new])

    @property
    def n(self) -> int:
        return int(self._counts.sum())

    def table(self) -> tuple[Ints, Floats]:
        """The bins that have anything in them, and for each group that has how many in each."""
        used, column = np.unique(self._cells & (BINS - 1), return_inverse=True)
        _, row = np.unique(self._cells >> BIN_BITS, return_inverse=True)
        found = np.zeros((int(row.max(initial=-1)) + 1, len(used)))
        found[row, column] = self._counts
        return used, found

    def totals(self) -> tuple[Ints, Ints]:
        """Bins and counts of all groups together."""
        used, found = self.table()
        return used, found.sum(axis=0).astype(np.int64)


@dataclass(slots=True)
class _Life:
    group: int
    received_ns: int | None = None
    first_ns: int | None = None
    last_ns: int = 0
    tokens: int = 0
    counted: bool = True
    whole: bool = False
    population: Population = ALL


@dataclass
class Samples:
    """By kind of figure (`gap`, `ttft`, `tpot`) and population; `seconds`: output tokens of each second of the part; `requests` that had a delivery in it."""

    kinds: dict[str, dict[Population, Histogram]] = field(default_factory=lambda: {"gap": {}, "ttft": {}, "tpot": {}})
    seconds: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    requests: int = 0

    def add(self, kind: str, population: Population, groups: Ints, values_ns: Ints) -> None:
        for one in (ALL, population):
            self.kinds[kind].setdefault(one, Histogram()).add(groups, bins(values_ns).astype(np.int64))


def samples(items: Iterable[Item], of: Part) -> Samples:
    """Of a part with bounds. A request's TTFT counts where its first token is in the part, its TPOT where it ended in it."""
    return _Reading(of).over(items)


class _Reading:
    def __init__(self, of: Part) -> None:
        self._of = of
        self._found = Samples()
        self._found.seconds = np.zeros(-(-(of.end_ns - of.begin_ns) // _SECOND_NS), np.int64)
        self._lives: dict[tuple[str, str], _Life] = {}
        self._sources: dict[str, Source] = {}
        self._ended: list[tuple[Source, Finished]] = []

    def over(self, items: Iterable[Item]) -> Samples:
        for item in items:
            if isinstance(item, Batch):
                self._feed(item)
            else:
                for source in self._sources.values():
                    source.tick(item.time_ns)
        for source in self._sources.values():
            source.flush()
        self._finish()
        return self._found

    def _feed(self, batch: Batch) -> None:
        source = self._sources.get(batch.source)
        if source is None:
            source = self._sources[batch.source] = Source(batch.source, self._hear)
        for part in batch.parts:
            for row in part.rows if isinstance(part, Requests) else ():
                if isinstance(row, Received):
                    self._life(source, row.request).received_ns = row.time_ns + source.offset_ns
        source.feed(batch)
        for part in batch.parts:
            self._ended += (
                [(source, row) for row in part.rows if isinstance(row, Finished)] if isinstance(part, Requests) else []
            )

    def _life(self, source: Source, request: str) -> _Life:
        key = source.name, request
        life = self._lives.get(key)
        if life is None:
            life = self._lives[key] = _Life(len(self._lives) % GROUPS)
        return life

    def _hear(self, source: Source, dealt: Dealt) -> None:
        if source.state.probing is not None:
            return
        chunk = dealt.chunk
        group = np.empty(len(dealt.at_ns), np.int64)
        inside = (dealt.at_ns >= self._of.begin_ns) & (dealt.at_ns < self._of.end_ns)
        fresh = set(chunk.fresh.tolist())
        for run, (stream, begin, end) in enumerate(
            zip(chunk.stream.tolist(), chunk.begin.tolist(), chunk.end.tolist(), strict=True)
        ):
            life = self._life(source, dealt.name(stream))
            group[begin:end] = life.group
            self._lived(life, source, dealt, slice(begin, end), fresh=run in fresh)
        self._seconds(dealt, inside)
        has = np.ones(len(dealt.at_ns), np.bool_)
        has[chunk.without] = False
        here = inside[has]
        rows, groups, gaps = dealt.row[has][here], group[has][here], chunk.gap_ns[here]
        for row in np.unique(rows).tolist():
            mine = rows == row
            self._found.add("gap", _population(source, dealt, row), groups[mine], gaps[mine])

    def _lived(self, life: _Life, source: Source, dealt: Dealt, part: slice, *, fresh: bool) -> None:
        at_ns, tokens, row = dealt.at_ns[part], dealt.chunk.tokens[part], dealt.row[part]
        flags = np.zeros(len(at_ns), np.int64) if dealt.chunk.flags is None else dealt.chunk.flags[part]
        if fresh:
            life.first_ns, life.whole = int(at_ns[0]), bool(flags[0] & WHOLE)
            if life.received_ns is not None and not life.whole and self._of.has(life.first_ns):
                ttft_ns = np.array([max(life.first_ns - life.received_ns, 0)])
                self._found.add("ttft", _population(source, dealt, int(row[0])), np.array([life.group]), ttft_ns)
        life.last_ns, life.population = int(at_ns[-1]), _population(source, dealt, int(row[-1]))
        life.tokens += int(tokens.sum())
        life.counted = life.counted and not bool((flags & UNCOUNTED).any())

    def _seconds(self, dealt: Dealt, inside: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> None:
        second = (dealt.at_ns[inside] - self._of.begin_ns) // _SECOND_NS
        self._found.seconds += np.bincount(second, dealt.chunk.tokens[inside], len(self._found.seconds)).astype(
            np.int64
        )

    def _finish(self) -> None:
        self._found.requests = sum(
            life.first_ns is not None and life.last_ns >= self._of.begin_ns and life.first_ns < self._of.end_ns
            for life in self._lives.values()
        )
        for source, row in self._ended:
            life = self._lives.get((source.name, row.request))
            if life is None or life.first_ns is None or life.whole or row.reason not in COMPLETED:
                continue
            if not self._of.has(row.time_ns + source.offset_ns):
                continue
            tokens = row.output_tokens if row.output_tokens is not None else life.tokens if life.counted else 0
            if tokens > 1:
                tpot = np.array([(life.last_ns - life.first_ns) // (tokens - 1)], np.int64)
                self._found.add("tpot", life.population, np.array([life.group]), tpot)


def _population(source: Source, dealt: Dealt, row: int) -> Population:
    worker = source.workers.get(dealt.ids[row])
    return Population(Device.UNKNOWN, "") if worker is None else Population(worker.device, worker.model)
