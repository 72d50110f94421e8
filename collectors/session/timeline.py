"""The last quarter of an hour, a byte a second: the worst worker's jitter, where nothing was observed, and where counters began anew (`model.timeline`).

Of deliveries a second is known when it has ended. Of pages it is known when enough has come for a p99, which may be half a minute later: it is
then filled in, and no Frame of before has it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from collectors.model.timeline import BUCKETS, GAP, LEVELS, level_of, marked
from collectors.session.fleet import Worker
from collectors.session.source_state import SourceState
from collectors.stats.spans import Span

TIMELINE_S: Final = 900
_SECOND_NS: Final = 1_000_000_000


def timeline_level(jitter_s: float | None) -> int:
    """A p99 − p50 as a level; 0 of what is not known."""
    if jitter_s is None:
        return 0
    return min(max(1 + math.floor(2 * math.log10(max(jitter_s, 1e-9) / 1e-5)), 1), LEVELS)


def level_between(least_s: float, most_s: float) -> int:
    """Of a p99 − p50 in an interval: its middle; above every bound what it is at least, and 0 if it may be anything."""
    if most_s == math.inf:
        return timeline_level(least_s or None)
    return timeline_level((least_s + most_s) / 2)


class Timeline:
    """Seconds of session time, as they become known."""

    def __init__(self) -> None:
        self._levels: dict[int, int] = {}
        self._resets: set[int] = set()
        self._next: int | None = None
        """The first second of which nothing was said yet."""
        self._fleet: dict[str, Worker] | None = None
        self._tellers: set[SourceState] = set()

    def tick(
        self, sources: Sequence[SourceState], fleet: dict[str, Worker], before: Mapping[int, int], time_ns: int
    ) -> bytes:
        """Up to the second that has ended by `time_ns`, oldest first; `before` has what was stored of the time before the session."""
        end = time_ns // _SECOND_NS
        self._observe(self._tellers_among(sources, fleet), time_ns)
        for source in sources:
            if source.scraped is None:
                continue
            self._resets.update(reset_ns // _SECOND_NS for reset_ns in source.new_resets())
            for span in source.scraped.spans():
                worker = fleet.get(span.worker)
                if worker is not None and worker.runs_tokens and worker.teller is source:
                    self._fill(span, end)
        for second in [one for one in self._levels if one < end - TIMELINE_S]:
            del self._levels[second]
        self._resets = {one for one in self._resets if one >= end - TIMELINE_S}
        return self._bytes(before, end)

    def _observe(self, tellers: set[SourceState], time_ns: int) -> None:
        """Seconds in which nobody who tells of jitter was heard are gaps."""
        if not tellers and self._next is None:
            return
        lost = not any(source.connected for source in tellers)
        for source in tellers:
            for second, jitter_s in source.summary.seconds if source.summary is not None else ():
                if not lost and self._levels.get(second) == GAP:
                    self._levels[second] = 0  # what was missed then is told now
                self._put(second, GAP if lost else timeline_level(jitter_s))
        end = time_ns // _SECOND_NS
        first = (time_ns - 1) // _SECOND_NS if self._next is None else max(self._next, end - TIMELINE_S)
        for second in range(first, end):
            self._put(second, GAP if lost else 0)
        self._next = end

    def _fill(self, span: Span, end: int) -> None:
        """The seconds whose middle is in it, at least the one that its own middle is in."""
        level = level_between(span.least_s, span.most_s)
        half = _SECOND_NS // 2
        first, stop = (span.begin_ns + half) // _SECOND_NS, (span.end_ns + half) // _SECOND_NS
        if first == stop:
            first = (span.begin_ns + span.end_ns) // 2 // _SECOND_NS
            stop = first + 1
        for second in range(max(first, end - TIMELINE_S), min(stop, end + 1)):
            self._put(second, level and level | BUCKETS)

    def _put(self, second: int, byte: int) -> None:
        self._levels[second] = max(self._levels.get(second, 0), byte, key=_rank)

    def _tellers_among(self, sources: Sequence[SourceState], fleet: dict[str, Worker]) -> set[SourceState]:
        """Streams, and pages of workers that have none; any page, where nobody tells of a worker."""
        if fleet is not self._fleet:
            told = {worker.teller for worker in fleet.values() if worker.runs_tokens}
            told |= {source for source in sources if source.summary is not None}
            self._fleet, self._tellers = fleet, told or {source for source in sources if source.scraped is not None}
        return self._tellers

    def _bytes(self, before: Mapping[int, int], end: int) -> bytes:
        first = min(self._levels, default=end)
        begin = min(first, *before, *self._resets) if before or self._resets else first
        begin = max(begin, end - TIMELINE_S)
        # Before anything was watched there is no gap in watching it.
        levels = [before.get(second, 0) for second in range(begin, first)]
        levels += [self._levels.get(second, before.get(second, 0)) for second in range(max(first, begin), end)]
        for second in self._resets:
            if begin <= second < end:
                levels[second - begin] = marked(levels[second - begin])
        return bytes(levels)


def _rank(byte: int) -> tuple[float, bool]:
    """What is known before a gap, the worse before the better, and the exact before what is about as bad."""
    return (0.5 if byte == GAP else level_of(byte), not byte & BUCKETS)
