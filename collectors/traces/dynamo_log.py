"""A line of Dynamo's JSONL log (`DYN_LOGGING_JSONL=1`) as an account: which worker the router chose, and which one an attempt ran on until it ended. Pure.

The only record that tells the truth after a migration (observed, 1.6.1): every chunk and the request trace go on naming the first decode worker. An attempt's own
line (`kv_router.route_request`) is written when it ends, `Selected worker` and `migration retry scheduled` at once. Everything else is passed over.
Fields: ai-dynamo/dynamo lib/runtime/src/pipeline/network/egress/route_span.rs@17afce7, lib/llm/src/kv_router (span `kv_router.route_request`); numbers are
written as numbers or as text.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from collectors.model.traces import Account, Instant, Move, Statement
from collectors.model.vocabulary import About
from collectors.traces.reading import NotARecordError, named, ns_of_rfc3339, worker

TELLER: Final = "router log"
ROUTED: Final = "kv_router.route_request"
_US: Final = 1_000
_Number = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(max_length=64)] | None


class _Line(
    msgspec.Struct,
    rename={
        "attempt": "request.attempt",
        "from_worker": "migration.from_worker_id",
        "completed": "migration.tokens_completed",
        "reason": "migration.reason",
    },
):
    time: str = ""
    message: str = ""
    span_name: str = ""
    request_id: str = ""
    x_request_id: str = ""
    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    worker_id: _Number = None
    worker_type: str = ""
    phase: str = ""
    dp_rank: _Number = None
    attempt: _Number = None
    from_worker: _Number = None
    completed: _Number = None
    reason: str = ""
    model: str = ""
    input_tokens: _Number = None
    output_tokens: _Number = None
    prefill_worker_id: _Number = None
    decode_worker_id: _Number = None


_LINE: Final = msgspec.json.Decoder(_Line)


def read(data: bytes, clock: str) -> Account | None:
    """None for a line that says nothing of where a request ran. Raises NotARecordError."""
    try:
        line = _LINE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotARecordError(str(error)) from None
    if not line.request_id:
        return None
    statements: list[Statement] = []
    moves: tuple[Move, ...] = ()
    received = None
    time_ns = ns_of_rfc3339(line.time)
    # Written after what it tells of, to the microsecond.
    now = Instant(max(time_ns - _US, 0), time_ns + _US)
    if line.message == "Selected worker":
        about = About.PREFILL_WORKER if line.worker_type == "prefill" else About.DECODE_WORKER
        statements += _worker(about, worker(line.worker_id, line.dp_rank), None)
    elif line.message == "migration retry scheduled":
        moves = tuple(
            Move(taken, number(line.completed) or 0, "".join(named(line.reason)))
            for taken in named("" if line.from_worker is None else str(line.from_worker))
        )
    elif line.span_name == ROUTED and line.message.startswith("route request "):
        statements += attempt(line.phase, worker(line.worker_id, line.dp_rank), number(line.completed))
    elif line.message == "request received":
        received = now
    elif line.message == "request completed":
        # Its workers are not those of the last attempt (observed): they are those that the request began with.
        counts = ((About.PROMPT_TOKENS, line.input_tokens), (About.OUTPUT_TOKENS, line.output_tokens))
        statements += [Statement(about, found) for about, said in counts if (found := number(said)) is not None]
    else:
        return None
    statements += [Statement(About.MODEL, name) for name in named(line.model)]
    return Account(
        teller=TELLER,
        clock=clock,
        time_ns=time_ns,
        names=named(line.request_id),
        given=named(line.x_request_id),
        trace=_hex(line.trace_id),
        span=_hex(line.span_id),
        parent=_hex(line.parent_id),
        statements=tuple(statements),
        moves=moves,
        received=received,
    )


def attempt(phase: str, ran_on: str | None, after_tokens: int | None) -> list[Statement]:
    """Of one attempt that was routed: which worker had it, from the token on that it began with."""
    found = _worker(About.PREFILL_WORKER, ran_on, 0) if phase.lower() in ("prefill", "aggregated") else []
    return found + (_worker(About.DECODE_WORKER, ran_on, after_tokens or 0) if phase.lower() != "prefill" else [])


def number(said: int | str | None) -> int | None:
    """A count; None where it is none."""
    if isinstance(said, str):
        said = int(said) if said.isascii() and said.isdecimal() and len(said) < 20 else None
    return said if said is not None and said <= 1 << 53 else None


def _worker(about: About, name: str | None, from_token: int | None) -> list[Statement]:
    return [] if name is None else [Statement(about, name, from_token)]


def _hex(text: str) -> str:
    """An id of OpenTelemetry's; nothing where it is none."""
    return text if len(text) in (16, 32) and all(char in "0123456789abcdef" for char in text) else ""
