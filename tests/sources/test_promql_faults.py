"""A Prometheus server that fails, lies or says too much: a typed reason on its row, and the rest goes on."""

import asyncio
import json
from typing import Any

import pytest

from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import LiveClock
from collectors.sources import promql_instances
from collectors.sources.promql import PromqlSource
from collectors.wire.http import HttpClient
from collectors.wire.limits import Limits
from tests.loopback import page, says, serving, unused_port
from tests.sources.promql_double import Double
from tests.sources.seen import Seen, value
from tests.sources.test_promql import START_NS, UP, engine, frame_of, seen_through, times

JSON = "application/json"


def vector(*result: Any) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": list(result)}}).encode()


def error(kind: str, message: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": message}).encode()


@pytest.mark.parametrize(
    ("response", "status", "reason"),
    [
        (
            page(error("unavailable", "not ready"), status="503 X", kind=JSON),
            TargetStatus.DOWN,
            "unavailable: not ready",
        ),
        (page(b"busy", status="503 X"), TargetStatus.DOWN, "http 503"),
        (page(b"who?", status="401 X"), TargetStatus.REJECTED, "http 401"),
        (page(error("bad_data", "no\x1b[31m"), status="400 X", kind=JSON), TargetStatus.REJECTED, "bad_data: no"),
        (page(b"<html>", kind="text/html"), TargetStatus.REJECTED, "not application/json: content type text/html"),
        (page(b"# HELP", kind=JSON), TargetStatus.REJECTED, "malformed: "),
        (page(vector(), kind=JSON), TargetStatus.REJECTED, "malformed: time() is not a scalar"),
        (page(b" " * 9_000, kind=JSON), TargetStatus.REJECTED, "too large: "),
        (page(b"{", "Content-Encoding: gzip", kind=JSON), TargetStatus.REJECTED, "truncated gzip"),
    ],
)
async def test_no_answer_is_the_servers_status(response: bytes, status: TargetStatus, reason: str) -> None:
    seen = Seen()
    async with serving(says(response)) as server, HttpClient(Limits(max_body_bytes=8_192)) as client:
        await PromqlSource("prom", server.url, client).step(START_NS, seen)
    ((found, why),) = seen.statuses
    assert found is status
    assert why.startswith(reason)
    assert len(why) < 300


async def test_nobody_there() -> None:
    seen = Seen()
    async with HttpClient() as client:
        await PromqlSource("prom", f"http://127.0.0.1:{await unused_port()}", client).step(START_NS, seen)
    assert seen.statuses == [(TargetStatus.DOWN, "refused")]


async def test_after_a_fault_it_goes_on_with_what_was_missed() -> None:
    double = Double()
    for second in range(-20, 21, 5):
        double.scraped(engine(second + 20), double.now_s + second, "a:1")
    seen = Seen()
    async with serving(double.handler) as server, HttpClient() as client:
        source = PromqlSource("prom", server.url, client)
        await source.step(START_NS, seen)
        double.broken["time()"] = page(error("timeout", "slow"), status="503 X", kind=JSON)
        await source.step(START_NS + 10_000_000_000, seen)
        double.broken.clear()
        double.now_s += 20
        await source.step(START_NS + 20_000_000_000, seen)
    assert seen.of("prom").statuses == [UP, (TargetStatus.DOWN, "timeout: slow"), UP]
    assert seen.of("a:1 via prom").statuses == [UP, (TargetStatus.STALE, "the server does not answer"), UP]
    values = [value(one, Signal.REQUESTS_RUNNING, Kind.GAUGE) for one in seen.of("a:1 via prom").samples]
    assert values == list(range(0, 41, 5))


async def test_one_question_without_an_answer_is_a_warning() -> None:
    double = Double()
    page_of_two = engine(1) + b'vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf"} 3\n'
    double.scraped(page_of_two, double.now_s - 16, "a:1")
    double.scraped(page_of_two, double.now_s - 1, "a:1")
    double.broken["first_token_seconds_bucket"] = page(error("execution", "boom"), status="422 X", kind=JSON)
    seen = await seen_through(double, 100)
    (target, other) = frame_of(seen, 100).targets
    assert (target.status, other.status) == (TargetStatus.UP, TargetStatus.UP)
    assert target.reason == "1 of 2 questions without an answer: execution: boom"
    assert value(seen.of("a:1 via prom").samples[-1], Signal.REQUESTS_RUNNING, Kind.GAUGE) == 1


async def test_values_that_are_no_numbers_are_no_figures() -> None:
    double = Double()
    for ago_s in (16, 1):
        double.scraped(
            b'vllm:num_requests_running{engine="0"} NaN\nvllm:generation_tokens_total{engine="0"} +Inf\n',
            double.now_s - ago_s,
            "a:1",
        )
    (row,) = frame_of(await seen_through(double, 100), 100).workers
    assert (row.running.value, row.tokens_per_s.value) == (None, None)


async def test_samples_of_the_future_are_of_now() -> None:
    double = Double()
    double.scraped(engine(1), double.now_s - 1, "a:1")
    metric = {"__name__": "vllm:num_requests_running", "engine": "0", "instance": "a:1", "job": "llm"}
    rows = [[double.now_s + 3_600, "7"]]
    body = {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": metric, "values": rows}]}}
    double.broken["[90s]"] = page(json.dumps(body).encode(), kind=JSON)
    seen = (await seen_through(double, 100)).of("a:1 via prom")
    assert times(seen) == [START_NS - 1]


async def test_text_of_the_server_is_made_safe() -> None:
    hostile = "\x1b]0;owned\x07\u202e" + "x" * 600
    double = Double(warnings=[hostile])
    double.scraped(engine(1), double.now_s - 1, f"a{hostile}", job=hostile, pod=hostile)
    seen = await seen_through(double, 100)
    assert len({batch.source for batch in seen.batches}) == 2
    assert all(text.isprintable() and len(text) < 600 for text in seen.texts())


async def test_a_page_that_contradicts_itself_is_one_row() -> None:
    double = Double()
    double.scraped(engine(1), double.now_s - 1, "a:1")
    bad = {"__name__": "vllm:time_to_first_token_seconds_bucket", "le": "x", "engine": "0", "job": "llm"}
    double.add({**bad, "instance": "b:1"}, double.now_s - 1, 1.0)
    seen = await seen_through(double, 100)
    assert seen.of("a:1 via prom").statuses == [UP]
    ((status, reason),) = seen.of("b:1 via prom").statuses
    assert status is TargetStatus.REJECTED
    assert "without a bound" in reason


async def test_too_many_instances_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promql_instances, "MAX_INSTANCES", 3)
    double = Double()
    for number in range(5):
        double.scraped(engine(1), double.now_s - 1, f"a:{number + 1}")
    seen = await seen_through(double, 100)
    assert len({batch.source for batch in seen.batches}) == 4
    assert frame_of(seen, 100).targets[0].reason == "4 series left out: too many"


async def test_series_that_come_and_go_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promql_instances, "SPARE_SERIES", 100)
    double = Double()
    seen = Seen()
    async with serving(double.handler) as server, HttpClient() as client:
        source = PromqlSource("prom", server.url, client)
        for turn in range(20):
            gone = b"".join(
                b'vllm:request_success_total{engine="0",finished_reason="%d-%d"} 1\n' % (turn, one)
                for one in range(100)
            )
            double.scraped(engine(turn) + gone, double.now_s - 1, "a:1")
            await source.step(START_NS + turn * 10_000_000_000, seen)
            double.now_s += 10
        assert source.series_known < 1_000
    values = [value(one, Signal.REQUESTS_RUNNING, Kind.GAUGE) for one in seen.of("a:1 via prom").samples]
    assert values == list(range(len(values)))
    assert len(values) >= 19


async def test_live_it_begins_at_once_and_ends_when_cancelled() -> None:
    double = Double()
    double.scraped(engine(1), double.now_s - 1, "a:1")
    seen = Seen()
    async with serving(double.handler) as server, HttpClient() as client:
        task = asyncio.create_task(PromqlSource("prom", server.url, client).run(LiveClock(), seen))
        await seen.until(lambda seen: len(seen.batches) >= 2)
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()
    assert [batch.source for batch in seen.batches] == ["prom", "a:1 via prom"]
