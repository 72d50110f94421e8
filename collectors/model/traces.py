"""What the records of a trace say of single requests: one record, one account. Whose request it is, and what several accounts make of it, is not said here.

Times are of the clock that the record's writer has, nanoseconds since 1970, and mean nothing on any other clock without an offset.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from collectors.model.vocabulary import About, Phase

Ns = Annotated[int, Meta(ge=0, le=1 << 62)]
Count = Annotated[int, Meta(ge=0, le=1 << 53)]


class Statement(msgspec.Struct, frozen=True, gc=False):
    """`from_token`: from which output token on it holds (of a worker); None: from wherever the same teller's last move left off."""

    about: About
    value: str | Count
    from_token: Count | None = 0


class Instant(msgspec.Struct, frozen=True, gc=False):
    """A moment that is known as well as it was written down."""

    earliest_ns: Ns
    latest_ns: Ns


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """A phase as its teller's own clock timed it. `formula`: it is about (≈) that long, and why."""

    phase: Phase
    duration_ns: Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]
    start: Instant | None = None
    worker: str = ""
    formula: str = ""


class Move(msgspec.Struct, frozen=True, gc=False):
    """The request was taken from a worker after so many output tokens. The worker's name may be without its rank."""

    from_worker: str
    after_tokens: Count
    reason: str = ""


class Account(msgspec.Struct, frozen=True, gc=False):
    """What one record says of one request.

    `teller` is the kind of record, `clock` whose time it has. `names` are the request's, the one that only its server gives first, and the client's, which may
    be anybody's, in `given`. A record without either belongs to whom its span belongs: the parent's request, or that of the only one in the trace.
    `received` and `spoke` are moments at the teller: when it had the request, and the last that is known to lie before its first output left.
    """

    teller: str
    clock: str
    time_ns: Ns
    names: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    trace: str = ""
    span: str = ""
    parent: str = ""
    engine: str = ""
    """Of which engine alone it speaks: its counts are that engine's, not the request's."""
    statements: tuple[Statement, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    moves: tuple[Move, ...] = ()
    received: Instant | None = None
    spoke: Instant | None = None


class Accounts(msgspec.Struct, frozen=True, tag="accounts"):
    """`unix_ns` is what the reader's own wall clock said at the batch's time."""

    rows: tuple[Account, ...]
    unix_ns: Ns = 0
