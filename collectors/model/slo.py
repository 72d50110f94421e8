"""How surely objectives are met, and what a token takes of energy and money. Part of the public object `tokenyard.snapshot/1`."""

from enum import StrEnum

import msgspec

from collectors.model.figure import Figure
from collectors.model.vocabulary import Device


class Attained(StrEnum):
    MET = "met"
    VIOLATED = "violated"
    INDETERMINATE = "indeterminate"


class Of(StrEnum):
    """What a row of objectives is about."""

    ALL = "all"
    KIND = "device kind"
    """Of one model on one kind of device."""
    MODEL = "model"
    WORKER = "worker"


class Objective(msgspec.Struct, frozen=True, gc=False):
    """At most `seconds` of `what` (`ttft`, `tpot`, `request`) for the share `share` of the requests."""

    what: str
    seconds: float
    share: float


class Share(msgspec.Struct, frozen=True, gc=False):
    """`least` … `most` of `n` requests met something: the two differ where only buckets are known. The true share lies in `low` … `high` with 95 % confidence
    (Wilson, of both ends)."""

    least: int
    most: int
    n: int
    low: float
    high: float
    state: Attained


class SloRow(msgspec.Struct, frozen=True, gc=False):
    """Requests that ended in the window, by the worker that generated last. `attained` is of all objectives together; None: of no request is it known.

    `joules_per_token` and `dollars_per_mtok` are of the row's own workers, over the output tokens that these made: whatever they did in the window is in it, idle and
    prefill too, and what others did for these tokens is not.
    """

    of: Of
    name: str
    device: Device
    model: str
    attained: Share | None
    ttft: Share | None
    tpot: Share | None
    request: Share | None
    goodput_per_s: Figure
    """Requests a second that met every objective; `at_least` where only buckets are known."""
    tokens_per_s: Figure
    joules_per_token: Figure
    dollars_per_mtok: Figure


class Assumption(msgspec.Struct, frozen=True, gc=False):
    """A figure that nobody measures here: who says so (`config`, `public offer`), from what source, and as of when (`2026-05`); both may be empty."""

    value: float
    by: str
    source: str
    date: str


class ChipRow(msgspec.Struct, frozen=True, gc=False):
    """What is assumed of each device of a chip: US dollars an hour, and the watts that it draws, which count where nobody measures them. None: nobody says."""

    chip: str
    device: Device
    dollars_per_hour: Assumption | None
    watts: Assumption | None


class Slo(msgspec.Struct, frozen=True, gc=False):
    """`aborted` requests (whose client left) are judged by nobody, nor those of which no time is known (`unjudged`); an error has met nothing."""

    profile: str
    source: str
    objectives: tuple[Objective, ...]
    state: Attained
    window_s: float
    errors: int
    aborted: int
    unjudged: int
    rows: tuple[SloRow, ...]
    chips: tuple[ChipRow, ...] = ()
    """Those that serve."""
