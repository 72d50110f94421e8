"""The source of KV events against a publisher on loopback: replay and live, gaps, restarts, and what it says when it cannot."""

import asyncio
import contextlib
import itertools
import sys
from collections.abc import AsyncIterator, Callable

import msgspec
import numpy as np
import pytest

from collectors.model.batch import EMPTIED, Blocks, Inventory, Status
from collectors.model.memory import TierRow
from collectors.model.vocabulary import Counted, TargetStatus, Tier
from collectors.session.clock import LiveClock
from collectors.session.session import Session
from collectors.sources.kv_events import KvEventsSource
from collectors.wire.kv_discovery import KvEndpoint
from collectors.wire.limits import Limits
from tests.loopback import says, serving, unused_port
from tests.sources.kv_publisher import Publisher, publishing
from tests.sources.seen import PATIENCE_S, Seen
from tests.wire.kv_messages import VLLM, captured, cleared, number, payload, removed, stored

SECOND = 1_000_000_000


@contextlib.asynccontextmanager
async def following(endpoint: KvEndpoint, **settings: object) -> AsyncIterator[Seen]:
    """A live source of the target `t`, cancelled at the end."""
    seen = Seen()
    settings = {"retry_s": 0.01, "replay_s": PATIENCE_S, "limits": Limits(connect_s=PATIENCE_S)} | settings
    task = asyncio.create_task(source(endpoint, **settings).run(LiveClock(), seen))
    try:
        yield seen
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def source(endpoint: KvEndpoint, **settings: object) -> KvEventsSource:
    return KvEventsSource("t kv events", "t", endpoint, **settings)  # type: ignore[arg-type]


def tiers(seen: Seen) -> dict[str, TierRow]:
    """What a session makes of it, by `owner tier`."""
    session = Session("live")
    for batch in seen.batches:
        session.feed(batch)
    frame = session.tick((max((batch.time_ns for batch in seen.batches), default=0) // SECOND + 1) * SECOND)
    return {f"{row.owner} {row.tier}": row for row in frame.tiers}


def used(seen: Seen, tier: str = "t/0 HBM") -> float | None:
    row = tiers(seen).get(tier)
    return None if row is None else row.used_bytes.value


def holds(tokens: int, tier: str = "t/0 HBM") -> Callable[[Seen], bool]:
    return lambda seen: used(seen, tier) == tokens


def is_up(seen: Seen) -> bool:
    return bool(seen.statuses) and seen.statuses[-1][0] is TargetStatus.UP and bool(seen.inventories)


def blocks(seen: Seen) -> list[Blocks]:
    return [part for batch in seen.batches for part in batch.parts if isinstance(part, Blocks)]


def warning(seen: Seen) -> str:
    return [part.warning for batch in seen.batches for part in batch.parts if isinstance(part, Status)][-1]


def counted(seen: Seen) -> dict[Tier, Counted]:
    return {pool.tier: pool.counted for pool in seen.inventories[-1].pools}


@pytest.mark.parametrize("topics", [True, False], ids=["vLLM 0.25", "vLLM 0.22"])
async def test_replay_first_then_live(topics: bool) -> None:
    async with publishing(topics=topics) as publisher:
        await publisher.publish(stored(1, 2))
        await publisher.publish(stored(3), removed(1))
        async with following(publisher.endpoint) as seen:
            await seen.until(holds(2 * 16))
            await publisher.subscribed.wait()
            await publisher.publish(stored(4, 5, medium="CPU"), removed(2))
            await seen.until(holds(16))
        assert used(seen, "t/0 DRAM") == 32
        assert [part.past for part in blocks(seen)] == [True, False]
        assert (seen.statuses, warning(seen)) == ([(TargetStatus.UP, "")], "")
        assert counted(seen) == {Tier.HBM: Counted.WHOLE, Tier.DRAM: Counted.WHOLE}
        assert publisher.replayed == [0]


async def test_the_captured_messages_of_vllm() -> None:
    left: set[int] = set()
    async with publishing() as publisher:
        for index, (frames, _) in enumerate(captured(VLLM)):
            if index == 60:
                break
            await publisher.publish(raw=frames[2])
        async with following(publisher.endpoint) as seen:
            await seen.until(is_up)
            await publisher.subscribed.wait()
            for index, (frames, (_, events, _)) in enumerate(captured(VLLM)):
                for event in events:
                    (left.update if event["type"] == "BlockStored" else left.difference_update)(event["block_hashes"])
                if index >= 60:
                    await publisher.publish(raw=frames[2])
            assert len(left) == 34
            await seen.until(lambda seen: sum(len(part.rows) for part in blocks(seen)) == 314)
        row = tiers(seen)["t/0 HBM"]
        assert (row.used_bytes.value, row.used_bytes.unit) == (34 * 32, "tokens")
        assert row.used_bytes.estimate is msgspec.UNSET


async def test_what_is_published_during_the_replay_is_counted_once() -> None:
    async with publishing() as publisher:
        publisher.answering.clear()
        await publisher.publish(stored(1))
        async with following(publisher.endpoint) as seen:
            await publisher.subscribed.wait()
            for block in (2, 3, 4):
                await publisher.publish(stored(block))
            publisher.answering.set()
            await publisher.publish(stored(5))
            await seen.until(holds(5 * 16))
        assert sum(len(part.rows) for part in blocks(seen)) == 5
        assert warning(seen) == ""


async def test_an_engine_that_has_published_nothing_is_up() -> None:
    async with publishing() as publisher, following(publisher.endpoint) as seen:
        await seen.until(is_up)
        assert [worker.id for worker in seen.inventories[-1].workers] == ["t/0"]
        assert tiers(seen) == {}


async def test_a_gap_is_filled_by_a_replay() -> None:
    async with publishing() as publisher:
        await publisher.publish(stored(1))
        async with following(publisher.endpoint) as seen:
            await seen.until(holds(16))
            await publisher.subscribed.wait()
            publisher.drop(stored(2), removed(1))
            publisher.drop(stored(3))
            await publisher.publish(stored(4))
            await seen.until(holds(3 * 16))
        assert publisher.replayed == [0, 0]
        assert (warning(seen), counted(seen)) == ("", {Tier.HBM: Counted.WHOLE})


async def test_a_gap_that_nobody_can_fill_is_said_and_counted() -> None:
    async with publishing() as publisher:
        await publisher.publish(stored(1))
        async with following(publisher.endpoint) as seen:
            await seen.until(holds(16))
            await publisher.subscribed.wait()
            publisher.drop(removed(1), remembered=False)
            publisher.drop(stored(9), remembered=False)
            await publisher.publish(stored(2))
            await seen.until(holds(32))
            assert warning(seen) == "2 messages lost in 1 gaps"
            assert counted(seen) == {Tier.HBM: Counted.ABOUT}
            assert tiers(seen)["t/0 HBM"].used_bytes.estimate is True
            await publisher.publish(cleared(), stored(3, 4, 5))
            await seen.until(holds(3 * 16))
            assert counted(seen) == {Tier.HBM: Counted.WHOLE}
            assert tiers(seen)["t/0 HBM"].used_bytes.estimate is msgspec.UNSET


async def test_a_replay_that_no_longer_has_the_beginning() -> None:
    async with publishing(buffer=3) as publisher:
        for block in range(8):
            await publisher.publish(stored(block))
        async with following(publisher.endpoint) as seen:
            await seen.until(holds(3 * 16))
        assert warning(seen) == "began at message 5 (replay reaches no further)"
        assert counted(seen) == {Tier.HBM: Counted.ABOUT}


async def test_without_replay_what_was_before_us_is_not_known() -> None:
    async with publishing() as publisher:
        await publisher.publish(stored(1))
        endpoint = msgspec.structs.replace(publisher.endpoint, replay=None)
        async with following(endpoint) as seen:
            await seen.until(is_up)
            await publisher.subscribed.wait()
            await publisher.publish(stored(2))
            await seen.until(holds(16))
        assert warning(seen) == "began at message 1 (no replay)"
        assert publisher.replayed == []


async def test_a_replay_endpoint_that_does_not_answer_does_not_hold_up_what_is_live() -> None:
    async with publishing() as publisher:
        endpoint = msgspec.structs.replace(publisher.endpoint, replay=f"tcp://127.0.0.1:{await unused_port()}")
        async with following(endpoint) as seen:
            await seen.until(is_up)
            await publisher.subscribed.wait()
            await publisher.publish(stored(2))
            await seen.until(holds(16))
        assert (warning(seen), counted(seen)) == ("", {Tier.HBM: Counted.WHOLE})


async def test_an_answer_with_holes_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.sources.kv_follow.FEW", 0)
    async with publishing(at_most=4) as publisher:
        for block in range(11):
            await publisher.publish(stored(block))
        async with following(publisher.endpoint) as seen:
            await seen.until(holds(11 * 16))
        assert publisher.replayed[:4] == [0, 3, 6, 9]
        assert (warning(seen), counted(seen)) == ("", {Tier.HBM: Counted.WHOLE})


async def test_more_messages_than_a_router_keeps_for_us() -> None:
    async with publishing() as publisher:
        for block in range(4_000):
            await publisher.publish(stored(block, size=1))
        # The end of an answer is dropped too: only silence tells.
        async with following(publisher.endpoint, replay_s=2.0) as seen:
            await seen.until(lambda seen: sum(len(part.rows) for part in blocks(seen)) == 4_000)
            await seen.until(holds(4_000))
        assert (warning(seen), counted(seen)) == ("", {Tier.HBM: Counted.WHOLE})


async def restarted(publisher: Publisher) -> Publisher:
    endpoint = publisher.endpoint
    await publisher.close()
    return await Publisher().started_later().bind(endpoint)


@pytest.mark.parametrize("messages", [0, 1, 3, 6])
async def test_a_restarted_publisher_begins_with_nothing(messages: int) -> None:
    """It may have published less than the one before when we come back, as much, or more."""
    async with publishing() as first:
        for block in range(3):
            await first.publish(stored(block, 100 + block))
        async with following(first.endpoint) as seen:
            await seen.until(holds(6 * 16))
            second = await restarted(first)
            try:
                for block in range(messages):
                    await second.publish(stored(200 + block))
                await seen.until(holds(messages * 16))
                await second.subscribed.wait()
                await second.publish(stored(300))
                await seen.until(holds((messages + 1) * 16))
            finally:
                await second.close()
        assert any((part.rows["op"] == EMPTIED).all() for part in blocks(seen))
        turns = [status for status, _ in itertools.groupby(status for status, _ in seen.statuses)]
        assert turns == [TargetStatus.UP, TargetStatus.DOWN, TargetStatus.UP]
        assert warning(seen) == ""
        assert counted(seen) == {Tier.HBM: Counted.WHOLE}


async def test_a_restart_is_seen_without_replay_and_without_losing_the_connection() -> None:
    """As through a proxy."""
    async with publishing() as publisher:
        endpoint = msgspec.structs.replace(publisher.endpoint, replay=None)
        async with following(endpoint) as seen:
            await seen.until(is_up)
            await publisher.subscribed.wait()
            await publisher.publish(stored(1))
            await publisher.publish(stored(2))
            await seen.until(holds(32))
            await publisher.say(b"kv-events", number(0), payload(stored(3), ts=5_000.0))
            await seen.until(holds(16))
            await publisher.say(b"kv-events", number(1), payload(stored(4), ts=5_001.0))
            await seen.until(holds(32))
        assert warning(seen) == ""


class Relay:
    """Passes bytes on to `endpoint` and can cut what passes through it."""

    def __init__(self, endpoint: str) -> None:
        self._port = int(endpoint.rpartition(":")[2])
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.endpoint = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, back]

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65_536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, back), pump(there, writer))


async def test_a_lost_connection_loses_nothing() -> None:
    async with publishing() as publisher, Relay(publisher.endpoint.live) as relay:
        endpoint = msgspec.structs.replace(publisher.endpoint, live=relay.endpoint)
        await publisher.publish(stored(1))
        async with following(endpoint) as seen:
            await seen.until(holds(16))
            relay.cut()
            await publisher.publish(stored(2), removed(1))
            await publisher.publish(stored(3))
            await seen.until(holds(32))
        assert [one for one in seen.statuses if one[0] is TargetStatus.DOWN] == [(TargetStatus.DOWN, "connection lost")]
        assert publisher.replayed == [0, 0]
        assert sum(len(part.rows) for part in blocks(seen)) == 4
        assert warning(seen) == ""


async def test_what_a_lost_connection_held_is_stale() -> None:
    async with publishing() as publisher:
        await publisher.publish(stored(1))
        async with following(publisher.endpoint) as seen:
            await seen.until(holds(16))
            await publisher.close()
            await seen.until(lambda seen: seen.statuses[-1][0] is TargetStatus.DOWN)
            row = tiers(seen)["t/0 HBM"]
            assert (row.used_bytes.state, row.used_bytes.value) == ("stale", 16)
            assert isinstance(row.stored_per_s, msgspec.Struct)
            assert row.stored_per_s.value is None


async def test_malformed_messages_are_said_and_the_others_go_on() -> None:
    async with publishing() as publisher, following(publisher.endpoint) as seen:
        await seen.until(is_up)
        await publisher.subscribed.wait()
        await publisher.publish(stored(1))
        await publisher.publish(raw=b"\xc1 no msgpack \x1b[2J")
        await publisher.say(b"kv-events", b"no number", b"")
        await publisher.say(b"kv-events")
        await publisher.publish(stored(2))
        await seen.until(holds(32))
        assert warning(seen).startswith("3 messages not understood (")
        assert counted(seen) == {Tier.HBM: Counted.ABOUT}
        assert all(text.isprintable() for text in seen.texts())


async def test_events_of_unknown_kinds_are_said() -> None:
    async with publishing() as publisher:
        await publisher.publish(stored(1), {"type": "BlockTransferred", "block_hashes": [1]})
        async with following(publisher.endpoint) as seen:
            await seen.until(holds(16))
        assert warning(seen) == "1 events of unknown kinds"
        assert counted(seen) == {Tier.HBM: Counted.ABOUT}


async def test_a_message_above_the_limit_ends_the_connection_and_not_the_source() -> None:
    async with publishing() as publisher:
        endpoint = msgspec.structs.replace(publisher.endpoint, replay=None)
        async with following(endpoint, limits=Limits(max_event_bytes=10_000)) as seen:
            await seen.until(is_up)
            await publisher.subscribed.wait()
            publisher.subscribed.clear()
            await publisher.publish(stored(*range(30_000)))
            await seen.until(lambda seen: (TargetStatus.DOWN, "connection lost") in seen.statuses)
            await publisher.subscribed.wait()
            await publisher.publish(stored(1))
            await seen.until(holds(16))
        assert warning(seen) == "began at message 1 (no replay)"


async def test_only_the_topic_that_was_asked_for() -> None:
    async with publishing() as publisher, following(publisher.endpoint) as seen:
        await seen.until(is_up)
        await publisher.subscribed.wait()
        await publisher.say(b"load", number(0), payload(stored(9)))
        await publisher.publish(stored(1))
        await seen.until(holds(16))
        assert warning(seen) == ""


async def test_ranks_are_workers() -> None:
    async with publishing(rank=None) as publisher:
        await publisher.publish(stored(1))
        await publisher.publish(raw=payload(stored(1, 2), rank=3))
        await publisher.publish(raw=payload(cleared(), rank=None))
        endpoint = msgspec.structs.replace(publisher.endpoint, rank=1)
        async with following(endpoint) as seen:
            await seen.until(holds(32, "t/3 HBM"))
        assert used(seen, "t/1 HBM") == 0
        assert {worker.id for worker in seen.inventories[-1].workers} == {"t/1", "t/3"}


async def test_refused_then_there() -> None:
    port = await unused_port()
    endpoint = KvEndpoint(f"tcp://127.0.0.1:{port}", f"tcp://127.0.0.1:{await unused_port()}", "kv-events")
    async with following(endpoint) as seen:
        await seen.until(lambda seen: seen.statuses == [(TargetStatus.DOWN, "refused")])
        publisher = await Publisher().bind(endpoint)
        try:
            await publisher.publish(stored(1))
            await seen.until(holds(16))
        finally:
            await publisher.close()


async def test_a_server_that_does_not_speak_zmq() -> None:
    async with serving(says(b"HTTP/1.1 400 Bad Request\r\n\r\n", then_hangs=True)) as server:
        endpoint = KvEndpoint(f"tcp://127.0.0.1:{server.port}", None)
        async with following(endpoint, limits=Limits(connect_s=0.2)) as seen:
            await seen.until(lambda seen: bool(seen.statuses))
        assert seen.statuses == [(TargetStatus.DOWN, "no zmq handshake")]


async def test_an_address_that_is_none() -> None:
    async with following(KvEndpoint("tcp://nothing", None)) as seen:
        await seen.until(lambda seen: bool(seen.statuses))
    assert seen.statuses[0][0] is TargetStatus.REJECTED


async def test_pyzmq_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("zmq", "zmq.asyncio"):
        monkeypatch.setitem(sys.modules, module, None)
    for module in ("collectors.sources.kv_follow", "collectors.sources.kv_sockets"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    seen = Seen()
    await source(KvEndpoint("tcp://127.0.0.1:1", None)).run(LiveClock(), seen)
    await source(KvEndpoint("tcp://127.0.0.1:1", None)).step(SECOND, seen)
    expected = TargetStatus.REJECTED, "needs pyzmq: pip install 'tokenyard[kv-events]'"
    assert seen.statuses == [expected, expected]


async def test_steps() -> None:
    seen = Seen()
    async with publishing() as publisher:
        await publisher.publish(stored(1))
        stepped = source(publisher.endpoint)
        try:
            await stepped.step(SECOND, seen)
            assert [batch.time_ns for batch in seen.batches] == [SECOND - 1]
            assert used(seen) == 16
            await publisher.subscribed.wait()
            await publisher.publish(stored(2))
            at = 1
            async with asyncio.timeout(10):
                while used(seen) != 32:
                    at += 1
                    await stepped.step(at * SECOND, seen)
                    await asyncio.sleep(0)
        finally:
            await stepped.close()
    assert seen.statuses == [(TargetStatus.UP, "")]


async def test_what_is_emitted_is_immutable() -> None:
    async with publishing() as publisher:
        await publisher.publish(stored(1))
        async with following(publisher.endpoint) as seen:
            await seen.until(holds(16))
        assert not any(part.rows.flags.writeable for part in blocks(seen))
        assert isinstance(seen.batches[0].parts[0], Status)
        assert isinstance(seen.batches[0].parts[1], Inventory)
        assert np.array_equal(blocks(seen)[0].rows["bytes"], [16])
