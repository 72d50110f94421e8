"""What an examination of a target came to, as plain data (`docs/doctor.md`). All text in it is safe to show."""

from enum import StrEnum
from typing import Final

import msgspec

from collectors.backends.reach import Aspect
from collectors.model.vocabulary import TargetStatus
from collectors.stats.offsets import Offset
from collectors.wire.limits import DEFAULT, Limits

MAX_NAMES: Final = 16
"""Models or chips that are told of one target."""


class Verdict(StrEnum):
    SEEN = "seen"
    PARTLY = "partly"
    NOT = "not"


class Finding(msgspec.Struct, frozen=True):
    """How much of an aspect can be seen on this target, as it is now."""

    aspect: Aspect
    verdict: Verdict
    says: str


class Help(msgspec.Struct, frozen=True):
    """What would make more of an aspect visible; None: of all of them."""

    aspect: Aspect | None
    do: str
    gains: str


class PageUse(msgspec.Struct, frozen=True):
    """What of the limits the target's page takes."""

    bytes: int
    series: int
    seconds: float


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    url: str = ""
    status: TargetStatus
    reason: str = ""
    limit: str = ""
    """Which one its answer was over."""
    backend: str = ""
    title: str = ""
    """Of the back end, as it is called; empty where it is not known."""
    version: str = ""
    emulated: bool = False
    never_seen: bool = False
    """Its mapping was made from documentation or source: we never had such a page."""
    models: tuple[str, ...] = ()
    workers: int = 0
    routers: int = 0
    """And front ends: they make no tokens."""
    devices: int = 0
    chips: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    help: tuple[Help, ...] = ()
    notes: tuple[str, ...] = ()
    clock: Offset | None = None
    page: PageUse | None = None
    limits: Limits = DEFAULT
    """In force for it."""
