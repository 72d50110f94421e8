"""OTLP bodies: JSON and protobuf say the same, as OpenTelemetry's own classes write them; what is none is refused, whatever it is."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from collectors.wire import otlp_protobuf
from collectors.wire.otlp import MAX_OBJECTS, MAX_SPANS, Export, OtlpError, decode_json, kept

TRACE, ID, PARENT = bytes(range(16)), bytes(range(8)), bytes(range(8, 16))
scalars = (
    st.text(max_size=20).map(lambda one: AnyValue(string_value=one))
    | st.booleans().map(lambda one: AnyValue(bool_value=one))
    | st.integers(-(2**63), 2**63 - 1).map(lambda one: AnyValue(int_value=one))
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda one: AnyValue(double_value=one))
)
attributes = st.dictionaries(st.text("abc._", min_size=1, max_size=8), scalars, max_size=5).map(
    lambda one: [KeyValue(key=key, value=value) for key, value in one.items()]
)


def request(span: Span, resource: list[KeyValue] | None = None) -> ExportTraceServiceRequest:
    scoped = ScopeSpans(scope=InstrumentationScope(name="a scope", version="1"), spans=[span])
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(resource=Resource(attributes=resource or []), scope_spans=[scoped], schema_url="u")
        ]
    )


def made(**more: Any) -> Span:
    fields = {
        "trace_id": TRACE,
        "span_id": ID,
        "name": "llm_request",
        "start_time_unix_nano": 5,
        "end_time_unix_nano": 9,
    }
    return Span(**{**fields, **more})


def as_json(message: ExportTraceServiceRequest) -> bytes:
    """As OTLP wants it: ids in hexadecimal, where protobuf's own JSON has base64."""
    value = MessageToDict(message)
    for group in value["resourceSpans"]:
        for scoped in group["scopeSpans"]:
            for span in scoped["spans"]:
                for key in ("traceId", "spanId", "parentSpanId"):
                    if key in span:
                        span[key] = base64.b64decode(span[key]).hex()
    return msgspec.json.encode(value)


@given(attributes, attributes, st.integers(1, 2**62), st.integers(1, 2**62), st.booleans())
def test_both_encodings_say_what_was_meant(
    said: list[KeyValue], of: list[KeyValue], start: int, end: int, child: bool
) -> None:
    span = made(
        attributes=said, start_time_unix_nano=start, end_time_unix_nano=end, parent_span_id=PARENT if child else b""
    )
    span.status.CopyFrom(Status(message="m", code=Status.STATUS_CODE_ERROR))
    span.events.add(name="e", time_unix_nano=3)
    span.links.add(trace_id=TRACE, span_id=PARENT)
    whole = request(span, of)
    found = otlp_protobuf.decode(whole.SerializeToString())
    assert found == decode_json(as_json(whole))
    (one,) = found.spans
    assert (one.trace, one.id, one.parent) == (TRACE.hex(), ID.hex(), PARENT.hex() if child else "")
    assert (one.name, one.scope, one.start_ns, one.end_ns) == ("llm_request", "a scope", start, end)
    for wanted, got in ((said, one.attributes), (of, one.resource)):
        for pair in wanted:
            value = getattr(pair.value, pair.value.WhichOneof("value") or "")
            assert got[pair.key] == value or isinstance(value, str)


def test_what_is_no_span_is_rejected_and_the_rest_taken() -> None:
    for wrong in (
        {"trace_id": b"x"},
        {"span_id": b""},
        {"start_time_unix_nano": 0},
        {"end_time_unix_nano": 2**64 - 1},
        {"parent_span_id": b"1"},
    ):
        whole = request(made())
        whole.resource_spans[0].scope_spans[0].spans.append(made(**wrong))
        for found in (otlp_protobuf.decode(whole.SerializeToString()), decode_json(as_json(whole))):
            assert (len(found.spans), found.rejected) == (1, 1)


def test_lists_are_left_out_and_text_is_made_safe() -> None:
    array = AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1)]))
    said = [
        KeyValue(key="a", value=array),
        KeyValue(key="b\x1b[31m", value=AnyValue(string_value="x\x00" + "y" * 9_999)),
    ]
    for found in (
        otlp_protobuf.decode(request(made(attributes=said)).SerializeToString()),
        decode_json(as_json(request(made(attributes=said)))),
    ):
        assert list(found.spans[0].attributes) == ["b"]
        assert len(str(found.spans[0].attributes["b"])) == 256


def test_nothing_is_an_export_of_nothing() -> None:
    assert otlp_protobuf.decode(b"") == decode_json(b"{}") == Export([], 0)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_export_or_refused(data: bytes) -> None:
    for decode in (otlp_protobuf.decode, decode_json):
        reason = ""
        try:
            decode(data)
        except OtlpError as error:
            reason = str(error)
        assert reason.isprintable()


@pytest.mark.parametrize(
    ("decode", "data"),
    [
        (otlp_protobuf.decode, b"\x0a\x00" * (otlp_protobuf.MAX_FIELDS + 1)),
        (decode_json, b'{"resourceSpans":[' + b"{}," * MAX_OBJECTS + b"{}]}"),
    ],
)
def test_a_body_of_countless_nothings_is_refused(decode: Callable[[bytes], Export], data: bytes) -> None:
    """Each is two bytes of the body, and a hundred of memory or a microsecond of work."""
    with pytest.raises(OtlpError, match="more than 1,000,000"):
        decode(data)


def test_spans_beyond_the_limit_are_rejected_unread() -> None:
    count = MAX_SPANS + 5
    found = decode_json(b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * (count - 1) + b"{}]}]}]}")
    assert found == Export([], count)
    scoped = b"\x12\x00" * count
    length = len(scoped)
    varint = bytes([length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14])
    outer = b"\x12" + varint + scoped
    length = len(outer)
    varint = bytes([length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14])
    assert otlp_protobuf.decode(b"\x0a" + varint + outer) == Export([], count)


def test_a_number_beyond_64_bits_is_no_attribute() -> None:
    assert kept("rid", 10**400) is None
    assert kept("rid", -1) == ("rid", -1)


@given(st.data())
def test_a_torn_body_is_never_read_beyond_its_end(data: st.DataObject) -> None:
    body = request(made(attributes=[KeyValue(key="k", value=AnyValue(string_value="value"))])).SerializeToString()
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(OtlpError) if cut else pytest.raises(AssertionError):
        otlp_protobuf.decode(body[:cut])
        raise AssertionError


def test_the_answer_is_what_opentelemetry_reads() -> None:
    read = ExportTraceServiceResponse.FromString(otlp_protobuf.answer(300, "too many"))
    assert (read.partial_success.rejected_spans, read.partial_success.error_message) == (300, "too many")
    assert otlp_protobuf.answer(0, "") == b""
