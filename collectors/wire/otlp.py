"""OTLP/HTTP bodies as spans: JSON here, protobuf in `otlp_protobuf`; bounded, and safe to show. What a span means is not said here.

Format: open-telemetry/opentelemetry-proto trace/v1/trace.proto, and docs/specification.md for JSON (ids in hexadecimal, 64-bit numbers as text or numbers).
"""

from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct

from collectors.wire.safe import safe_text

MAX_SPANS: Final = 20_000
"""Of one body. The SDKs send 512 at a time."""
MAX_OBJECTS: Final = 1_000_000
"""Of one body in JSON, as braces: a small one is a hundred bytes of memory for two of the body."""
MAX_ATTRIBUTES: Final = 128
MAX_TEXT: Final = 256
_LARGEST: Final = 1 << 62

Value = str | int | float | bool
Attributes = dict[str, Value]


class OtlpError(ValueError):
    """A body that is none; the message is short and safe to show."""


class Span(NamedTuple):
    """Ids are hexadecimal, empty where there is none; times nanoseconds since 1970 on the clock of whoever made it."""

    name: str
    trace: str
    id: str
    parent: str
    start_ns: int
    end_ns: int
    attributes: Attributes
    resource: Attributes
    scope: str


class Export(NamedTuple):
    """`rejected` spans were none: without ids, or with times that no clock shows."""

    spans: list[Span]
    rejected: int


def span(
    name: str,
    trace: str,
    id_: str,
    parent: str,
    times: tuple[int, int],
    attributes: Attributes,
    resource: Attributes,
    scope: str,
) -> Span | None:
    """None where it cannot be one."""
    if (
        len(trace) != 32
        or len(id_) != 16
        or len(parent) not in (0, 16)
        or not 0 < times[0] <= _LARGEST
        or not 0 < times[1] <= _LARGEST
    ):
        return None
    return Span(safe_text(name, MAX_TEXT), trace, id_, parent, *times, attributes, resource, scope)


def kept(key: str, value: Any) -> tuple[str, Value] | None:
    """An attribute as it is kept; None for lists and the like, which nothing here needs."""
    if isinstance(value, str):
        return safe_text(key, MAX_TEXT), safe_text(value, MAX_TEXT)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return None
    return (safe_text(key, MAX_TEXT), value) if isinstance(value, bool | int | float) else None


class _Any(Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Annotated[str, Meta(max_length=24)] | int | None = None
    double_value: float | str | None = None


class _KeyValue(Struct, rename="camel"):
    key: str = ""
    value: _Any | None = None


class _Span(Struct, rename="camel"):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    name: str = ""
    start_time_unix_nano: Annotated[str, Meta(max_length=24)] | int = 0
    end_time_unix_nano: Annotated[str, Meta(max_length=24)] | int = 0
    attributes: list[_KeyValue] = []


class _Scope(Struct):
    name: str = ""


class _ScopeSpans(Struct, rename="camel"):
    scope: _Scope | None = None
    spans: list[_Span] = []


class _Resource(Struct):
    attributes: list[_KeyValue] = []


class _ResourceSpans(Struct, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] = []


class _Request(Struct, rename="camel"):
    resource_spans: list[_ResourceSpans] = []


_REQUEST: Final = msgspec.json.Decoder(_Request)


def decode_json(data: bytes) -> Export:
    """Raises OtlpError."""
    if data.count(b"{") > MAX_OBJECTS:
        raise OtlpError(f"more than {MAX_OBJECTS:,} objects")
    try:
        request = _REQUEST.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OtlpError(safe_text(f"not OTLP JSON: {error}", MAX_TEXT)) from None
    found: list[Span] = []
    rejected = 0
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes if group.resource else [])
        for scoped in group.scope_spans:
            scope = safe_text(scoped.scope.name, MAX_TEXT) if scoped.scope else ""
            for one in scoped.spans:
                if len(found) + rejected >= MAX_SPANS:
                    rejected += 1
                    continue
                times = _int(one.start_time_unix_nano), _int(one.end_time_unix_nano)
                ids = one.trace_id.lower(), one.span_id.lower(), one.parent_span_id.lower()
                made = None
                if all(map(_is_hex, ids)):
                    made = span(one.name, *ids, times, _attributes(one.attributes), resource, scope)
                if made is None:
                    rejected += 1
                else:
                    found.append(made)
    return Export(found, rejected)


def _attributes(pairs: list[_KeyValue]) -> Attributes:
    found: Attributes = {}
    for pair in pairs[:MAX_ATTRIBUTES]:
        said = pair.value or _Any()
        number = None if said.int_value is None else _int(said.int_value)
        double = said.double_value if isinstance(said.double_value, float) else None
        values = (said.string_value, said.bool_value, number, double)
        one = kept(pair.key, next((value for value in values if value is not None), None))
        if one is not None:
            found[one[0]] = one[1]
    return found


def _int(text: str | int) -> int:
    if isinstance(text, int):
        return text
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() else 0


def _is_hex(text: str) -> bool:
    return len(text) <= 32 and all(char in "0123456789abcdef" for char in text)
