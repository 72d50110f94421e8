"""What the readers of spans have in common. Pure."""

import math
from collections.abc import Iterable

from collectors.model.traces import Account, Instant, Statement, Stretch
from collectors.model.vocabulary import About, Phase
from collectors.wire.otlp import Span

LONGEST_S = 1e6


def seconds(span: Span, key: str) -> float | None:
    """A duration in seconds; None where it is none."""
    value = span.attributes.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if abs(value) <= LONGEST_S else None


def count(span: Span, *keys: str) -> int | None:
    for key in keys:
        value = span.attributes.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1 << 53:
            return value
    return None


def text(span: Span, *keys: str) -> str:
    return next((str(span.attributes[key]) for key in keys if span.attributes.get(key) not in (None, "")), "")


def within(earliest_ns: int, latest_ns: int) -> Instant:
    low, high = max(earliest_ns, 0), max(latest_ns, 0)
    return Instant(min(low, high), max(low, high))


def whole(span: Span, formula: str = "", phase: Phase = Phase.REQUEST, worker: str = "") -> Stretch:
    """The span's own length."""
    return Stretch(phase, span.end_ns - span.start_ns, within(span.start_ns, span.start_ns), worker, formula)


def account(
    span: Span,
    teller: str,
    clock: str,
    *,
    engine: str = "",
    names: Iterable[str] = (),
    given: Iterable[str] = (),
    said: Iterable[tuple[About, str | int | None]] = (),
    stretches: Iterable[Stretch] = (),
    received: Instant | None = None,
    spoke: Instant | None = None,
) -> Account:
    statements = tuple(Statement(about, value) for about, value in said if value not in (None, ""))
    return Account(
        teller=teller,
        clock=clock,
        time_ns=span.end_ns,
        names=tuple(filter(None, names)),
        given=tuple(filter(None, given)),
        trace=span.trace,
        span=span.id,
        parent=span.parent,
        engine=engine,
        statements=statements,
        stretches=tuple(stretches),
        received=received,
        spoke=spoke,
    )


def link(span: Span, teller: str, clock: str) -> Account:
    """Says nothing but whose child it is."""
    return account(span, teller, clock)
