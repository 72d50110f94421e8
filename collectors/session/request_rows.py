"""One request of the join as a row: what is said of it by whom, its phases with their bounds, and what contradicts what. Pure."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from collectors.model.batch import Inventory
from collectors.model.requests import DisagreementRow, FactRow, MigrationRow, PhaseRow, RequestRow, Says
from collectors.model.traces import Account, Instant, Stretch
from collectors.model.vocabulary import PROBE_ID, UNKNOWN_WORKER, About, Phase, Provenance
from collectors.session.naming import ANSWERS
from collectors.stats.joined import Joined, View, plain
from collectors.stats.offsets import ROUNDING_S, Offset
from collectors.stats.streams import UNSEEN
from collectors.stats.workers_said import Segments, apart, contradictions, language, moves, segments

MAX_ROWS: Final = 48
"""Of facts and of phases."""
_COMPARED: Final = (About.PROMPT_TOKENS, About.CACHED_TOKENS, About.OUTPUT_TOKENS, About.FINISH, About.PREFILL_WORKER)
_ENDS: Final = frozenset({"stop", "length"})
"""Reasons that everybody has a word for; beside them each has words of its own."""
ON_THE_WAY: Final = "between the observer and the server: over two clocks, whose offset is known within a bound"
HANDED_OVER: Final = "first to last token: the handover from the worker that made the first one is inside"


class Observer(NamedTuple):
    """A source of deliveries. `worker` names a row of its statistics."""

    name: str
    inventory: Inventory
    worker: Callable[[int], str]

    @property
    def clock(self) -> str:
        return self.inventory.clock_id or self.name

    @property
    def provenance(self) -> Provenance:
        return Provenance.MEASURED if self.inventory.measured else Provenance.REPORTED

    @property
    def teller(self) -> str:
        return f"{self.name}: {'arrivals' if self.inventory.measured else 'placement stream'}"

    def worker_of(self, slot: int | None) -> str:
        if slot is None or slot == UNKNOWN_WORKER:
            return ""
        return next((one.id for one in self.inventory.workers if one.slot == slot), "")

    def named_by(self, worker: str) -> str:
        return next((one.named_by for one in self.inventory.workers if one.id == worker), "")


Offsets = Callable[[str, str, float], Offset | None]
"""How far a clock is ahead of another, at a moment of that other one in seconds."""


def request_row(
    known: Joined, observers: dict[str, Observer], offsets: Offsets, *, emulated: bool, doubt: str = ""
) -> RequestRow:
    seen = [(observers[name], view) for name, view in known.views.items() if name in observers]
    # The first observer is the one in front: it had the request before the others.
    seen.sort(key=lambda one: (not one[0].inventory.measured, one[1].received_ns or 0))
    front = seen[0] if seen else None
    workers = dict(_workers(known, seen))
    said = {teller: one for teller, (one, _) in workers.items()}
    # Its tokens are not those that the others number.
    uncounted = {observer.teller for observer, view in seen if view.life is not None and view.life.uncounted}
    moved: dict[tuple[str, str | None, int], list[str]] = {}
    for teller, (one, taken) in workers.items():
        for move in moves(one, taken):
            moved.setdefault(move, []).append(teller)
    disagree = [
        DisagreementRow(
            About.DECODE_WORKER, tuple(Says(worker, tuple(tellers)) for worker, tellers in says.items()), token
        )
        for token, says in contradictions(
            {teller: one for teller, one in said.items() if len(one) == 1 or teller not in uncounted}
        )
    ]
    facts = tuple(_facts(known, seen, said))[:MAX_ROWS]
    disagree += _disagreements(facts, known)
    at = None
    if front is not None and front[1].received_ns is not None:
        at = (front[1].received_ns + front[0].inventory.clock_offset_ns) / 1e9
    names = tuple(known.names)
    return RequestRow(
        id=_shown(known) if front is None else front[1].request,
        names=names,
        at=at,
        heard_ns=known.heard_ns,
        live=any(view.finished is None and not view.lost for _, view in seen),
        sources=tuple(dict.fromkeys([*known.views, *(source for source, _ in known.accounts)])),
        emulated=emulated,
        facts=facts,
        phases=tuple(_phases(known, seen, offsets))[:MAX_ROWS],
        disagree=tuple(disagree),
        migrations=tuple(
            MigrationRow(*move, tuple(tellers), uncounted.issuperset(tellers)) for move, tellers in moved.items()
        ),
        doubt="" if moved else doubt,
        probe=any(name.startswith(PROBE_ID) for name in names),
    )


def teller_of(source: str, account: Account) -> str:
    return f"{source}: {account.teller}{f' of {account.engine}' if account.engine else ''}"


def _shown(known: Joined) -> str:
    """By the name that its observer has for it, else by the client's, else the server's."""
    for view in known.views.values():
        return view.request
    given = [name for _, account in known.accounts for name in account.given]
    return given[0] if given else next(iter(known.names), f"#{known.serial}")


def _workers(
    known: Joined, seen: Iterable[tuple[Observer, View]]
) -> Iterator[tuple[str, tuple[Segments, list[tuple[str, int]]]]]:
    """Who says where the output was made; an observer that is not told by anybody says nothing."""
    for observer, view in seen:
        if view.life is not None:
            named = {token: observer.worker(row) for token, row in _made(view).items()}
            if view.taken is not None and view.life.elsewhere:  # what was put elsewhere is not the observer's word
                named = {token: worker for token, worker in named.items() if token < view.taken.since}
                named = named or {0: view.taken.named}
            told = {token: worker for token, worker in named.items() if worker and observer.named_by(worker) != ANSWERS}
            if told:
                yield observer.teller, (told, [])
    by_teller: dict[str, list[Account]] = {}
    for source, account in known.accounts:
        by_teller.setdefault(teller_of(source, account), []).append(account)
    for teller, accounts in by_teller.items():
        said = segments(accounts)
        if said[0] or said[1]:
            yield teller, said


def _made(view: View) -> dict[int, int]:
    """From which token on by the worker of which row. A first token of another worker than the rest is a handover: whoever ingests a prompt may sample it, and
    decoding begins after it."""
    life = view.life
    if life is None or (view.finished is None and life.first_ns == life.last_ns):
        return {}  # of the first delivery alone it is not known yet which of the two its worker is
    if life.since == UNSEEN:
        return {0: life.first_row}
    if life.since <= 1:
        return {life.since: life.row}
    before = {0: life.first_row} if life.before_row == life.first_row else {life.since - 1: life.before_row}
    return {**before, life.since: life.row}


def _facts(known: Joined, seen: Iterable[tuple[Observer, View]], workers: dict[str, Segments]) -> Iterator[FactRow]:
    told: dict[tuple[About, str | int, int, Provenance], list[str]] = {}

    def say(about: About, value: str | int | None, teller: str, provenance: Provenance, token: int = 0) -> None:
        if value not in (None, ""):
            tellers = told.setdefault((about, value, token, provenance), [])
            if teller not in tellers:
                tellers.append(teller)

    for observer, view in seen:
        teller, measured = observer.teller, observer.provenance
        say(About.MODEL, view.model, teller, Provenance.REPORTED)
        say(About.PROMPT_TOKENS, view.prompt_tokens, teller, Provenance.REPORTED)
        for span in view.spans:
            if span.phase is Phase.PREFILL:
                say(About.PREFILL_WORKER, observer.worker_of(span.worker), teller, Provenance.REPORTED)
        if view.finished is not None:
            say(About.OUTPUT_TOKENS, view.finished.output_tokens, teller, Provenance.REPORTED)
            say(About.FINISH, view.finished.reason, teller, measured)
    for source, account in known.accounts:
        teller = teller_of(source, account)
        for one in account.statements:
            if one.about is not About.DECODE_WORKER:
                say(one.about, one.value, teller, Provenance.REPORTED)
    for teller, said in workers.items():
        for token, worker in said.items():
            say(About.DECODE_WORKER, worker, teller, Provenance.REPORTED, token)
    order = list(About)
    for (about, value, token, provenance), tellers in sorted(
        told.items(), key=lambda one: (order.index(one[0][0]), one[0][2])
    ):
        yield FactRow(about, value, tuple(tellers), provenance, token)


def _disagreements(facts: Iterable[FactRow], known: Joined) -> Iterator[DisagreementRow]:
    """Of all that is said of the request as a whole. What one of several engines counts is that engine's."""
    engines = {account.engine for _, account in known.accounts if account.engine}
    theirs = (
        {teller_of(source, account) for source, account in known.accounts if account.engine}
        if len(engines) > 1
        else set()
    )
    for about in _COMPARED:
        by_language: dict[int, dict[str | int, list[str]]] = {}
        spoken: set[str] = set()
        for fact in facts:
            if fact.about is not about or (about is About.FINISH and fact.value not in _ENDS):
                continue
            # A teller that says two things at two times (a second prefill after a move) contradicts nobody by the second.
            tellers = [one for one in fact.tellers if one not in theirs and one not in spoken]
            spoken.update(tellers)
            if tellers:
                # Whose names for workers differ contradict nobody by them.
                spoken_in = language(str(fact.value)) if about is About.PREFILL_WORKER else 0
                by_language.setdefault(spoken_in, {}).setdefault(fact.value, []).extend(tellers)
        for says in by_language.values():
            if len(says) > 1 and (about is not About.PREFILL_WORKER or apart([str(value) for value in says])):
                yield DisagreementRow(about, tuple(Says(value, tuple(tellers)) for value, tellers in says.items()))


def _phases(known: Joined, seen: list[tuple[Observer, View]], offsets: Offsets) -> Iterator[PhaseRow]:
    front = seen[0] if seen else None
    for observer, view in seen:
        yield from _viewed(observer, view, front, offsets)
    on_the_way: set[str] = set()
    for source, account in known.accounts:
        teller = teller_of(source, account)
        offset = None
        if front is not None and front[1].received_ns is not None:
            offset = offsets(front[0].clock, account.clock, front[1].received_ns / 1e9)
        for one in account.stretches:
            yield _stretch(one, account, teller, front, offset)
        if front is not None and offset is not None and behind(front[1], account) and account.clock not in on_the_way:
            way = list(_way(front, account, teller, offset))
            if way:
                on_the_way.add(account.clock)
            yield from way


def behind(view: View, account: Account) -> bool:
    """Whether the teller stands behind the observer: the answer that was observed had its name."""
    return any(plain(name) in view.learnt for name in account.names)


def _viewed(
    observer: Observer, view: View, front: tuple[Observer, View] | None, offsets: Offsets
) -> Iterator[PhaseRow]:
    begin, life = view.received_ns, view.life
    shift: tuple[float, float] | None = (0.0, 0.0)
    if front is not None and front[1] is not view:
        shift = None
        if begin is not None and front[1].received_ns is not None and observer.clock == front[0].clock:
            shift = ((begin - front[1].received_ns) / 1e9,) * 2

    def row(
        phase: Phase,
        start_ns: int,
        duration_ns: int,
        worker: str = "",
        provenance: Provenance = observer.provenance,
        formula: str = "",
    ) -> PhaseRow:
        length = duration_ns / 1e9
        start = None
        if shift is not None and begin is not None:
            start = shift[0] + (start_ns - begin) / 1e9, shift[1] + (start_ns - begin) / 1e9
        return PhaseRow(
            phase,
            observer.teller,
            provenance,
            (length, length),
            start,
            worker,
            formula,
            negative=length < 0,
        )

    if begin is not None and view.finished is not None:
        yield row(Phase.REQUEST, begin, view.finished.time_ns - begin)
    if life is not None and not life.whole:
        if begin is not None:
            yield row(Phase.FIRST_TOKEN, begin, life.first_ns - begin)
        # Whoever tells of its decoding knows best, once it has told all.
        told = view.finished is not None and any(span.phase is Phase.DECODE for span in view.spans)
        if life.last_ns > life.first_ns and not told:
            handed = life.since not in (UNSEEN, 0) and life.since <= 1
            how = (Provenance.DERIVED, HANDED_OVER) if handed else (observer.provenance, "")
            yield row(Phase.DECODE, life.first_ns, life.last_ns - life.first_ns, observer.worker(life.row), *how)
    for span in view.spans:
        if span.phase not in view.cut:
            worker = observer.worker_of(span.worker)
            yield row(span.phase, span.start_ns, span.duration_ns, worker, Provenance.REPORTED)


def _stretch(
    one: Stretch, account: Account, teller: str, front: tuple[Observer, View] | None, offset: Offset | None
) -> PhaseRow:
    length = one.duration_ns / 1e9
    start = None
    if one.start is not None:
        if front is not None and front[1].received_ns is not None:
            start = None if offset is None else _since(one.start, front[1].received_ns, offset)
        elif front is None and account.received is not None:
            # Both were cut to the same millisecond: between them nothing is open.
            low = (one.start.earliest_ns - account.received.earliest_ns) / 1e9
            high = (one.start.latest_ns - account.received.latest_ns) / 1e9
            start = min(low, high), max(low, high)
    provenance = Provenance.DERIVED if one.formula else Provenance.REPORTED
    return PhaseRow(
        one.phase, teller, provenance, (length, length), start, one.worker, one.formula, negative=length < 0
    )


def _way(front: tuple[Observer, View], account: Account, teller: str, offset: Offset) -> Iterator[PhaseRow]:
    observer, view = front
    clocks = observer.clock, account.clock

    def row(phase: Phase, duration: tuple[float, float], start: tuple[float, float]) -> PhaseRow:
        return PhaseRow(
            phase,
            f"{observer.teller} and {teller}",
            Provenance.DERIVED,
            duration,
            start,
            "",
            ON_THE_WAY,
            clocks,
            duration[1] < 0,
        )

    assert view.received_ns is not None
    if account.received is not None:
        yield row(Phase.TO_SERVER, _since(account.received, view.received_ns, offset), (0.0, 0.0))
    if account.spoke is not None and view.life is not None and not view.life.whole:
        spoke = _since(account.spoke, view.received_ns, offset)
        first = (view.life.first_ns - view.received_ns) / 1e9
        yield row(Phase.FROM_SERVER, (first - spoke[1], first - spoke[0]), spoke)


def _since(there: Instant, here_ns: int, offset: Offset) -> tuple[float, float]:
    """Seconds from a moment of our clock to one of the other clock."""
    low = (there.earliest_ns - here_ns) / 1e9 - offset.high_s - ROUNDING_S
    return low, (there.latest_ns - here_ns) / 1e9 - offset.low_s + ROUNDING_S
