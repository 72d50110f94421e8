"""Requests as lines, as of a tick. What an ended request's line says is remembered: it changes no more, until its deliveries are let go."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from collectors.model.detail import RequestLine
from collectors.session.arrivals import Arrivals, arrivals
from collectors.session.briefs import Brief, Briefs
from collectors.session.courses import Course, courses
from collectors.session.gathered import Gathered
from collectors.session.kept_deliveries import KeptDeliveries
from collectors.session.own_gaps import own_gaps
from collectors.session.request_lines import Source, gap_distributions, recorded_line, request_line
from collectors.session.requests import RequestBook
from collectors.stats.told import Known, Told

_Look = tuple[int, int, bool]
"""What an ended request's line depends on: its version, how much was told of it, and whether its deliveries are kept."""


MAX_GATHERED: Final = 200_000
"""Deliveries that are remembered from one look to the next."""
MAX_COURSES: Final = 20_000
"""Requests of which it is remembered how they went: more than are kept."""


class _Told(NamedTuple):
    """What so many rows say, as of any tick after the last of them was heard."""

    told: Told
    rows: int
    heard_ns: int
    known: Known | None


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
        self._told: dict[int, _Told] = {}
        self._arrivals = Gathered(kept, arrivals, len, MAX_GATHERED)
        self._gaps = Gathered(kept, own_gaps, lambda it: len(it.gaps_ns), MAX_GATHERED)
        self._courses = Gathered(kept, courses, lambda _: 1, MAX_COURSES)

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
            for known in (self._lines, self._told):
                for key in [key for key in known if key not in requests.serials]:
                    del known[key]
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
            known = self._known(brief, until_ns)
            told = 0 if known is None else len(known.spans) + len(known.admitted)
            look = brief.version, told, brief.begin_ns >= since_ns
            last = self._lines.get(brief.key)
            if last is not None and last[0] == look and known is not None and known.finished is not None:
                done[brief.key] = last[1]
            else:
                fresh.append((brief, known, look))
        went = self._courses.of([brief for brief, _, _ in fresh], until_ns)
        for brief, known, look in fresh:
            line = self._line(brief, known, went.get(brief.key), kept=look[2])
            done[brief.key] = line
            if known is not None and known.finished is not None:
                self._lines[brief.key] = look, line
        return [done[brief.key] for brief in briefs]

    def with_gaps(self, lines: Sequence[RequestLine], until_ns: int) -> list[RequestLine]:
        """The same, with the distribution of each request's gaps."""
        lacking = [line.key for line in lines if line.gap is None and line.longest_s is not None]
        briefs = [brief for key in lacking if (brief := self.one(key, until_ns)) is not None]
        arrived = self._gaps.of(briefs, until_ns)
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
        """The deliveries of each, as its teller in front tells them."""
        return self._arrivals.of(briefs, until_ns)

    def _known(self, brief: Brief, until_ns: int) -> Known | None:
        """What was told of it before a tick."""
        told = brief.told
        if told is None:
            return None
        last = self._told.get(brief.key)
        if last is None or last.told is not told or last.rows != len(told.rows):
            heard_ns = max([told.heard_ns, *(heard_ns for heard_ns, _ in told.rows)])
            last = self._told[brief.key] = _Told(told, len(told.rows), heard_ns, told.until(heard_ns + 1))
        return last.known if until_ns > last.heard_ns else told.until(until_ns)

    def _line(self, brief: Brief, known: Known | None, course: Course | None, *, kept: bool) -> RequestLine:
        source = self._sources.get(brief.front or "")
        if known is None or source is None:
            return recorded_line(brief, self._book.row(brief.known))
        return request_line(brief, known, course, source, kept=kept, remarked=self._book.remarked(brief.known))
