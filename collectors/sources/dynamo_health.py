"""A Dynamo front end's list of its workers (`GET /health`) and whether its models can be used (`GET /v1/models/<m>/ready`).

Each worker listed is a source of its own, `id via front end`, that says its role and device and ends when it is no longer listed. Pages of
metrics are not listed; where workers have them, their hosts may be tried at ports that the user names.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import msgspec

from collectors.backends.dynamo_workers import InventoryError, hosts, inventory
from collectors.model.batch import Batch, Inventory, Status, WorkerInfo
from collectors.model.signals import WorkerFacts
from collectors.model.vocabulary import Listing, TargetStatus
from collectors.sources.children import GONE, Children
from collectors.sources.introduction import models_at
from collectors.sources.scrape import MAX_BACKOFF_S
from collectors.sources.settings import TargetSettings
from collectors.sources.source import Clock, Emit, Source
from collectors.sources.target import PAGE_PATH, Places, Target, parse_target
from collectors.wire.access import Token
from collectors.wire.http import JSON_TYPES, Backoff, FetchError, HttpClient
from collectors.wire.safe import safe_text

ASK_S: Final = 5.0
MAX_MODELS: Final = 32
MAX_PAGES: Final = 1_024
MAX_WARNING: Final = 200
WATCHED: Final = "watched as a target of its own"
_UNAVAILABLE: Final = 503

Begin = Callable[[str, Target, HttpClient, TargetSettings], Source]
"""Makes the source, of that name, of a host of which only the address is known."""


class DynamoHealth:
    """Of the front end `name` at `origin`."""

    def __init__(
        self,
        name: str,
        origin: str,
        client: HttpClient,
        settings: TargetSettings,
        begin: Begin,
        named: Places,
        ask_s: float = ASK_S,
    ) -> None:
        self.name = f"{name} health"
        self._frontend = name
        self._origin = origin
        self._client = client
        self._ports = settings.worker_ports
        # The token is for the front end: hosts that it names are not to have it.
        self._own = msgspec.structs.replace(settings.access, token=Token()).client() if settings.access.token else None
        # What the user says of the front end is not said of them.
        self._listed_settings = msgspec.structs.replace(
            settings, sole_reader=False, kv_endpoint=None, worker_ports=(), trace_from_start=False
        )
        self._begin = begin
        self._named = named
        self._ask_s = ask_s
        self._due_ns = 0
        self._backoff = Backoff(self.name, ask_s, MAX_BACKOFF_S)
        self._listed: dict[str, WorkerFacts] = {}
        self._pages = Children()

    async def run(self, clock: Clock, emit: Emit) -> None:
        async with self._pages.running(clock, emit):
            while True:
                if await self._look(clock.now_ns, emit):
                    self._backoff.reset()
                    await asyncio.sleep(self._ask_s)
                else:
                    await asyncio.sleep(self._backoff.next_s())

    async def step(self, until_ns: int, emit: Emit) -> None:
        if until_ns >= self._due_ns:
            self._due_ns = until_ns + round(self._ask_s * 1e9)
            await self._look(lambda: until_ns - 1, emit)
        await self._pages.step(until_ns, emit)

    async def close(self) -> None:
        await self._pages.close()
        if self._own is not None:
            await self._own.close()

    async def _look(self, now_ns: Callable[[], int], emit: Emit) -> bool:
        """Whether it was told what there is."""
        try:
            raw = await self._client.get(
                f"{self._origin}/health",
                accept="application/json",
                kinds=JSON_TYPES,
                told=frozenset({_UNAVAILABLE}),  # without a worker it says that it is not healthy, and whom it knows
            )
            body = msgspec.json.decode(raw)
            workers = inventory(body)
            most = self._client.limits.max_workers
            left_out = f"{len(workers) - most} workers left out: too many" if len(workers) > most else ""
            workers = workers[:most]
            warning = "; ".join(filter(None, (left_out, await self._not_ready())))
        except FetchError as error:
            self._lost(error.status, error.reason, now_ns(), emit)
            return False
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InventoryError) as error:
            self._lost(TargetStatus.REJECTED, f"health: {error}", now_ns(), emit)
            return False
        self._tell(now_ns(), emit, TargetStatus.UP, warning=warning)
        await self._follow_pages(hosts(body), now_ns, emit)
        listed = {worker.id: worker for worker in workers}
        for id_ in self._listed:
            if id_ not in listed:
                emit(self._of(id_, now_ns(), TargetStatus.GONE, GONE))
        for worker in workers:
            known = Inventory((WorkerInfo(0, worker.id, role=worker.role, device=worker.device),))
            emit(self._of(worker.id, now_ns(), TargetStatus.UP, "", known))
        self._listed = listed
        return True

    async def _not_ready(self) -> str:
        """Which models cannot be used; nothing where it does not say."""
        try:
            listed = await models_at(self._origin, self._client)
            names = [model.id for model in listed if model.id][:MAX_MODELS]
        except FetchError:
            return ""
        waiting = []
        for name in names:
            url = f"{self._origin}/v1/models/{quote(name, safe='')}/ready"
            try:
                await self._client.get(url, accept="application/json")
            except FetchError as error:
                if error.http == _UNAVAILABLE:
                    waiting.append(name)
        return safe_text(f"not ready: {', '.join(waiting)}", MAX_WARNING) if waiting else ""

    async def _follow_pages(self, found: tuple[str, ...], now_ns: Callable[[], int], emit: Emit) -> None:
        addresses = [f"{host}:{port}" for host in found for port in self._ports][:MAX_PAGES]
        pages = {address: parse_target(f"http://{address}{PAGE_PATH}") for address in addresses}
        # One host may be listed in several words.
        first = {page.places: address for address, page in reversed(pages.items())}
        wanted = {address: pages[address] for address in first.values() if pages[address] not in self._named}
        for key in self._pages.keys:
            if key not in wanted:
                await self._pages.end(key, now_ns(), emit, WATCHED if key in pages else GONE)
        for address, page in reversed(wanted.items()):
            if address not in self._pages:
                client = self._own or self._client
                self._pages.begin(address, self._begin(address, page, client, self._listed_settings))

    def _lost(self, status: TargetStatus, reason: str, time_ns: int, emit: Emit) -> None:
        self._tell(time_ns, emit, status, reason)
        for id_ in self._listed:
            emit(self._of(id_, time_ns, TargetStatus.STALE, "the front end does not say"))

    def _tell(self, time_ns: int, emit: Emit, status: TargetStatus, reason: str = "", warning: str = "") -> None:
        url = safe_text(f"{self._origin}/health")
        said = Status(url, Listing.DYNAMO, status, safe_text(reason, MAX_WARNING), warning)
        emit(Batch(self.name, time_ns, (said,)))

    def _of(self, id_: str, time_ns: int, status: TargetStatus, reason: str, *parts: Inventory) -> Batch:
        said = Status(safe_text(f"{self._origin}/health"), "dynamo", status, reason)
        return Batch(f"{id_.removesuffix('/0')} via {self._frontend}", time_ns, (said, *parts))
