"""What sources emitted, and waiting for it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import msgspec

from collectors.model.batch import Batch, Inventory, Layout, Samples, Status
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import TargetStatus

PATIENCE_S = 20.0
Sample = list[tuple[Series, float]]
AnyPart = TypeVar("AnyPart")


class Seen:
    """An `Emit` that remembers."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self._news = asyncio.Event()

    def __call__(self, batch: Batch) -> None:
        self.batches.append(batch)
        self._news.set()

    async def until(self, enough: Callable[["Seen"], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not enough(self):
                self._news.clear()
                await self._news.wait()

    def of(self, source: str) -> "Seen":
        part = Seen()
        part.batches = [batch for batch in self.batches if batch.source == source]
        return part

    def parts(self, kind: type[AnyPart]) -> list[AnyPart]:
        return [part for batch in self.batches for part in batch.parts if isinstance(part, kind)]

    @property
    def statuses(self) -> list[tuple[TargetStatus, str]]:
        return [(part.status, part.reason) for part in self.parts(Status)]

    @property
    def samples(self) -> list[Sample]:
        """Every sample with its meaning."""
        series: tuple[Series, ...] = ()
        found = []
        for batch in self.batches:
            for part in batch.parts:
                if isinstance(part, Layout):
                    series = part.series
                elif isinstance(part, Samples):
                    found.append(list(zip(series, part.values.tolist(), strict=True)))
        return found

    @property
    def inventories(self) -> list[Inventory]:
        return self.parts(Inventory)

    def kinds(self) -> list[list[str]]:
        """Names of the parts of each batch."""
        return [[type(part).__name__ for part in batch.parts] for batch in self.batches]

    def texts(self) -> list[str]:
        """Every string in it."""
        found: list[str] = []

        def walk(value: object) -> None:
            if isinstance(value, str):
                found.append(value)
            elif isinstance(value, msgspec.Struct):
                for name in value.__struct_fields__:
                    walk(getattr(value, name))
            elif isinstance(value, tuple):
                for one in value:
                    walk(one)

        walk(tuple(self.batches))
        return found


def value(sample: Sample, signal: Signal, kind: Kind, le: float | None = None) -> float:
    """Sum of what a sample says of a signal, over workers and tiers."""
    found = [number for one, number in sample if (one.signal, one.kind, one.le) == (signal, kind, le)]
    assert found, f"no {signal} {kind}"
    return sum(found)
