"""One target as it is to be watched: where it is, how it is read, and what is said of it that it does not say itself. No I/O."""

from collections.abc import Hashable, Mapping
from typing import Protocol

import msgspec

from collectors.sources.settings import DEFAULTS, Assumed, TargetSettings
from collectors.sources.source import Emit, Source
from collectors.sources.target import Target


class TargetSpec(msgspec.Struct, frozen=True):
    """`name`: how it is called, where that is not its address."""

    target: Target
    settings: TargetSettings = DEFAULTS
    assumed: Assumed = Assumed()
    name: str = ""

    @property
    def key(self) -> Hashable:
        """Two specs with the same key are the same target, whoever lists it."""
        return self.target.kind, self.target.page, self.target.stream

    @property
    def called(self) -> str:
        return self.name or self.target.name

    def of(self, target: Target, labels: Mapping[str, str], **assumed: object) -> "TargetSpec":
        """Another target, to be watched like this one, with labels (and perhaps a role) of its own."""
        mine = self.assumed
        said = msgspec.structs.replace(mine, labels={**mine.labels, **labels}, **assumed)
        return TargetSpec(target, self.settings, said)


class Lister(Protocol):
    """Something that says which targets there are, again and again. It has a row of its own, which tells how it is."""

    @property
    def name(self) -> str:
        """Unique among the rows."""

    @property
    def every_s(self) -> float:
        """How long to wait until it is asked again."""

    async def look(self, now_ns: int, emit: Emit) -> tuple[TargetSpec, ...] | None:
        """The targets that there are; None where that cannot be known, and those of before stay. Why is emitted as its status."""


class Opener(Protocol):
    def __call__(self, spec: TargetSpec, name: str) -> Source:
        """The source for a target. Touches no network."""
