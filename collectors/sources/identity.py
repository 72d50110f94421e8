"""What a server says of itself beside its page: the model and the chips of its workers, where the page does not tell.

Asked once, when the page is there, and again when it comes back after it was away: whoever answers then may be another. Figures are not read here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from collectors.backends import registry
from collectors.backends.reach import Ask, Fact
from collectors.model.batch import Batch, Inventory, Status, WorkerInfo
from collectors.model.signals import WorkerFacts
from collectors.model.vocabulary import Device, Role, TargetStatus
from collectors.sources.introduction import models_at
from collectors.sources.scrape import ScrapeSource
from collectors.sources.source import Clock, Emit
from collectors.wire.http import JSON_TYPES, FetchError, HttpClient
from collectors.wire.models import MODELS_PATH
from collectors.wire.safe import safe_text

LOOK_S: Final = 5.0
"""Between two looks whether the page was away."""
MAX_TRIES: Final = 3
"""While the server is too slow, or not reached, after each coming of the page."""
_MAX_TEXT: Final = 120
_GPUS: Final = ("NVIDIA", "Tesla", "AMD")
"""How the names of GPUs begin (`torch.cuda.get_device_name`)."""


class Identity:
    """Of the server of `page` at `origin`. Says nothing where there is nothing more to be known."""

    def __init__(self, page: ScrapeSource, origin: str, client: HttpClient) -> None:
        self.name = f"{page.name} identity"
        self._page = page
        self._origin = origin
        self._client = client
        self._life = 0
        """Of the page when it was last asked."""
        self._tries = 0
        self._up: Status | None = None

    async def run(self, clock: Clock, emit: Emit) -> None:
        """Until cancelled."""
        while True:
            await self._look(clock.now_ns, emit)
            await asyncio.sleep(LOOK_S)

    async def step(self, until_ns: int, emit: Emit) -> None:
        await self._look(lambda: until_ns - 1, emit)

    async def close(self) -> None:
        """The client belongs to whoever made it."""

    async def _look(self, now_ns: Callable[[], int], emit: Emit) -> None:
        if not self._page.answering:
            if self._up is not None:
                stale = Status(self._up.url, self._up.backend, TargetStatus.STALE, "its page does not answer")
                emit(Batch(self.name, now_ns(), (stale,)))
                self._up = None
            return
        workers = self._page.workers
        if self._page.life == self._life or not workers:
            return
        life = self._page.life
        try:
            found, told_by = await self._asked(workers)
        except FetchError:
            self._tries += 1
            if self._tries < MAX_TRIES:
                return
            found, told_by = (), ""
        self._life, self._tries = life, 0
        if found:
            self._up = Status(safe_text(f"{self._origin}{told_by}"), self._page.backend, TargetStatus.UP)
            emit(Batch(self.name, now_ns(), (self._up, Inventory(found))))

    async def _asked(self, workers: Sequence[WorkerFacts]) -> tuple[tuple[WorkerInfo, ...], str]:
        """What is new of the workers, and the paths that told it. Raises FetchError where it may be told later."""
        paths: list[str] = []
        facts: dict[str, str] = {}
        if without_model(workers):
            names = {one.id for one in await models_at(self._origin, self._client) if one.id}
            if len(names) == 1:
                facts[Fact.MODEL] = names.pop()
                paths.append(MODELS_PATH)
        for ask in chip_asks(self._page.backend):
            if told := await self._told(ask):
                facts |= told
                paths.append(ask.path)
        return identified(workers, facts), ", ".join(paths)

    async def _told(self, ask: Ask) -> Mapping[str, str]:
        try:
            body = await self._client.get(f"{self._origin}{ask.path}", accept="application/json", kinds=JSON_TYPES)
            found = ask.read(body, urlsplit(self._origin).hostname or "")
        except ValueError:
            return {}
        except FetchError as error:
            if error.http is None:
                raise
            return {}
        return {fact: safe_text(text, _MAX_TEXT) for fact, text in found.items() if text}


def may_tell(backend: str, workers: Sequence[WorkerFacts]) -> bool:
    """Whether more may be known of the workers of such a page by asking."""
    return without_model(workers) or bool(chip_asks(backend))


def chip_asks(backend: str) -> tuple[Ask, ...]:
    return tuple(ask for ask in registry.named(backend).reach.asks if ask.tells is Fact.CHIP)


def without_model(workers: Sequence[WorkerFacts]) -> bool:
    return any(not one.model and one.role is not Role.ROUTER for one in workers)


def identified(workers: Sequence[WorkerFacts], facts: Mapping[str, str]) -> tuple[WorkerInfo, ...]:
    """The workers with what the server's facts add to them; those to which they add nothing are left out.

    How many chips one of several ranks has is not said: they may share them all.
    """
    model, chip, chips = (facts.get(fact, "") for fact in (Fact.MODEL, Fact.CHIP, Fact.CHIPS))
    device = Device.GPU if chip.startswith(_GPUS) else Device.UNKNOWN
    count = int(chips) if len(workers) == 1 and chips.isascii() and chips.isdecimal() and len(chips) < 7 else 0
    return tuple(
        WorkerInfo(
            slot,
            one.id,
            device=Device.UNKNOWN if one.chip else device,
            chip="" if one.chip else chip,
            chips=0 if one.chip else count,
            model="" if one.model else model,
        )
        for slot, one in enumerate(workers)
        if one.role is not Role.ROUTER and ((chip and not one.chip) or (model and not one.model))
    )
