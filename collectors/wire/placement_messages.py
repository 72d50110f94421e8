"""The JSON messages of the placement stream as typed structs, and the one way in: `parse`.

Types and sizes are checked here; what a message means, given those before it, is `placement_state`'s to say. Strings are as they came: not safe yet.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from collectors.wire.placement_format import (
    MAX_CANDIDATES,
    MAX_INT,
    MAX_LABELS,
    MAX_POOLS,
    MAX_SLOT,
    MAX_STREAMS,
    MAX_TERMS,
    MAX_WORKERS,
    VERSION,
    MessageError,
    unsupported,
)

Count = Annotated[int, Meta(ge=0, le=MAX_INT)]
Slot = Annotated[int, Meta(ge=0, le=MAX_SLOT)]
WorkerSlot = Annotated[int, Meta(ge=-1, le=MAX_SLOT)]
"""−1 means that the worker is not known."""
Labels = Annotated[list[str], Meta(max_length=MAX_LABELS)]
Terms = Annotated[dict[str, float], Meta(max_length=MAX_TERMS)]


class Clock(Struct):
    id: str
    kind: str
    now_ns: Count


class WorkerEntry(Struct):
    slot: Annotated[int, Meta(ge=0, lt=MAX_SLOT)]
    id: str
    role: str | None = None
    device: str | None = None
    chip: str | None = None
    chips: Count | None = None
    model: str | None = None
    named_by: str | None = None


class PoolEntry(Struct):
    slot: Slot
    tier: str
    owner: str
    worker: Slot | None = None
    capacity_bytes: Count | None = None


class Hello(Struct, tag="hello", tag_field="type"):
    version: int
    emulated: bool
    clock: Clock
    workers: Annotated[list[WorkerEntry], Meta(max_length=MAX_WORKERS)]
    pools: Annotated[list[PoolEntry], Meta(max_length=MAX_POOLS)] = []
    producer: str | None = None
    measured: bool = False
    warning: str | None = None
    epoch: str | None = None
    resumed_after: Count | None = None


class ReceivedRow(Struct, tag="received", tag_field="event"):
    time_ns: Count
    request: str
    stream: Annotated[int, Meta(ge=0, lt=MAX_STREAMS)] | None = None
    model: str | None = None
    prompt_tokens: Count | None = None
    labels: Labels = []
    workflow: str | None = None


class AdmittedRow(Struct, tag="admitted", tag_field="event"):
    time_ns: Count
    request: str
    worker: WorkerSlot
    computed_tokens: Count
    hits: list[tuple[Slot, Count]] = []
    again: bool = False


class FinishedRow(Struct, tag="finished", tag_field="event"):
    time_ns: Count
    request: str
    reason: str
    output_tokens: Count | None = None
    names: Labels = []


RequestRow = ReceivedRow | AdmittedRow | FinishedRow


class RequestsMessage(Struct, tag="requests", tag_field="type"):
    rows: list[RequestRow]


class CandidateEntry(Struct):
    worker: WorkerSlot
    score: float
    terms: Terms = {}
    prefill: WorkerSlot | None = None
    cached_tokens: Count | None = None


class DecisionRow(Struct):
    time_ns: Count
    request: str
    chosen: WorkerSlot
    rule: str | None = None
    candidates: Annotated[list[CandidateEntry], Meta(max_length=MAX_CANDIDATES)] = []
    labels: Labels = []
    margin: float | None = None
    tie: bool = False
    headroom_s: float | None = None


class DecisionsMessage(Struct, tag="decisions", tag_field="type"):
    rows: list[DecisionRow]


class PhaseRow(Struct):
    request: str
    phase: str
    start_ns: Count
    duration_ns: Count
    worker: WorkerSlot | None = None
    tier: str | None = None
    tokens: Count | None = None
    bytes: Count | None = None


class PhasesMessage(Struct, tag="phases", tag_field="type"):
    rows: list[PhaseRow]


class DeliveriesMessage(Struct, tag="deliveries", tag_field="type", gc=False):
    """Columns as they came, None where absent. Lengths and ranges are checked on the arrays that are made of them."""

    time_ns: list[int]
    first_token: list[int]
    tokens: list[int]
    stream: list[int] | None = None
    request: list[str] | None = None
    worker: list[int] | None = None
    tier: list[str] | None = None
    stage: list[str] | None = None
    start_ns: list[int] | None = None
    duration_ns: list[int] | None = None
    extra: list[int] | None = None
    uncounted: list[int] | None = None
    whole: list[int] | None = None
    x_start_ns: list[int] | None = None
    x_duration_ns: list[int] | None = None
    x_worker: list[int] | None = None
    x_tier: list[str] | None = None
    x_stage: list[str] | None = None


class BlocksMessage(Struct, tag="blocks", tag_field="type"):
    time_ns: list[int]
    hash: list[str]
    bytes: list[int]
    pool: list[int]
    op: list[str]


class OccupancyMessage(Struct, tag="occupancy", tag_field="type"):
    time_ns: list[int]
    pool: list[int]
    used_bytes: list[int]
    active_bytes: list[int]


class WatermarkMessage(Struct, tag="watermark", tag_field="type"):
    time_ns: Count
    seq: Count | None = None


RowMessage = RequestsMessage | DecisionsMessage | PhasesMessage | WatermarkMessage
"""Messages of few rows, which are handled one by one."""
ColumnMessage = BlocksMessage | OccupancyMessage
Message = Hello | RowMessage | ColumnMessage | DeliveriesMessage


class _Peek(Struct):
    type: str


class _PeekVersion(Struct):
    version: int | None = None


class _RawRows(Struct):
    rows: list[msgspec.Raw]


class _PeekRow(Struct):
    event: str


_TYPES: Final = frozenset(
    {"hello", "requests", "decisions", "phases", "deliveries", "blocks", "occupancy", "watermark"}
)
_EVENTS: Final = frozenset({"received", "admitted", "finished"})
_MESSAGE: Final = msgspec.json.Decoder(Message)
_PEEK: Final = msgspec.json.Decoder(_Peek)
_PEEK_VERSION: Final = msgspec.json.Decoder(_PeekVersion)
_RAW_ROWS: Final = msgspec.json.Decoder(_RawRows)
_ROW: Final = msgspec.json.Decoder(RequestRow)
_PEEK_ROW: Final = msgspec.json.Decoder(_PeekRow)


def parse(data: bytes | memoryview) -> tuple[Message | None, int]:
    """The message, or None where its type is not known, and how many things were skipped: the message itself, or rows of unknown `event`.

    Raises `MessageError`. Unknown types and events cost a second look, so that the known ones are decoded in one.
    """
    try:
        try:
            return _MESSAGE.decode(data), 0
        except msgspec.ValidationError as error:
            return _second_look(data, str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"not a JSON message: {error}") from None


def _second_look(data: bytes | memoryview, complaint: str) -> tuple[Message | None, int]:
    try:
        kind = _PEEK.decode(data).type
        version = _PEEK_VERSION.decode(data).version if kind == "hello" else VERSION
    except msgspec.ValidationError as error:
        raise MessageError(f"not a message: {error}") from None
    if kind not in _TYPES:
        return None, 1
    if version != VERSION:
        raise MessageError(unsupported(version))
    if kind == "requests":
        return _known_events(data)
    raise MessageError(f"{kind}: {complaint}")


def _known_events(data: bytes | memoryview) -> tuple[Message, int]:
    rows: list[RequestRow] = []
    skipped = 0
    try:
        raw_rows = _RAW_ROWS.decode(data).rows
    except msgspec.ValidationError as error:
        raise MessageError(f"requests: {error}") from None
    for index, raw in enumerate(raw_rows):
        try:
            rows.append(_ROW.decode(raw))
        except msgspec.ValidationError as error:
            if _event(raw) in _EVENTS:
                raise MessageError(f"requests, row {index}: {error}") from None
            skipped += 1
    return RequestsMessage(rows), skipped


def _event(raw: msgspec.Raw) -> str:
    try:
        return _PEEK_ROW.decode(raw).event
    except msgspec.ValidationError as error:
        raise MessageError(f"not a row of requests: {error}") from None
