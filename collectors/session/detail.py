"""Single deliveries, requests and decisions, as of any tick that is still kept: what a Frame, which has summaries, leaves out.

Every answer is a function of the batches before the tick that it is asked about. Nothing is worked out before somebody asks.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from collectors.model.detail import (
    By,
    Deliveries,
    NoDecision,
    RequestDetail,
    RequestLine,
    RequestList,
    River,
    Workflow,
    WorkflowLine,
)
from collectors.model.requests import RequestRow
from collectors.session import request_detail
from collectors.session.briefs import Brief, alive
from collectors.session.clock import TICK_NS
from collectors.session.kept_deliveries import MAX_BYTES, KeptDeliveries
from collectors.session.request_lines import NONE_NS, Source, gap_distributions
from collectors.session.request_list import RequestLines
from collectors.session.request_rows import Observer
from collectors.session.requests import RequestBook
from collectors.session.river_query import Row, Span, river, serials_on
from collectors.session.source_state import SourceState
from collectors.session.workflows import workflow
from collectors.stats.figures import no_distribution
from collectors.stats.running_medians import RunningMedians

ASKED: Final = 64
"""Requests that are looked at for whether their teller tells decisions."""
MAX_MEDIANS: Final = 8
"""Requests whose medians are remembered from one look to the next."""
UNKNOWN: Final = "unknown"


class Detail:
    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.kept = KeptDeliveries(max_bytes)
        self.tick_ns = 0
        """The newest tick that can be asked about."""
        self._book = RequestBook()
        self._sources: dict[str, Source] = {}
        self._workers: dict[str, str] = {}
        """The source that tells of each worker's deliveries."""
        self._backends: tuple[str, ...] = ()
        self._requests = RequestLines(self.kept)
        self._medians: dict[int, RunningMedians] = {}
        self._asked: tuple[int, int, int, RequestDetail | None] | None = None
        self._every: tuple[tuple[int, int, bool], list[RequestLine]] | None = None

    def tick(self, sources: Iterable[SourceState], book: RequestBook, tick_ns: int) -> None:
        """After the sources and the requests."""
        self._book = book
        placed = {source.name: source for source in sources if source.placed is not None}
        for name, source in placed.items():
            self.kept.connection(name, tick_ns - TICK_NS, source.connected, source.inventory.resumed)
            if name not in self._sources or self._sources[name].stale(source.inventory, name in book.admitting):
                assert source.placed is not None
                observer = Observer(name, source.inventory, source.placed.worker)
                self._sources[name] = Source(observer, source.emulated, name in book.admitting)
        twice = {name: source.twice for name, source in placed.items()}
        counted = {name: not source.twice and source.probing is None for name, source in placed.items()}
        self._workers = {
            worker.id: name for name, source in placed.items() if counted[name] for worker in source.inventory.workers
        }
        self._backends = tuple(source.status.backend for source in sources)
        self.kept.tick(tick_ns, counted)
        self.kept.forget(placed)
        for name in [name for name in self._sources if name not in placed]:
            del self._sources[name]
        self._requests.tick(book, self._sources, twice, tick_ns)
        self.tick_ns = tick_ns

    @property
    def watched(self) -> bool:
        """Whether anybody tells of single deliveries."""
        return bool(self._sources)

    def river(
        self,
        until_ns: int,
        slice_ns: int,
        columns: int,
        by: By,
        *,
        workers: Sequence[str] = (),
        first: int = 0,
        limit: int = 64,
        end_ns: int | None = None,
        on: str | None = None,
    ) -> River:
        """`columns` slices that end with the one that holds `end_ns` (the moment asked about, unless it is said). `workers` are those to be shown, in that order; of
        requests and workflows those that a worker `on` had a stage of."""
        end_ns = until_ns if end_ns is None else end_ns
        begin_ns = (-(-end_ns // slice_ns) - columns) * slice_ns
        span = Span(begin_ns, slice_ns, columns, until_ns)
        shown = slice(first, first + limit)
        if by is By.WORKER:
            names = tuple(workers or self._workers)
            rows = [Row(name, name or UNKNOWN, self._workers.get(name, "")) for name in names[shown]]
            return river(self.kept, span, rows, first, names)
        there_are = alive(self._requests.known(until_ns), begin_ns, span.end_ns, until_ns)
        if on is not None:
            there = serials_on(self.kept, span, on)
            there_are = [
                one for one in there_are if not there.get(one.counted or "", frozenset()).isdisjoint(one.serials)
            ]
        if by is By.REQUEST:
            rows = [_request_row(brief) for brief in there_are[shown]]
            return river(self.kept, span, rows, first, [one.key for one in there_are])
        runs: dict[str, list[Brief]] = {}
        for brief in there_are:
            if brief.workflow:
                runs.setdefault(brief.workflow, []).append(brief)
        rows = [_workflow_row(name, runs[name]) for name in list(runs)[shown]]
        return river(self.kept, span, rows, first, list(runs))

    def requests(self, until_ns: int, *, first: int = 0, limit: int = 64) -> RequestList:
        """The newest first, each with the distribution of its own gaps."""
        keys = tuple(self._requests.keys(until_ns))
        return RequestList(tuple(self.some(keys[first : first + limit], until_ns)), first, keys)

    def lines(self, until_ns: int, *, gaps: bool = False) -> list[RequestLine]:
        """All requests, the newest first, to pick from; with `gaps` each with their distribution. It takes a look at all deliveries."""
        asked = until_ns, self.tick_ns, gaps
        if self._every is None or self._every[0] != asked:
            lines = self._requests.lines(self._requests.known(until_ns), until_ns)
            self._every = asked, self.with_gaps(lines, until_ns) if gaps else lines
        return self._every[1]

    def some(self, keys: Iterable[int], until_ns: int) -> list[RequestLine]:
        """Of those keys, as far as they are there, each with the distribution of its own gaps."""
        return self.with_gaps(self._requests.lines(self._requests.some(keys), until_ns), until_ns)

    def with_gaps(self, lines: Sequence[RequestLine], until_ns: int) -> list[RequestLine]:
        return self._requests.with_gaps(lines, until_ns)

    def find(self, request: str, until_ns: int) -> int | None:
        """The key of the newest request of that name."""
        for brief in self._requests.known(until_ns):
            if (brief.told is not None and brief.told.received.request == request) or request in brief.known.names:
                return brief.key
        return None

    def request(self, key: int, until_ns: int) -> RequestDetail | None:
        """None if it is not known (any more, or not yet then). Several panels ask for the same one."""
        if self._asked is None or self._asked[:3] != (key, until_ns, self.tick_ns):
            self._asked = key, until_ns, self.tick_ns, self._request(key, until_ns)
        return self._asked[3]

    def _reports(self, front: str | None, until_ns: int) -> bool:
        """Whether of any of the newest requests of this teller a decision is told."""
        told = (one.told.until(until_ns) for one in self._requests.known(until_ns) if one.told and one.front == front)
        return any(known is not None and known.decision is not None for known in islice(told, ASKED))

    def _request(self, key: int, until_ns: int) -> RequestDetail | None:
        brief = self._requests.one(key, until_ns)
        if brief is None:
            return None
        lines = self.with_gaps(self._requests.lines([brief], until_ns), until_ns)
        row = self._book.row(brief.known) if brief.known.heard_ns < until_ns else None
        source = self._sources.get(brief.front or "")
        known = None if brief.told is None else brief.told.until(until_ns)
        if source is None or known is None or brief.told is None:
            return _recorded(lines[0], row)
        arrived = self._requests.arrivals([brief], until_ns).get(key)
        slots, observer = brief.told.slots, source.observer
        received_ns = known.received.time_ns
        medians = self._medians.setdefault(key, RunningMedians())
        while len(self._medians) > MAX_MEDIANS:
            del self._medians[next(iter(self._medians))]
        found = Deliveries() if arrived is None else request_detail.deliveries(arrived, received_ns, medians)
        stalled = (gap for gap, stall in zip(found.gap_s, found.stall, strict=True) if stall)
        (gaps,) = gap_distributions([(NONE_NS if arrived is None else arrived.gaps_ns, source)])
        return RequestDetail(
            line=lines[0],
            teller=observer.teller,
            clock=observer.clock,
            sources=tuple(brief.known.views),
            hits=request_detail.hits(known, slots),
            computed_tokens=next((one.computed_tokens for one in known.admitted if not one.again), None),
            steps=tuple(request_detail.steps(known, arrived, slots, observer.provenance, until_ns - brief.offset_ns)),
            deliveries=found,
            missing=found.first_token[0] if found.first_token else 0,
            gap=gaps,
            tpot_s=None if arrived is None else request_detail.tpot_s(known, arrived),
            stalled_s=sum(stalled),
            decision=request_detail.card(
                known, slots, self._backends, reports=known.decision is None and self._reports(brief.front, until_ns)
            ),
            joined=row,
        )

    def workflows(self, until_ns: int) -> tuple[WorkflowLine, ...]:
        """Agent runs, the one that began last first."""
        runs: dict[str, list[Brief]] = {}
        for brief in self._requests.observed(until_ns):
            if brief.workflow:
                runs.setdefault(brief.workflow, []).append(brief)
        found = []
        for name, briefs in runs.items():
            ends = [brief.ended_at(until_ns) for brief in briefs]
            live = sum(end is None for end in ends)
            last_ns = until_ns if live else max(end for end in ends if end is not None)
            begin_ns = min(brief.received_ns or 0 for brief in briefs)
            found.append(WorkflowLine(name, len(briefs), live, begin_ns / 1e9, last_ns / 1e9))
        return tuple(sorted(found, key=lambda line: -line.begin_s))

    def workflow(self, name: str, until_ns: int) -> Workflow | None:
        briefs = [brief for brief in self._requests.observed(until_ns) if brief.workflow == name]
        return workflow(name, self._requests.lines(briefs, until_ns)) if briefs else None


def _request_row(brief: Brief) -> Row:
    assert brief.counted is not None
    return Row(brief.key, brief.name, brief.counted, {brief.counted: brief.serials}, brief.received_ns or 0)


def _workflow_row(name: str, briefs: Sequence[Brief]) -> Row:
    serials: dict[str, list[int]] = {}
    for brief in briefs:
        for source, mine in (_request_row(brief).serials or {}).items():
            serials.setdefault(source, []).extend(mine)
    begin_ns = min(brief.received_ns or 0 for brief in briefs)
    return Row(name, name, briefs[0].counted or "", serials, begin_ns)


def _recorded(line: RequestLine, row: RequestRow | None) -> RequestDetail:
    """Of a request of which nobody tells the deliveries."""
    nothing = no_distribution(population="gaps of this request", emulated=line.emulated)
    no_decision = NoDecision(request_detail.NOT_REPORTED, request_detail.ANY_ROUTER)
    return RequestDetail(line, "", "", (), (), None, (), Deliveries(), 0, nothing, None, 0.0, no_decision, row)
