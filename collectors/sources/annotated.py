"""A source with what configuration says beside it: the roles, chips and labels of its workers where nobody else tells, and warnings that stay on its row."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from collectors.model.batch import Batch, Inventory, Part, Status, WorkerInfo
from collectors.model.vocabulary import Device, Role
from collectors.sources.settings import Assumed, TargetSettings
from collectors.sources.source import Clock, Emit, Source
from collectors.sources.target import is_loopback
from collectors.wire.safe import safe_text

MAX_WARNING: Final = 200
_UNKNOWN: Final = (Role.UNKNOWN, Device.UNKNOWN, "", 0)
_FIELDS: Final = ("role", "device", "chip", "chips")


class AnnotatedSource:
    """Passes on what `source` emits, under whatever name, with what is assumed filled in. Where a back end says otherwise, it is right, and the row says so."""

    def __init__(self, source: Source, assumed: Assumed, warnings: Sequence[str] = ()) -> None:
        self.name = source.name
        self._source = source
        self._assumed = assumed
        self._warnings = tuple(warnings)
        self._differs: dict[str, str] = {}

    async def run(self, clock: Clock, emit: Emit) -> None:
        await self._source.run(clock, self._annotating(emit))

    async def step(self, until_ns: int, emit: Emit) -> None:
        await self._source.step(until_ns, self._annotating(emit))

    async def close(self) -> None:
        await self._source.close()

    def _annotating(self, emit: Emit) -> Emit:
        def annotated(batch: Batch) -> None:
            # What differs is told with the inventory, and the status comes before it.
            parts = [self._filled(part, batch.source) if isinstance(part, Inventory) else part for part in batch.parts]
            told = tuple(self._warned(part, batch.source) if isinstance(part, Status) else part for part in parts)
            emit(msgspec.structs.replace(batch, parts=told))

        return annotated

    def _filled(self, inventory: Inventory, source: str) -> Part:
        said = self._assumed
        differs = [
            f"{field} {getattr(worker, field)}, not {getattr(said, field)} as configured"
            for worker in inventory.workers
            for field in _FIELDS
            if getattr(said, field) not in (*_UNKNOWN, getattr(worker, field))
            and getattr(worker, field) not in _UNKNOWN
        ]
        self._differs[source] = "; ".join(dict.fromkeys(differs))
        return msgspec.structs.replace(inventory, workers=tuple(self._worker(one) for one in inventory.workers))

    def _worker(self, worker: WorkerInfo) -> WorkerInfo:
        said = self._assumed
        assumed = tuple(
            field for field in _FIELDS if getattr(worker, field) in _UNKNOWN and getattr(said, field) not in _UNKNOWN
        )
        filled = {field: getattr(said, field) for field in assumed}
        return msgspec.structs.replace(worker, assumed=assumed, labels=dict(said.labels), **filled)

    def _warned(self, status: Status, source: str) -> Status:
        warnings = [*self._warnings, self._differs.get(source, ""), status.warning]
        return msgspec.structs.replace(status, warning=safe_text("; ".join(filter(None, warnings)), MAX_WARNING))


def annotated(source: Source, url: str, settings: TargetSettings, assumed: Assumed) -> Source:
    """`source`, or that with what there is to say beside it. `url` is where it is read."""
    warnings = list(warnings_of(url, settings))
    return AnnotatedSource(source, assumed, warnings) if warnings or assumed != Assumed() else source


def warnings_of(url: str, settings: TargetSettings) -> list[str]:
    """What is dangerous about how it is read."""
    parts = urlsplit(url)
    warnings = []
    if settings.access.insecure_tls and parts.scheme == "https":
        warnings.append("TLS NOT VERIFIED (insecure_tls): whoever answers is believed")
    if settings.access.token and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        warnings.append("token sent without TLS: anybody on the way can read it")
    return warnings
