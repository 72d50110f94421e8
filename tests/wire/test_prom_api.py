"""Answers of a Prometheus-compatible server: read, or refused with a type and a reason."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.vocabulary import TargetStatus
from collectors.wire.http import FetchError, HttpClient
from collectors.wire.limits import Limits
from collectors.wire.prom_api import MAX_NODES, MAX_SERIES, PromApi, PromApiError, decode, decode_names, labels_of
from tests.loopback import page, says, serving

DOCUMENTED = Path(__file__).parent.parent / "fixtures" / "prometheus"


def answer(result: object, kind: str = "vector", **more: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()


def refusal(body: bytes) -> PromApiError:
    with pytest.raises(PromApiError) as caught:
        decode(body)
    return caught.value


def test_documented_instant_query() -> None:
    found = decode((DOCUMENTED / "query_instant.json").read_bytes())
    assert [labels_of(one) for one in found.series] == [
        {"__name__": "up", "job": "prometheus", "instance": "localhost:9090"},
        {"__name__": "up", "job": "node", "instance": "localhost:9100"},
    ]
    assert [one.samples for one in found.series] == [((1435781451.781, 1.0),), ((1435781451.781, 0.0),)]
    assert found.warnings == ()


def test_documented_range_query() -> None:
    found = decode((DOCUMENTED / "query_range.json").read_bytes())
    assert [labels_of(one)["instance"] for one in found.series] == ["localhost:9090", "localhost:9091"]
    assert found.series[1].samples == ((1435781430.781, 0.0), (1435781445.781, 0.0), (1435781460.781, 1.0))


def test_a_scalar_is_a_series_without_labels() -> None:
    (found,) = decode(answer([1.5, "1.5"], "scalar")).series
    assert (labels_of(found), found.samples) == ({}, ((1.5, 1.5),))


def test_numbers_that_json_has_not() -> None:
    texts = ["NaN", "+Inf", "-Inf", "1e3", "-0"]
    found = decode(answer([{"metric": {"i": str(i)}, "value": [1, text]} for i, text in enumerate(texts)]))
    values = [one.samples[0][1] for one in found.series]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf, 1000.0, 0.0]


@pytest.mark.parametrize("key", ["histogram", "histograms"])
def test_native_histograms(key: str) -> None:
    one = [1.0, {"count": "6", "sum": "3.5", "buckets": [[3, "-0.001", "0.001", "1"], [0, "0.5", "1", "5"]]}]
    (found,) = decode(answer([{"metric": {"__name__": "x"}, key: one if key == "histogram" else [one]}])).series
    ((time_s, native),) = found.histograms
    assert (time_s, native.count, native.sum) == (1.0, 6.0, 3.5)
    assert native.buckets == ((-0.001, 0.001, 1.0), (0.5, 1.0, 5.0))


def test_warnings_are_kept_once_and_made_safe() -> None:
    found = decode(answer([], warnings=["partial\x1b[31m answer", "partial answer"], infos=["i"]))
    assert found.warnings == ("partial answer", "i")
    assert decode_names(b'{"status":"success","data":["a","b"],"warnings":["w"]}') == (("a", "b"), ("w",))
    assert decode(answer([], warnings=None)).warnings == ()
    victoria = b'{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}'
    assert decode(victoria).warnings == ("partial response",)
    assert decode(victoria.replace(b"true", b"false")).warnings == ()


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("bad_data", TargetStatus.REJECTED),
        ("execution", TargetStatus.REJECTED),
        ("timeout", TargetStatus.DOWN),
        ("unavailable", TargetStatus.DOWN),
    ],
)
def test_errors_are_typed(kind: str, status: TargetStatus) -> None:
    error = refusal(json.dumps({"status": "error", "errorType": kind, "error": "why\nso"}).encode())
    assert (error.kind, error.reason, error.status) == (kind, f"{kind}: why so", status)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"status":"maybe"}',
        b'{"status":"success"}',
        b'{"status":"success","data":{"resultType":"string","result":[1,"x"]}}',
        answer({}, "vector"),
        answer([{"value": [1, "1"]}]),
        answer([{"metric": {}, "value": [1, 1]}]),
        answer([{"metric": {}, "value": [1, "one"]}]),
        answer([{"metric": {}, "value": [-1, "1"]}]),
        answer([{"metric": {}, "value": [1e300, "1"]}]),
        answer([{"metric": {}, "values": [[1, "1", 2]]}], "matrix"),
        answer([{"metric": {}, "histogram": [1, {"count": "1", "sum": "1", "buckets": [[0, "0", "NaN", "1"]]}]}]),
        answer(
            [{"metric": {}, "histogram": [1, {"count": "1", "sum": "1", "buckets": [[0, "0", "1", "1"]] * 2}]}],
        ),
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"\xff"},"value":[1,"\xff"]}]}}',
        b'{"status":"error","error":' + b"[" * 5_000,
    ],
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    assert refusal(body).kind == "malformed"
    assert len(refusal(body).reason) < 300


def test_labels_that_are_none_are_refused() -> None:
    (found,) = decode(
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":1},"value":[1,"1"]}]}}'
    ).series
    with pytest.raises(PromApiError):
        labels_of(found)


def test_too_much_is_refused_before_it_takes_memory() -> None:
    assert refusal(b'{"x":' + b"[" * MAX_NODES).kind == "limit"
    row = b'{"metric":{},"value":[1,"1"]},'
    many = b'{"status":"success","data":{"resultType":"vector","result":[' + row * MAX_SERIES + row[:-1] + b"]}}"
    assert refusal(many).kind == "limit"
    buckets = [[0, str(i), str(i + 1), "1"] for i in range(600)]
    one = {"metric": {}, "histogram": [1, {"count": "600", "sum": "1", "buckets": buckets}]}
    assert refusal(answer([one])).kind == "limit"


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_a_typed_error(body: bytes) -> None:
    for whole in (body, b'{"status":"success","data":{"resultType":"vector","result":[' + body + b"]}}"):
        try:
            decode(whole)
        except PromApiError as error:
            assert error.reason  # noqa: PT017  an error is one of two good outcomes


async def test_over_http_a_refused_query_says_why() -> None:
    body = b'{"status":"error","errorType":"bad_data","error":"parse error"}'
    response = page(body, status="400 Bad Request", kind="application/json")
    async with serving(says(response)) as server, HttpClient() as client:
        with pytest.raises(PromApiError, match="bad_data: parse error"):
            await PromApi(server.url, client).query('up{a="b&c"}[5s]', 12.3456)
    assert server.requests[0].line == ("GET /api/v1/query?query=up%7Ba%3D%22b%26c%22%7D%5B5s%5D&time=12.346 HTTP/1.1")


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (page(b"busy", status="503 Service Unavailable"), "http 503"),
        (page(b"<html>", kind="text/html"), "not application/json: content type text/html"),
        (page(b"{}", status="401 Unauthorized", kind="application/json"), "http 401"),
        (page(b" " * 2_000, kind="application/json"), "too large: more than 0.0009766 MiB"),
    ],
)
async def test_what_is_no_json_is_a_fetch_error(response: bytes, reason: str) -> None:
    limits = Limits(max_body_bytes=1024)
    async with serving(says(response)) as server, HttpClient(limits) as client:
        with pytest.raises(FetchError) as caught:
            await PromApi(server.url, client).now_s()
    assert caught.value.reason == reason


async def test_the_servers_clock() -> None:
    clock = answer([1435781451.781, "1435781451.781"], "scalar")
    async with serving(says(page(clock, kind="application/json"))) as server, HttpClient() as client:
        assert await PromApi(f"{server.url}/prometheus/", client).now_s() == 1435781451.781
    assert server.requests[0].path == "/prometheus/api/v1/query?query=time()"
