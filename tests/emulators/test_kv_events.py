"""KV events over ZeroMQ: what they add up to is what is resident, by an independent reader and by our own source."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import msgspec
import numpy as np
import pytest
import zmq
import zmq.asyncio

from collectors.model.batch import EMPTIED, STORED, Blocks, Inventory
from collectors.session.clock import LiveClock
from collectors.sources.kv_sources import KvSources
from collectors.wire.http import HttpClient
from collectors.wire.kv_events import MEDIA as TIERS
from emulators import kv_events
from emulators.cluster import Cluster
from emulators.emulation import Emulation
from emulators.events import BLOCK
from emulators.kv_events import MEDIA, Log
from emulators.kv_publisher import Publisher
from emulators.scenarios import DEFAULT
from emulators.server import Addresses, listening
from tests.emulators.test_abort import TIGHT
from tests.sources.seen import Seen
from tests.wire.kv_messages import VLLM, captured

DEADLINE_S = 60.0
MOMENTS_NS = [round(seconds * 1e9) for seconds in (0.7, 2.2, 4.0, 7.3)]
SCENARIO = replace(TIGHT, load=DEFAULT.load, host=replace(TIGHT.host, object_bytes=2 << 30))
"""So little memory that blocks go through all tiers within seconds."""


class Reader:
    """A consumer of vLLM's events that shares nothing with ours: replay first, then live. `held`: blocks by medium."""

    def __init__(self, source: dict[str, str]) -> None:
        context = zmq.asyncio.Context.instance()
        self.live, self.replay = context.socket(zmq.SUB), context.socket(zmq.DEALER)
        self.live.connect(source["endpoint"])
        self.live.subscribe(source["topic"])
        self.replay.connect(source["replay_endpoint"])
        self.held: dict[str, set[int]] = {}
        self.next = 0

    async def catch_up(self) -> None:
        await self.replay.send_multipart([b"", self.next.to_bytes(8, "big")])
        while (frames := await self.replay.recv_multipart())[3]:
            self.take(*frames[2:])

    async def listen(self, until: int) -> None:
        while self.next <= until:
            self.take(*(await self.live.recv_multipart())[1:])

    def take(self, number: bytes, payload: bytes) -> None:
        assert int.from_bytes(number, "big") == self.next
        self.next += 1
        for event in msgspec.msgpack.decode(payload)[1]:
            blocks, named = self.held.setdefault(event["medium"], set()), set(event["block_hashes"])
            stored = event["type"] == "BlockStored"
            assert blocks.isdisjoint(named) if stored else blocks.issuperset(named)
            (blocks.update if stored else blocks.difference_update)(named)


class Emulator:
    """An emulator of `SCENARIO` whose clock stands still."""

    def __init__(self, emulation: Emulation, addresses: Addresses, http: aiohttp.ClientSession) -> None:
        self.emulation, self.http = emulation, http
        self.origins = {"host-0": addresses["router"]} | {
            worker["id"]: worker["url"].removesuffix("/metrics")
            for worker in addresses["workers"]
            if worker["id"].startswith("gpu")
        }

    async def get(self, url: str) -> dict[str, object]:
        async with self.http.get(url) as response:
            found: dict[str, object] = json.loads(await response.read())
            return found

    async def source(self, owner: str) -> dict[str, str]:
        (source,) = (await self.get(f"{self.origins[owner]}/kv_event_sources")).values()
        return source  # type: ignore[return-value]

    async def truth(self) -> dict[tuple[str, str], set[int]]:
        """Resident blocks by owner and tier, of those that publish."""
        truth = await self.get(f"{self.origins['host-0']}/truth/blocks")
        assert truth["now_ns"] == self.emulation.cluster.now_ns
        pools: list[dict[str, object]] = truth["pools"]  # type: ignore[assignment]
        return {
            (pool["owner"], pool["tier"]): {int(name, 16) for name in pool["blocks"]}  # type: ignore[misc, attr-defined]
            for pool in pools
            if pool["owner"] in self.origins
        }


@asynccontextmanager
async def emulator() -> AsyncIterator[Emulator]:
    emulation = Emulation(Cluster(SCENARIO, 5), clock="stepped", clock_id="test")
    async with (
        asyncio.timeout(DEADLINE_S),
        listening(emulation, 0, kv_events=True) as addresses,
        aiohttp.ClientSession() as http,
    ):
        yield Emulator(emulation, addresses, http)


def publishers(emulation: Emulation) -> dict[str, Publisher]:
    found = [getattr(hear, "__self__", None) for hear in emulation.hearers]
    return {one.owner or "host-0": one for one in found if isinstance(one, Publisher)}


async def test_an_independent_reader_finds_what_is_resident_at_any_moment() -> None:
    async with emulator() as running:
        await running.emulation.advance(MOMENTS_NS[0])  # before anybody listens
        readers = {owner: Reader(await running.source(owner)) for owner in running.origins}
        speaking = publishers(running.emulation)
        for owner, reader in readers.items():
            await reader.catch_up()
            while True:
                await asyncio.sleep(0)
                if speaking[owner].heard():
                    break
        for moment in [*MOMENTS_NS, MOMENTS_NS[-1]]:
            truth = await running.truth()
            for owner, reader in readers.items():
                await reader.listen(speaking[owner].log.next - 1)
                tiers = {medium: tier for tier, medium in MEDIA.items() if (owner, tier) in truth}
                assert {(owner, tiers[medium]): blocks for medium, blocks in reader.held.items() if blocks} == {
                    place: blocks for place, blocks in truth.items() if place[0] == owner and blocks
                }
            await running.emulation.advance(moment)
        for reader in readers.values():
            reader.live.close(0)
            reader.replay.close(0)
        # Every tier has something.
        assert {tier for (_, tier), blocks in truth.items() if blocks} == {"HBM", "DRAM", "flash", "object"}


def held_by(seen: Seen) -> dict[str, set[int]]:
    """Blocks by tier, as the batches of our own source say."""
    held: dict[str, set[int]] = {}
    pools: list[str] = []
    for part in (part for batch in seen.batches for part in batch.parts):
        if isinstance(part, Inventory):
            pools = [str(pool.tier) for pool in part.pools]
        elif isinstance(part, Blocks):
            for row in part.rows:
                blocks = held.setdefault(pools[row["pool"]], set())
                assert row["op"] != EMPTIED
                (blocks.add if row["op"] == STORED else blocks.discard)(int(row["hash"]))
    return {tier: blocks for tier, blocks in held.items() if blocks}


async def test_our_own_source_finds_what_is_resident_at_any_moment() -> None:
    async with emulator() as running:
        client = HttpClient()
        await running.emulation.advance(MOMENTS_NS[0])  # before anybody listens
        seen = {owner: Seen() for owner in running.origins}
        following = [
            asyncio.create_task(KvSources(owner, origin, client).run(LiveClock(), seen[owner]))
            for owner, origin in running.origins.items()
        ]
        try:
            for moment in MOMENTS_NS[1:]:
                truth = await running.truth()
                for owner, one in seen.items():
                    expected = {tier: blocks for (of, tier), blocks in truth.items() if of == owner and blocks}
                    await one.until(lambda one, expected=expected: held_by(one) == expected)  # type: ignore[misc]
                await running.emulation.advance(moment)
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            await client.close()
        # Some of it was replayed, most came as it happened.
        for one in seen.values():
            assert {part.past for batch in one.batches for part in batch.parts if isinstance(part, Blocks)} == {
                True,
                False,
            }


async def test_events_have_the_fields_of_vllms() -> None:
    said = [event for _, (_, events, _) in captured(VLLM) for event in events]
    theirs = {
        event["type"]: event for event in said if event.get("session_id") is None or event["type"] == "BlockStored"
    }
    log = Log({0: "GPU"}, 1e9)
    rows = np.zeros(3, BLOCK)
    rows["hash"], rows["op"], rows["time_ns"] = [2**64 - 1, 2, 2], [0, 0, 1], [1, 2, 1_500_000_000]
    message = log.record(rows)
    assert message is not None
    topic, number, payload = log.frames(message)
    at_s, events, rank = msgspec.msgpack.decode(payload)
    assert (topic, number, at_s, rank) == (b"kv-events", bytes(8), 1e9 + 1.5, 0)
    assert [(event["type"], event["block_hashes"]) for event in events] == [
        ("BlockStored", [2**64 - 1, 2]),
        ("BlockRemoved", [2]),
    ]
    for event in events:
        real = theirs[event["type"]]
        # `extra_keys` and `session_id` are of requests that set them.
        assert list(event) == [name for name in real if name not in ("extra_keys", "session_id")]
        assert {name: type(value) for name, value in event.items() if value is not None and real[name] is not None} == {
            name: type(real[name]) for name, value in event.items() if value is not None and real[name] is not None
        }


def test_what_is_not_kept_cannot_be_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv_events, "BUFFER", 3)
    log = Log({0: "GPU"}, 0.0)
    for _ in range(5):
        assert log.record(np.zeros(1, BLOCK)) is not None
    assert log.record(np.zeros(0, BLOCK)) is None
    assert [message.number for message in log.since(0)] == [2, 3, 4]
    assert [message.number for message in log.since(4)] == [4]


async def test_who_asks_nonsense_gets_no_answer_and_others_do() -> None:
    async with emulator() as running:
        await running.emulation.advance(MOMENTS_NS[0])
        source = await running.source("gpu-0/0")
        context = zmq.asyncio.Context.instance()
        with context.socket(zmq.DEALER) as replay:
            replay.connect(source["replay_endpoint"])
            for frames in ([b""], [b"", b"1"], [b"x", b"y", b"z"], [b"", (1 << 40).to_bytes(8, "big")]):
                await replay.send_multipart(frames)
            assert await replay.recv_multipart() == [b"", b"", kv_events.END, b""]


async def test_it_says_so_where_nothing_is_published() -> None:
    emulation = Emulation(Cluster(SCENARIO, 5), clock="stepped", clock_id="test")
    async with (
        listening(emulation, 0) as addresses,
        aiohttp.ClientSession() as http,
        http.get(f"{addresses['router']}/kv_event_sources") as response,
    ):
        source = (await response.json())["0"]
    assert (source["enable_kv_cache_events"], source["emulated"]) == (False, True)


@pytest.mark.parametrize(("tier", "medium"), MEDIA.items())
def test_our_own_source_knows_the_media(tier: str, medium: str) -> None:
    assert str(TIERS[medium]) in {tier, "HBM"}
