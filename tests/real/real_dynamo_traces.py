"""Dynamo's request trace and router log beside the tap: two prefill and two decode workers, one of which is killed in mid-stream."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from yarl import URL

from collectors.backends.dynamo_workers import worker_id
from collectors.model.frame import Frame
from collectors.model.requests import RequestRow
from collectors.model.vocabulary import About, Phase, Provenance
from collectors.tap.server import Tap, serving
from tests.real import models
from tests.real.driver import Load, load
from tests.real.observed import observing
from tests.real.real_dynamo import Cluster, Make, cluster, requests, said_ids

__all__ = ["cluster"]

COUNT, TOKENS = 8, 120
WORDS = 2_100


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that has a word for whatever token a mocker makes up (1,000 … 1,999): the tap sees text, where the others' tests count `usage`."""
    made = models.hugging_face

    def speaking(folder: Path) -> Path:
        folder = made(folder.with_name("words"))
        for name in ("tokenizer", "config"):
            file = folder / f"{name}.json"
            value = json.loads(file.read_text())
            if name == "config":
                value["vocab_size"] = WORDS
            else:
                vocabulary = value["model"]["vocab"]
                vocabulary |= {f"\u0120w{number}": number for number in range(len(vocabulary), WORDS)}
            file.write_text(json.dumps(value))
        return folder

    monkeypatch.setattr(models, "hugging_face", speaking)


class Run:
    """What was killed, who else there was, and what was seen."""

    def __init__(self, done: Load, frame: Frame, dead: str, left: str, prefills: set[str]) -> None:
        self.done, self.frame = done, frame
        self.dead, self.left, self.prefills = dead, left, prefills
        self.rows = [row for row in frame.requests if len(row.sources) > 1]


@contextlib.asynccontextmanager
async def killed(make: Make, folder: Path, *, log: bool) -> AsyncIterator[Run]:
    """A run in which the busier of two decode workers is killed."""
    trace = folder / "trace.jsonl"
    modes = [*["prefill"] * 2, *["decode"] * 2]
    made: Cluster = make(
        *(["--disaggregation-mode", mode, "--speedup-ratio", "0.2"] for mode in modes),
        DYN_REQUEST_TRACE="1",
        DYN_REQUEST_TRACE_SINKS="jsonl",
        DYN_REQUEST_TRACE_OUTPUT_PATH=str(trace),
        DYN_REQUEST_TRACE_JSONL_FLUSH_INTERVAL_MS="100",
        DYN_LOGGING_JSONL="1",
    )
    ids = [worker_id(said_ids(one)) for one in made.mockers]
    files = [f"trace+file://{trace}", *([f"trace+file://{folder}/frontend.log"] if log else [])]
    async with (
        serving(Tap(URL(made.url)), "127.0.0.1", 0, drain_s=1.0) as port,
        observing(folder / "seen.tyard", [made.frontend, f"127.0.0.1:{port}", *files]) as seen,
    ):
        await seen.up(3 if log else 2)
        loading = asyncio.create_task(load(f"http://127.0.0.1:{port}", models.NAME, requests(COUNT, tokens=TOKENS)))
        running = await seen.until(
            lambda frame: any((row.running.value or 0) > 1 for row in frame.workers if row.id in ids[2:]),
            "a decode worker has something to do",
        )
        busy = {row.id: row.running.value or 0 for row in running.workers if row.id in ids[2:]}
        dead = max(busy, key=lambda one: busy[one])
        await asyncio.to_thread(made.mockers[ids.index(dead)].server.kill)
        done = await loading
        frame = await seen.until(
            lambda frame: (
                sum("trace.jsonl" in row.sources and not row.live and len(row.sources) > 1 for row in frame.requests)
                == COUNT
            ),
            "every request has its trace",
        )
        if not log:
            frame = await seen.sampled()
        (left,) = {*ids[2:]} - {dead}
        yield Run(done, frame, dead, left, set(ids[:2]))


def named(row: RequestRow, about: About, teller: str) -> set[object]:
    return {fact.value for fact in row.facts if fact.about is about and any(teller in one for one in fact.tellers)}


def check_phases(run: Run) -> None:
    """Of requests that ran through: trace and tap agree within the bound of their clocks."""
    (clock,) = [one for one in run.frame.clocks if one.clock == "trace.jsonl"]
    assert clock.n >= COUNT - 1
    assert clock.steps == 0
    # One machine: the tap's clock is its monotonic one, the front end's its wall clock.
    assert clock.low_s <= time.time() - time.monotonic() <= clock.high_s
    for row in run.rows:
        lengths = {one.phase: one.duration_s for one in row.phases if "dynamo trace" in one.teller and not one.clocks}
        way = {one.phase: one.duration_s for one in row.phases if one.clocks and "dynamo trace" in one.teller}
        (first,) = {
            one.duration_s[0]
            for one in row.phases
            if one.phase is Phase.FIRST_TOKEN and one.provenance is Provenance.MEASURED
        }
        own = sum(lengths[phase][0] for phase in (Phase.QUEUE, Phase.PREFILL, Phase.TRANSFER))
        low, high = (own + way[Phase.TO_SERVER][side] + way[Phase.FROM_SERVER][side] for side in (0, 1))
        assert low <= first <= high, (row.id, low, first, high)


@pytest.mark.parametrize("log", [True, False], ids=["with the router's log", "without it"])
async def test_a_decode_worker_killed_in_mid_stream(cluster: Make, tmp_path: Path, log: bool) -> None:
    async with killed(cluster, tmp_path, log=log) as run:
        assert [answer.error for answer in run.done.answers] == [""] * COUNT
        assert len(run.rows) == COUNT
        check_phases(run)
        moved = [row for row in run.rows if row.migrations]
        for row in run.rows:
            assert named(row, About.OUTPUT_TOKENS, "dynamo trace") == {TOKENS}
            assert named(row, About.PREFILL_WORKER, "dynamo trace") <= run.prefills
            # Every chunk names the worker that the request began with: so the tap can tell no more than the trace.
            assert named(row, About.DECODE_WORKER, "arrivals") == named(row, About.DECODE_WORKER, "dynamo trace")
        if not log:
            assert moved == []
            assert all(row.disagree == () for row in run.rows)
            assert any(row.doubt for row in run.rows)
            return
        assert moved
        assert {(move.worker, move.to) for row in moved for move in row.migrations} == {(run.dead, run.left)}
        for row in moved:
            (move,) = row.migrations
            (said,) = [one for one in row.disagree if one.about is About.DECODE_WORKER]
            assert said.from_token == move.after_tokens
            assert {one.value: any("router log" in teller for teller in one.tellers) for one in said.says} == {
                run.dead: False,
                run.left: True,
            }
        for row in run.rows:
            if row not in moved:
                assert [one for one in row.disagree if one.about is About.DECODE_WORKER] == []
