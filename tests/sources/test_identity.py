"""What a server says of itself beside its page: a model, a chip; asked once, and again when the page comes back."""

import asyncio
import json

import pytest

from collectors.model.batch import Status
from collectors.model.signals import WorkerFacts
from collectors.model.vocabulary import Device, Role, TargetStatus
from collectors.session.clock import LiveClock
from collectors.session.fleet import workers as fleet
from collectors.session.source_state import SourceState
from collectors.sources.detect import open_target
from collectors.sources.identity import MAX_TRIES, Identity, identified
from collectors.sources.scrape import ScrapeSource
from collectors.wire.http import HttpClient
from collectors.wire.limits import Limits
from tests.loopback import Handler, Request, page, says, says_in_turn, serving
from tests.sources.seen import Seen

TICK_NS = 250_000_000
UP, STALE = TargetStatus.UP, TargetStatus.STALE
MODELS, PAGE, LOADS = "/v1/models", "/metrics", "/v1/loads?include=core"
LLAMA = b"# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 1\n"
GONE = page(b"restarting", status="503 Service Unavailable")


def answer(body: object) -> bytes:
    return page(json.dumps(body).encode(), kind="application/json")


def models(*names: str) -> bytes:
    return answer({"data": [{"id": name, "owned_by": "llamacpp"} for name in names]})


def sglang(*ranks: int) -> Handler:
    labels = 'model_name="m",engine_type="decode",tp_rank="0",pp_rank="0"'
    lines = (f'sglang:num_running_reqs{{{labels},dp_rank="{rank}"}} 1\n' for rank in ranks)
    return says(page("".join(lines).encode()))


async def stepped(paths: dict[str, Handler], steps: int, limits: Limits | None = None) -> tuple[Seen, list[str]]:
    """What `NAME identity` says beside the page of a server with these paths, which is first called NAME, and what is asked but the page."""

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        path = request.line.split()[1]
        await paths.get(path, says(page(b"no\n", status="404 Not Found")))(request, writer)

    seen = Seen()
    async with serving(handler) as server, HttpClient(limits or Limits()) as client:
        source = open_target(server.name, client)
        for tick in range(1, steps + 1):
            await source.step(tick * TICK_NS, seen)
        await source.close()
        asked = [request.line.split()[1] for request in server.requests]
        return seen.of(f"{server.name} identity"), [path for path in asked if path not in (PAGE, "/slots")]


async def test_a_model_that_only_the_list_of_models_tells() -> None:
    found, asked = await stepped({PAGE: says(page(LLAMA)), MODELS: says(models("gemma"))}, 4)
    assert asked == [MODELS, MODELS]  # once to know who it is, before the page is read, and once for all steps
    assert found.statuses == [(UP, "")]
    assert found.parts(Status)[0].url.endswith(MODELS)
    ((worker,),) = [one.workers for one in found.inventories]
    assert worker.id.endswith("/0")
    assert (worker.model, worker.chip, worker.device, worker.role) == ("gemma", "", Device.UNKNOWN, Role.UNKNOWN)


@pytest.mark.parametrize("listed", [models(), models("a", "b"), page(b"no", status="404 X"), page(b"a 1\n")])
async def test_which_of_several_models_it_is_stays_unknown(listed: bytes) -> None:
    found, asked = await stepped({PAGE: says(page(LLAMA)), MODELS: says(listed)}, 3)
    assert found.batches == []
    assert asked == [MODELS, MODELS]


async def test_after_the_page_was_away_it_is_asked_again() -> None:
    pages = says_in_turn([page(LLAMA), page(LLAMA), GONE, GONE, page(LLAMA)])
    listed = says_in_turn([models("a"), models("a"), models("b")])
    found, asked = await stepped({PAGE: pages, MODELS: listed}, 7)
    assert asked == [MODELS] * 3
    assert found.statuses == [(UP, ""), (STALE, "its page does not answer"), (UP, "")]
    assert [one.workers[0].model for one in found.inventories] == ["a", "b"]


async def test_the_chip_of_sglang_s_engines() -> None:
    loads = says(answer({"accelerator": "NVIDIA GB300", "num_accelerators": 8, "version": "0.5.23", "loads": []}))
    found, asked = await stepped({PAGE: sglang(0), LOADS: loads}, 2)
    assert asked == [MODELS, LOADS]  # the page says the model itself
    (worker,) = found.inventories[0].workers
    assert (worker.chip, worker.chips, worker.device, worker.model) == ("NVIDIA GB300", 8, Device.GPU, "")
    found, _ = await stepped({PAGE: sglang(0, 1), LOADS: loads}, 1)
    # two ranks may share the eight, or have four each
    assert [(one.chip, one.chips) for one in found.inventories[0].workers] == [("NVIDIA GB300", 0)] * 2


@pytest.mark.parametrize(
    "loads", [page(b"no", status="404 X"), answer([]), answer({"accelerator": None}), answer({"accelerator": ["x"]})]
)
async def test_what_is_no_answer_tells_nothing(loads: bytes) -> None:
    found, asked = await stepped({PAGE: sglang(0), LOADS: says(loads)}, 3)
    assert found.batches == []
    assert asked == [MODELS, LOADS]


async def test_a_page_that_tells_its_model_needs_no_other_answer() -> None:
    vllm = says(page(b'vllm:num_requests_running{engine="0",model_name="m"} 1\n'))
    found, asked = await stepped({PAGE: vllm}, 2)
    assert (found.batches, asked) == ([], [MODELS, "/kv_event_sources"])


async def test_a_server_that_is_too_slow_is_not_asked_for_ever() -> None:
    hangs = says(b"", then_hangs=True)
    slow = Limits(connect_s=1.0, idle_s=0.05, total_s=0.1)
    found, asked = await stepped({PAGE: sglang(0), LOADS: hangs}, MAX_TRIES + 3, slow)
    assert found.batches == []
    assert asked == [MODELS, *[LOADS] * MAX_TRIES]


async def test_live() -> None:
    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        await says(models("a") if request.path == MODELS else page(LLAMA))(request, writer)

    seen = Seen()
    async with serving(handler) as server, HttpClient() as client:
        scraped = ScrapeSource("t", f"{server.url}{PAGE}", client)
        await scraped.step(TICK_NS, Seen())
        task = asyncio.create_task(Identity(scraped, server.url, client).run(LiveClock(), seen))
        await seen.until(lambda seen: bool(seen.inventories))
        task.cancel()
        await asyncio.wait({task})
    assert seen.inventories[0].workers[0].model == "a"


def test_what_a_page_tells_counts_before() -> None:
    facts = {"model": "other", "chip": "AMD Instinct MI300X", "chips": "4"}
    known = WorkerFacts("a", "m", chip="H100", chips=2)
    assert identified([known], facts) == ()
    (named,) = identified([WorkerFacts("b", "m")], facts)
    assert (named.model, named.chip, named.chips, named.device) == ("", "AMD Instinct MI300X", 4, Device.GPU)
    assert identified([WorkerFacts("r", role=Role.ROUTER)], facts) == ()
    (other,) = identified([WorkerFacts("c")], {"chip": "Ascend910", "chips": "-1"})
    assert (other.device, other.chips) == (Device.UNKNOWN, 0)


async def test_the_worker_s_row_has_both() -> None:
    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        await says(models("gemma") if request.path == MODELS else page(LLAMA))(request, writer)

    states: dict[str, SourceState] = {}
    seen = Seen()
    async with serving(handler) as server, HttpClient() as client:
        source = open_target(server.name, client)
        await source.step(TICK_NS, seen)
        await source.close()
    for batch in seen.batches:
        states.setdefault(batch.source, SourceState(batch.source, 60)).feed(batch)
    (worker,) = fleet(states.values()).values()
    assert (worker.info.model, worker.target) == ("gemma", server.name)
