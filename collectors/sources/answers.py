"""A JSON answer beside or instead of a page of metrics, asked for again and again: `/slots` of llama.cpp, `/metrics` of TensorRT-LLM.

What its fields mean is the back end's; where that answer is gone for others once it is read, whoever makes the source has leave to.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import numpy as np

from collectors.backends import llamacpp_slots, trtllm_stats
from collectors.backends.json_page import JsonError, JsonPage, decoded
from collectors.model.batch import Batch, Inventory, Layout, Part, Samples, Status, WorkerInfo
from collectors.model.signals import Series
from collectors.model.vocabulary import TargetStatus
from collectors.sources.source import Clock, Emit
from collectors.wire.http import Backoff, FetchError, HttpClient
from collectors.wire.safe import safe_text, shown_url

MAX_BACKOFF_S: Final = 30.0
_JSON: Final = frozenset({"application/json"})


class AnswerSource:
    """Asks `url` every `interval_s`, or once a step. `read` makes a page of the body, or None where nothing is new; it raises JsonError.

    `optional`: it may not be there, and says nothing until it has answered once.
    """

    def __init__(
        self,
        name: str,
        url: str,
        client: HttpClient,
        interval_s: float,
        backend: str,
        read: Callable[[bytes], JsonPage | None],
        *,
        optional: bool = False,
    ) -> None:
        self.name = name
        self._url = url
        self._client = client
        self._interval_s = interval_s
        self._backend = backend
        self._read = read
        self._is_silent = optional
        self._backoff = Backoff(name, interval_s, MAX_BACKOFF_S)
        self._told: tuple[object, tuple[Series, ...]] | None = None

    async def run(self, clock: Clock, emit: Emit) -> None:
        """Until cancelled."""
        while True:
            if await self._ask(clock.now_ns, emit):
                self._backoff.reset()
                await asyncio.sleep(self._interval_s)
            else:
                await asyncio.sleep(self._backoff.next_s())

    async def step(self, until_ns: int, emit: Emit) -> None:
        await self._ask(lambda: until_ns - 1, emit)

    async def close(self) -> None:
        """The client belongs to whoever made it."""

    async def _ask(self, now_ns: Callable[[], int], emit: Emit) -> bool:
        """Emits what came, or why nothing did; whether something did."""
        parts: tuple[Part, ...] = ()
        try:
            page = self._read(await self._client.get(self._url, accept="application/json", kinds=_JSON))
            status = self._status(TargetStatus.UP)
            parts = () if page is None else self._parts(page)
        except FetchError as error:
            status = self._status(error.status, error.reason, error.limit)
        except JsonError as error:
            status = self._status(TargetStatus.REJECTED, str(error))
        up = status.status is TargetStatus.UP
        self._is_silent &= not up
        if not self._is_silent:
            emit(Batch(self.name, now_ns(), (status, *parts)))
        return up

    def _parts(self, page: JsonPage) -> tuple[Part, ...]:
        told_workers, told_series = self._told or (None, None)
        self._told = page.workers, page.series
        parts: list[Part] = []
        if page.workers != told_workers:
            found = tuple(WorkerInfo(slot, one.id, model=one.model) for slot, one in enumerate(page.workers))
            parts.append(Inventory(found))
        if page.series != told_series:
            parts.append(Layout(page.series, every_s=self._interval_s))
        values = np.array(page.values, np.float64)
        values.setflags(write=False)
        parts.append(Samples(values))
        return tuple(parts)

    def _status(self, status: TargetStatus, reason: str = "", limit: str = "") -> Status:
        return Status(shown_url(self._url), self._backend, status, safe_text(reason), limit=limit)


def slots(name: str, target: str, origin: str, client: HttpClient, interval_s: float) -> AnswerSource:
    """The slots of the llama.cpp server whose page is `target`'s, or, under that name itself, of one without a page."""

    def read(body: bytes) -> JsonPage:
        return llamacpp_slots.slots(decoded(body), target)

    return AnswerSource(name, f"{origin}/slots", client, interval_s, "llamacpp", read, optional=name != target)


def iterations(name: str, target: str, origin: str, client: HttpClient, interval_s: float) -> AnswerSource:
    """The drained statistics of the TensorRT-LLM server whose page is `target`'s: takes them from every other reader."""
    steps = trtllm_stats.Steps(target)
    return AnswerSource(name, f"{origin}/metrics", client, interval_s, "trtllm", steps.read)
