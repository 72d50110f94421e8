"""A page of metrics, fetched again and again: what the back end's mapping makes of it, or why there is nothing.

One request at a time; a slot that is missed is missed. What a name means is decided in `collectors.backends`.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from zlib import crc32

import msgspec

from collectors.backends import registry
from collectors.backends.mapping import Backend, Mapping, MappingError, bounded
from collectors.backends.registry import UnknownBackendError
from collectors.model.batch import Batch, Inventory, Layout, Part, Samples, Status, WorkerInfo
from collectors.model.signals import WorkerFacts
from collectors.model.vocabulary import Role, TargetStatus
from collectors.sources.source import Clock, Emit
from collectors.wire.exposition import ExpositionError, PageReader
from collectors.wire.http import Backoff, FetchError, HttpClient
from collectors.wire.safe import safe_text, shown_url

MAX_BACKOFF_S: Final = 30.0
"""After what costs something: deadlines that run out here, or work that a struggling target does for nothing."""
REFUSED_BACKOFF_S: Final = 5.0
"""Where nobody listens. That is one packet and its answer, the target does nothing for it, and who restarts an engine wants to see it back; its counters are also lost for as long as it is not read."""
GRAIN_NS: Final = 50_000_000
"""How far apart slots are: waking up for each of 64 targets alone cost a third more CPU than reading several at once; of more than these, too many would keep the event loop."""
BIG_PAGE: Final = 1 << 20
"""Bytes. Reading a larger page takes so long that it is done beside the event loop, not in it."""


class Fault(msgspec.Struct, frozen=True):
    """Why a scrape gave no samples. `elsewhere`: the host answers, but the page is not there, or is of nothing that we know."""

    reason: str
    status: TargetStatus
    elsewhere: bool = False
    limit: str = ""
    """Which one it is over."""
    refused: bool = False

    @property
    def longest_s(self) -> float:
        """How long to wait at most before the next try."""
        return REFUSED_BACKOFF_S if self.refused else MAX_BACKOFF_S


def fault_of(error: FetchError) -> Fault:
    return Fault(
        error.reason, error.status, elsewhere=error.http in (404, 501), limit=error.limit, refused=error.refused
    )


class ScrapeSource:
    """Scrapes `url` every `interval_s`, at a moment of the interval that its name decides, or once a step.

    `backend` fixes what the page has to be; otherwise the page decides. Workers that have no id of their own are `name/engine`.
    """

    def __init__(
        self, name: str, url: str, client: HttpClient, interval_s: float = 1.0, backend: Backend | None = None
    ) -> None:
        self.name = name
        self._url = url
        self._shown_url = shown_url(url)
        self._client = client
        self._interval_s = interval_s
        self._interval_ns = round(interval_s * 1e9)
        self._phase_ns = phase_of(name, self._interval_ns)
        self._backoff = Backoff(name, interval_s, MAX_BACKOFF_S)
        self._asked = backend
        self._reader = PageReader(client.limits)
        self._backend_name = backend.name if backend else ""
        self._mapping: Mapping | None = None
        self._told_workers: tuple[object, ...] | None = None
        self._told_series: int | None = None
        """Mark of what was told: as long as the page it is too long to be kept."""
        self._counts_itself = False
        self._warning = ""
        self.life = 0
        """How often the page came: the first time, and after each time that it was away."""
        self.answering = False
        self._unbroken = False
        """Whether the scrape before this one was a success."""
        self._tried = False

    @property
    def offers_placement(self) -> bool:
        """Whether the page last read says that its host has a placement stream as well."""
        return self._mapping is not None and self._mapping.offers_placement

    @property
    def backend(self) -> str:
        """Whose page it is; empty as long as that is not known."""
        return self._backend_name

    @property
    def workers(self) -> tuple[WorkerFacts, ...]:
        """Those that the page last read speaks of."""
        return () if self._mapping is None else self._mapping.workers

    @property
    def is_router(self) -> bool:
        """Whether the page last read is of a front end, or of a router, whatever workers it speaks of."""
        return self._mapping is not None and any(one.role is Role.ROUTER for one in self._mapping.workers)

    async def run(self, clock: Clock, emit: Emit) -> None:
        """Until cancelled. Begins at once, unless an `attempt` has been made before."""
        wait_s = self._until_slot_s(clock) if self._tried else 0.0
        while True:
            await asyncio.sleep(wait_s)
            fault = await self.attempt(clock.now_ns, emit)
            if fault is None:
                self._backoff.reset()
                wait_s = self._until_slot_s(clock)
            else:
                self.tell(fault, clock.now_ns(), emit)
                wait_s = self._backoff.next_s(fault.longest_s)

    async def step(self, until_ns: int, emit: Emit) -> None:
        """One scrape, whatever the interval, at the last nanosecond before `until_ns`."""
        fault = await self.attempt(lambda: until_ns - 1, emit)
        if fault is not None:
            self.tell(fault, until_ns - 1, emit)

    async def close(self) -> None:
        """The client belongs to whoever made it."""

    async def attempt(self, now_ns: Callable[[], int], emit: Emit) -> Fault | None:
        """One scrape. Emits what came, timed when the response was complete; a fault is returned and not emitted."""
        self._tried = True
        unbroken, self._unbroken = self._unbroken, False
        try:
            body = await self._client.get(self._url)
            time_ns = now_ns()
            big = len(body) > BIG_PAGE
            mapping = await asyncio.to_thread(self._understand, body) if big else self._understand(body)
        except FetchError as error:
            return fault_of(error)
        except ExpositionError as error:
            return Fault(f"not prometheus text: {error}", TargetStatus.REJECTED, limit=error.limit)
        except UnknownBackendError as error:
            return Fault(str(error), TargetStatus.REJECTED, elsewhere=True)
        except MappingError as error:
            return Fault(str(error), TargetStatus.REJECTED, limit=error.limit)
        self._unbroken = self.answering = True
        self.life += not unbroken
        emit(Batch(source=self.name, time_ns=time_ns, parts=self._parts(mapping, unbroken)))
        return None

    def tell(self, fault: Fault, time_ns: int, emit: Emit) -> None:
        """Emits the fault as the target's status."""
        self.answering = False
        emit(Batch(source=self.name, time_ns=time_ns, parts=(self._status(fault.status, fault.reason, fault.limit),)))

    def _until_slot_s(self, clock: Clock) -> float:
        now_ns = clock.now_ns()
        return (next_slot_ns(now_ns, self._interval_ns, self._phase_ns) - now_ns) / 1e9

    def _understand(self, body: bytes) -> Mapping:
        """Meaning of the page, which is now the reader's; made anew when its layout changed.

        Raises ExpositionError, UnknownBackendError, MappingError.
        """
        if self._mapping is None:
            # A reader that has learnt a page of which nothing is wanted would not notice when another comes.
            self._reader = PageReader(self._client.limits, self._asked.wanted if self._asked else registry.noticed)
        if self._reader.read(body) or self._mapping is None:
            self._mapping = None
            families = {*self._reader.families, *(key.family for key in self._reader.keys)}
            backend = self._asked or registry.recognise(families)
            if not backend.detect(families):
                raise UnknownBackendError(f"not a page of {backend.name}")
            self._mapping = bounded(backend.map(self._reader.keys, self.name), self._client.limits)
            self._backend_name, self._counts_itself = backend.name, backend.counts_itself
            left_out = "" if self._asked else ", ".join(registry.beside(backend, families))
            self._warning = f"left out: what the page has of {left_out}" if left_out else ""
        return self._mapping

    def _parts(self, mapping: Mapping, unbroken: bool) -> tuple[Part, ...]:
        workers = mapping.emulated, *mapping.workers, *mapping.devices
        parts: list[Part] = [self._status(TargetStatus.UP)]
        if workers != self._told_workers:
            self._told_workers = workers
            parts.append(inventory_of(mapping))
        if mapping.series or self._told_series is None:
            series = hash(mapping.series)
            if series != self._told_series:
                self._told_series = series
                parts.append(Layout(mapping.series, unbroken and self._counts_itself, self._interval_s))
            self._mapping = msgspec.structs.replace(mapping, series=())
        values = mapping.apply(self._reader.values)
        values.setflags(write=False)
        parts.append(Samples(values))
        return tuple(parts)

    def _status(self, status: TargetStatus, reason: str = "", limit: str = "") -> Status:
        return Status(self._shown_url, self._backend_name, status, safe_text(reason), self._warning, limit=limit)


def phase_of(name: str, interval_ns: int) -> int:
    """Where in an interval the slots of `name` are: on a grid, so that targets share them, and never where Frames are made."""
    return crc32(name.encode()) % interval_ns // GRAIN_NS * GRAIN_NS + GRAIN_NS // 2


def next_slot_ns(now_ns: int, interval_ns: int, phase_ns: int) -> int:
    """The first moment that is `phase_ns` into an interval and at least half an interval away."""
    earliest_ns = now_ns + interval_ns // 2
    return earliest_ns + (phase_ns - earliest_ns) % interval_ns


def inventory_of(mapping: Mapping) -> Inventory:
    """The workers and devices that a page speaks of."""
    return Inventory(
        workers=tuple(
            WorkerInfo(
                slot=slot, id=one.id, role=one.role, device=one.device, chip=one.chip, chips=one.chips, model=one.model
            )
            for slot, one in enumerate(mapping.workers)
        ),
        emulated=mapping.emulated,
        devices=mapping.devices,
    )
