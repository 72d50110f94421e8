"""Two sources of one target as one: it and what is done beside it."""

import asyncio

from collectors.sources.source import Clock, Emit, Source, guarded


class BesideSource:
    """Has the name of the first."""

    def __init__(self, source: Source, other: Source) -> None:
        self.name = source.name
        self._both = source, other

    async def run(self, clock: Clock, emit: Emit) -> None:
        async with asyncio.TaskGroup() as tasks:
            for source in self._both:
                tasks.create_task(guarded(source, clock, emit))

    async def step(self, until_ns: int, emit: Emit) -> None:
        for source in self._both:
            await source.step(until_ns, emit)

    async def close(self) -> None:
        for source in self._both:
            await source.close()
