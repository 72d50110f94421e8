"""Doctor on a trace file and on the address where spans are to come: what is understood of it, and what would help."""

import socket
from pathlib import Path

from collectors.doctor.probe import examine
from collectors.doctor.report import Examined
from collectors.model.vocabulary import TargetStatus
from collectors.sources.target import parse_target
from collectors.targets.spec import TargetSpec
from collectors.wire.http import HttpClient

DYNAMO = Path(__file__).parents[1] / "fixtures/dynamo"


async def look(url: str) -> Examined:
    async with HttpClient() as client:
        return await examine(TargetSpec(parse_target(url)), client)


async def test_a_trace_file_is_counted_and_the_log_asked_for() -> None:
    found = await look(f"trace+file://{DYNAMO}/request_trace.v1.jsonl")
    assert (found.status, found.title) == (TargetStatus.UP, "trace file")
    assert found.notes == ("3 lines of the kind dynamo trace",)
    assert "DYN_LOGGING_JSONL=1" in found.help[0].do


async def test_a_log_is_counted_and_nothing_asked_for() -> None:
    found = await look(f"trace+file://{DYNAMO}/frontend_router_log.jsonl")
    assert found.notes[0].endswith("lines of the kind router log")
    assert found.help == ()


async def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("plain\nwords\n")
    assert (await look(f"trace+file://{tmp_path}/text")).notes == ("2 lines not JSON",)
    for url in (f"trace+file://{tmp_path}/missing", f"trace+file://{tmp_path}/*.jsonl"):
        found = await look(url)
        assert (found.status, found.reason) == (TargetStatus.DOWN, "no such file (it is waited for)")


async def test_where_spans_are_to_come() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = await look(f"otlp+http://127.0.0.1:{port}")
        assert found.status is TargetStatus.DOWN
        assert "cannot listen there" in found.reason
    assert (await look(f"otlp+http://127.0.0.1:{port}")).status is TargetStatus.UP
