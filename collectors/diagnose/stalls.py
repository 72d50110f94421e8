"""Candidate causes of a stall, from the request phases that overlap it. Evidence or `unknown`: nothing is guessed."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from collectors.model.batch import Span
from collectors.model.vocabulary import Phase

UNKNOWN: Final = "unknown"
HOST: Final = "host spike"
"""The step itself took long: every stream of it waited, and nothing else was in it."""
NETWORK: Final = "network"
"""Between the workers and the observer that timed the deliveries: streams of several workers waited at the same time."""
SHARE: Final = 0.5
"""A cause must cover at least this share of the time that the stall took beyond the request's own median gap."""
MAX_SPANS: Final = 50_000
DISORDER_NS: Final = 1_000_000_000
"""Spans come as they end, and at most this much out of that order."""

_OWN: Final = {
    Phase.PREEMPTED: "preemption",
    Phase.FETCH: "tier fetch",
    Phase.TRANSFER: "transfer",
    Phase.QUEUE: "queue",
}
"""What stops a request itself."""
PREFILL: Final = "prefill shares the step"
_SHARED: Final = {Phase.PREFILL: PREFILL}
"""What another request's phase on the same worker does to this one."""


class _Judged(NamedTuple):
    """Of a stall: what the first `spans` of its worker's cover of it, in nanoseconds by cause."""

    covered: Counter[str]
    spans: int


class Evidence:
    """The recent phases of one source by worker. Bounded by time and number. A stall that is asked for between any two calls of `forget` is held against each phase once."""

    def __init__(self) -> None:
        self._by_worker: dict[int, deque[Span]] = {}
        self._spans: Counter[int] = Counter()
        """How many there were of each worker so far."""
        self._judged: dict[tuple[int, str, int, int], _Judged] = {}
        self._before: dict[tuple[int, str, int, int], _Judged] = {}

    def add(self, spans: Iterable[Span]) -> None:
        for span in spans:
            if span.worker is not None and span.phase is not Phase.DECODE:
                kept = self._by_worker.setdefault(span.worker, deque(maxlen=MAX_SPANS))
                kept.append(span)
                self._spans[span.worker] += 1

    def forget(self, before_ns: int) -> None:
        """Drops what ended before this time (the emitter's)."""
        self._before, self._judged = self._judged, {}
        for spans in self._by_worker.values():
            while spans and spans[0].start_ns + spans[0].duration_ns < before_ns:
                spans.popleft()

    def causes(self, worker: int, request: str, end_ns: int, gap_ns: int, median_ns: float) -> tuple[str, ...]:
        """Causes of a gap of `gap_ns` that ended at `end_ns`, the one that covers most of it first."""
        start_ns, excess_ns = end_ns - gap_ns, gap_ns - median_ns
        stall, spans = (worker, request, end_ns, gap_ns), self._spans[worker]
        known = self._judged.get(stall) or self._before.get(stall) or _Judged(Counter(), 0)
        covered = known.covered
        self._judged[stall] = _Judged(covered, spans)
        for span in islice(reversed(self._by_worker.get(worker, ())), spans - known.spans):
            if span.start_ns + span.duration_ns < start_ns - DISORDER_NS:
                break
            names = _OWN if span.request == request else _SHARED
            name = names.get(span.phase)
            overlap = min(span.start_ns + span.duration_ns, end_ns) - max(span.start_ns, start_ns)
            if name is not None and overlap > 0:
                covered[name] += overlap
        found = sorted(
            (name for name, ns in covered.items() if ns >= SHARE * excess_ns), key=lambda name: (-covered[name], name)
        )
        return tuple(found) or (UNKNOWN,)


class Unexplained(NamedTuple):
    """A stall of which no phase tells the cause: whose, and from when to when."""

    row: int
    start_ns: int
    end_ns: int


def shared_causes(stalls: Sequence[Unexplained], *, measured: bool) -> list[tuple[str, ...]]:
    """What several of them have in common. By the emitter's own times streams that end their wait in one moment were in one step; an observer's times have the way in
    them, and what delays several workers at once is most likely on it."""
    if measured:
        return [_on_the_way(one, stalls) for one in stalls]
    steps = Counter((one.row, one.end_ns) for one in stalls)
    return [(HOST,) if steps[one.row, one.end_ns] > 1 else (UNKNOWN,) for one in stalls]


def _on_the_way(one: Unexplained, stalls: Iterable[Unexplained]) -> tuple[str, ...]:
    least_ns = SHARE * (one.end_ns - one.start_ns)
    beside = any(
        min(one.end_ns, other.end_ns) - max(one.start_ns, other.start_ns) >= least_ns
        for other in stalls
        if other.row != one.row
    )
    return (NETWORK,) if beside else (UNKNOWN,)
