"""What a target is, found out by trying: the answer that tells is the first sample, and nothing is fetched twice.

A host that cannot be reached, or has nothing for us, is asked again for as long as we run. How a target is written: `target`.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from collectors.backends import registry
from collectors.model.batch import Batch, Status
from collectors.model.vocabulary import TargetStatus
from collectors.sources.companions import companions, instead
from collectors.sources.introduction import DRAINED, owner_of, page_of, without_page
from collectors.sources.placement import PlacementSource
from collectors.sources.promql import PromqlSource
from collectors.sources.scrape import MAX_BACKOFF_S, Fault, ScrapeSource, fault_of
from collectors.sources.settings import DEFAULTS, TargetSettings
from collectors.sources.source import Clock, Emit, Source, guarded
from collectors.sources.target import (
    OTLP,
    PROM,
    STREAM_PATH,
    TRACE,
    Places,
    Target,
    TargetError,
    file_of,
    parse_target,
    unique_names,
)
from collectors.sources.trace_file import TraceFileSource
from collectors.wire.http import Backoff, FetchError, HttpClient

NOWHERE: Final = Places()
__all__ = ["HostSource", "Target", "TargetError", "open_parsed", "open_target", "open_targets", "parse_target"]


def open_targets(texts: Iterable[str], client: HttpClient, settings: TargetSettings = DEFAULTS) -> list[Source]:
    """A source for each target, named `host:port`, uniquely. Raises TargetError; touches no network."""
    targets = [parse_target(text) for text in texts]
    names = unique_names([target.name for target in targets])
    return [open_parsed(target, client, name, settings) for target, name in zip(targets, names, strict=True)]


def open_target(text: str, client: HttpClient, name: str | None = None, settings: TargetSettings = DEFAULTS) -> Source:
    """The source for one target. Raises TargetError; touches no network."""
    target = parse_target(text)
    return open_parsed(target, client, name or target.name, settings)


def open_parsed(
    target: Target, client: HttpClient, name: str, settings: TargetSettings = DEFAULTS, named: Places = NOWHERE
) -> Source:
    """The source for a target that has been taken apart already; `client` is one for its `settings.access`, `named` all that are watched by name."""
    if target.kind == TRACE:
        from_start, limits = settings.trace_from_start, settings.access.limits
        return TraceFileSource(name, target.url, Path(file_of(target)), from_start=from_start, limits=limits)
    if target.kind == OTLP:
        from collectors.sources.otlp import OtlpSource  # a server: seldom wanted

        return OtlpSource(name, target.url, settings.access.limits)
    if target.page is None:
        assert target.stream is not None
        return PlacementSource(name, target.stream, client)
    if target.kind == PROM:
        return PromqlSource(name, target.page, client, settings.interval_s)
    return HostSource(name, target, client, settings, named)


_Begin = Callable[[Source, Emit], asyncio.Task[None]]
"""Lets a source run, or make a step, emitting there."""


class HostSource:
    """A host of which no more than the address may be known: becomes a page of metrics and what belongs to it, or a placement stream.

    What it has become it stays.
    """

    def __init__(
        self, name: str, target: Target, client: HttpClient, settings: TargetSettings, named: Places = NOWHERE
    ) -> None:
        assert target.page is not None
        self.name = name
        self._target = target
        self._client = client
        self._settings = settings
        self._named = named
        self._page = self._reading(target.page)
        self._backoff = Backoff(name, settings.interval_s, MAX_BACKOFF_S)
        self._longest_wait_s = MAX_BACKOFF_S
        self._found: list[Source] = []

    async def run(self, clock: Clock, emit: Emit) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:

                def begin(source: Source, emit: Emit) -> asyncio.Task[None]:
                    return tasks.create_task(guarded(source, clock, emit))

                tried = await self._search(clock.now_ns, emit, begin)
                while not self._found:
                    await asyncio.sleep(self._backoff.next_s(self._longest_wait_s))
                    tried = await self._search(clock.now_ns, emit, begin)
                if tried is None:
                    for source in self._found:
                        begin(source, emit)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def step(self, until_ns: int, emit: Emit) -> None:
        def begin(source: Source, emit: Emit) -> asyncio.Task[None]:
            return asyncio.create_task(source.step(until_ns, emit))

        searched = not self._found
        if searched and (tried := await self._search(lambda: until_ns - 1, emit, begin)):
            await tried
            return
        for source in self._found:
            if not searched or source is not self._page:  # the page was read in the search
                await source.step(until_ns, emit)

    async def close(self) -> None:
        for source in self._found:
            await source.close()

    async def _search(self, now_ns: Callable[[], int], emit: Emit, begin: _Begin) -> "asyncio.Task[None] | None":
        """Tries the page, then, if that is not there or of nothing known, what else it may have. Emits the first sample, or why there is none.

        If it is the stream, what has begun is returned, and nothing else is to be begun.
        """
        try:
            owner = await owner_of(self._target, self._client)
        except FetchError as error:
            self._tell(fault_of(error), now_ns(), emit)
            return None
        if owner is DRAINED:
            self._page = self._reading(page_of(self._target, owner))
        fault = await self._page.attempt(now_ns, emit)
        if fault is None:
            beside = companions(self._page, self._target, self._client, self._settings, HostSource, self._named)
            self._found = [self._page, *beside]
            return None
        if fault.elsewhere and owner is not None:
            self._found = list(instead(self.name, owner, self._target, self._client, self._settings))
            if self._found:
                return None
            fault = msgspec.structs.replace(fault, reason="; ".join([fault.reason, *without_page(owner)]))
        if fault.elsewhere and self._target.stream:
            source = PlacementSource(self.name, self._target.stream, self._client)
            gate = _Gate(emit)
            task = begin(source, gate)
            if await gate.opens(task):
                self._found = [source]
                return task
            await source.close()
            fault = Fault(f"{fault.reason}; {STREAM_PATH}: {gate.reason}", fault.status, limit=gate.limit)
        self._tell(fault, now_ns(), emit)
        return None

    def _tell(self, fault: Fault, time_ns: int, emit: Emit) -> None:
        self._longest_wait_s = fault.longest_s
        self._page.tell(fault, time_ns, emit)

    def _reading(self, url: str) -> ScrapeSource:
        backend = registry.named(self._target.kind) if self._target.kind else None
        return ScrapeSource(self.name, url, self._client, self._settings.interval_s, backend)


class _Gate:
    """Stands before a source that is only being tried: its first words decide whether anything of it is let through."""

    def __init__(self, emit: Emit) -> None:
        self.reason = "silent"
        self.limit = ""
        self._decided = asyncio.Event()
        self._is_open = False
        self._emit = emit

    def __call__(self, batch: Batch) -> None:
        if not self._decided.is_set():
            status = next((part for part in batch.parts if isinstance(part, Status)), None)
            self._is_open = status is None or status.status is TargetStatus.UP
            self.reason, self.limit = (status.reason, status.limit) if status else ("", "")
            self._decided.set()
        if self._is_open:
            self._emit(batch)

    async def opens(self, task: "asyncio.Task[None]") -> bool:
        """Whether the first words of `task` are good ones; if not, the task is ended. A source says something within its deadlines."""
        decided = asyncio.create_task(self._decided.wait())
        try:
            await asyncio.wait({task, decided}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            decided.cancel()
            if not self._is_open:
                task.cancel()
        if not self._is_open:
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()
        return self._is_open
