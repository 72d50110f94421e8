"""A look round this machine for who has named no target: the ports where back ends usually listen are tried, and what answers there is watched.

One row says what was tried and what came of it. A port that has nothing for us has no row of its own, and is tried again from time to time.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from collectors.model.batch import Batch, Status
from collectors.model.vocabulary import Listing, TargetStatus
from collectors.sources.children import Children
from collectors.sources.source import Clock, Emit, Source
from collectors.sources.usual import LOCAL, usual_targets
from collectors.wire.safe import safe_text

MAX_REASON: Final = 1_000
_PROMETHEUS: Final = ":9090"
_MAX_WORDS: Final = 40


class LocalPorts:
    """A source of those that answer. `opener(address)` gives the source of a `host:port`."""

    name = f"usual ports of {LOCAL}"

    def __init__(self, opener: Callable[[str], Source], addresses: tuple[str, ...] = usual_targets()) -> None:
        self._tried = {address: _Tried(opener(address), self._told) for address in addresses}
        self._children = Children()
        self._said: Status | None = None

    @property
    def expected(self) -> list[str]:
        """Rows of which a first word is to be expected, as far as it is known by now."""
        return [self.name, *(address for address, one in self._tried.items() if one.found)]

    async def run(self, clock: Clock, emit: Emit) -> None:
        async with self._children.running(clock, emit):
            for address, one in self._tried.items():
                self._children.begin(address, one)
            await asyncio.Event().wait()

    async def step(self, until_ns: int, emit: Emit) -> None:
        for one in self._tried.values():
            await one.step(until_ns, emit)

    async def close(self) -> None:
        await self._children.close()

    def _told(self, time_ns: int, emit: Emit) -> None:
        """One of them has something to say: when all have, there is a row, and again when it is another one."""
        if not all(one.outcome for one in self._tried.values()):
            return
        found = any(one.found for one in self._tried.values())
        text = safe_text(self._text(), MAX_REASON)
        status = TargetStatus.UP if found else TargetStatus.DOWN
        said = Status(LOCAL, Listing.LOCAL, status, "" if found else text, text if found else "")
        if said != self._said:
            self._said = said
            emit(Batch(self.name, time_ns, (said,)))

    def _text(self) -> str:
        ports: dict[str, list[str]] = {}
        for address, one in sorted(self._tried.items(), key=lambda item: not item[1].found):
            ports.setdefault(one.outcome, []).append(address.rpartition(":")[2])
        tried = "; ".join(f"{', '.join(those)} {outcome}" for outcome, those in ports.items())
        server = self._tried.get(f"{LOCAL}{_PROMETHEUS}")
        if server is not None and server.answers and not server.found:
            tried += f" (a Prometheus server? watch prom+http://{LOCAL}{_PROMETHEUS})"
        return f"no target was named; tried ports {tried}"


class _Tried:
    """Lets a source be heard from when it is found to be one of ours."""

    def __init__(self, source: Source, told: Callable[[int, Emit], None]) -> None:
        self.name = source.name
        self.found = False
        self.answers = False
        self.outcome = ""
        self._source = source
        self._told = told

    async def run(self, clock: Clock, emit: Emit) -> None:
        await self._source.run(clock, self._gated(emit))

    async def step(self, until_ns: int, emit: Emit) -> None:
        await self._source.step(until_ns, self._gated(emit))

    async def close(self) -> None:
        await self._source.close()

    def _gated(self, emit: Emit) -> Emit:
        def gated(batch: Batch) -> None:
            status = next((part for part in batch.parts if isinstance(part, Status)), None)
            if status is not None and not self.found:
                self.found = status.status is TargetStatus.UP
                self.answers = status.status in (TargetStatus.UP, TargetStatus.REJECTED)
                why = status.reason.partition(";")[0]
                self.outcome = status.backend if self.found else safe_text(why or str(status.status), _MAX_WORDS)
            if self.found:
                emit(batch)
            self._told(batch.time_ns, emit)

        return gated
