"""Requests as all sources tell of them: views by observers of deliveries, accounts by records of traces, joined by the names that they give. Columns stay where
they are: a request costs a few objects, a token none.

A name that only a server gives is one request's. A client's may be used again: then it is nobody's in particular, and joins nothing any more. Spans without a
name belong to their parent's request, or to the only one of their trace. At most `MAX_REQUESTS` are remembered, those last heard of.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, KeysView
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from collectors.model.batch import Admitted, Decision, Finished, Inventory, Received, Span
from collectors.model.traces import Account
from collectors.model.vocabulary import Phase
from collectors.stats.lives import Life
from collectors.stats.told import Decisions, Packed, Row, Slots, Told

MAX_REQUESTS: Final = 4_096
MAX_ACCOUNTS: Final = 48
"""Of one request; further ones are passed over and counted."""
MAX_SPANS: Final = 24
MAX_NAMES: Final = 12
MAX_ORPHANS: Final = 2_048
ORPHAN_NS: Final = 2_000_000_000
"""How long a span without a name waits for its parent, which ends after it."""
_PREFIX: Final = re.compile(r"(?:\d{1,3}_)?(chatcmpl|cmpl|resp|gen|msg)[-_]")
_CHOICE: Final = re.compile(r"-\d{1,3}$")


def plain(name: str) -> str:
    """Without what servers put around an id: vLLM's `chatcmpl-<id>` and `cmpl-<id>-<prompt>`, Dynamo's `chatcmpl-<id>` in responses."""
    found = _PREFIX.match(name)
    if found is None:
        return name
    bare = name[found.end() :]
    return (_CHOICE.sub("", bare) if found[1] == "cmpl" else bare) or name


_NO_SLOTS: Final = Slots()


class Taken(NamedTuple):
    """Its observer goes on naming this worker, though others made its tokens from `since` on: so many moves are known and corrected."""

    named: str
    since: int
    moves: int


@dataclass(slots=True)
class View:
    """A request as an observer of its deliveries sees it, on the observer's clock. `learnt`: names that its answer had, so that whoever calls it so stands behind."""

    request: str
    received_ns: int | None = None
    finished: Finished | None = None
    model: str = ""
    prompt_tokens: int | None = None
    learnt: frozenset[str] = frozenset()
    told: Told | None = None
    """All that was told, where that is kept."""
    spans: list[Span] = field(default_factory=list)
    """Of those that follow upon each other on one worker one."""
    cut: set[Phase] = field(default_factory=set)
    """Of which phases there were more spans than are kept."""
    life: Life | None = None
    taken: Taken | None = None
    lost: bool = False
    """Whether its end will not be told any more."""


@dataclass(slots=True, eq=False)
class Joined:
    serial: int
    heard_ns: int
    since_ns: int
    """When it was first heard of."""
    names: dict[str, None] = field(default_factory=dict)
    """In the order in which they were heard."""
    views: dict[str, View] = field(default_factory=dict)
    """By source."""
    accounts: list[tuple[str, Account]] = field(default_factory=list)
    """With the source of each."""
    version: int = 0
    """Grows with whatever is heard."""
    ended: bool = False
    """Whether it was noted that all who observe it saw its end."""
    learnt: set[tuple[str, Account]] = field(default_factory=set)
    """Whose times were used for the offset to which clock."""


class Requests:
    def __init__(self, *, detailed: bool = False) -> None:
        """`detailed`: everything that observers tell is kept as it came."""
        self._decisions = Decisions() if detailed else None
        self._slots: dict[str, Slots] = {}
        self.dropped = 0
        """Accounts that belong to nobody who is known, or were too many."""
        self.changed: dict[int, Joined] = {}
        """Of which anything was heard since this was cleared."""
        self._joined: OrderedDict[int, Joined] = OrderedDict()
        self._serial = 0
        self._index: dict[str, Joined] = {}
        """By name."""
        self._shared: OrderedDict[str, None] = OrderedDict()
        """Names of several, and so of nobody: those used last."""
        self._spans: dict[tuple[str, str], Joined] = {}
        self._traces: dict[str, dict[int, Joined]] = {}
        self._orphans: OrderedDict[int, tuple[int, str, Account]] = OrderedDict()
        self._awaited: dict[tuple[str, str], list[Joined]] = {}
        """By the parent that was not heard of yet."""
        self._views: dict[tuple[str, str], Joined] = {}

    def __iter__(self) -> Iterator[Joined]:
        """The last heard of first."""
        return reversed(self._joined.values())

    @property
    def serials(self) -> KeysView[int]:
        return self._joined.keys()

    def get(self, serial: int) -> Joined | None:
        return self._joined.get(serial)

    def received(self, source: str, row: Received, now_ns: int) -> None:
        known = self._views.get((source, row.request))
        if known is not None and known.views[source].received_ns == row.time_ns:
            view = known.views[source]  # told again, after a lost connection
        else:
            name, view = plain(row.request), View(row.request)
            known = self._index.get(name)
            if known is not None and source in known.views:
                # The same source had it before: it is another request of the same name.
                self._share(name)
                known = None
            known = known or self._new(now_ns)
            known.views[source] = view
            self._views[source, row.request] = known
            self._call(known, (name,))
        if self._decisions is not None and view.told is None:
            view.told = Told(row, now_ns, self._slots.get(source, _NO_SLOTS))
        view.received_ns, view.model = row.time_ns, row.model or view.model
        view.prompt_tokens = row.prompt_tokens if row.prompt_tokens is not None else view.prompt_tokens
        self._heard(known, now_ns)

    def finished(self, source: str, row: Finished, now_ns: int) -> None:
        known = self._views.get((source, row.request))
        if known is None:
            return
        view = known.views[source]
        view.finished, view.learnt = row, frozenset(map(plain, row.names))
        self._keep(source, row.request, row, now_ns)
        self._heard(self._unite(known, view.learnt), now_ns)

    def inventory(self, source: str, part: Inventory) -> None:
        if self._decisions is not None:
            self._slots[source] = self._slots.get(source, _NO_SLOTS).after(part)

    def admitted(self, source: str, row: Admitted, now_ns: int) -> None:
        self._keep(source, row.request, row, now_ns)

    def decided(self, source: str, row: Decision, now_ns: int) -> None:
        if self._decisions is not None and (source, row.request) in self._views:
            self._keep(source, row.request, self._decisions.keep(row), now_ns)

    def numbered(self, source: str, request: str, received_ns: int, serial: int) -> None:
        """Its deliveries have that number."""
        if (told := self._told(source, request)) is not None and told.received.time_ns == received_ns:
            told.serials.append(serial)

    def _keep(self, source: str, request: str, row: Row | Packed, now_ns: int) -> None:
        if self._decisions is not None and (told := self._told(source, request)) is not None:
            told.add(now_ns, row, self._slots.get(source, _NO_SLOTS))

    def _told(self, source: str, request: str) -> Told | None:
        known = self._views.get((source, request))
        return None if known is None else known.views[source].told

    def spanned(self, source: str, row: Span, now_ns: int) -> None:
        if (known := self._views.get((source, row.request))) is not None:
            view = known.views[source]
            self._keep(source, row.request, row, now_ns)
            last = next((one for one in reversed(view.spans) if one.phase is row.phase), None)
            if last is not None and _goes_on(last, row):
                at = view.spans.index(last)
                view.spans[at] = msgspec.structs.replace(last, duration_ns=last.duration_ns + row.duration_ns)
            elif len(view.spans) < MAX_SPANS:
                view.spans.append(row)
            else:
                view.cut.add(row.phase)

    def lived(self, source: str, request: str, life: Life) -> None:
        """How its deliveries were, or are by now."""
        if (known := self._views.get((source, request))) is not None:
            known.views[source].life = life
            self._touch(known)

    def account(self, source: str, row: Account, now_ns: int) -> None:
        if not row.names and not row.given:
            known = self._spans.get((row.trace, row.parent)) if row.trace else None
            if known is not None:
                self._tell(known, source, row, now_ns)
            elif row.trace:
                self._serial += 1
                self._orphans[self._serial] = now_ns, source, row
                if len(self._orphans) > MAX_ORPHANS:
                    self._orphans.popitem(last=False)
                    self.dropped += 1
            else:
                self.dropped += 1
            return
        names, given = [plain(name) for name in row.names], [plain(name) for name in row.given]
        known = next((found for name in names if (found := self._index.get(name)) is not None), None)
        if known is None:
            weak = (self._index.get(name) for name in given)
            known = next((one for one in weak if one is not None and not _another(one, row)), None) or self._new(now_ns)
        known = self._unite(known, names)
        self._call(known, given)
        self._tell(known, source, row, now_ns)

    def settle(self, now_ns: int) -> None:
        """Spans without a name that have waited long enough."""
        for serial, (came_ns, source, row) in list(self._orphans.items()):
            known = self._spans.get((row.trace, row.parent))
            if known is None and now_ns - came_ns < ORPHAN_NS:
                continue
            del self._orphans[serial]
            only = list(self._traces.get(row.trace, {}).values())
            if known is None and len(only) == 1:
                known = only[0]
            if known is None:
                self.dropped += 1
            else:
                self._tell(known, source, row, now_ns)

    def _tell(self, known: Joined, source: str, row: Account, now_ns: int) -> None:
        if any(row == other for _, other in known.accounts):
            return  # a file that is read again, a batch that is sent again
        if len(known.accounts) >= MAX_ACCOUNTS:
            self.dropped += 1
            return
        known.accounts.append((source, row))
        if row.trace:
            self._spans[row.trace, row.span] = known
            self._traces.setdefault(row.trace, {})[known.serial] = known
            known = self._related(known, row)
        self._heard(known, now_ns)

    def _related(self, known: Joined, row: Account) -> Joined:
        """With its parent and its children, which may have other names: a span that is understood is of one request, and so are those below it."""
        others = self._awaited.pop((row.trace, row.span), [])
        parent = self._await(known, row)
        if parent is not None:
            others.append(parent)
        for other in others:
            if other is not known and other.serial in self._joined and not (known.views.keys() & other.views.keys()):
                known = self._merged(known, other)
        return known

    def _await(self, known: Joined, row: Account) -> Joined | None:
        """Whose span is the parent of its own; None if that is still to come."""
        parent = self._spans.get((row.trace, row.parent)) if row.parent else None
        if parent is None and row.parent:
            waiting = self._awaited.setdefault((row.trace, row.parent), [])
            if known not in waiting and len(waiting) < MAX_NAMES:
                waiting.append(known)
        return parent

    def _new(self, now_ns: int) -> Joined:
        self._serial += 1
        known = self._joined[self._serial] = Joined(self._serial, now_ns, now_ns)
        if len(self._joined) > MAX_REQUESTS:
            self._drop(self._joined.popitem(last=False)[1])
        return known

    def _heard(self, known: Joined, now_ns: int) -> None:
        known.heard_ns = max(known.heard_ns, now_ns)
        self._joined.move_to_end(known.serial)
        self._touch(known)

    def _touch(self, known: Joined) -> None:
        known.version += 1
        self.changed[known.serial] = known

    def _call(self, known: Joined, names: Iterable[str]) -> None:
        """It is called so, unless another one is too: then nobody is."""
        for name in names:
            other = self._index.get(name)
            if name in self._shared or other not in (known, None):
                self._share(name)
            elif not self._name(known, name):
                continue
            if len(known.names) < MAX_NAMES:
                known.names[name] = None

    def _name(self, known: Joined, name: str) -> bool:
        """Unless it has too many: what is found by it is forgotten with it."""
        if name not in known.names and len(known.names) >= MAX_NAMES:
            return False
        self._index[name] = known
        known.names[name] = None
        return True

    def _share(self, name: str) -> None:
        self._index.pop(name, None)
        self._shared[name] = None
        self._shared.move_to_end(name)
        if len(self._shared) > MAX_REQUESTS:
            self._shared.popitem(last=False)

    def _unite(self, known: Joined, names: Iterable[str]) -> Joined:
        """It is surely called so: whoever else is, is the same request."""
        for name in names:
            if name in self._shared:
                continue
            other = self._index.get(name)
            if other is None:
                self._name(known, name)
            elif other is not known and not (known.views.keys() & other.views.keys()):
                known = self._merged(known, other)
        return known

    def _merged(self, one: Joined, two: Joined) -> Joined:
        first, second = (one, two) if one.serial < two.serial else (two, one)
        for source, view in second.views.items():
            if self._views.get((source, view.request)) is second:
                self._views[source, view.request] = first
        first.views |= second.views
        second.views = {}
        first.heard_ns = max(first.heard_ns, second.heard_ns)
        first.since_ns = min(first.since_ns, second.since_ns)
        for name in second.names:
            if self._index.get(name) is second and not self._name(first, name):
                del self._index[name]
        self._forget_spans(second)
        for source, row in second.accounts:
            if len(first.accounts) >= MAX_ACCOUNTS:
                self.dropped += 1
                continue
            first.accounts.append((source, row))
            if row.trace:
                self._spans[row.trace, row.span] = first
                self._traces.setdefault(row.trace, {})[first.serial] = first
                self._await(first, row)
        self._joined.pop(second.serial, None)
        self.changed.pop(second.serial, None)
        self._touch(first)
        return first

    def _drop(self, known: Joined) -> None:
        for name in known.names:
            if self._index.get(name) is known:
                del self._index[name]
        for source, view in known.views.items():
            if self._views.get((source, view.request)) is known:  # another one may have its name by now
                del self._views[source, view.request]
        self._forget_spans(known)
        self.changed.pop(known.serial, None)

    def _forget_spans(self, known: Joined) -> None:
        for _, row in known.accounts:
            if self._spans.get((row.trace, row.span)) is known:
                del self._spans[row.trace, row.span]
            waiting = self._awaited.get((row.trace, row.parent), [])
            if known in waiting:
                waiting.remove(known)
                if not waiting:
                    del self._awaited[row.trace, row.parent]
            others = self._traces.get(row.trace, {})
            if others.pop(known.serial, None) is not None and not others:
                del self._traces[row.trace]


def _goes_on(one: Span, two: Span) -> bool:
    """Whether the second is the next piece of the same (of a prompt that is ingested piece by piece)."""
    return one.worker == two.worker and one.tier == two.tier and one.start_ns + one.duration_ns == two.start_ns


def _another(known: Joined, row: Account) -> bool:
    """Whether the same kind of record told of it by other names: a client's name was used again."""
    return any(
        other.teller == row.teller and other.names and set(other.names).isdisjoint(row.names)
        for _, other in known.accounts
    )
