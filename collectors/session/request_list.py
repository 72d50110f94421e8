"""Requests as lines, as of a tick. What an ended request's line says is remembered: it changes no more, until its deliveries are let go."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from collectors.model.detail import RequestLine
from collectors.session.arrivals import Arrivals, Wanted, arrivals
from collectors.session.briefs import Brief, Briefs
from collectors.session.kept_deliveries import KeptDeliveries
from collectors.session.request_lines import Source, gap_distributions, recorded_line, request_line
from collectors.session.requests import RequestBook
from collectors.stats.told import Known

_Look = tuple[int, int, bool]
"""What an ended request's line depends on: its version, how much was told of it, and whether its deliveries are kept."""


MAX_GATHERED: Final = 200_000
"""Deliveries that are remembered from one look to the next."""


class _Gathered(NamedTuple):
    until_ns: int
    looks: tuple[int, int]
    arrivals: Arrivals


class RequestLines:
    def __init__(self, kept: KeptDeliveries) -> None:
        self._kept = kept
        self._book = RequestBook()
        self._sources: Mapping[str, Source] = {}
        self._twice: Mapping[str, str] = {}
        self._tick_ns = -1
        self._briefs = Briefs()
        self._looked_ns = -1
        self._listed: tuple[tuple[int, int], list[Brief]] = ((-1, -1), [])
        self._lines: dict[int, tuple[_Look, RequestLine]] = {}
        self._gathered: dict[int, _Gathered] = {}
        self._held = 0
        """Deliveries in those."""

    def tick(self, book: RequestBook, sources: Mapping[str, Source], twice: Mapping[str, str], tick_ns: int) -> None:
        self._book, self._sources, self._twice, self._tick_ns = book, sources, twice, tick_ns

    def keys(self, until_ns: int) -> Sequence[int]:
        """Of those of which anything had been heard, the one that was first heard of last first."""
        keys = self._looked().keys
        if until_ns >= self._tick_ns:
            return keys
        get = self._book.requests.get
        return [key for key in keys if (one := get(key)) is not None and one.since_ns < until_ns]

    def known(self, until_ns: int) -> list[Brief]:
        """All of them. It takes long where much was heard since."""
        if self._listed[0] != (self._tick_ns, until_ns):
            self._listed = (self._tick_ns, until_ns), self.some(self.keys(until_ns))
        return self._listed[1]

    def some(self, keys: Iterable[int]) -> list[Brief]:
        return self._looked().some(keys)

    def one(self, key: int, until_ns: int) -> Brief | None:
        """The one of that key, if anything had been heard of it."""
        brief = self._looked().get(key)
        return brief if brief is not None and brief.since_ns < until_ns else None

    def _looked(self) -> Briefs:
        """As of the newest tick."""
        if self._looked_ns != self._tick_ns:
            self._looked_ns = self._tick_ns
            observers = {name: source.observer for name, source in self._sources.items()}
            requests = self._book.requests
            self._briefs.look(requests, self._book.touched, observers, self._twice)
            self._lines = {key: line for key, line in self._lines.items() if key in requests.serials}
        return self._briefs

    def observed(self, until_ns: int) -> list[Brief]:
        """Those of which somebody tells the deliveries."""
        return [brief for brief in self.known(until_ns) if brief.received_ns is not None and brief.told is not None]

    def lines(self, briefs: Sequence[Brief], until_ns: int) -> list[RequestLine]:
        """A line for each, in that order."""
        since_ns = self._kept.since_ns or 0
        done: dict[int, RequestLine] = {}
        fresh: list[tuple[Brief, Known | None, _Look]] = []
        for brief in briefs:
            known = None if brief.told is None else brief.told.until(until_ns)
            told = 0 if known is None else len(known.spans) + len(known.admitted)
            look = brief.version, told, brief.begin_ns >= since_ns
            last = self._lines.get(brief.key)
            if last is not None and last[0] == look and known is not None and known.finished is not None:
                done[brief.key] = last[1]
            else:
                fresh.append((brief, known, look))
        arrived = self.arrivals([brief for brief, _, _ in fresh], until_ns)
        for brief, known, look in fresh:
            line = self._line(brief, known, arrived.get(brief.key), kept=look[2])
            done[brief.key] = line
            if known is not None and known.finished is not None:
                self._lines[brief.key] = look, line
        return [done[brief.key] for brief in briefs]

    def with_gaps(self, lines: Sequence[RequestLine], until_ns: int) -> list[RequestLine]:
        """The same, with the distribution of each request's gaps."""
        lacking = [line.key for line in lines if line.gap is None and line.longest_s is not None]
        briefs = [brief for key in lacking if (brief := self.one(key, until_ns)) is not None]
        arrived = self.arrivals(briefs, until_ns)
        told = [(brief.key, source) for brief in briefs if (source := self._sources.get(brief.front or "")) is not None]
        told = [(key, source) for key, source in told if key in arrived]
        gaps = dict(
            zip(
                (key for key, _ in told),
                gap_distributions([(arrived[key].gaps_ns, source) for key, source in told]),
                strict=True,
            )
        )
        found = []
        for line in lines:
            if line.key in gaps:
                line = msgspec.structs.replace(line, gap=gaps[line.key])
                known = self._lines.get(line.key)
                if known is not None and known[1].gap is None and line.reason:
                    self._lines[line.key] = known[0], line
            found.append(line)
        return found

    def arrivals(self, briefs: Sequence[Brief], until_ns: int) -> dict[int, Arrivals]:
        """The deliveries of each, as its teller in front tells them. What was gathered for an earlier tick is gone on from, as long as nothing of it was let go."""
        wanted: dict[str, dict[int, Wanted]] = {}
        found: dict[int, Arrivals] = {}
        kept_ns = self._kept.since_ns or 0
        for brief in briefs:
            if brief.front is not None and brief.told is not None and brief.told.serials:
                known = self._gathered.get(brief.key)
                if known is not None and known.looks != _looks(brief, kept_ns):
                    known = None
                if known is not None and known.until_ns == until_ns:
                    found[brief.key] = known.arrivals
                    continue
                if known is not None and known.until_ns < until_ns:
                    one = Wanted(brief.told.serials, known.until_ns, known.arrivals)
                else:
                    one = Wanted(brief.told.serials, min(brief.begin_ns, until_ns))
                wanted.setdefault(brief.front, {})[brief.key] = one
        gathered: dict[int, Arrivals] = {}
        if wanted:
            begin_ns = min(one.since_ns for mine in wanted.values() for one in mine.values())
            pieces = [piece for piece in self._kept.until(until_ns) if piece.tick_ns > begin_ns]
            for source, mine in wanted.items():
                gathered |= arrivals([piece for piece in pieces if piece.source == source], mine)
        for brief in briefs:
            if brief.key in gathered:
                self._let_go(brief.key)
                self._gathered[brief.key] = _Gathered(until_ns, _looks(brief, kept_ns), gathered[brief.key])
                self._held += len(gathered[brief.key])
        while self._held > MAX_GATHERED:
            self._let_go(next(iter(self._gathered)))
        return found | gathered

    def _let_go(self, key: int) -> None:
        if (one := self._gathered.pop(key, None)) is not None:
            self._held -= len(one.arrivals)

    def _line(self, brief: Brief, known: Known | None, arrived: Arrivals | None, *, kept: bool) -> RequestLine:
        source = self._sources.get(brief.front or "")
        if known is None or source is None:
            return recorded_line(brief, self._book.row(brief.known))
        return request_line(brief, known, arrived, source, kept=kept, remarked=self._book.remarked(brief.known))


def _looks(brief: Brief, kept_ns: int) -> tuple[int, int]:
    """What its deliveries so far depend on beside the tick: how many numbers they have, and from when on they are kept."""
    return len(brief.serials), kept_ns if brief.begin_ns < kept_ns else 0
