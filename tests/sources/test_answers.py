"""JSON answers as sources: slots of llama.cpp, drained iterations of TensorRT-LLM, and what goes wrong with them."""

import asyncio
import json

import pytest

from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import LiveClock
from collectors.sources.answers import AnswerSource, iterations, slots
from collectors.wire.http import HttpClient
from collectors.wire.limits import Limits
from tests.loopback import Handler, page, says, says_in_turn, serving
from tests.sources.seen import Seen, value

TICK_NS = 250_000_000
UP, DOWN, REJECTED = TargetStatus.UP, TargetStatus.DOWN, TargetStatus.REJECTED
SLOT = {"id": 0, "n_ctx": 2048, "is_processing": True, "n_prompt_tokens": 1009, "prompt": "secret"}


def answer(body: object) -> bytes:
    return page(json.dumps(body).encode(), kind="application/json; charset=utf-8")


async def stepped(
    handler: Handler, make: object, steps: int, limits: Limits | None = None, name: str = "t stats"
) -> tuple[Seen, list[str]]:
    seen = Seen()
    async with serving(handler) as server, HttpClient(limits or Limits()) as client:
        source: AnswerSource = make(name, "t", server.url, client, 1.0)  # type: ignore[operator]
        for tick in range(1, steps + 1):
            await source.step(tick * TICK_NS, seen)
        return seen, [request.line for request in server.requests]


async def test_slots() -> None:
    seen, asked = await stepped(says(answer([SLOT, {**SLOT, "is_processing": False}])), slots, 2)
    assert asked == ["GET /slots HTTP/1.1"] * 2
    assert seen.kinds() == [["Status", "Inventory", "Layout", "Samples"], ["Status", "Samples"]]
    assert [one.id for one in seen.inventories[0].workers] == ["t/0"]
    assert value(seen.samples[0], Signal.KV_CAPACITY_TOKENS, Kind.GAUGE) == 4096
    assert value(seen.samples[1], Signal.KV_USED_TOKENS, Kind.GAUGE) == 2018
    assert value(seen.samples[1], Signal.KV_ACTIVE_TOKENS, Kind.GAUGE) == 1009
    assert "secret" not in repr(seen.batches)


async def test_iterations_add_up_though_each_is_told_once() -> None:
    first = [{"iter": 1, "iterLatencyMS": 3.0, "numActiveRequests": 4}, {"iter": 2, "iterLatencyMS": 7.0}]
    last = [{"iter": 3, "iterLatencyMS": 30_000, "numActiveRequests": 2}]
    seen, asked = await stepped(says_in_turn([answer(first), answer([]), answer(last)]), iterations, 3)
    assert asked == ["GET /metrics HTTP/1.1"] * 3
    assert seen.statuses == [(UP, "")] * 3
    assert seen.kinds()[1] == ["Status"]
    before, after = seen.samples
    assert [value(one, Signal.ITERATION, Kind.COUNT) for one in (before, after)] == [2, 3]
    assert value(after, Signal.ITERATION, Kind.SUM) == pytest.approx(30.01)
    assert [value(after, Signal.ITERATION, Kind.BUCKET, le) for le in (0.002, 0.005, 0.01, 20.0, 50.0)] == [
        0,
        1,
        2,
        2,
        3,
    ]
    assert value(after, Signal.REQUESTS_RUNNING, Kind.GAUGE) == 2


@pytest.mark.parametrize(
    ("response", "status", "reason", "limit"),
    [
        (page(b"no", status="404 Not Found"), REJECTED, "http 404", ""),
        (page(b"loading", status="503 X"), DOWN, "http 503", ""),
        (page(b"a 1\n"), REJECTED, "not application/json: content type text/plain", ""),
        (answer({"error": "no slots"}), REJECTED, "not the /slots of llama.cpp", ""),
        (page(b"{", kind="application/json"), REJECTED, "not JSON", ""),
        (page(b"[" * 600_000, kind="application/json"), REJECTED, "an answer of more than 500000 arrays", ""),
        (page(b" " * 2_000_000, kind="application/json"), REJECTED, "too large", "max_body_bytes"),
    ],
)
async def test_what_goes_wrong_is_its_status(response: bytes, status: TargetStatus, reason: str, limit: str) -> None:
    seen, _ = await stepped(says(response), slots, 1, Limits(max_body_bytes=1 << 20), "t")
    ((found, why),) = seen.statuses
    assert found is status
    assert why.startswith(reason)
    assert seen.batches[0].parts[0].limit == limit  # type: ignore[union-attr]


async def test_beside_a_page_it_says_nothing_until_it_has_answered_once() -> None:
    absent = page(b"no", status="501 Not Implemented")
    assert (await stepped(says(absent), slots, 2))[0].batches == []
    seen, _ = await stepped(says_in_turn([absent, answer([SLOT]), absent]), slots, 3)
    assert seen.statuses == [(UP, ""), (REJECTED, "http 501")]


async def test_live_it_asks_again_after_a_fault() -> None:
    seen = Seen()
    broken = page(b"no", status="503 X")
    async with serving(says_in_turn([broken, broken, answer([SLOT])])) as server, HttpClient() as client:
        task = asyncio.create_task(slots("t", "t", server.url, client, 0.01).run(LiveClock(), seen))
        await seen.until(lambda seen: len(seen.samples) >= 2)
        task.cancel()
        await asyncio.wait({task})
    assert [status for status, _ in seen.statuses][:3] == [DOWN, DOWN, UP]
