"""The little that must be known of every request to list it: whose teller stands in front, when it began and when it ended, as of a tick."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from collectors.session.request_rows import Observer
from collectors.stats.joined import Joined, Requests, View
from collectors.stats.told import Told


@dataclass(slots=True, eq=False)
class Brief:
    """Never changed: there are hundreds of new ones in a tick, and a frozen one takes twice the time. `front` is the source whose deliveries are shown: of an observer in front of others, which had it first. None: only records tell of it."""

    key: int
    since_ns: int
    """When it was first heard of."""
    known: Joined
    version: int
    front: str | None
    view: View | None
    told: Told | None
    offset_ns: int
    received_ns: int | None
    """Session time, as the next."""
    ended_ns: int | None
    ended_heard_ns: int | None
    workflow: str
    counted: str | None
    """The source whose tokens are counted, where several tell of it."""

    @property
    def name(self) -> str:
        return self.view.request if self.view is not None else next(iter(self.known.names), f"#{self.known.serial}")

    @property
    def serials(self) -> Sequence[int]:
        """Of its deliveries, by the source that counts them."""
        told = None if self.counted is None else self.known.views[self.counted].told
        return () if told is None else told.serials

    @property
    def begin_ns(self) -> int:
        """When it was received, or first heard of."""
        return self.known.since_ns if self.received_ns is None else self.received_ns

    def ended_at(self, until_ns: int) -> int | None:
        """When it ended, as far as was known at a tick."""
        known = self.ended_heard_ns is not None and self.ended_heard_ns < until_ns
        return self.ended_ns if known else None


class Briefs:
    """One for each request, made when it is asked for, and anew when something was heard of it since."""

    def __init__(self) -> None:
        self.keys: Sequence[int] = ()
        """As of the last look, the one that was heard of first last."""
        self._known: dict[int, Brief] = {}
        self._touched: set[int] = set()
        """Of which more was heard than is known here."""
        self._requests = Requests()
        self._observers: Mapping[str, Observer] = {}
        self._twice: Mapping[str, str] = {}
        self._look: object = None

    def look(
        self, requests: Requests, touched: set[int], observers: Mapping[str, Observer], twice: Mapping[str, str]
    ) -> None:
        """`touched` are the serials of which anything was heard since the last look; it is emptied."""
        look = [(name, one.inventory) for name, one in observers.items()], dict(twice)
        if look != self._look:
            self._known.clear()
            self._look = look
        self._requests, self._observers, self._twice = requests, observers, twice
        there = requests.serials
        self._touched = (self._touched | touched) & there
        touched.clear()
        for serial in [serial for serial in self._known if serial not in there]:
            del self._known[serial]
        self.keys = sorted(there, reverse=True)  # they are numbered as they are first heard of

    def get(self, key: int) -> Brief | None:
        known = self._known.get(key)
        if known is None or key in self._touched:
            one = self._requests.get(key)
            if one is None:
                self._known.pop(key, None)
                return None
            known = self._known[key] = _brief(one, self._observers, self._twice)
            self._touched.discard(key)
        return known

    def some(self, keys: Iterable[int]) -> list[Brief]:
        """Of those keys, as far as they are there."""
        keys, known, touched = list(keys), self._known, self._touched
        for key in [key for key in keys if key in touched or key not in known]:
            self.get(key)
        return [known[key] for key in keys if key in known]


def alive(briefs: Iterable[Brief], begin_ns: int, end_ns: int, until_ns: int) -> list[Brief]:
    """Those that ran at any time of a span, as far as was known at a tick, and of which somebody counts the deliveries."""
    return [
        one
        for one in briefs
        if one.received_ns is not None
        and one.received_ns < end_ns
        and (one.ended_ns is None or one.ended_ns >= begin_ns or (one.ended_heard_ns or 0) >= until_ns)
        and one.counted is not None
    ]


def _brief(known: Joined, observers: Mapping[str, Observer], twice: Mapping[str, str]) -> Brief:
    seen = [(observers[name], view) for name, view in known.views.items() if name in observers]
    if len(seen) > 1:
        seen.sort(key=lambda one: (not one[0].inventory.measured, one[1].received_ns or 0))
    workflow = ""
    for _, view in seen:
        if not workflow and view.told is not None:
            workflow = view.told.received.workflow
    if not seen:
        return Brief(
            known.serial, known.since_ns, known, known.version, None, None, None, 0, None, None, None, workflow, None
        )
    observer, view = seen[0]
    offset_ns, told = observer.inventory.clock_offset_ns, view.told
    received_ns = None if view.received_ns is None else view.received_ns + offset_ns
    ended_ns = heard_ns = None
    if view.finished is not None:
        ended_ns = view.finished.time_ns + offset_ns
        heard_ns = known.heard_ns if told is None else told.finished_heard_ns
    counted = observer.name
    if twice.get(counted):
        counted = next((one.name for one, _ in seen if not twice.get(one.name)), counted)
    return Brief(
        known.serial,
        known.since_ns,
        known,
        known.version,
        observer.name,
        view,
        told,
        offset_ns,
        received_ns,
        ended_ns,
        heard_ns,
        workflow,
        counted,
    )
