"""Trace files as a source: what is written comes, whatever happens to the file; what is wrong with it is on its row."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from collectors.model.batch import Status
from collectors.model.traces import Accounts
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import LiveClock
from collectors.sources.trace_file import TraceFileSource
from collectors.wire.limits import Limits
from tests.sources.seen import Seen


def row(name: str) -> bytes:
    event = {"schema": "dynamo.request.trace.v1", "event_type": "request_end", "event_time_unix_ms": 1_700_000_000_000}
    return msgspec.json.encode({**event, "request": {"request_id": name, "output_tokens": 3}}) + b"\n"


def names(seen: Seen) -> list[str]:
    return [account.names[0] for part in seen.parts(Accounts) for account in part.rows]


def source(path: Path, *, from_start: bool = True, max_line: int = 10_000) -> TraceFileSource:
    limits = Limits(max_event_bytes=max_line)
    return TraceFileSource("t", f"file://{path}", path, from_start=from_start, limits=limits, poll_s=0.01)


@contextlib.asynccontextmanager
async def running(one: TraceFileSource) -> AsyncIterator[Seen]:
    seen = Seen()
    task = asyncio.create_task(one.run(LiveClock(), seen))
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await one.close()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


async def test_a_file_is_followed_through_rotation_and_truncation(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    async with running(source(path)) as seen:
        await seen.until(lambda seen: seen.statuses == [(TargetStatus.DOWN, "no such file")])
        path.write_bytes(row("a") + row("b")[:20])
        await seen.until(lambda seen: names(seen) == ["a"])
        append(path, row("b")[20:])
        await seen.until(lambda seen: names(seen) == ["a", "b"])
        path.rename(tmp_path / "trace.1")
        path.write_bytes(row("c"))
        await seen.until(lambda seen: names(seen) == ["a", "b", "c"])
        with path.open("r+b") as file:
            file.truncate(0)
        append(path, row("d"))
        await seen.until(lambda seen: names(seen) == ["a", "b", "c", "d"])
        await seen.until(lambda seen: "cut in place 1×" in seen.parts(Status)[-1].warning)
    assert all(part.unix_ns > 1_700_000_000_000_000_000 for part in seen.parts(Accounts))


async def test_from_the_end_only_what_comes_counts(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(row("old"))
    async with running(source(path, from_start=False)) as seen:
        await seen.until(lambda seen: seen.statuses[-1:] == [(TargetStatus.UP, "")])
        append(path, row("new"))
        await seen.until(lambda seen: names(seen) == ["new"])


async def test_segments_are_followed_as_they_come(tmp_path: Path) -> None:
    (tmp_path / "t.000001.jsonl.gz").write_bytes(gzip.compress(row("a")))
    one = source(tmp_path / "t.*.jsonl.gz")
    async with running(one) as seen:
        await seen.until(lambda seen: names(seen) == ["a"])
        (tmp_path / "t.000002.jsonl.gz").write_bytes(gzip.compress(row("b")))
        append(tmp_path / "t.000001.jsonl.gz", gzip.compress(row("c")))
        one._looked_s = 0.0
        await seen.until(lambda seen: sorted(names(seen)) == ["a", "b", "c"])


async def test_what_is_wrong_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 50_000 + b"\nplain\n\x1b[31m{\n" + b'{"request_id":1}\n' + row("a"))
    async with running(source(path)) as seen:
        await seen.until(lambda seen: names(seen) == ["a"])
        await seen.until(lambda seen: "longer than" in seen.parts(Status)[-1].warning)
    status = seen.parts(Status)[-1]
    assert status.status is TargetStatus.UP
    assert "2 not JSON" in status.warning
    assert "1 malformed log" in status.warning
    assert status.warning.isprintable()


async def test_a_step_reads_all_there_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(row("a") * 5_000)
    seen, one = Seen(), source(path)
    await one.step(1_000, seen)
    await one.close()
    assert len(names(seen)) == 5_000
    assert {batch.time_ns for batch in seen.batches} == {999}


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    seen, one = Seen(), source(tmp_path)
    await one.step(1_000, seen)
    await one.close()
    assert seen.statuses == [(TargetStatus.DOWN, "is no file")]
