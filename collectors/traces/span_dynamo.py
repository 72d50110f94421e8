"""Dynamo's spans (`OTEL_EXPORT_ENABLED=1`): the front end's request, and each attempt that its router made. Pure.

Attempts tell where a request truly ran, also after a migration: ai-dynamo/dynamo lib/runtime/src/pipeline/network/egress/route_span.rs@17afce7. Worker ids are
unsigned, and may come as negative numbers.
"""

from typing import Final

import msgspec

from collectors.model.traces import Account, Move, Statement
from collectors.traces.dynamo_log import ROUTED, attempt
from collectors.traces.reading import worker
from collectors.traces.span_reading import account, count, link, text, whole, within
from collectors.wire.otlp import Span, Value

TELLER: Final = "Dynamo span"
_OTHERS: Final = ("kv_router.", "handle_payload", "prefill_routing", "router.")


def read(span: Span, clock: str, engine: str) -> Account | None:
    names, given = (text(span, "request_id"),), (text(span, "x_request_id"),)
    if span.name == "http-request":
        received = within(span.start_ns, span.start_ns)
        return account(span, TELLER, clock, names=names, given=given, stretches=(whole(span),), received=received)
    if span.name == ROUTED:
        made = account(span, TELLER, clock, names=names, given=given)
        moved = _unsigned(span.attributes.get("migration.from_worker_id"))
        after = _count(span, "migration.tokens_completed") or 0
        moves = (Move(moved, after, text(span, "migration.reason")),) if moved else ()
        rank = span.attributes.get("dp_rank")
        ran_on = worker(_unsigned(span.attributes.get("worker_id")), str(rank) if rank is not None else None)
        statements: list[Statement] = attempt(text(span, "phase"), ran_on, after)
        return msgspec.structs.replace(made, moves=moves, statements=tuple(statements))
    if span.name.startswith(_OTHERS):
        return link(span, TELLER, clock)
    return None


def _unsigned(value: Value | None) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value % (1 << 64))
    return value if isinstance(value, str) else ""


def _count(span: Span, key: str) -> int | None:
    said = span.attributes.get(key)
    return (
        int(said)
        if isinstance(said, str) and said.isascii() and said.isdecimal() and len(said) < 16
        else count(span, key)
    )
