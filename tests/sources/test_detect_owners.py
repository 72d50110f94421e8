"""Who a server says it is, before its page is read: what a read would take away is left alone, and other answers stand beside or for a page."""

import json

import pytest

from collectors.model.batch import Status
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import TargetStatus
from collectors.sources.detect import open_target
from collectors.sources.settings import TargetSettings
from collectors.wire.http import HttpClient
from collectors.wire.limits import Limits
from tests.loopback import Handler, Request, page, says, serving
from tests.sources.seen import Seen, value

TICK_NS = 250_000_000
UP, DOWN, REJECTED = TargetStatus.UP, TargetStatus.DOWN, TargetStatus.REJECTED
MODELS, DRAINED, PAGE, STREAM = "/v1/models", "/metrics", "/prometheus/metrics", "/placement/v1/stream"
TEXT = b'# TYPE trtllm_num_requests_running gauge\ntrtllm_num_requests_running{model_name="m"} 5\n'
LLAMA = b"# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 1\n"


def answer(body: object) -> Handler:
    return says(page(json.dumps(body).encode(), kind="application/json"))


def listing(owner: str) -> Handler:
    return answer({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": owner}]})


ITERATIONS = answer([{"iter": 3, "iterLatencyMS": 7.0, "numActiveRequests": 4}])
TRTLLM = {MODELS: listing("tensorrt_llm"), DRAINED: ITERATIONS, PAGE: says(page(TEXT))}
SLOTS = answer([{"n_ctx": 2048, "is_processing": True, "n_prompt_tokens": 1009}])
NOT_HERE = says(page(b'{"error":"no"}', status="501 Not Implemented", kind="application/json"))


async def looked(
    paths: dict[str, Handler],
    text: str = "{name}",
    steps: int = 2,
    limits: Limits | None = None,
    sole_reader: bool = False,
) -> tuple[Seen, str, list[str]]:
    """What is seen of a server with these paths, its name, and the paths that were asked for. `text` is the target, as written."""

    async def handler(request: Request, writer: object) -> None:
        chosen = paths.get(request.path, says(page(b"no\n", status="404 Not Found")))
        await chosen(request, writer)  # type: ignore[arg-type]

    seen = Seen()
    async with serving(handler) as server, HttpClient(limits or Limits()) as client:
        source = open_target(text.format(name=server.name), client, settings=TargetSettings(sole_reader=sole_reader))
        for tick in range(1, steps + 1):
            await source.step(tick * TICK_NS, seen)
        await source.close()
        return seen, server.name, [request.path for request in server.requests]


@pytest.mark.parametrize("text", ["{name}", "http://{name}/metrics", "trtllm+http://{name}"])
async def test_what_tensorrt_llm_gives_away_only_once_is_left_alone(text: str) -> None:
    seen, name, asked = await looked(TRTLLM, text)
    assert DRAINED not in asked
    assert asked[-2:] == [PAGE, PAGE]
    assert seen.statuses == [(UP, "")] * 2
    assert value(seen.samples[0], Signal.REQUESTS_RUNNING, Kind.GAUGE) == 5
    assert {part.url for part in seen.parts(Status)} == {f"http://{name}{PAGE}"}


async def test_its_only_reader_reads_it_too() -> None:
    seen, name, asked = await looked(TRTLLM, sole_reader=True)
    assert asked == [MODELS, PAGE, DRAINED, PAGE, DRAINED]
    steps = seen.of(f"{name} iterations")
    assert steps.statuses == [(UP, "")] * 2
    assert [value(one, Signal.ITERATION, Kind.COUNT) for one in steps.samples] == [1, 2]
    assert steps.inventories[0].workers[0].id == seen.of(name).inventories[0].workers[0].id == f"{name}/0"


async def test_without_a_page_it_says_what_would_help() -> None:
    paths = {path: one for path, one in TRTLLM.items() if path != PAGE}
    seen, _, asked = await looked(paths, steps=1)
    assert asked == [MODELS, PAGE, STREAM]
    ((status, reason),) = seen.statuses
    assert status is REJECTED
    assert reason == (
        "http 404; a page comes with return_perf_metrics: true; /metrics is gone once read, and left alone without sole_reader = true; "
        f"{STREAM}: http 404"
    )


async def test_its_only_reader_needs_no_page() -> None:
    paths = {path: one for path, one in TRTLLM.items() if path != PAGE}
    seen, name, asked = await looked(paths, sole_reader=True)
    assert asked == [MODELS, PAGE, DRAINED, DRAINED]
    assert {batch.source for batch in seen.batches} == {name}
    assert value(seen.samples[-1], Signal.REQUESTS_RUNNING, Kind.GAUGE) == 4


async def test_who_is_too_slow_to_say_is_not_asked_for_more() -> None:
    slow = {**TRTLLM, MODELS: says(b"", then_hangs=True)}
    seen, _, asked = await looked(slow, steps=1, limits=Limits(idle_s=0.05))
    assert asked == [MODELS]
    assert seen.statuses == [(DOWN, "timeout reading")]


@pytest.mark.parametrize(
    "models",
    [
        listing("somebody"),
        listing(""),
        answer([1]),
        says(page(b"a 1\n")),
        says(page(b"who?", status="401 X")),
        says(b""),
    ],
)
async def test_who_does_not_say_is_read_as_ever(models: Handler) -> None:
    seen, _, asked = await looked({MODELS: models, "/metrics": says(page(b"up 1\n"))}, steps=1)
    assert (asked[0], asked[-1]) == (MODELS, STREAM)
    assert "/metrics" in asked
    assert len(seen.statuses) == 1


async def test_another_path_is_nobody_s_queue() -> None:
    _, _, asked = await looked({"/x": says(page(TEXT))}, "http://{name}/x", steps=1)
    assert asked == ["/x"]


async def test_slots_beside_llama_cpp_s_page() -> None:
    seen, name, asked = await looked({MODELS: listing("llamacpp"), "/metrics": says(page(LLAMA)), "/slots": SLOTS})
    assert asked == [MODELS, "/metrics", MODELS, "/slots", "/metrics", "/slots"]
    assert value(seen.of(f"{name} slots").samples[0], Signal.KV_USED_TOKENS, Kind.GAUGE) == 1009
    seen, name, _ = await looked({MODELS: listing("llamacpp"), "/metrics": says(page(LLAMA)), "/slots": NOT_HERE})
    assert {batch.source for batch in seen.batches} == {name, f"{name} identity"}


async def test_slots_instead_of_a_page_that_is_switched_off() -> None:
    seen, name, asked = await looked({MODELS: listing("llamacpp"), "/metrics": NOT_HERE, "/slots": SLOTS})
    assert asked == [MODELS, "/metrics", "/slots", "/slots"]
    assert {batch.source for batch in seen.batches} == {name}
    assert value(seen.samples[0], Signal.KV_CAPACITY_TOKENS, Kind.GAUGE) == 2048


async def test_sglang_without_its_page() -> None:
    seen, _, _ = await looked({MODELS: listing("sglang")}, steps=1)
    assert seen.statuses == [(REJECTED, f"http 404; a page comes with --enable-metrics; {STREAM}: http 404")]
