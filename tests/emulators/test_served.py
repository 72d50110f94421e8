"""The real cluster behind its servers: what a client reads is what happened, and is the same each time."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from collectors.wire.placement import decoder_for
from emulators.events import Row
from emulators.server import Addresses, serve
from emulators.wire import BINARY_TYPE, NDJSON_TYPE

DEADLINE_S = 60.0
STEP_NS = 250_000_000
STEPS = 16
END_NS = STEPS * STEP_NS
MARK = rb'\{"type":"watermark","time_ns":(\d+),"seq":\d+\}'
MARKS = {BINARY_TYPE: re.compile(rb"(?s:.{16})" + MARK), NDJSON_TYPE: re.compile(MARK + rb"\n")}
"""A watermark as each encoding writes it: behind a header of 16 bytes, or in a line."""
EPOCH = re.compile(rb'"epoch":"[0-9a-f]{16}"')


class Emulator:
    """A stepped emulator and one client of it."""

    def __init__(self, addresses: Addresses, http: aiohttp.ClientSession) -> None:
        self.addresses = addresses
        self.http = http

    async def body(self, url: str) -> bytes:
        async with self.http.get(url if url.startswith("http") else self.addresses["router"] + url) as response:
            assert response.status == 200
            return await response.read()

    async def truth(self) -> Row:
        truth: Row = json.loads(await self.body("/truth"))
        return truth

    async def step(self, until_ns: int) -> None:
        url = f"{self.addresses['router']}/clock/advance"
        async with self.http.post(url, json={"until_ns": until_ns}) as response:
            assert response.status == 200

    async def pages(self) -> dict[str, dict[str, Metric]]:
        """The families of every page, by worker's id, the router's by `router`."""
        urls = {worker["id"]: worker["url"] for worker in self.addresses["workers"]} | {"router": "/metrics"}
        texts = {name: (await self.body(url)).decode() for name, url in urls.items()}
        return {name: {f.name: f for f in text_string_to_metric_families(text)} for name, text in texts.items()}

    @asynccontextmanager
    async def stream(self, accept: str) -> AsyncIterator["Recording"]:
        """What a client with this `Accept` reads, from now on."""
        url = f"{self.addresses['router']}/placement/v1/stream"
        async with self.http.get(url, headers={"Accept": accept}) as response:
            recording = Recording(accept)
            reading = asyncio.create_task(recording.read(response))
            try:
                await recording.until_it_has_begun()
                yield recording
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading


class Recording:
    """The body of one stream."""

    def __init__(self, accept: str) -> None:
        self.accept = accept
        self.data = bytearray()
        self._more = asyncio.Event()

    async def read(self, response: aiohttp.ClientResponse) -> None:
        async for chunk in response.content.iter_any():
            self.data += chunk
            self._more.set()

    async def until_it_has_begun(self) -> None:
        await self._until(b'{"type":"watermark"')

    async def until_watermark(self, time_ns: int) -> bytes:
        """The body, without the heartbeats: they depend on how fast this machine is."""
        await self._until(b'{"type":"watermark","time_ns":%d,' % time_ns)
        return without_heartbeats(bytes(self.data), self.accept)

    async def _until(self, text: bytes) -> None:
        while text not in self.data:
            self._more.clear()
            await self._more.wait()


def without_heartbeats(body: bytes, accept: str) -> bytes:
    """Drops each watermark that says the same as one before it."""
    seen: set[bytes] = set()

    def once(match: re.Match[bytes]) -> bytes:
        repeated = match[1] in seen
        seen.add(match[1])
        return b"" if repeated else match[0]

    return MARKS[accept].sub(once, body)


def unnumbered(body: bytes, accept: str) -> bytes:
    """Without what is another in every process: its epoch, and the numbers, which count heartbeats."""
    assert len(EPOCH.findall(body)) == 1
    return MARKS[accept].sub(rb"\1", EPOCH.sub(b"", body))


def messages(body: bytes) -> list[Row]:
    return [json.loads(line) for line in body.splitlines()]


@asynccontextmanager
async def emulator(seed: int = 7) -> AsyncIterator[Emulator]:
    listening: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.timeout(DEADLINE_S), aiohttp.ClientSession() as http:
        serving = asyncio.create_task(serve("default", seed, clock="stepped", ready=listening.set_result, stop=stop))
        serving.add_done_callback(lambda _: listening.cancel())
        try:
            yield Emulator(await listening, http)
        finally:
            stop.set()
            await serving


async def watched(seed: int, accept: str) -> tuple[bytes, Row, dict[str, dict[str, Metric]]]:
    """A whole stepped run: the stream's body, the truth at its end, and every page."""
    async with emulator(seed) as running, running.stream(accept) as recording:
        for i in range(1, STEPS + 1):
            await running.step(i * STEP_NS)
        return await recording.until_watermark(END_NS), await running.truth(), await running.pages()


@pytest.mark.parametrize("accept", [BINARY_TYPE, NDJSON_TYPE])
async def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(accept: str) -> None:
    first, again = [unnumbered((await watched(7, accept))[0], accept) for _ in range(2)]
    assert len(first) > 100_000
    assert first == again
    other, *_ = await watched(8, accept)
    assert first != unnumbered(other, accept)


@dataclass
class Account:
    """What a stream says in all."""

    tokens: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    hits: Counter[int] = field(default_factory=Counter)
    occupancy: dict[int, tuple[int, int]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    ties: int = 0


def account(hello: Row, rest: list[Row]) -> Account:
    ids = {worker["slot"]: worker["id"] for worker in hello["workers"]}
    of = Account()
    for message in rest:
        match message["type"]:
            case "deliveries":
                columns = [message[name] for name in ("worker", "stage", "tier", "tokens")]
                for worker, stage, tier, tokens in zip(*columns, strict=True):
                    of.tokens[ids[worker], stage, tier] += tokens
            case "phases":
                for row in message["rows"]:
                    if row["phase"] == "prefill":
                        of.tokens[ids[row["worker"]], "prefill", row["tier"]] += row["tokens"]
            case "occupancy":
                columns = [message[name] for name in ("pool", "used_bytes", "active_bytes")]
                of.occupancy |= {pool: (used, active) for pool, used, active in zip(*columns, strict=True)}
            case "decisions":
                of.rules.update(row["rule"] for row in message["rows"])
                of.ties += sum(row["tie"] for row in message["rows"])
            case "requests":
                of.events.update(row["event"] for row in message["rows"])
                for row in message["rows"]:
                    if row["event"] == "admitted" and not row.get("again"):
                        of.hits.update(dict(row["hits"]))
    return of


async def test_the_stream_adds_up_to_the_truth() -> None:
    body, truth, _ = await watched(7, NDJSON_TYPE)
    hello, *rest = messages(body)
    of = account(hello, rest)
    assert of.tokens == {(row["worker"], row["stage"], row["tier"]): row["tokens"] for row in truth["placements"]}
    assert len(of.tokens) >= 6
    assert of.occupancy == {pool["slot"]: (pool["used_bytes"], pool["active_bytes"]) for pool in truth["pools"]}
    assert of.hits == {pool["slot"]: pool["hit_tokens"] for pool in truth["pools"] if pool["hit_tokens"]}
    assert (of.rules, of.ties) == (truth["decisions"]["by_rule"], truth["decisions"]["ties"])
    assert of.events["received"] == truth["requests"]["received"]
    assert of.events["finished"] == truth["requests"]["finished"]


async def test_the_pages_add_up_to_the_truth() -> None:
    body, truth, pages = await watched(7, NDJSON_TYPE)
    devices = {worker["id"]: worker["device"] for worker in messages(body)[0]["workers"]}
    for name, page in pages.items():
        assert [sample.value for sample in page["tokenyard_emulated"].samples] == [1], name
    for row in truth["placements"]:
        if row["stage"] == "decode":
            family = "vllm:generation_tokens" if devices[row["worker"]] == "GPU" else "tokenyard_generation_tokens"
            assert total(pages[row["worker"]][family]) == row["tokens"]
    router = pages["router"]
    assert {s.labels["rule"]: s.value for s in router["tokenyard_decisions"].samples} == truth["decisions"]["by_rule"]
    assert total(router["tokenyard_decision_ties"]) == truth["decisions"]["ties"]
    for pool in truth["pools"]:
        page = pages.get(pool["owner"], router)
        if devices.get(pool["owner"]) == "GPU":
            (usage,) = page["vllm:kv_cache_usage_perc"].samples
            assert usage.value == pytest.approx(pool["active_bytes"] / pool["capacity_bytes"], rel=1e-12)
        else:
            for figure in ("used_bytes", "active_bytes", "capacity_bytes", "hit_tokens"):
                samples = page[f"tokenyard_tier_{figure}"].samples
                labels = {"tier": pool["tier"], "owner": pool["owner"]}
                assert [s.value for s in samples if s.labels == labels] == [pool[figure]]


def total(family: Metric) -> float:
    """The one child of a counter."""
    (value,) = [sample.value for sample in family.samples if sample.name.endswith("_total")]
    return value


@pytest.mark.parametrize("accept", [BINARY_TYPE, NDJSON_TYPE])
async def test_a_strict_reader_takes_the_whole_stream_also_one_that_comes_late(accept: str) -> None:
    async with emulator() as running, running.stream(accept) as early:
        await running.step(END_NS // 2)
        truth = await running.truth()
        async with running.stream(accept) as late:
            await running.step(END_NS)
            whole, tail = await early.until_watermark(END_NS), await late.until_watermark(END_NS)
    for body in (whole, tail):
        decoder = decoder_for(accept)
        decoder.feed(body)
        hello = decoder.hello
        assert hello is not None
        assert hello.emulated
    if accept == NDJSON_TYPE:
        opening = messages(tail)
        assert opening[0]["clock"]["now_ns"] == END_NS // 2
        assert len(opening[1]["rows"]) == truth["requests"]["live"] > 0
        # From there on, the late reader reads what the early one reads.
        mark = b'{"type":"watermark","time_ns":%d,' % (END_NS // 2)
        assert tail.partition(mark)[2] == whole.partition(mark)[2]


async def test_what_was_asked_is_told() -> None:
    async with emulator() as running:
        await running.step(END_NS)
        told = json.loads(await running.body("/truth/requests"))
        requests = told["requests"]
        assert told["now_ns"] == END_NS
        assert len(requests["request"]) == (await running.truth())["requests"]["received"] > 50
        assert set(requests["workload"]) == {"chat", "agent", "summarise", "report"}
        assert requests["intended_ns"] == requests["received_ns"] == sorted(requests["received_ns"])
