"""The two encodings of `docs/placement-stream.md`: from rows and columns to bytes, and nothing about sockets or order.

Deliveries and blocks go out as the bytes of their arrays in the binary encoding, and as columns in NDJSON. Every function
returns whole messages, each within `MAX_MESSAGE_BYTES`; what does not fit in one is written as several.
"""

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from emulators.events import STAGES, TIERS, Row, Rows

MAX_MESSAGE_BYTES: Final = 1 << 20
BINARY_TYPE: Final = "application/vnd.tokenyard.placement.v1"
NDJSON_TYPE: Final = "application/x-ndjson"

_HEADER: Final = struct.Struct("<IBBHII")
_VERSION: Final = 1
_JSON_FRAME: Final = 1
_DELIVERIES_FRAME: Final = 2
_BLOCKS_FRAME: Final = 3
_UNKNOWN_WORKER: Final = 65_535
_ROWS_AT_ONCE: Final = 8_192
"""Rows tried as one message first: near the limit for columns of JSON, a third of it in binary."""
_TIER_NAMES: Final = np.array(TIERS, dtype=object)
_STAGE_NAMES: Final = np.array(STAGES, dtype=object)
_OP_NAMES: Final = np.array(("stored", "removed"), dtype=object)
_LINE_END: Final = re.compile(rb"\n")
_json: Final = msgspec.json.Encoder().encode


class Encoding(Enum):
    """The value is the media type."""

    BINARY = BINARY_TYPE
    NDJSON = NDJSON_TYPE


class Encoder(ABC):
    """One of the two encodings. Each method gives the bytes of as many messages as the rows need, none for no rows."""

    @abstractmethod
    def message(self, message: Row) -> bytes:
        """One message that cannot be split (`hello`, `watermark`). ValueError if it is over the limit."""

    @abstractmethod
    def deliveries(self, rows: Rows, extras: Rows) -> bytes:
        """Rows of `events.DELIVERY`, and the rows of `events.EXTRA` that their column `extra` counts, in order."""

    @abstractmethod
    def blocks(self, rows: Rows) -> bytes:
        """Rows of `events.BLOCK`."""

    @abstractmethod
    def ends(self, data: bytes) -> list[int]:
        """Where each of some whole messages ends."""

    def rows(self, kind: str, rows: list[Row]) -> bytes:
        """Messages of type `requests`, `decisions` or `phases`."""
        return _messages(len(rows), lambda i, j: self.message({"type": kind, "rows": rows[i:j]}))

    def occupancy(self, rows: Rows) -> bytes:
        """Rows of `events.OCCUPANCY`."""
        names = ("time_ns", "pool", "used_bytes", "active_bytes")
        return _messages(
            len(rows),
            lambda i, j: self.message({"type": "occupancy"} | {name: rows[name][i:j].tolist() for name in names}),
        )


def negotiate(accept: str | None) -> Encoding:
    """The encoding for an `Accept` header: binary where it is named and not ranked below NDJSON, else NDJSON."""
    quality: dict[str, float] = {}
    for part in (accept or "").split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality[media] = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                quality[media] = _number(value)
    binary = quality.get(BINARY_TYPE, 0.0)
    return Encoding.BINARY if binary > 0 and binary >= quality.get(NDJSON_TYPE, 0.0) else Encoding.NDJSON


def encoder(encoding: Encoding) -> Encoder:
    return _BINARY if encoding is Encoding.BINARY else _NDJSON


def hello(*, clock_id: str, now_ns: int, inventory: Row, epoch: str, resumed_after: int | None = None) -> Row:
    """The handshake of an emulator: always `emulated`, always a virtual clock. `inventory`: workers, pools, block_tokens."""
    clock = {"id": clock_id, "kind": "virtual", "now_ns": now_ns}
    head = {"type": "hello", "version": _VERSION, "producer": "tokenyard-emulator", "emulated": True, "clock": clock}
    head |= {"epoch": epoch} | ({} if resumed_after is None else {"resumed_after": resumed_after})
    return {**head, **{name: value for name, value in inventory.items() if name not in head}}


def watermark(time_ns: int, seq: int) -> Row:
    return {"type": "watermark", "time_ns": time_ns, "seq": seq}


class _Ndjson(Encoder):
    def message(self, message: Row) -> bytes:
        return _bounded(_json(message)) + b"\n"

    def deliveries(self, rows: Rows, extras: Rows) -> bytes:
        ends = _extra_ends(rows, extras)
        return _messages(len(rows), lambda i, j: self.message(_delivery_columns(rows[i:j], extras[ends[i] : ends[j]])))

    def blocks(self, rows: Rows) -> bytes:
        return _messages(len(rows), lambda i, j: self.message(_block_columns(rows[i:j])))

    def ends(self, data: bytes) -> list[int]:
        return [end.end() for end in _LINE_END.finditer(data)]


class _Binary(Encoder):
    def message(self, message: Row) -> bytes:
        return _frame(_JSON_FRAME, _json(message))

    def deliveries(self, rows: Rows, extras: Rows) -> bytes:
        ends = _extra_ends(rows, extras)

        def frame(i: int, j: int) -> bytes:
            some = extras[ends[i] : ends[j]]
            return _frame(_DELIVERIES_FRAME, rows[i:j].tobytes() + some.tobytes(), j - i, len(some))

        return _messages(len(rows), frame)

    def blocks(self, rows: Rows) -> bytes:
        return _messages(len(rows), lambda i, j: _frame(_BLOCKS_FRAME, rows[i:j].tobytes(), j - i))

    def ends(self, data: bytes) -> list[int]:
        ends, at = [], 0
        while at < len(data):
            at += _HEADER.size + _HEADER.unpack_from(data, at)[0]
            ends.append(at)
        return ends


_NDJSON: Final = _Ndjson()
_BINARY: Final = _Binary()


class _TooLargeError(ValueError):
    pass


def _frame(kind: int, body: bytes, rows: int = 0, extras: int = 0) -> bytes:
    return _HEADER.pack(len(_bounded(body)), kind, _VERSION, 0, rows, extras) + body


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_MESSAGE_BYTES:
        raise _TooLargeError(
            f"a message of {len(body)} bytes is over the limit of {MAX_MESSAGE_BYTES}; write it as several"
        )
    return body


def _messages(count: int, write: Callable[[int, int], bytes]) -> bytes:
    """`write(i, j)` over all rows, in parts that each fit into one message."""
    return b"".join(_halved(write, i, min(i + _ROWS_AT_ONCE, count)) for i in range(0, count, _ROWS_AT_ONCE))


def _halved(write: Callable[[int, int], bytes], start: int, end: int) -> bytes:
    try:
        return write(start, end)
    except _TooLargeError:
        if end - start == 1:
            raise
    middle = (start + end) // 2
    return _halved(write, start, middle) + _halved(write, middle, end)


def _extra_ends(rows: Rows, extras: Rows) -> npt.NDArray[np.int64]:
    """Where the extras of each row begin, and at the end where the last's end: shape (rows + 1,)."""
    ends = np.zeros(len(rows) + 1, np.int64)
    if len(extras):
        np.cumsum(rows["extra"], out=ends[1:])
    return ends


def _delivery_columns(rows: Rows, extras: Rows) -> Row:
    columns: Row = {"type": "deliveries"}
    columns |= {name: rows[name].tolist() for name in ("stream", "first_token", "tokens", "time_ns")}
    columns |= _place_columns(rows, "")
    if len(extras):
        columns["extra"] = rows["extra"].tolist()
        columns |= _place_columns(extras, "x_")
    return columns


def _place_columns(rows: Rows, prefix: str) -> Row:
    worker = rows["worker"].astype(np.int64)
    worker[worker == _UNKNOWN_WORKER] = -1
    columns = {
        "worker": worker,
        "tier": _TIER_NAMES[rows["tier"]],
        "stage": _STAGE_NAMES[rows["stage"]],
        "start_ns": rows["start_ns"],
        "duration_ns": rows["duration_ns"],
    }
    return {prefix + name: column.tolist() for name, column in columns.items()}


def _block_columns(rows: Rows) -> Row:
    return {
        "type": "blocks",
        "time_ns": rows["time_ns"].tolist(),
        "hash": [f"{value:016x}" for value in rows["hash"].tolist()],
        "bytes": rows["bytes"].tolist(),
        "pool": rows["pool"].tolist(),
        "op": _OP_NAMES[rows["op"]].tolist(),
    }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
