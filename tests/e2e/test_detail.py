"""What is told of single deliveries and requests equals what Frames sum up and what the emulators know, for engines of one device and of two."""

import asyncio
from array import array
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from collectors.model.detail import By, DecisionCard, RequestList, River, State
from collectors.model.frame import Frame
from collectors.observe import Observation
from collectors.session.clock import TICK_NS, VirtualClock
from collectors.session.detail import Detail
from collectors.session.session import Session
from collectors.wire.http import HttpClient
from tui.emulator import Emulator

SECONDS = 8
SCENARIOS = ("default", "afd", "speculative")
NOT_OBSERVED = 0xFFFF


@dataclass
class Seen:
    detail: Detail
    frames: list[Frame]
    asked: dict[str, list[Any]]
    """`/truth/requests`."""
    then: list[tuple[int, River, RequestList]]
    """What was said at some ticks, when they were the newest."""


async def watch(scenario: str) -> Seen:
    clock, detail = VirtualClock(), Detail()
    frames: list[Frame] = []
    then = []
    async with Emulator(scenario, seed=7, clock="stepped") as emulator, HttpClient() as client:
        session = Session(clock.kind, detail=detail)
        observation = Observation(session, emulator.sources(client), clock, frames.append)
        await observation.step(0)
        for tick in range(1, SECONDS * 4 + 1):
            await emulator.advance(tick * TICK_NS)
            clock.time_ns = tick * TICK_NS
            await observation.step(clock.time_ns)
            if tick % 9 == 0:
                now = clock.time_ns
                then.append((now, detail.river(now, TICK_NS // 5, 30, By.REQUEST), detail.requests(now)))
        async with aiohttp.ClientSession() as http, http.get(f"{emulator.addresses.router}/truth/requests") as answer:
            asked = (await answer.json())["requests"]
        await observation.close()
    return Seen(detail, frames, asked, then)


@pytest.fixture(scope="module", params=SCENARIOS)
def seen(request: pytest.FixtureRequest) -> Seen:
    return asyncio.run(watch(request.param))


def test_the_river_of_workers_is_that_of_the_frame(seen: Seen) -> None:
    frame = seen.frames[-1]
    columns = SECONDS * 4
    workers = [row.worker for row in frame.river]
    river = seen.detail.river(frame.time_ns, TICK_NS, columns, By.WORKER, workers=workers)
    assert sum(map(sum, (line.tokens for line in river.lines))) > 1_000
    differ = judged = 0
    for row, line in zip(frame.river, river.lines, strict=True):
        counts = array("H")
        counts.frombytes(row.tokens)
        assert list(line.tokens) == counts.tolist()[-columns:]
        for exact, about in zip(row.late[-columns:], line.late, strict=True):
            assert (exact == 4) == (about == 4), "stalls are exact"
            judged += 1
            differ += exact != about
    assert differ <= judged * 0.05


def test_every_other_stage_is_counted(seen: Seen) -> None:
    frame = seen.frames[-1]
    river = seen.detail.river(frame.time_ns, TICK_NS, SECONDS * 4, By.WORKER)
    beside = {line.key: sum(line.beside_tokens) for line in river.lines if any(line.beside_tokens)}
    assert beside == {
        row.worker: row.tokens.value
        for row in frame.placements
        if not row.primary and str(row.stage) in ("attention", "draft")
    }


def test_no_token_is_in_two_requests(seen: Seen) -> None:
    now = seen.frames[-1].time_ns
    by_worker = seen.detail.river(now, TICK_NS, SECONDS * 4, By.WORKER, limit=1_000)
    by_request = seen.detail.river(now, TICK_NS, SECONDS * 4, By.REQUEST, limit=5_000)
    assert len(by_request.keys) == len(seen.asked["request"])
    for column in range(SECONDS * 4):
        assert sum(line.tokens[column] for line in by_worker.lines) == sum(
            line.tokens[column] for line in by_request.lines
        )


def test_each_request_is_what_was_asked(seen: Seen) -> None:
    now = seen.frames[-1].time_ns
    lines = {line.id: line for line in seen.detail.requests(now, limit=5_000).lines}
    asked = seen.asked
    ended = 0
    for name, workflow, received_ns, prompt, output in zip(
        asked["request"],
        asked["workflow"],
        asked["received_ns"],
        asked["prompt_tokens"],
        asked["output_tokens"],
        strict=True,
    ):
        line = lines[name]
        assert (line.workflow or None, line.prompt_tokens) == (workflow, prompt)
        assert line.at == pytest.approx(received_ns / 1e9)
        if line.state is State.ENDED:
            ended += 1
            assert line.tokens == output
            one = seen.detail.request(line.key, now)
            assert one is not None
            assert sum(one.deliveries.tokens) == output
            assert one.deliveries.at_s[0] == line.ttft_s
            assert isinstance(one.decision, DecisionCard)
            assert one.decision.chosen == line.decode or line.tokens == 1
            assert one.hits is not None
            assert sum(hit.tokens for hit in one.hits) + (one.computed_tokens or 0) == prompt
    assert ended > 10


def test_what_was_said_stays_said(seen: Seen) -> None:
    assert len(seen.then) > 2
    for now, river, requests in seen.then:
        assert seen.detail.river(now, TICK_NS // 5, 30, By.REQUEST) == river
        assert [(line.id, line.tokens, line.state) for line in seen.detail.requests(now).lines] == [
            (line.id, line.tokens, line.state) for line in requests.lines
        ]


def test_a_workflow_follows_as_it_did(seen: Seen) -> None:
    """Steps of the emulated agents come one after the other: the request that each is taken to follow is the one whose answer it had."""
    now = seen.frames[-1].time_ns
    parents = dict(zip(seen.asked["request"], seen.asked["parents"], strict=True))
    checked = 0
    for one in seen.detail.workflows(now):
        run = seen.detail.workflow(one.id, now)
        assert run is not None
        names = {step.line.key: step.line.id for step in run.steps}
        for step in run.steps:
            true = [name for name in parents[step.line.id] if name in names.values()]
            if true:
                assert names.get(step.after or 0) in true
                checked += 1
    assert checked or not seen.detail.workflows(now)
