"""NVIDIA Dynamo with mocked engines: a frontend with a KV router; workers of two ranks; prefill and decode workers; one that is killed in mid-stream."""

import asyncio
import contextlib
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from collectors.backends.dynamo_workers import serving, worker_id
from collectors.model.signals import Signal
from collectors.model.vocabulary import Role, State, TargetStatus, Tier
from collectors.sources.kv_events import KvEventsSource
from collectors.wire.kv_discovery import KvEndpoint
from tests.real import models
from tests.real.driver import Load, Request, load
from tests.real.observed import Observed, contains, observing
from tests.real.peers import CACHE, Server, answers, environment, free_port

VERSION = "1.6.1"
REQUIREMENTS = (
    f"ai-dynamo-runtime=={VERSION}",
    *(
        "aiohttp>=3.14.3,<4",
        "certifi>=2026.10.19",
        "kubernetes>=32.0.1,<33",
        "msgspec>=0.19",
        "prometheus-client>=0.23.1,<1",
    ),
    *("pyzmq>=26", "redis>=6.2,<9", "tqdm", "transformers>=4.56", "zstandard>=0.23,<1"),
)
"""What ai-dynamo asks for, but for aisimulate, which is not on PyPI."""
BLOCK = 16
WORKER_IDS = {"ignore_eos": True, "nvext": {"extra_fields": ["worker_id"]}}
"""Asks for the workers of each event, and for as many tokens as were asked for."""
LOOPBACK = dict.fromkeys(("DYN_TCP_RPC_HOST", "DYN_TCP_RESPONSE_STREAM_HOST", "DYN_EVENT_PLANE_HOST"), "127.0.0.1")


@dataclass
class Mocker:
    """A worker: its process, the port of its page, and where its KV events are, a rank each."""

    server: Server
    port: int
    events: list[KvEndpoint] = field(default_factory=list)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def health(self) -> tuple[int, Any]:
        return _json(f"http://{self.target}/health")


@dataclass
class Cluster:
    port: int
    mockers: list[Mocker]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def frontend(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        return [self.frontend, *(one.target for one in self.mockers)]

    def ids(self, component: str) -> list[str]:
        """Workers of a component, as the frontend's inventory has them."""
        rows = _json(f"{self.url}/health")[1].get("instances", [])
        return [
            str(row["instance_id"]) for row in rows if row["component"] == component and row["endpoint"] == "generate"
        ]


def _json(url: str) -> tuple[int, Any]:
    from urllib.error import HTTPError

    try:
        with urlopen(url, timeout=5) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


Make = Callable[..., Cluster]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Make]:
    """Makes a frontend and a mocker for each list of arguments, and waits until the frontend knows them all; ends them with the test.

    Further variables are the frontend's; what it says is in `frontend.log`.
    """
    python = environment("dynamo", *REQUIREMENTS, bare=[f"ai-dynamo=={VERSION}"]) / "python"
    model = models.hugging_face(CACHE / "models" / "tiny")
    store = tmp_path / "store"
    env = {
        "DYN_DISCOVERY_BACKEND": "file",
        "DYN_FILE_KV": str(store),
        "DYN_REQUEST_PLANE": "tcp",
        "DYN_EVENT_PLANE": "zmq",
        "HF_HUB_OFFLINE": "1",
        **LOOPBACK,
    }
    with contextlib.ExitStack() as started:

        def start(name: str, *arguments: str, **more: str) -> Server:
            server = Server(tmp_path / f"{name}.log", python, "-m", *arguments, env={**env, **more})
            server.start()
            started.callback(server.stop)
            return server

        def make(*workers: Sequence[str], ranks: int = 1, **of_frontend: str) -> Cluster:
            mockers = []
            for number, arguments in enumerate(workers):
                port, live, replay = free_port(), free_port(ranks), free_port(ranks)
                server = start(
                    f"worker{number}",
                    "dynamo.mocker",
                    *("--model-path", str(model), "--model-name", models.NAME, "--block-size", str(BLOCK)),
                    *("--num-gpu-blocks-override", "512", "--data-parallel-size", str(ranks)),
                    *("--zmq-kv-events-ports", str(live), "--zmq-replay-ports", str(replay)),
                    *arguments,
                    DYN_SYSTEM_PORT=str(port),
                )
                events = [
                    KvEndpoint(f"tcp://127.0.0.1:{live + rank}", f"tcp://127.0.0.1:{replay + rank}", rank=rank)
                    for rank in range(ranks)
                ]
                mockers.append(Mocker(server, port, events))
            made = Cluster(free_port(), mockers)
            frontend = start(
                "frontend",
                "dynamo.frontend",
                *("--http-host", "127.0.0.1", "--http-port", str(made.port), "--router-mode", "kv"),
                *("--kv-cache-block-size", str(BLOCK), "--migration-limit", "3"),
                **of_frontend,
            )

            def ready() -> bool:
                known = len(made.ids("backend")) + len(made.ids("prefill"))
                listed = answers(f"{made.url}/v1/models") and _json(f"{made.url}/v1/models")[1].get("data")
                return (
                    known == len(workers)
                    and bool(listed)
                    and all(answers(f"http://{one.target}/metrics") for one in mockers)
                )

            frontend.wait_for(ready, "dynamo", [one.server for one in mockers])
            return made

        yield make


def requests(count: int, *, tokens: int = 20, every_s: float = 0.05, seed: int = 1, prompt: int = 96) -> list[Request]:
    """Every second one asks the same as the one before it, so that there is something to find in a cache."""
    source = random.Random(seed)
    made: list[Request] = []
    for number in range(count):
        text = [source.randrange(40, 90) for _ in range(prompt)] if number % 2 == 0 else made[-1].prompt
        made.append(Request(number * every_s, text, tokens, body=WORKER_IDS))
    return made


def by_worker(done: Load, role: str) -> Counter[str]:
    """Output tokens by the worker (and rank) that the events name: `decode` or `prefill`."""
    counted: Counter[str] = Counter()
    for answer in done.answers:
        if answer.extras:
            said = answer.extras[-1]["worker_id"]
            counted[worker_id(str(said[f"{role}_worker_id"]), str(said.get(f"{role}_dp_rank") or 0))] += (
                answer.output_tokens
            )
    return counted


def check_totals(seen: Observed, cluster: Cluster, done: Load) -> None:
    """What the frontend counts is what the client got, and no token is counted twice on the screen."""
    name, worker = cluster.frontend, f"{cluster.frontend}/frontend"
    assert [answer.error for answer in done.answers] == [""] * len(done.answers)
    assert seen.total(name, worker, Signal.GENERATION_TOKENS) == done.output_tokens
    assert seen.total(name, worker, Signal.PROMPT_TOKENS) == done.prompt_tokens
    assert seen.total(name, worker, Signal.HIT_TOKENS, Tier.UNKNOWN) == done.cached_tokens
    assert sum(seen.totals(name, worker, Signal.REQUESTS_FINISHED).values()) == len(done.answers)
    assert sum(seen.placed("decode").values()) == done.output_tokens
    assert sum(seen.placed("prefill").values()) == done.prompt_tokens - done.cached_tokens
    for signal, values, whole in (
        (Signal.TTFT, [answer.ttft_s for answer in done.answers], True),
        (Signal.E2E, [answer.e2e_s for answer in done.answers], True),
        (Signal.GAP, [gap for answer in done.answers for gap in answer.gaps_s], False),
    ):
        _, p50, p99 = seen.quantiles(name, worker, signal)
        contains(p50, values, 0.5, done.overhead_s, whole=whole)
        contains(p99, values, 0.99, done.overhead_s, whole=whole)


def roles(seen: Observed) -> dict[str, Role]:
    return {name: row.role for name, row in seen.workers().items()}


def events(made: Cluster, ids: Sequence[str]) -> list[KvEventsSource]:
    """A source for each publisher; `ids` are the workers' ids in the order of the mockers."""
    return [
        KvEventsSource(f"events {name} {one.rank}", name, one)
        for name, mocker in zip(ids, made.mockers, strict=True)
        for one in mocker.events
    ]


def said_ids(mocker: Mocker) -> str:
    """The worker's id as its page spells it, in hexadecimal, in decimal."""
    with urlopen(f"http://{mocker.target}/metrics", timeout=5) as response:
        found = re.search(rb'worker_id="([0-9a-f]+)"', response.read())
    assert found is not None
    return str(int(found[1], 16))


async def test_two_workers_of_two_ranks(cluster: Make, tmp_path: Path) -> None:
    made = cluster([], [], ranks=2)
    ids = [said_ids(one) for one in made.mockers]
    assert sorted(ids) == sorted(made.ids("backend"))  # which spells them in decimal
    async with observing(tmp_path / "seen.tyard", made.targets, *events(made, ids)) as seen:
        await seen.up(3 + 4)
        done = await load(made.url, models.NAME, requests(60, every_s=0.1))
        frame = await seen.sampled()
        check_totals(seen, made, done)
        expected = {worker_id(one, str(rank)): Role.AGGREGATED for one in ids for rank in (0, 1)}
        assert roles(seen) == {f"{made.frontend}/frontend": Role.ROUTER, **expected}
        served = by_worker(done, "decode")
        assert served.keys() <= expected.keys()
        for name, mocker in zip(ids, made.mockers, strict=True):
            for rank in (0, 1):
                worker = worker_id(name, str(rank))
                answered = [one for one in done.answers if worker in by_worker(Load([one], 0.0), "decode")]
                n, _, _ = seen.quantiles(mocker.target, worker, Signal.TTFT)
                assert n == len(answered)  # the engine's own count of its requests
        held = {row.owner: row.used_bytes for row in frame.tiers if row.tier is Tier.HBM}
        for worker in served:
            # Each of its prompts is six whole blocks, and some of them are the same.
            assert held[worker].value is not None
            assert (held[worker].value or 0) > 0
            assert held[worker].estimate is not True


async def test_prefill_and_decode_workers(cluster: Make, tmp_path: Path) -> None:
    made = cluster(["--disaggregation-mode", "prefill"], *[["--disaggregation-mode", "decode"]] * 2)
    (prefill,), decoders = made.ids("prefill"), made.ids("backend")
    async with observing(tmp_path / "seen.tyard", made.targets) as seen:
        await seen.up(4)
        done = await load(made.url, models.NAME, requests(120))
        await seen.sampled()
        check_totals(seen, made, done)
        assert roles(seen) == {
            f"{made.frontend}/frontend": Role.ROUTER,
            worker_id(prefill): Role.PREFILL,
            **{worker_id(one): Role.DECODE for one in decoders},
        }
        assert set(by_worker(done, "decode")) == {worker_id(one) for one in decoders}
        assert set(by_worker(done, "prefill")) == {worker_id(prefill)}
        # Their health says 503 while they serve; they are up.
        said = [mocker.health() for mocker in made.mockers]
        assert all(serving(status, body) for status, body in said)
        assert {row.status for row in seen.targets().values()} == {TargetStatus.UP}


async def test_a_decode_worker_killed_in_mid_stream(cluster: Make, tmp_path: Path) -> None:
    """Its requests go on elsewhere: no token is lost or counted twice, and the frontend's count of migrations is ours."""
    made = cluster(*[["--speedup-ratio", "0.2"]] * 2)
    ids = [said_ids(one) for one in made.mockers]
    async with observing(tmp_path / "seen.tyard", made.targets) as seen:
        await seen.up(3)
        loading = asyncio.create_task(load(made.url, models.NAME, requests(8, tokens=120)))
        frontend = f"{made.frontend}/frontend"
        await seen.until(
            lambda frame: {row.id: row.running.value or 0 for row in frame.workers}.get(worker_id(ids[0]), 0) > 0,
            "the worker has something to do",
        )
        await asyncio.to_thread(made.mockers[0].server.kill)
        done = await loading
        gone = made.mockers[0].target
        await seen.until(lambda _: seen.targets()[gone].status is TargetStatus.DOWN, "its page is gone")
        await seen.sampled(without=gone)
        assert [answer.error for answer in done.answers] == [""] * 8
        assert [answer.output_tokens for answer in done.answers] == [120] * 8
        assert seen.total(made.frontend, frontend, Signal.GENERATION_TOKENS) == 8 * 120
        assert sum(seen.placed("decode").values()) == 8 * 120
        moved = seen.totals(made.frontend, frontend, Signal.MIGRATIONS)
        assert sum(moved.values()) >= 1, moved
        row = seen.workers()[worker_id(ids[0])]
        assert row.running.state in (State.STALE, State.ABSENT), row.running


async def test_an_aborted_request(cluster: Make, tmp_path: Path) -> None:
    """The frontend counts what it passed on until then, and the request among those that ended."""
    made = cluster(["--speedup-ratio", "0.2"])
    gone, stays = requests(2, tokens=200)
    gone = Request(0.0, gone.prompt, 200, body=WORKER_IDS, abort_after=10)
    async with observing(tmp_path / "seen.tyard", made.targets) as seen:
        await seen.up(2)
        done = await load(made.url, models.NAME, [gone, stays])
        await seen.until(lambda frame: all(not row.running.value for row in frame.workers), "nothing runs")
        await seen.sampled()
        assert done.answers[0].finish == "gone"
        tokens = seen.total(made.frontend, f"{made.frontend}/frontend", Signal.GENERATION_TOKENS)
        assert tokens is not None
        assert 10 + 200 <= tokens < 400
        frontend = f"{made.frontend}/frontend"
        assert sum(seen.totals(made.frontend, frontend, Signal.REQUESTS_FINISHED).values()) == 2
        assert seen.totals(made.frontend, frontend, Signal.REQUEST_ERRORS) == {"cancelled": 1}
