"""A Dynamo front end's list of workers: they come, go, and grow stale; models that are not ready are said."""

import json
from pathlib import Path
from typing import Any

import pytest

from collectors.backends.dynamo_workers import InventoryError, hosts
from collectors.model.batch import Status
from collectors.model.vocabulary import Device, Listing, Role, TargetStatus
from collectors.session.session import Session
from collectors.sources.detect import HostSource, open_target
from collectors.sources.dynamo_health import DynamoHealth
from collectors.sources.settings import DEFAULTS, TargetSettings
from collectors.sources.target import Places, parse_target
from collectors.wire.access import Access, Clients, Token
from collectors.wire.http import HttpClient
from tests.loopback import Handler, Request, page, says, serving
from tests.sources.seen import Seen

FIXTURES = Path(__file__).parent.parent / "fixtures"
HEALTH: dict[str, Any] = json.loads((FIXTURES / "dynamo" / "frontend_health.json").read_text())
FRONTEND = (FIXTURES / "dynamo" / "frontend_under_load.metrics.txt").read_bytes()
WORKER = (FIXTURES / "dynamo" / "decode_worker1_under_load.metrics.txt").read_bytes()
DECODE, PREFILL = "10877841985536116478", "15683124922970301050"
GONE, STALE, UP, DOWN = TargetStatus.GONE, TargetStatus.STALE, TargetStatus.UP, TargetStatus.DOWN
SECOND = 1_000_000_000
NOTHING = page(b"no\n", status="404 Not Found")


def as_json(value: object, status: str = "200 OK") -> bytes:
    return page(json.dumps(value).encode(), status=status, kind="application/json")


def without(instance: str) -> dict[str, Any]:
    return HEALTH | {"instances": [one for one in HEALTH["instances"] if str(one["instance_id"]) != instance]}


class Frontend:
    """Answers by path what it has at the moment; anything else is not there."""

    def __init__(self, **answers: bytes) -> None:
        self.answers = {f"/{name}": body for name, body in answers.items()}

    async def __call__(self, request: Request, writer: Any) -> None:
        writer.write(self.answers.get(request.path, NOTHING))


async def rounds(
    frontend: Frontend, *changes: dict[str, bytes], settings: TargetSettings = DEFAULTS, named: Places | None = None
) -> Seen:
    """One look, and one more after each change."""
    seen = Seen()
    handler: Handler = frontend
    async with serving(handler) as server, HttpClient() as client:
        health = DynamoHealth("f", server.url, client, settings, HostSource, named or Places(), ask_s=1.0)
        for index, change in enumerate(({}, *changes), 1):
            frontend.answers |= change
            await health.step(index * SECOND, seen)
        await health.close()
    return seen


async def test_each_worker_is_a_row_and_one_that_goes_says_so() -> None:
    frontend = Frontend(health=as_json(HEALTH))
    seen = await rounds(frontend, {"/health": as_json(without(PREFILL))}, {"/health": as_json(HEALTH)})
    decode, prefill = seen.of(f"{DECODE} via f"), seen.of(f"{PREFILL} via f")
    (worker,) = decode.inventories[0].workers
    assert (worker.id, worker.role, worker.device) == (f"{DECODE}/0", Role.DECODE, Device.GPU)
    assert decode.statuses == [(UP, "")] * 3
    assert prefill.statuses == [(UP, ""), (GONE, "no longer listed"), (UP, "")]
    assert {batch.source for batch in seen.batches if batch.source != "f health"} == {
        f"{one}/0".removesuffix("/0") + " via f"
        for one in ("10877841985536116478", "14395883631591895480", PREFILL, "17325804865820210879")
    }
    assert {part.backend for part in seen.of("f health").parts(Status)} == {Listing.DYNAMO}


async def test_a_worker_known_by_its_listing_only_is_in_the_fleet_without_figures() -> None:
    seen, session = await rounds(Frontend(health=as_json(HEALTH))), Session("virtual")
    for batch in seen.batches:
        session.feed(batch)
    frame = session.tick(2 * SECOND)
    assert frame.workers[0].id == f"{DECODE}/0"
    assert {row.running.value for row in frame.workers} == {None}
    assert frame.tokens_per_s.value is None


async def test_while_it_does_not_answer_its_workers_are_stale() -> None:
    for broken, status in (
        (page(b"", status="500 Internal Server Error"), DOWN),
        (as_json({"instances": 3}), TargetStatus.REJECTED),
        (page(b"{", kind="application/json"), TargetStatus.REJECTED),
    ):
        seen = await rounds(Frontend(health=as_json(HEALTH)), {"/health": broken})
        assert seen.of(f"{DECODE} via f").statuses[-1] == (STALE, "the front end does not say")
        assert seen.of("f health").statuses[-1][0] is status


async def test_an_unhealthy_front_end_lists_nobody_and_says_so_itself() -> None:
    empty = as_json({"status": "unhealthy", "endpoints": [], "instances": []}, "503 Service Unavailable")
    seen = await rounds(Frontend(health=as_json(HEALTH)), {"/health": empty})
    assert seen.of(f"{DECODE} via f").statuses[-1][0] is GONE
    assert seen.of("f health").statuses[-1] == (UP, "")


async def test_models_that_are_not_ready() -> None:
    models = as_json({"object": "list", "data": [{"id": "tiny"}, {"id": "org/big"}, {"id": "old"}]})
    frontend = Frontend(health=as_json(HEALTH))
    frontend.answers |= {
        "/v1/models": models,
        "/v1/models/tiny/ready": as_json({}),
        "/v1/models/org%2Fbig/ready": as_json({}, "503 Service Unavailable"),
    }
    seen = await rounds(frontend, {"/v1/models/org%2Fbig/ready": as_json({})})
    assert [part.warning for part in seen.of("f health").parts(Status)] == ["not ready: org/big", ""]


async def test_the_hosts_that_it_lists_are_tried_for_pages_where_the_user_says_at_which_port() -> None:
    async with serving(says(page(WORKER))) as worker:
        settings = TargetSettings(worker_ports=(worker.port,))
        frontend = Frontend(health=as_json(HEALTH))
        seen = await rounds(frontend, {"/health": as_json(HEALTH | {"instances": []})}, settings=settings)
    of_page = seen.of(worker.name)
    assert of_page.statuses == [(UP, ""), (GONE, "no longer listed")]
    assert of_page.inventories[0].workers[0].id.startswith(DECODE)


@pytest.mark.parametrize("spelt", ["http://localhost:{}/metrics", "127.0.0.1:{}", "http://[::1]:{}/metrics/"])
async def test_a_page_that_is_watched_as_a_target_is_not_read_again(spelt: str) -> None:
    async with serving(says(page(WORKER))) as worker:
        named = Places()
        named.are_of([parse_target(spelt.format(worker.port))])
        seen = await rounds(
            Frontend(health=as_json(HEALTH)), settings=TargetSettings(worker_ports=(worker.port,)), named=named
        )
        assert worker.requests == []
    assert seen.of(worker.name).batches == []


async def test_one_that_becomes_a_target_ends_here() -> None:
    frontend, seen, named = Frontend(health=as_json(HEALTH)), Seen(), Places()
    async with serving(says(page(WORKER))) as worker, serving(frontend) as server, HttpClient() as client:
        settings = TargetSettings(worker_ports=(worker.port,))
        health = DynamoHealth("f", server.url, client, settings, HostSource, named, ask_s=1.0)
        await health.step(SECOND, seen)
        named.are_of([parse_target(f"localhost:{worker.port}")])
        await health.step(2 * SECOND, seen)
        await health.close()
    assert seen.of(worker.name).statuses == [(UP, ""), (GONE, "watched as a target of its own")]


async def test_a_host_in_two_spellings_is_read_once() -> None:
    row = HEALTH["instances"][0]
    both = [row | {"transport": {"tcp": f"{host}:1/x"}} for host in ("127.0.0.1", "localhost")]
    async with serving(says(page(WORKER))) as worker:
        seen = await rounds(
            Frontend(health=as_json(HEALTH | {"instances": both})), settings=TargetSettings(worker_ports=(worker.port,))
        )
        asked = [request.path for request in worker.requests]
    assert asked.count("/metrics") == 1
    assert seen.of(worker.name).statuses == [(UP, "")]


async def test_a_queue_that_is_gone_once_read_is_left_alone() -> None:
    """A host that is listed says who it is before its page is asked for, whatever is allowed at the front end."""
    models = as_json({"object": "list", "data": [{"id": "m", "owned_by": "tensorrt_llm"}]})
    host = Frontend(metrics=page(WORKER))
    host.answers["/v1/models"] = models
    host.answers["/prometheus/metrics"] = page(b"trtllm_request_success_total 3\n")
    async with serving(host) as worker:
        settings = TargetSettings(worker_ports=(worker.port,), sole_reader=True)
        seen = await rounds(Frontend(health=as_json(HEALTH)), settings=settings)
        asked = [request.path for request in worker.requests]
    assert "/prometheus/metrics" in asked
    assert "/metrics" not in asked
    assert seen.of(worker.name).statuses[0][0] is UP


async def test_hosts_that_it_lists_do_not_get_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTEND_TOKEN", "secret")
    access = Access(token=Token(env="FRONTEND_TOKEN"))
    frontend = Frontend(health=as_json(HEALTH))
    async with serving(says(page(WORKER))) as worker, serving(frontend) as server, Clients() as clients:
        settings = TargetSettings(worker_ports=(worker.port,), access=access)
        health = DynamoHealth("f", server.url, clients.of(access), settings, HostSource, Places(), ask_s=1.0)
        seen = Seen()
        await health.step(SECOND, seen)
        await health.close()
    assert seen.of(worker.name).statuses == [(UP, "")]
    assert {request.headers.get("authorization") for request in server.requests} == {"Bearer secret"}
    assert {request.headers.get("authorization") for request in worker.requests} == {None}


async def test_a_front_end_brings_its_list_and_a_worker_does_not() -> None:
    for metrics, asked in ((FRONTEND, True), (WORKER, False)):
        frontend = Frontend(metrics=page(metrics), health=as_json(HEALTH))
        seen = Seen()
        async with serving(frontend) as server, HttpClient() as client:
            source = open_target(server.name, client)
            await source.step(SECOND, seen)
            await source.close()
        assert (f"{server.name} health" in {batch.source for batch in seen.batches}) is asked


def test_hosts() -> None:
    assert hosts(HEALTH) == ("127.0.0.1",)
    row = HEALTH["instances"][0]

    def of(transport: object) -> tuple[str, ...]:
        return hosts({"instances": [row | {"transport": transport}]})

    assert of({"tcp": "[fd00::1]:41215/x"}) == ("[fd00::1]",)
    for strange in (
        {"tcp": "evil.example/@10.0.0.1:1"},
        {"tcp": "a b:1"},
        {"nats": "x"},
        "10.0.0.1:1",
        None,
        {"tcp": 3},
    ):
        assert of(strange) == ()
    with pytest.raises(InventoryError):
        hosts(3)
