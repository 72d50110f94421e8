"""Single requests in a Frame: what all sources together tell of each, and who told it. Part of the public object `tokenyard.snapshot/1`."""

import msgspec

from collectors.model.vocabulary import About, Phase, Provenance

NOTABLE = 24
"""The newest requests that were migrated, or of which tellers contradict each other: a frame has so many of them at most, beside others."""


class FactRow(msgspec.Struct, frozen=True, gc=False):
    """What `tellers` say, each as `source: kind of record`. `from_token`: of a worker, from which output token on."""

    about: About
    value: str | int
    tellers: tuple[str, ...]
    provenance: Provenance
    from_token: int = 0


class PhaseRow(msgspec.Struct, frozen=True, gc=False):
    """A phase as `teller` timed it. `duration_s` and `start_s` are intervals (low, high); one clock's own durations have no width.

    `start_s` counts from when the request was received by the first of its observers, and is None where the two clocks have no known offset. `clocks` names the
    two clocks of a duration that is over both. `negative`: it ended before it began, whatever the bound: one of the tellers is wrong.
    """

    phase: Phase
    teller: str
    provenance: Provenance
    duration_s: tuple[float, float]
    start_s: tuple[float, float] | None
    worker: str = ""
    formula: str = ""
    clocks: tuple[str, ...] = ()
    negative: bool = False


class Says(msgspec.Struct, frozen=True, gc=False):
    value: str | int
    tellers: tuple[str, ...]


class DisagreementRow(msgspec.Struct, frozen=True, gc=False):
    """Tellers contradict each other. Of a worker: from the output token `from_token` on."""

    about: About
    says: tuple[Says, ...]
    from_token: int = 0


class MigrationRow(msgspec.Struct, frozen=True, gc=False):
    """It was taken from `worker` after so many output tokens (`at_least`: or more, as not all were counted) and given to `to`; None: nobody says to whom."""

    worker: str
    to: str | None
    after_tokens: int
    tellers: tuple[str, ...]
    at_least: bool = False


class RequestRow(msgspec.Struct, frozen=True, gc=False):
    """One request, however many sources saw it, by the name that its client gave it, else by its server's.

    `at` is session time in seconds when its first observer had it, None where only records tell of it. `doubt`: why what is said of its workers may not be so.
    """

    id: str
    names: tuple[str, ...]
    at: float | None
    heard_ns: int
    live: bool
    sources: tuple[str, ...]
    emulated: bool
    facts: tuple[FactRow, ...] = ()
    phases: tuple[PhaseRow, ...] = ()
    disagree: tuple[DisagreementRow, ...] = ()
    migrations: tuple[MigrationRow, ...] = ()
    doubt: str = ""
    probe: bool = False
    """It is a request of our own."""


class ClockRow(msgspec.Struct, frozen=True, gc=False):
    """How far the clock `clock` is ahead of the clock `of`, at least and at most, when it was last learnt of: from from `n` requests. `steps`: how often that was contradicted, and begun
    anew."""

    clock: str
    of: str
    low_s: float
    high_s: float
    n: int
    steps: int
