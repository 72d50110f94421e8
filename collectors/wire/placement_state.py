"""What a reader of the placement stream has to remember: the slots that were named and the requests that live. Turns messages into model parts.

Columns are `placement_columns`' work; bytes are the decoders'. Memory is bounded by the limits of the format.
"""

from collections import deque

import numpy as np

from collectors.model.batch import (
    Admitted,
    Candidate,
    Decision,
    Decisions,
    Finished,
    Inventory,
    Part,
    Phases,
    PoolInfo,
    Received,
    Requests,
    Span,
    Watermark,
    WorkerInfo,
)
from collectors.model.vocabulary import UNKNOWN_WORKER, Device, Phase, Role, Tier
from collectors.wire.placement_format import MAX_NAME, MAX_SLOT, MAX_STREAMS, VERSION, MessageError, unsupported
from collectors.wire.placement_messages import (
    AdmittedRow,
    DecisionRow,
    DecisionsMessage,
    FinishedRow,
    Hello,
    PhaseRow,
    PoolEntry,
    ReceivedRow,
    RequestRow,
    RequestsMessage,
    RowMessage,
    WatermarkMessage,
    WorkerEntry,
)
from collectors.wire.placement_numbers import Numbers
from collectors.wire.safe import safe_text

_ROLES = {role.value: role for role in Role}
_DEVICES = {device.value: device for device in Device}
_TIERS = {tier.value: tier for tier in Tier}
_PHASES = {phase.value: phase for phase in Phase}


def text(raw: str | None) -> str:
    """A name made safe; empty where there is none."""
    if raw is None:
        return ""
    if len(raw) > MAX_NAME or (not raw.isascii() and len(raw.encode()) > MAX_NAME):
        raise MessageError(f"a name of more than {MAX_NAME} bytes: {safe_text(raw, 32)}")
    return safe_text(raw, MAX_NAME)


def identity(raw: str) -> str:
    """A name that something must be known by: safe, and not empty."""
    safe = text(raw)
    if not safe:
        raise MessageError("an id without a visible character")
    return safe


class Streams:
    """The living requests by the number that deliveries name them by; gives numbers, from the top of the range, where the producer gives none."""

    def __init__(self) -> None:
        self._live: dict[str, int] = {}
        self._taken: set[int] = set()
        self._numbered: bool | None = None
        self._unused = MAX_STREAMS - 1
        self._freed: deque[int] = deque()

    def begin(self, request: str, stream: int | None) -> int:
        if request in self._live:
            raise MessageError(f"request {request} is received twice")
        if len(self._live) >= MAX_STREAMS:
            raise MessageError(f"more than {MAX_STREAMS} requests live: is `finished` missing?")
        numbered = stream is not None
        if self._numbered is None:
            self._numbered = numbered
        if self._numbered != numbered:
            raise MessageError(f"request {request}: either all requests have a stream number or none")
        if stream is None:
            stream = self._next()
        elif stream in self._taken:
            raise MessageError(f"stream {stream} is given to request {request} while another that has it lives")
        self._live[request] = stream
        self._taken.add(stream)
        return stream

    def end(self, request: str) -> None:
        stream = self._live.pop(request, None)
        if stream is not None:
            self._taken.discard(stream)
            if not self._numbered:
                self._freed.append(stream)

    def numbers(self, requests: list[str]) -> list[int]:
        """The stream numbers of living requests, by their ids as they came."""
        live = self._live
        try:
            return [live[request] for request in requests]
        except KeyError:
            return [self._number(request) for request in requests]

    def _number(self, raw: str) -> int:
        request = identity(raw)
        if request not in self._live:
            raise MessageError(f"delivery of request {request}, which was not received or has finished")
        return self._live[request]

    def _next(self) -> int:
        """A number that no living request has. Numbers come back in the order in which they were freed, as late as can be."""
        if self._unused < 0:
            return self._freed.popleft()
        self._unused -= 1
        return self._unused + 1


class State:
    """One connection's, or that of several of which each went on where the last one ended. `hello` is the last handshake, None before a connection's first."""

    def __init__(self) -> None:
        self.hello: Hello | None = None
        self.numbers = Numbers()
        self._forget()

    def _forget(self) -> None:
        self.streams = Streams()
        self.workers = np.zeros(MAX_SLOT + 1, np.bool_)
        """By slot: has a `hello` named it? The slot that means "not known" counts as named."""
        self.workers[UNKNOWN_WORKER] = True
        self.pools = np.zeros(MAX_SLOT + 1, np.bool_)
        self._worker_ids: dict[int, str] = {}
        self._pool_keys: dict[int, tuple[Tier, str]] = {}

    def disconnect(self) -> None:
        """The next `hello` says whether the stream goes on, or begins anew."""
        self.hello = None
        self.numbers.disconnect()

    def greeted(self) -> None:
        if self.hello is None:
            raise MessageError("the stream does not begin with a hello")

    def inventory(self, message: Hello) -> Inventory:
        """The clock offset is left 0: it is for whoever knows the session's time."""
        if message.version != VERSION:
            raise MessageError(unsupported(message.version))
        resumed = False
        if self.hello is not None:
            self.numbers.go_on(message.epoch)
        elif not (resumed := self.numbers.begin(message.epoch, message.resumed_after)):
            self._forget()
        workers = tuple(self._worker(entry) for entry in message.workers)
        _distinct("worker slot", [worker.slot for worker in workers])
        _distinct("worker id", [worker.id for worker in workers])
        _distinct("pool slot", [entry.slot for entry in message.pools])
        pools = tuple(self._pool(entry) for entry in message.pools)
        clock_id = text(message.clock.id)
        self.hello = message
        return Inventory(workers, pools, message.emulated, clock_id, measured=message.measured, resumed=resumed)

    def parts(self, message: RowMessage) -> list[Part]:
        """What the message says; nothing where it has no rows."""
        if isinstance(message, WatermarkMessage):
            return [Watermark(message.time_ns, self.numbers.mark(message.seq))]
        if not message.rows:
            return []
        if isinstance(message, RequestsMessage):
            return [Requests(tuple([self._request(row) for row in message.rows]))]
        if isinstance(message, DecisionsMessage):
            return [Decisions(tuple([self._decision(row) for row in message.rows]))]
        return [Phases(tuple([self._span(row) for row in message.rows]))]

    def _worker(self, entry: WorkerEntry) -> WorkerInfo:
        name = identity(entry.id)
        if self._worker_ids.setdefault(entry.slot, name) != name:
            raise MessageError(f"worker slot {entry.slot} was {self._worker_ids[entry.slot]} and is now {name}")
        self.workers[entry.slot] = True
        return WorkerInfo(
            slot=entry.slot,
            id=name,
            role=_ROLES.get(entry.role or "", Role.UNKNOWN),
            device=_DEVICES.get(entry.device or "", Device.UNKNOWN),
            chip=text(entry.chip),
            chips=entry.chips or 0,
            model=text(entry.model),
            named_by=text(entry.named_by),
        )

    def _pool(self, entry: PoolEntry) -> PoolInfo:
        key = (_TIERS.get(entry.tier, Tier.UNKNOWN), identity(entry.owner))
        if self._pool_keys.setdefault(entry.slot, key) != key:
            raise MessageError(
                f"pool slot {entry.slot} was {' of '.join(self._pool_keys[entry.slot])} and is now {' of '.join(key)}"
            )
        if entry.worker is not None and not self.workers[entry.worker]:
            raise MessageError(f"pool slot {entry.slot}: worker slot {entry.worker} is not named in a hello")
        self.pools[entry.slot] = True
        return PoolInfo(entry.slot, *key, entry.worker, entry.capacity_bytes)

    def _request(self, row: RequestRow) -> Received | Admitted | Finished:
        request = identity(row.request)
        if isinstance(row, ReceivedRow):
            return Received(
                time_ns=row.time_ns,
                request=request,
                stream=self.streams.begin(request, row.stream),
                model=text(row.model),
                prompt_tokens=row.prompt_tokens,
                labels=tuple([text(label) for label in row.labels]),
                workflow=text(row.workflow),
            )
        if isinstance(row, FinishedRow):
            self.streams.end(request)
            names = tuple(filter(None, map(text, row.names)))
            return Finished(row.time_ns, request, text(row.reason), row.output_tokens, names)
        return self._admitted(request, row)

    def _admitted(self, request: str, row: AdmittedRow) -> Admitted:
        for pool, _ in row.hits:
            if not self.pools[pool]:
                raise MessageError(f"pool slot {pool} is not named in a hello")
        worker = self._worker_slot(row.worker)
        return Admitted(row.time_ns, request, worker, row.computed_tokens, tuple(row.hits), row.again)

    def _decision(self, row: DecisionRow) -> Decision:
        return Decision(
            time_ns=row.time_ns,
            request=identity(row.request),
            rule=text(row.rule),
            chosen=self._worker_slot(row.chosen),
            candidates=tuple(
                [
                    Candidate(
                        worker=self._worker_slot(entry.worker),
                        score=entry.score,
                        terms={text(term): value for term, value in entry.terms.items()},
                        prefill=None if entry.prefill is None else self._worker_slot(entry.prefill),
                        cached_tokens=entry.cached_tokens,
                    )
                    for entry in row.candidates
                ]
            ),
            labels=tuple([text(label) for label in row.labels]),
            margin=row.margin,
            tie=row.tie,
            headroom_s=row.headroom_s,
        )

    def _span(self, row: PhaseRow) -> Span:
        return Span(
            request=identity(row.request),
            phase=_PHASES.get(row.phase, Phase.UNKNOWN),
            start_ns=row.start_ns,
            duration_ns=row.duration_ns,
            worker=None if row.worker in (None, -1) else self._worker_slot(row.worker),
            tier=_TIERS.get(row.tier or "", Tier.UNKNOWN),
            tokens=row.tokens,
            bytes=row.bytes,
        )

    def _worker_slot(self, slot: int) -> int:
        if slot == -1:
            return UNKNOWN_WORKER
        if not self.workers[slot]:
            raise MessageError(f"worker slot {slot} is not named in a hello")
        return slot


def _distinct(what: str, values: list[int] | list[str]) -> None:
    if len(set(values)) < len(values):
        repeated = next(value for value in values if values.count(value) > 1)  # type: ignore[arg-type]
        raise MessageError(f"{what} {repeated} is given twice in a hello")
