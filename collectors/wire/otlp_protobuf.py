"""The protobuf encoding of OTLP's trace export, as far as it is needed: read without a schema compiler, as its few messages have been frozen since 1.0.

Numbers of fields: open-telemetry/opentelemetry-proto collector/trace/v1/trace_service.proto, trace/v1/trace.proto, common/v1/common.proto,
resource/v1/resource.proto; of the answer to an error: google/rpc/status.proto. Wire types: protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from collectors.wire.otlp import MAX_ATTRIBUTES, MAX_SPANS, MAX_TEXT, Attributes, Export, OtlpError, Span, kept, span
from collectors.wire.safe import safe_text

MAX_FIELDS: Final = 1_000_000
"""Of one body: a span of an SDK has about 75, its attributes' included."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TRACE, _ID, _PARENT, _NAME, _START, _END, _ATTRIBUTE = 1, 2, 4, 5, 7, 8, 9
_Field = tuple[int, int, int | memoryview]
"""Number, wire type, and what it holds: an integer as it stands, or bytes."""


class _Left:
    """How many fields more are read, of all messages of a body together."""

    def __init__(self, fields: int) -> None:
        self.fields = fields


def decode(data: bytes) -> Export:
    """Raises OtlpError."""
    found: list[Span] = []
    rejected = 0
    left = _Left(MAX_FIELDS)
    for group in _messages(memoryview(data), 1, left):
        resource = _attributes((pair for one in _messages(group, 1, left) for pair in _messages(one, 1, left)), left)
        for scoped in _messages(group, 2, left):
            scope = next((_text(name) for one in _messages(scoped, 1, left) for name in _messages(one, 1, left)), "")
            for one in _messages(scoped, 2, left):
                made = _span(one, resource, scope, left) if len(found) + rejected < MAX_SPANS else None
                if made is None:
                    rejected += 1
                else:
                    found.append(made)
    return Export(found, rejected)


def answer(rejected: int, message: str) -> bytes:
    """ExportTraceServiceResponse: empty where all was taken."""
    if not rejected:
        return b""
    inner = b"\x08" + _varint(rejected) + b"\x12" + _sized(message.encode())
    return b"\x0a" + _sized(inner)


def status(code: int, message: str) -> bytes:
    """google.rpc.Status."""
    return b"\x08" + _varint(code) + b"\x12" + _sized(message.encode())


def _span(data: memoryview, resource: Attributes, scope: str, left: _Left) -> Span | None:
    ids: dict[int, str] = {}
    times: dict[int, int] = {}
    name = ""
    pairs: list[memoryview] = []
    for number, _, value in _fields(data, left):
        if isinstance(value, int):
            if number in (_START, _END):
                times[number] = value
        elif number in (_TRACE, _ID, _PARENT):
            ids[number] = value[:16].hex()
        elif number == _NAME:
            name = _text(value)
        elif number == _ATTRIBUTE and len(pairs) < MAX_ATTRIBUTES:
            pairs.append(value)
    place = ids.get(_TRACE, ""), ids.get(_ID, ""), ids.get(_PARENT, "")
    return span(name, *place, (times.get(_START, 0), times.get(_END, 0)), _attributes(pairs, left), resource, scope)


def _attributes(pairs: Iterable[memoryview], left: _Left) -> Attributes:
    found: Attributes = {}
    for pair in islice(pairs, MAX_ATTRIBUTES):
        key, value = "", None
        for number, _, part in _fields(pair, left):
            if number == 1 and not isinstance(part, int):
                key = _text(part)
            elif number == 2 and not isinstance(part, int):
                value = _value(part, left)
        if (one := kept(key, value)) is not None:
            found[one[0]] = one[1]
    return found


def _value(data: memoryview, left: _Left) -> str | int | float | bool | None:
    for number, kind, value in _fields(data, left):
        if number == 1 and not isinstance(value, int):
            return _text(value)
        if isinstance(value, int):
            if number == 2 and kind == _VARINT:
                return bool(value)
            if number == 3 and kind == _VARINT:
                return value - (1 << 64) if value >> 63 else value
            if number == 4 and kind == _FIXED64:
                double: float = struct.unpack("<d", value.to_bytes(8, "little"))[0]
                return double
    return None


def _messages(data: memoryview, wanted: int, left: _Left) -> Iterator[memoryview]:
    for number, _, value in _fields(data, left):
        if number == wanted and not isinstance(value, int):
            yield value


def _fields(data: memoryview, left: _Left) -> Iterator[_Field]:
    """Of one message. Raises OtlpError."""
    at, end = 0, len(data)
    while at < end:
        left.fields -= 1
        if left.fields < 0:
            raise OtlpError(f"more than {MAX_FIELDS:,} fields")
        key, at = _number(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _number(data, at)
            yield number, kind, value
            continue
        if kind == _BYTES:
            size, at = _number(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise OtlpError(f"not protobuf: wire type {kind}")
        if size > end - at:
            raise OtlpError("not protobuf: ends too soon")
        part = data[at : at + size]
        at += size
        yield number, kind, part if kind == _BYTES else int.from_bytes(part, "little")


def _number(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            raise OtlpError("not protobuf: ends too soon")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        shift += 7
    raise OtlpError("not protobuf: a number without an end")


def _text(data: memoryview) -> str:
    return safe_text(bytes(data[: 4 * MAX_TEXT]).decode("utf-8", "replace"), MAX_TEXT)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _sized(data: bytes) -> bytes:
    return _varint(len(data)) + data


__all__: Final = ["answer", "decode", "status"]
