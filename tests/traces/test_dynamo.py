"""Dynamo's request trace and its router's log, as captured from a run in which a decode worker was killed in mid-stream."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.model.traces import Account, Instant, Move, Statement, Stretch
from collectors.model.vocabulary import About, Phase
from collectors.traces import dynamo_log, dynamo_record
from collectors.traces.lines import LineReader
from collectors.traces.reading import NotARecordError, ns_of_rfc3339

DYNAMO = Path(__file__).parents[1] / "fixtures/dynamo"
RECORDS = (DYNAMO / "request_trace.v1.jsonl").read_bytes().splitlines()
LOG = (DYNAMO / "frontend_router_log.jsonl").read_bytes().splitlines()
MIGRATED = "5ea6e8f3-7d43-4086-8c39-b96fdb86eab8"
PREFILL, DEAD, NEXT = "17325804865820210879/0", "10877841985536116478/0", "14395883631591895480/0"
MS = 1_000_000


def record(**request: object) -> bytes:
    event = {"schema": "dynamo.request.trace.v1", "event_type": "request_end", "event_time_unix_ms": 1_700_000_001_000}
    return msgspec.json.encode({**event, "request": {"request_id": "r", **request}})


def by_phase(account: Account) -> dict[Phase, Stretch]:
    return {one.phase: one for one in account.stretches}


def test_a_row_of_the_request_trace() -> None:
    account = dynamo_record.read(RECORDS[-1], "c")
    assert account is not None
    assert (account.names, account.given, account.clock, account.time_ns) == (
        (MIGRATED,),
        (),
        "c",
        1_795_437_677_402 * MS,
    )
    # The worker that died after 15 tokens: the trace goes on naming it.
    assert account.statements == (
        Statement(About.PREFILL_WORKER, PREFILL),
        Statement(About.DECODE_WORKER, DEAD),
        Statement(About.PROMPT_TOKENS, 680),
        Statement(About.CACHED_TOKENS, 656),
        Statement(About.OUTPUT_TOKENS, 40),
    )
    begin = 1_795_437_676_934 * MS
    assert account.received == Instant(begin, begin + MS)
    assert account.spoke == Instant(begin + 33_829_247, begin + MS + 33_829_247)
    phases = by_phase(account)
    assert {phase: one.duration_ns for phase, one in phases.items()} == {
        Phase.REQUEST: 467_500_768,
        Phase.QUEUE: 938_440,
        Phase.PREFILL: 18_869_549,
        Phase.TRANSFER: 14_021_258,
        Phase.DECODE: 433_671_521,
    }
    assert (phases[Phase.PREFILL].worker, phases[Phase.TRANSFER].worker) == (PREFILL, DEAD)
    assert [phase for phase, one in phases.items() if one.formula] == [Phase.TRANSFER, Phase.DECODE]
    assert phases[Phase.DECODE].start == account.spoke
    inside = sum(one.duration_ns for phase, one in phases.items() if phase is not Phase.REQUEST)
    assert inside == phases[Phase.REQUEST].duration_ns


def test_one_worker_for_both_has_no_transfer() -> None:
    worker = {"prefill_worker_id": 7, "prefill_dp_rank": 1, "decode_worker_id": 7, "decode_dp_rank": 1}
    times = {
        "request_received_ms": 5,
        "ttft_ms": 20.0,
        "prefill_wait_time_ms": 1.0,
        "prefill_time_ms": 19.0,
        "total_time_ms": 50.0,
    }
    account = dynamo_record.read(record(worker=worker, kv_transfer_estimated_latency_ms=3.0, **times), "c")
    assert account is not None
    phases = by_phase(account)
    assert Phase.TRANSFER not in phases
    assert (phases[Phase.DECODE].duration_ns, phases[Phase.DECODE].worker) == (30 * MS, "7/1")


def test_newer_rows_say_less_and_are_not_wrapped() -> None:
    account = dynamo_record.read(
        record(request_received_ms=1_700_000_000_000, output_tokens=16, x_request_id="mine"), "c"
    )
    assert account is not None
    assert (account.names, account.given) == (("r",), ("mine",))
    assert account.statements == (Statement(About.OUTPUT_TOKENS, 16),)
    assert (account.stretches, account.spoke) == ((), None)


def test_rows_about_something_else_are_passed_over() -> None:
    tool = {"schema": "dynamo.request.trace.v1", "event_type": "tool_end", "event_time_unix_ms": 1, "tool": {"x": "y"}}
    prompt = {**tool, "event_type": "request_payload", "payload": {"request": {"messages": ["secret"]}}}
    for one in (tool, prompt):
        assert dynamo_record.read(msgspec.json.encode(one), "c") is None


def told(lines: list[bytes]) -> list[Account]:
    return [one for line in lines if (one := dynamo_log.read(line, "log")) is not None and MIGRATED in one.names]


def test_the_routers_log_tells_where_a_request_went() -> None:
    accounts = told(LOG)
    decode = [one for account in accounts for one in account.statements if one.about is About.DECODE_WORKER]
    assert decode == [
        Statement(About.DECODE_WORKER, DEAD, None),
        Statement(About.DECODE_WORKER, DEAD, 0),
        Statement(About.DECODE_WORKER, NEXT, None),
        Statement(About.DECODE_WORKER, NEXT, 15),
    ]
    assert [move for account in accounts for move in account.moves] == [
        Move(DEAD.partition("/")[0], 15, "disconnected")
    ]
    assert {one.value for account in accounts for one in account.statements if one.about is About.PREFILL_WORKER} == {
        PREFILL
    }
    assert {name for account in accounts for name in account.given} == {"fixture-77"}
    assert {account.trace for account in accounts if account.trace} == {"a002a93f85c85ceffb3b9384477179c7"}
    first = accounts[0]
    assert first.received is not None
    # 2026-11-23T12:41:16.934459Z, to the microsecond
    assert first.received.earliest_ns <= 1_795_437_676_934_459_000 <= first.received.latest_ns
    assert first.received.latest_ns - first.received.earliest_ns <= 2_000


WRONG: list[Any] = [
    b"{",
    b"{}",
    b'{"schema":"dynamo.request.trace.v2","event_type":"request_end","event_time_unix_ms":1}',
    record(request_received_ms=-1),
    record(request_id=""),
    record(ttft_ms="x"),
    b'{"schema":"dynamo.request.trace.v1","event_type":"request_end","event_time_unix_ms":99999999999999999999}',
    b"[" * 10_000,
    b'{"schema":"\xff"}',
]


@pytest.mark.parametrize("line", WRONG)
def test_what_is_no_record_is_refused_or_says_nothing(line: bytes) -> None:
    try:
        account = dynamo_record.read(line, "c")
    except NotARecordError:
        return
    assert account is not None
    assert account.names == ()


def test_lines_are_counted_by_what_is_wrong_with_them() -> None:
    reader = LineReader("c")
    lines = [
        b"plain text",
        b'{"time":"x","message":"Selected worker","request_id":"r"}',
        b'{"message":"nothing about requests"}',
        b'{"schema":"dynamo.request.trace.v1","event_type":7}',
        RECORDS[0],
    ]
    assert len(reader.read(lines)) == 1
    assert dict(reader.wrong) == {"not JSON": 1, "malformed log": 1, "malformed trace": 1}
    assert reader.last


def test_times_are_exact_to_the_microsecond() -> None:
    assert ns_of_rfc3339("1970-01-01T00:00:01.000001Z") == 1_000_001_000
    assert ns_of_rfc3339("2026-11-23T13:41:16.934459+01:00") == 1_795_437_676_934_459_000
    for text in ("", "yesterday", "1969-12-31T23:59:59Z", "9999-99-99T00:00:00Z"):
        with pytest.raises(NotARecordError):
            ns_of_rfc3339(text)


def test_text_from_outside_is_made_safe() -> None:
    line = {
        "time": "2026-11-23T12:41:13Z",
        "message": "Selected worker",
        "request_id": "r\x1b[31m\u202e",
        "trace_id": "\x1b[2J",
        "worker_id": "7\x07",
        "worker_type": "decode",
    }
    account = dynamo_log.read(msgspec.json.encode(line), "log")
    assert account is not None
    assert (account.names, account.trace, account.span) == (("r",), "", "")
    assert account.statements == (Statement(About.DECODE_WORKER, "7", None),)


def test_a_worker_may_be_number_0() -> None:
    line = {
        "time": "2026-01-01T00:00:00Z",
        "message": "migration retry scheduled",
        "request_id": "r",
        "migration.from_worker_id": 0,
        "migration.tokens_completed": 3,
    }
    found = dynamo_log.read(msgspec.json.encode(line), "c")
    assert found is not None
    assert [(move.from_worker, move.after_tokens) for move in found.moves] == [("0", 3)]
