"""What became of each request of a recording, as slices of time on workers: its phases as they were told, runs of its deliveries, and its stalls. Columns, no object a delivery."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from collectors.export.output import ExportError
from collectors.export.source import Source
from collectors.export.span import Part
from collectors.model.batch import Batch, Phases, Span
from collectors.model.frame import StallRow
from collectors.model.vocabulary import Phase
from collectors.recording.codec import Item
from collectors.stats.gaps import Dealt
from collectors.stats.sketch import Index, Ints

MAX_SLICES: Final = 5_000_000
"""About 200 MB."""
NOT_TOLD: Final = -1
WAITS: Final = frozenset({Phase.REQUEST, Phase.FIRST_TOKEN, Phase.UNKNOWN})
"""Phases that are no work of a worker's: what happens in them has slices of its own."""
STALL: Final = "stall"
DELIVERIES: Final = "deliveries"
"""A run of them on one worker, of a request whose decode nobody told of."""


class Place(NamedTuple):
    """A worker as one source speaks of it; no `worker`: nobody is named."""

    source: str
    worker: str


class Columns(NamedTuple):
    """A row for each slice, in order of place and begin. `kind`, `place`, `request` number into `Slices`; tokens and bytes are NOT_TOLD where they are not; `runs` of deliveries."""

    start_ns: Ints
    duration_ns: Ints
    place: Ints
    kind: Ints
    request: Ints
    tokens: Ints
    bytes: Ints


@dataclass(slots=True)
class _Run:
    place: Place
    first_ns: int
    last_ns: int
    tokens: int


@dataclass
class Slices:
    """Filled by `slices`. `kinds` are phases, STALL and DELIVERIES; `causes` of a stall by (request, begin)."""

    places: dict[Place, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    devices: dict[Place, str] = field(default_factory=dict)
    emulated: set[str] = field(default_factory=set)
    """Sources that say that they are."""
    causes: dict[tuple[int, int], str] = field(default_factory=dict)
    _rows: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("q") for _ in Columns._fields))

    def __len__(self) -> int:
        return len(self._rows[0])

    def add(
        self,
        place: Place,
        kind: str,
        request: str,
        start_ns: int,
        duration_ns: int,
        tokens: int | None,
        size: int | None,
    ) -> None:
        """Raises ExportError where there are too many."""
        if len(self) >= MAX_SLICES:
            raise ExportError(
                f"more than {MAX_SLICES:,} slices: choose a part of the recording with --from and --until"
            )
        row = (
            start_ns,
            duration_ns,
            self.places.setdefault(place, len(self.places)),
            self.kinds.setdefault(kind, len(self.kinds)),
            self.requests.setdefault(request, len(self.requests)),
            NOT_TOLD if tokens is None else tokens,
            NOT_TOLD if size is None else size,
        )
        for column, value in zip(self._rows, row, strict=True):
            column.append(value)

    def columns(self) -> Columns:
        """In order; runs of deliveries only of requests whose decode nobody told of."""
        all_ = Columns._make(np.array(column, np.int64) for column in self._rows)
        decode, runs = self.kinds.get(Phase.DECODE, NOT_TOLD), self.kinds.get(DELIVERIES, NOT_TOLD)
        told = np.isin(all_.request, all_.request[all_.kind == decode])
        kept = np.flatnonzero(~(told & (all_.kind == runs)))
        order = kept[np.lexsort((all_.request[kept], all_.start_ns[kept], all_.place[kept]))]
        return Columns._make(column[order] for column in all_)


def slices(items: Iterable[Item], stalls: Iterable[StallRow], of: Part) -> Slices:
    """Those that have some of their time in the part."""
    found = Slices()
    sources: dict[str, Source] = {}
    runs: dict[tuple[str, str], _Run] = {}

    def end(request: str, run: _Run) -> None:
        if of.begin_ns <= run.last_ns and run.first_ns < of.end_ns:
            found.add(run.place, DELIVERIES, request, run.first_ns, run.last_ns - run.first_ns, run.tokens, None)

    def hear(source: Source, dealt: Dealt) -> None:
        for begin, stop in _pieces(dealt):
            request, place = dealt.name(_stream(dealt, begin)), Place(source.name, dealt.ids[int(dealt.row[begin])])
            first_ns, last_ns = int(dealt.at_ns[begin]), int(dealt.at_ns[stop - 1])
            tokens = int(dealt.chunk.tokens[begin:stop].sum())
            run = runs.get((source.name, request))
            if run is not None and run.place == place:
                run.last_ns, run.tokens = last_ns, run.tokens + tokens
                continue
            if run is not None:
                end(request, run)
            runs[source.name, request] = _Run(place, first_ns, last_ns, tokens)

    for item in items:
        if not isinstance(item, Batch):
            for source in sources.values():
                source.tick(item.time_ns)
            continue
        if item.source not in sources:
            sources[item.source] = Source(item.source, hear)
        teller = sources[item.source]
        teller.feed(item)
        for part in item.parts:
            if isinstance(part, Phases):
                _told(found, teller, part.rows, of)
    for source in sources.values():
        source.flush()
    for (_, request), run in runs.items():
        end(request, run)
    _stalled(found, sources, stalls, of)
    for source in sources.values():
        found.devices |= {Place(source.name, one.id): one.device.value for one in source.workers.values()}
        if source.emulated:
            found.emulated.add(source.name)
    return found


def _pieces(dealt: Dealt) -> Iterable[tuple[int, int]]:
    """Neighbouring deliveries of one request by one worker: positions in the chunk."""
    count = len(dealt.at_ns)
    cut = np.zeros(count, np.bool_)
    cut[dealt.chunk.begin] = True
    cut[1:] |= dealt.row[1:] != dealt.row[:-1]
    begin: Index = np.flatnonzero(cut)
    return zip(begin.tolist(), [*begin[1:].tolist(), count], strict=True)


def _stream(dealt: Dealt, position: int) -> int:
    return int(dealt.chunk.stream[dealt.chunk.begin.searchsorted(position, side="right") - 1])


def _told(found: Slices, source: Source, rows: Iterable[Span], of: Part) -> None:
    for span in rows:
        start_ns = span.start_ns + source.offset_ns
        if span.phase in WAITS or start_ns >= of.end_ns or start_ns + span.duration_ns < of.begin_ns:
            continue
        worker = source.worker(span.worker)
        place = Place(source.name, "" if worker is None else worker.id)
        found.add(place, span.phase, span.request, start_ns, span.duration_ns, span.tokens, span.bytes)


def _stalled(found: Slices, sources: Mapping[str, Source], stalls: Iterable[StallRow], of: Part) -> None:
    placed = [source for source in sources.values() if source.state.placed is not None]
    homes = {worker: source.name for source in placed for worker in source.workers}
    for stall in stalls:
        if stall.gap_s.value is None or not of.has(round(stall.at * 1e9)):
            continue
        gap_ns = round(stall.gap_s.value * 1e9)
        start_ns, worker = round(stall.at * 1e9) - gap_ns, stall.worker or ""
        found.add(Place(homes.get(worker, ""), worker), STALL, stall.request, start_ns, gap_ns, stall.tokens, None)
        found.causes[found.requests[stall.request], start_ns] = ", ".join(stall.causes)
