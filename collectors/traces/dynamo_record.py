"""A row of Dynamo's request trace (`dynamo.request.trace.v1`) as an account. Pure.

Written when a request ends, on its front end. Two shapes: bare (`schema` at the top), and inside `event` with a `timestamp` since the start (observed, 1.6.1). Newer
versions give requests without session headers only id, times of receipt and end, and output tokens.
Fields: ai-dynamo/dynamo lib/llm/src/request_trace/types.rs@0366e63, meaning of the times: lib/llm/src/protocols/common/timing.rs@0353adc.

`ttft_ms` ends where the first token is *known to the router*: with separate prefill workers that is when prefill is done, and the client's first token comes about
`kv_transfer_estimated_latency_ms` later (observed: 19.8 + 14.0 ms against 33.9 ms of the front end's own log). After a migration the decode worker is
still the first one (observed). A row may hold prompts (`request_payload`): those are passed over unread.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from collectors.model.traces import Account, Instant, Statement, Stretch
from collectors.model.vocabulary import About, Phase
from collectors.traces.reading import MS, NotARecordError, named, ns_of_ms, worker

TELLER: Final = "dynamo trace"
SCHEMA: Final = "dynamo.request.trace.v1"
TRANSFER: Final = (
    "first output of the decode worker − prefill done: an upper bound of the KV transfer, as the router estimates it"
)

_Ms = Annotated[float, Meta(ge=-1e15, le=1e15)]
_Epoch = Annotated[int, Meta(ge=0, le=1 << 42)]
_Id = Annotated[int, Meta(ge=0)]


class _Worker(msgspec.Struct):
    prefill_worker_id: _Id | None = None
    prefill_dp_rank: _Id | None = None
    decode_worker_id: _Id | None = None
    decode_dp_rank: _Id | None = None


class _Finish(msgspec.Struct):
    finish_reason: str | None = None


class _Request(msgspec.Struct):
    request_id: str
    x_request_id: str | None = None
    model: str | None = None
    input_tokens: _Id | None = None
    output_tokens: _Id | None = None
    cached_tokens: _Id | None = None
    request_received_ms: _Epoch | None = None
    prefill_wait_time_ms: _Ms | None = None
    prefill_time_ms: _Ms | None = None
    ttft_ms: _Ms | None = None
    total_time_ms: _Ms | None = None
    kv_transfer_estimated_latency_ms: _Ms | None = None
    worker: _Worker | None = None
    finish_reason_metadata: _Finish | None = None


class _Event(msgspec.Struct):
    schema: str
    event_type: str
    event_time_unix_ms: _Epoch
    request: _Request | None = None


class _Wrapped(msgspec.Struct):
    event: _Event | None = None
    schema: str = ""


_WRAPPED: Final = msgspec.json.Decoder(_Wrapped)
_BARE: Final = msgspec.json.Decoder(_Event)


def read(line: bytes, clock: str) -> Account | None:
    """None for a row of another kind than a request's end. Raises NotARecordError."""
    try:
        wrapped = _WRAPPED.decode(line)
        event = wrapped.event or _BARE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotARecordError(str(error)) from None
    if event.schema != SCHEMA:
        raise NotARecordError(f"schema {event.schema}, not {SCHEMA}")
    if event.event_type != "request_end" or event.request is None:
        return None
    return _account(event.request, event.event_time_unix_ms, clock)


def _account(request: _Request, time_ms: int, clock: str) -> Account:
    received, first = _times(request)
    return Account(
        teller=TELLER,
        clock=clock,
        time_ns=time_ms * MS,
        names=named(request.request_id),
        given=named(request.x_request_id),
        statements=tuple(_statements(request)),
        stretches=tuple(_stretches(request, received)),
        received=received,
        spoke=first,
    )


def _times(request: _Request) -> tuple[Instant | None, Instant | None]:
    """Received, and the last moment before the first output: milliseconds are cut off, not rounded."""
    if request.request_received_ms is None:
        return None, None
    begin_ns = request.request_received_ms * MS
    received = Instant(begin_ns, begin_ns + MS)
    if request.ttft_ms is None or request.ttft_ms < 0:
        return received, None
    after_ns = ns_of_ms(request.ttft_ms) + max(ns_of_ms(request.kv_transfer_estimated_latency_ms or 0.0), 0)
    return received, Instant(begin_ns + after_ns, begin_ns + MS + after_ns)


def _statements(request: _Request) -> list[Statement]:
    at = request.worker or _Worker()
    said: list[tuple[About, str | int | None]] = [
        (About.MODEL, (*named(request.model), None)[0]),
        (About.PREFILL_WORKER, worker(at.prefill_worker_id, at.prefill_dp_rank)),
        (About.DECODE_WORKER, worker(at.decode_worker_id, at.decode_dp_rank)),
        (About.PROMPT_TOKENS, request.input_tokens),
        (About.CACHED_TOKENS, request.cached_tokens),
        (About.OUTPUT_TOKENS, request.output_tokens),
        (About.FINISH, (request.finish_reason_metadata or _Finish()).finish_reason),
    ]
    return [
        Statement(about, value if isinstance(value, str) else min(value, 1 << 53))
        for about, value in said
        if value is not None
    ]


def _stretches(request: _Request, received: Instant | None) -> list[Stretch]:
    at = request.worker or _Worker()
    prefill, decode = worker(at.prefill_worker_id, at.prefill_dp_rank), worker(at.decode_worker_id, at.decode_dp_rank)
    found: list[Stretch] = []

    def add(
        phase: Phase, length_ms: float | None, after_ms: float | None, by: str | None = "", formula: str = ""
    ) -> None:
        if length_ms is None:
            return
        start = None
        if received is not None and after_ms is not None and after_ms >= 0:
            shift = ns_of_ms(after_ms)
            start = Instant(received.earliest_ns + shift, received.latest_ns + shift)
        found.append(Stretch(phase, ns_of_ms(length_ms), start, by or "", formula))

    ttft, total, moved = request.ttft_ms, request.total_time_ms, request.kv_transfer_estimated_latency_ms
    apart = prefill is not None and decode is not None and prefill != decode
    add(Phase.REQUEST, total, 0.0)
    add(Phase.QUEUE, request.prefill_wait_time_ms, 0.0)
    add(Phase.PREFILL, request.prefill_time_ms, request.prefill_wait_time_ms, prefill)
    if apart:
        add(Phase.TRANSFER, moved, ttft, decode, TRANSFER)
    if ttft is not None and total is not None:
        begun = ttft + (moved or 0.0 if apart else 0.0)
        formula = "end − first output" if not apart else "end − first output of the decode worker (estimated)"
        add(Phase.DECODE, total - begun, begun, decode, formula)
    return found
