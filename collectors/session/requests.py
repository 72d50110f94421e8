"""The requests of a session: fed with what every source says of them, asked once a tick for those to show, and for how far apart the clocks are."""

import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from collectors.model.batch import Batch, Decisions, Inventory, Phases, Requests
from collectors.model.batch import Finished as FinishedRow
from collectors.model.batch import Received as ReceivedRow
from collectors.model.requests import NOTABLE, ClockRow, RequestRow
from collectors.model.signals import Signal
from collectors.model.traces import Account, Accounts
from collectors.session.request_rows import Observer, behind, request_row
from collectors.session.source_state import SourceState
from collectors.session.taken_over import correct
from collectors.stats import joined
from collectors.stats.columns import Key
from collectors.stats.joined import Joined, View
from collectors.stats.offsets import Offset, Tracked, between
from collectors.stats.steps import Steps, whole
from collectors.stats.twice import Together

SHOWN: Final = 24
"""The requests last heard of."""
MAX_CLOCKS: Final = 64
SETTLED_NS: Final = 1_000_000_000
"""After the end of a request that one source tells of, another one may do so."""
MAX_MIGRATIONS: Final = 64
MAX_MOVED: Final = 256
_DYNAMO: Final = "dynamo"


class _Counted(NamedTuple):
    """A front end counted so many migrations between two looks at it."""

    after_ns: int
    until_ns: int
    number: int
    source: str

    def within(self, begin_ns: int, end_ns: int) -> bool:
        return begin_ns <= self.until_ns and end_ns >= self.after_ns


class RequestBook:
    def __init__(self, *, detailed: bool = False) -> None:
        self.requests = joined.Requests(detailed=detailed)
        self.touched: set[int] = set()
        """Serials of which anything was heard, where somebody asks for that."""
        self._detailed = detailed
        self.admitting: set[str] = set()
        """Sources that tell when a worker begins a prompt."""
        self._offsets: dict[tuple[str, str], Tracked] = {}
        """By observer's clock and the other's."""
        self._rows: dict[int, tuple[int, str, RequestRow]] = {}
        """By serial: version and doubt of then, and the row."""
        self._notable: deque[int] = deque(maxlen=4 * NOTABLE)
        self._totals: dict[tuple[str, Key], tuple[float, int]] = {}
        """By source: migrations so far, as of when."""
        self._looked: dict[str, int] = {}
        self._migrations: deque[_Counted] = deque(maxlen=MAX_MIGRATIONS)
        self._moved: dict[int, tuple[int, int, int]] = {}
        """By serial: when a request that is known to have been migrated ran, and how often it was."""
        self._together = Together()
        self._ended: deque[tuple[int, Joined]] = deque(maxlen=joined.MAX_REQUESTS)
        self._states: dict[str, SourceState] = {}
        self._observers: dict[str, Observer] = {}

    def feed(self, batch: Batch) -> None:
        whole(self.feeding(batch))

    def feeding(self, batch: Batch) -> Steps[None]:
        """The same in steps, a part each."""
        requests, source, now_ns = self.requests, batch.source, batch.time_ns
        for part in batch.parts:
            if isinstance(part, Requests):
                for row in part.rows:
                    if isinstance(row, ReceivedRow):
                        requests.received(source, row, now_ns)
                    elif isinstance(row, FinishedRow):
                        requests.finished(source, row, now_ns)
                    else:
                        self.admitting.add(source)
                        requests.admitted(source, row, now_ns)
            elif isinstance(part, Accounts):
                for account in part.rows:
                    requests.account(source, account, now_ns)
            elif isinstance(part, Decisions):
                for decision in part.rows:
                    requests.decided(source, decision, now_ns)
            elif isinstance(part, Inventory):
                requests.inventory(source, part)
            elif isinstance(part, Phases):
                for span in part.rows:
                    requests.spanned(source, span, now_ns)
            yield

    def number(self, source: str, begun: Iterable[tuple[str, int, int]]) -> None:
        """Which of its deliveries are whose: name, receipt and serial number of requests that were just told of."""
        for request, received_ns, serial in begun:
            self.requests.numbered(source, request, received_ns, serial)

    def correct(self, sources: Mapping[str, SourceState], tick_ns: int) -> None:
        """Before the sources' own tick: deliveries count where they were made, where that has come to be known."""
        correct(self.requests.changed.values(), sources, tick_ns)

    def tick(self, sources: Iterable[SourceState], tick_ns: int) -> tuple[tuple[RequestRow, ...], tuple[ClockRow, ...]]:
        """After the sources' own."""
        states = {source.name: source for source in sources}
        observers = {
            name: Observer(name, source.inventory, source.placed.worker)
            for name, source in states.items()
            if source.placed is not None
        }
        self._states, self._observers = states, observers
        self.requests.settle(tick_ns)
        for name, source in states.items():
            if source.placed is not None:
                for request, life in (*source.placed.moved(), *source.placed.ended()):
                    self.requests.lived(name, request, life)
            self._count_migrations(source, tick_ns)
        changed = list(self.requests.changed.values())
        self.requests.changed.clear()
        if self._detailed:
            self.touched.update(known.serial for known in changed)
            if len(self.touched) > 2 * joined.MAX_REQUESTS:
                self.touched = {serial for serial in self.touched if self.requests.get(serial) is not None}
        correct(changed, states, tick_ns)  # of those that ended in this tick
        for known in changed:
            self._learn(known, observers)
        # One teller alone contradicts nobody, but may tell of a migration.
        for known in changed:
            moved = any(view.life is not None and view.life.since > 1 for view in known.views.values())
            if moved or len(known.accounts) + len(known.views) > 1:
                row = self._row(known, states, observers)
                if (row.disagree or row.migrations or row.doubt) and known.serial not in self._notable:
                    self._notable.append(known.serial)
        self._tell_twice(changed, states, tick_ns)
        shown = self._shown(states)
        rows = tuple(self._row(known, states, observers) for known in shown)
        self._rows = {known.serial: self._rows[known.serial] for known in shown}
        return rows, self._clocks()

    def row(self, known: Joined) -> RequestRow:
        """All that is told of a request, as of the last tick."""
        return self._row(known, self._states, self._observers)

    def remarked(self, known: Joined) -> bool:
        """Whether it was migrated, or may have been, or its tellers contradict each other."""
        return known.serial in self._notable

    def _tell_twice(self, changed: Iterable[Joined], states: dict[str, SourceState], tick_ns: int) -> None:
        """Which sources tell of requests that another one counts."""
        for known in changed:
            if not known.ended and known.views and all(view.finished is not None for view in known.views.values()):
                known.ended = True
                self._ended.append((known.heard_ns, known))
        while self._ended and self._ended[0][0] <= tick_ns - SETTLED_NS:
            tellers = self._ended.popleft()[1].views
            self._together.add([name for name in tellers if name not in states or states[name].probing is None])
        twice = self._together.twice()
        for name, source in states.items():
            other = twice.get(name, "")
            source.twice = other if other in states and states[other].connected else ""

    def _shown(self, states: dict[str, SourceState]) -> list[Joined]:
        """The newest first, those to be noticed before them."""
        noticed: dict[int, Joined] = {}
        for serial in reversed(self._notable):
            known = self.requests.get(serial)
            if known is not None and len(noticed) < NOTABLE:
                noticed[serial] = known
        newest = [known for known in itertools.islice(self.requests, SHOWN + NOTABLE) if known.serial not in noticed]
        for known in (*noticed.values(), *newest[:SHOWN]):
            self._refresh(known, states)
        return [*noticed.values(), *newest[:SHOWN]]

    def _refresh(self, known: Joined, states: dict[str, SourceState]) -> None:
        """How the deliveries of a request that lives are by now."""
        for name, view in known.views.items():
            source = states.get(name)
            if view.finished is None and source is not None and source.placed is not None:
                life = source.placed.life(view.request) or view.life
                lost = not source.placed.lives(view.request)
                if (life, lost) != (view.life, view.lost):
                    view.life, view.lost, known.version = life, lost, known.version + 1

    def _row(self, known: Joined, states: dict[str, SourceState], observers: dict[str, Observer]) -> RequestRow:
        doubt = self._doubt(known, observers)
        last = self._rows.get(known.serial)
        if last is not None and last[:2] == (known.version, doubt):
            return last[2]
        names = (*known.views, *(source for source, _ in known.accounts))
        emulated = any(states[name].emulated for name in names if name in states)
        row = request_row(known, observers, self._offset, emulated=emulated, doubt=doubt)
        self._rows[known.serial] = known.version, doubt, row
        if row.migrations and (lived := self._lived(known, observers)) is not None:
            self._moved[known.serial] = *lived, len(row.migrations)
            if len(self._moved) > MAX_MOVED:
                del self._moved[next(iter(self._moved))]
        return row

    def _learn(self, known: Joined, observers: dict[str, Observer]) -> None:
        """What the times of a request say of the clocks of those who told of it: what happened behind an observer lies between what it passed on and what came back."""
        for name, view in known.views.items():
            observer = observers.get(name)
            if observer is None or not observer.inventory.measured or view.received_ns is None or view.life is None:
                continue
            for _, account in known.accounts:
                if not behind(view, account) or (observer.clock, account) in known.learnt:
                    continue
                allowed = _allowed(view, account)
                if allowed is not None:
                    known.learnt.add((observer.clock, account))
                    key = observer.clock, account.clock
                    if key in self._offsets or len(self._offsets) < MAX_CLOCKS:
                        self._offsets.setdefault(key, Tracked()).learn(allowed, view.received_ns / 1e9)

    def _offset(self, ours: str, theirs: str, at_s: float) -> Offset | None:
        tracked = self._offsets.get((ours, theirs))
        return None if tracked is None else tracked.at(at_s)

    def _clocks(self) -> tuple[ClockRow, ...]:
        found = []
        for (ours, theirs), tracked in self._offsets.items():
            if (known := tracked.known) is not None:
                found.append(ClockRow(theirs, ours, known.low_s, known.high_s, tracked.n, tracked.steps))
        return tuple(found)

    def _count_migrations(self, source: SourceState, tick_ns: int) -> None:
        if source.scraped is None or not source.status.backend.startswith(_DYNAMO):
            return
        looked_ns = self._looked.get(source.name)
        for key in source.scraped.keys:
            if key.signal is not Signal.MIGRATIONS:
                continue
            reading = source.scraped.total(tick_ns, key)
            if reading.value is None or reading.heard_ns is None:
                continue
            # A family that is there only since its first count stood at zero before.
            first = (reading.value, reading.heard_ns) if looked_ns is None else (0.0, looked_ns)
            before, before_ns = self._totals.get((source.name, key), first)
            if reading.value > before:
                number = round(reading.value - before)
                self._migrations.append(_Counted(before_ns, reading.heard_ns, number, source.name))
            self._totals[source.name, key] = reading.value, reading.heard_ns
        if source.heard_ns is not None:
            self._looked[source.name] = source.heard_ns

    def _doubt(self, known: Joined, observers: dict[str, Observer]) -> str:
        """Whether a front end counted a migration while the request ran, of which nothing is known but that it was somebody's."""
        lived = self._lived(known, observers) if self._migrations else None
        if lived is None or known.serial in self._moved:
            return ""
        for one in self._migrations:
            explained = sum(number for begin_ns, end_ns, number in self._moved.values() if one.within(begin_ns, end_ns))
            if explained < one.number and one.within(*lived):
                return (
                    f"{one.source} counted {one.number} migrated between {one.after_ns / 1e9:.1f} and {one.until_ns / 1e9:.1f} s: "
                    "if it was this one, its chunks and its trace go on naming the first decode worker (the router's log tells)"
                )
        return ""

    def _lived(self, known: Joined, observers: dict[str, Observer]) -> tuple[int, int] | None:
        """Session times at which an observer saw it begin and end."""
        for name, view in known.views.items():
            observer = observers.get(name)
            if observer is not None and view.received_ns is not None:
                shift = observer.inventory.clock_offset_ns
                end_ns = known.heard_ns if view.finished is None else view.finished.time_ns + shift
                return view.received_ns + shift, end_ns
        return None


def _allowed(view: View, account: Account) -> Offset | None:
    """Offsets at which all that the account has moments of happened between the request's receipt and its first output at the observer."""
    assert view.received_ns is not None
    assert view.life is not None
    sent_s, received_s = view.received_ns / 1e9, view.life.first_ns / 1e9
    found: Offset | None = None
    for moment in (account.received, account.spoke):
        if moment is not None:
            one = between(moment.earliest_ns / 1e9, moment.latest_ns / 1e9, sent_s, received_s, "requests")
            found = one if found is None else found.narrowed(one)
    return found
