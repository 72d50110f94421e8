"""Sources that come and go while others run: each in a task of its own, and one that is ended says so under every name that it spoke under."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable, Iterable
from typing import Final

from collectors.model.batch import Batch, Status
from collectors.model.vocabulary import TargetStatus
from collectors.sources.source import Clock, Emit, Source, guarded

GONE: Final = "no longer listed"


class Children:
    """By a key of whoever lists them. Live within `running`, or step by step."""

    def __init__(self) -> None:
        self._children: dict[Hashable, _Child] = {}
        self._live: tuple[asyncio.TaskGroup, Clock, Emit] | None = None

    def __contains__(self, key: Hashable) -> bool:
        return key in self._children

    @property
    def sources(self) -> Iterable[Source]:
        return [child.source for child in self._children.values()]

    @property
    def keys(self) -> list[Hashable]:
        return list(self._children)

    @contextlib.asynccontextmanager
    async def running(self, clock: Clock, emit: Emit) -> AsyncIterator[None]:
        """Whatever is begun in here runs until it is ended, or this is left."""
        async with asyncio.TaskGroup() as tasks:
            self._live = tasks, clock, emit
            for child in self._children.values():
                child.run(*self._live)
            try:
                yield
            finally:
                self._live = None
                for child in self._children.values():
                    child.cancel()

    def begin(self, key: Hashable, source: Source) -> None:
        child = self._children[key] = _Child(source)
        if self._live is not None:
            child.run(*self._live)

    async def end(self, key: Hashable, now_ns: int, emit: Emit, reason: str = GONE) -> None:
        """Without a reason nothing is said: another source takes its place."""
        child = self._children.pop(key)
        child.cancel()
        if child.task is not None:
            await asyncio.gather(child.task, return_exceptions=True)
        await child.source.close()
        if reason:
            for name, said in child.said.items():
                gone = Status(said.url, said.backend, TargetStatus.GONE, reason)
                emit(Batch(name, now_ns, (gone,)))

    async def step(self, until_ns: int, emit: Emit) -> None:
        for child in list(self._children.values()):
            await child.source.step(until_ns, child.listening(emit))

    async def close(self) -> None:
        for child in self._children.values():
            await child.source.close()


class _Child:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.task: asyncio.Task[None] | None = None
        self.said: dict[str, Status] = {}
        """The last status of each name that it spoke under."""

    def run(self, tasks: asyncio.TaskGroup, clock: Clock, emit: Emit) -> None:
        self.task = tasks.create_task(guarded(self.source, clock, self.listening(emit)))

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    def listening(self, emit: Emit) -> Emit:
        def listened(batch: Batch) -> None:
            for part in batch.parts:
                if isinstance(part, Status):
                    self.said[batch.source] = part
            emit(batch)

        return listened
