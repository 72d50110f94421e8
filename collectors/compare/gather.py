"""A part of a recording as a `Population`: its durations as the statistics of the screen count them. Bounded memory: a Python object for a request that lives, none for a token."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from collectors.compare.population import PIECES, REQUESTS, Group, Judged, Measure, Population, Samples
from collectors.diagnose.attainment import judge
from collectors.export.source import Source
from collectors.export.span import Part
from collectors.model.batch import UNCOUNTED, Batch, Finished, Requests, Status
from collectors.model.slo import Objective
from collectors.model.vocabulary import Device, TargetStatus
from collectors.recording.codec import Item
from collectors.stats.gaps import Dealt
from collectors.stats.outcomes import UNKNOWN, Outcome, Outcomes
from collectors.stats.sketch import Bools, Index, Ints
from collectors.stats.twice import Together

MAX_GROUPS: Final = 32
OTHERS: Final = Group(Device.UNKNOWN, "(others)")
_SECOND_NS: Final = 1_000_000_000
_UP: Final = (TargetStatus.UP, TargetStatus.STALE)
_ENDS: Final = 4_096
"""Requests that are judged together."""


def population(items: Iterable[Item], of: Part, wanted: Sequence[Objective] = ()) -> Population:
    """Of a part with bounds; `items` begin far enough before it for what is in it to be understood. A request's TTFT counts where its first token is in the part, its TPOT, and
    whether it met what is `wanted`, where the second in which it ended begins in it."""
    tellers: dict[str, _Teller] = {}
    together = Together()
    for item in items:
        if isinstance(item, Batch):
            teller = tellers.get(item.source)
            if teller is None:
                teller = tellers[item.source] = _Teller(item.source, of, wanted)
            teller.feed(item)
            for names in teller.ended_as(item):
                together.add([name for name, one in tellers.items() if not names.isdisjoint(one.names)])
        else:
            for teller in tellers.values():
                teller.tick(item.time_ns)
    twice = together.twice()
    whole = Population((of.end_ns - of.begin_ns) / 1e9, twice=twice)
    for name, teller in tellers.items():
        teller.end()
        if name not in twice and teller.source.state.probing is None:
            _merge(whole, teller)
    return whole


def _merge(whole: Population, teller: "_Teller") -> None:
    it = teller.found
    known = {group for _, group in whole.samples}
    for (measure, group), samples in it.samples.items():
        if group not in known and len(known) >= MAX_GROUPS:
            group = OTHERS
        known.add(group)
        whole.samples.setdefault((measure, group), Samples()).take(samples)
    for group, judged in it.judged.items():
        whole.judged.setdefault(group if group in known else OTHERS, Judged()).take(judged)
    whole.tokens += it.tokens
    whole.requests += it.requests
    whole.uncounted += it.uncounted
    if teller.lost_ns:
        whole.unobserved_s[teller.source.name] = teller.lost_ns / 1e9


class _Teller:
    """One source, and what it tells of the part."""

    def __init__(self, name: str, of: Part, wanted: Sequence[Objective]) -> None:
        self.source = Source(name, self._hear, self._hear_end)
        self.found = Population((of.end_ns - of.begin_ns) / 1e9)
        self.names: set[str] = set()
        """Of requests that ended."""
        self.lost_ns = 0
        self._lost_at_ns: int | None = None
        self._of = of
        self._wanted = wanted
        self._number: dict[str, int] = {}
        """Of requests that live and had a delivery in the part."""
        self._over: list[str] = []
        self._ends: list[tuple[int, Group, Outcome]] = []
        self._ended = 0

    def feed(self, batch: Batch) -> None:
        for part in batch.parts:
            if isinstance(part, Status):
                self._connected(part.status in _UP, batch.time_ns)
        self.source.feed(batch)

    def ended_as(self, batch: Batch) -> list[set[str]]:
        """The names of each request that ended."""
        rows = [row for part in batch.parts if isinstance(part, Requests) for row in part.rows]
        ended = [{row.request, *row.names} for row in rows if isinstance(row, Finished)]
        self.names.update(*ended)
        self._over += [row.request for row in rows if isinstance(row, Finished)]
        return ended

    def tick(self, time_ns: int) -> None:
        self.source.tick(time_ns)
        for name in self._over:
            self._number.pop(name, None)
        self._over.clear()

    def end(self) -> None:
        self.source.flush()
        self._judge()
        self._connected(True, self._of.end_ns)

    def _connected(self, connected: bool, time_ns: int) -> None:
        if not connected:
            self._lost_at_ns = time_ns if self._lost_at_ns is None else self._lost_at_ns
        elif self._lost_at_ns is not None:
            begin, end = max(self._lost_at_ns, self._of.begin_ns), min(time_ns, self._of.end_ns)
            self.lost_ns += max(end - begin, 0)
            self._lost_at_ns = None

    def _hear(self, source: Source, dealt: Dealt) -> None:
        inside = (dealt.at_ns >= self._of.begin_ns) & (dealt.at_ns < self._of.end_ns)
        if not inside.any():
            return
        chunk, found = dealt.chunk, self.found
        inside_run = np.logical_or.reduceat(inside, chunk.begin).tolist()
        runs = zip(chunk.stream.tolist(), inside_run, strict=True)
        cluster = [self._cluster(dealt.name(stream)) if there else 0 for stream, there in runs]
        request = np.array(cluster, np.intp).repeat(chunk.end - chunk.begin)
        has_gap = np.ones(len(inside), np.bool_)
        has_gap[chunk.without] = False
        self._add(Measure.GAP, dealt, request, np.flatnonzero(has_gap), chunk.gap_ns, inside)
        self._add(Measure.TTFT, dealt, request, dealt.first, dealt.ttft_ns, inside)
        counted = inside
        if chunk.flags is not None:
            uncounted = chunk.flags & UNCOUNTED > 0
            found.uncounted += int(np.count_nonzero(uncounted & inside))
            counted = inside & ~uncounted
        np.add.at(found.tokens, self._piece(dealt.at_ns[counted]), chunk.tokens[counted])

    def _add(self, measure: Measure, dealt: Dealt, request: Index, at: Index, values_ns: Ints, inside: Bools) -> None:
        """Durations that end with the deliveries at the positions `at`."""
        counted = inside[at]
        at, values_ns = at[counted], values_ns[counted]
        piece, row = self._piece(dealt.at_ns[at]), dealt.row[at]
        for worker in np.unique(row).tolist():
            mine = row == worker
            self._samples(measure, self._group(dealt.ids[worker]), request[at[mine]], piece[mine], values_ns[mine])

    def _hear_end(self, source: Source, second: int, outcome: Outcome) -> None:
        at_ns = second * _SECOND_NS
        if not self._of.has(at_ns) or source.state.placed is None:
            return
        piece, group = int(self._piece(np.array([at_ns]))[0]), self._group(source.state.placed.worker(outcome.row))
        self._ended += 1
        if outcome.tpot_ns != UNKNOWN:
            number, value = np.array([self._ended % REQUESTS]), np.array([outcome.tpot_ns])
            self._samples(Measure.TPOT, group, number, np.array([piece]), value)
        self._ends.append((piece, group, outcome))
        if len(self._ends) >= _ENDS:
            self._judge()

    def _judge(self) -> None:
        if not self._ends or not self._wanted:
            return
        pieces, groups, outcomes = zip(*self._ends, strict=True)
        judged = judge(Outcomes(np.array(outcomes, np.int64), (), (), 0), self._wanted)
        rows = zip(pieces, groups, judged.all_count.tolist(), judged.all_met.tolist(), strict=True)
        for piece, group, counts, met in rows:
            it = self.found.judged.setdefault(group, Judged())
            it.n[piece] += counts
            it.met[piece] += met
        self._ends.clear()

    def _samples(self, measure: Measure, group: Group, request: Index, piece: Index, values_ns: Ints) -> None:
        samples = self.found.samples.setdefault((measure, group), Samples())
        samples.by_request.add(request, values_ns)
        samples.by_time.add(piece, values_ns)

    def _group(self, worker: str) -> Group:
        known = self.source.workers.get(worker)
        return Group(Device.UNKNOWN, "") if known is None else Group(known.device, known.model)

    def _piece(self, at_ns: Ints) -> Index:
        found: Index = (at_ns - self._of.begin_ns) * PIECES // (self._of.end_ns - self._of.begin_ns)
        return found

    def _cluster(self, request: str) -> int:
        number = self._number.get(request)
        if number is None:
            number = self._number[request] = self.found.requests
            self.found.requests += 1
        return number % REQUESTS
