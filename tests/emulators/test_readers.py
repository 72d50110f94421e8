"""Readers of the stream without sockets: what each gets, and what becomes of one that does not read."""

import asyncio
import json
import logging

import pytest

from emulators.emulation import SLICE_NS, ClockError, Emulation
from emulators.events import Row
from emulators.readers import Reader
from emulators.replay import Numbered
from emulators.wire import Encoding
from tests.emulators.fake import MS, FakeCluster


def emulation(cluster: FakeCluster, backlog_bytes: int = 1 << 20) -> Emulation:
    return Emulation(cluster, clock="stepped", clock_id="fake/0", backlog_bytes=backlog_bytes)


def reader(encoding: Encoding = Encoding.NDJSON) -> Reader:
    return Reader("test", encoding, lambda: None)


async def messages(of: Reader) -> list[Row]:
    data = await of.take()
    of.sent(data)
    return [json.loads(line) for line in data.splitlines()]


async def test_a_late_reader_is_told_how_things_stand_and_then_what_happens() -> None:
    cluster = FakeCluster()
    watched = emulation(cluster)
    await watched.advance(42 * MS)
    late = reader()
    watched.join(late)
    hello, live, occupancy, watermark = await messages(late)
    assert (hello["type"], hello["emulated"], hello["clock"]["now_ns"]) == ("hello", True, 42 * MS)
    assert {row["request"] for row in live["rows"]} == {"r-2", "r-3", "r-4"}
    assert {row["event"] for row in live["rows"]} == {"received"}
    assert occupancy["pool"] == [0, 1, 2]
    assert watermark["time_ns"] == 42 * MS
    await watched.advance(60 * MS)
    after = await messages(late)
    times = [time for message in after if message["type"] == "deliveries" for time in message["time_ns"]]
    assert min(times) == 42 * MS
    assert max(times) == 59 * MS


async def test_a_reader_that_joins_an_idle_cluster_gets_no_requests_message() -> None:
    first = reader()
    emulation(FakeCluster()).join(first)
    assert [message["type"] for message in await messages(first)] == ["hello", "occupancy", "watermark"]


async def test_each_slice_ends_with_its_watermark_and_nothing_comes_late() -> None:
    one = reader()
    watched = emulation(FakeCluster())
    watched.join(one)
    await watched.advance(3 * SLICE_NS + 7)
    complete_until, marks = 0, []
    for message in await messages(one):
        match message["type"]:
            case "watermark":
                complete_until = message["time_ns"]
                marks.append(complete_until)
            case "deliveries":
                assert min(message["time_ns"]) >= complete_until
            case "requests" | "decisions":
                assert all(row["time_ns"] >= complete_until for row in message["rows"])
    assert marks == [0, SLICE_NS, 2 * SLICE_NS, 3 * SLICE_NS, 3 * SLICE_NS + 7]


async def test_slices_do_not_depend_on_how_the_way_was_walked() -> None:
    far, near = FakeCluster(), FakeCluster()
    await emulation(far).advance(4 * SLICE_NS)
    steps = emulation(near)
    for i in range(1, 5):
        await steps.advance(i * SLICE_NS)
    assert far.advances == near.advances


async def test_the_loop_runs_on_during_a_long_advance() -> None:
    watched = emulation(FakeCluster())
    seen: list[int] = []

    async def look() -> None:
        while watched.cluster.now_ns < 20 * SLICE_NS:
            seen.append(watched.cluster.now_ns)
            await asyncio.sleep(0)

    await asyncio.gather(look(), watched.advance(20 * SLICE_NS))
    assert len(set(seen)) >= 20


async def test_two_encodings_say_the_same_to_any_number_of_readers() -> None:
    watched = emulation(FakeCluster())
    readers = [reader(Encoding.BINARY), reader(Encoding.NDJSON), reader(Encoding.NDJSON), reader(Encoding.BINARY)]
    for one in readers:
        watched.join(one)
    await watched.advance(100 * MS)
    binary, text, text_again, binary_again = [await one.take() for one in readers]
    assert (binary, text) == (binary_again, text_again)
    assert binary != text


async def test_a_reader_too_far_behind_is_cut_with_a_reason_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cuts: list[str] = []
    watched = emulation(FakeCluster(tokens_per_ms=50), backlog_bytes=500_000)
    slow = Reader("slow-client", Encoding.BINARY, lambda: cuts.append("slow"))
    quick = Reader("quick-client", Encoding.BINARY, lambda: cuts.append("quick"))
    watched.join(slow)
    watched.join(quick)
    with caplog.at_level(logging.WARNING):
        for i in range(1, 11):
            await watched.advance(i * SLICE_NS)
            quick.sent(await quick.take())
    assert cuts == ["slow"]
    assert watched.stream.readers == 1
    assert "slow-client" in caplog.text
    assert "500000" in caplog.text
    assert await slow.take() == b""  # nothing half-written is left to send


async def test_what_is_taken_but_not_yet_sent_is_still_behind() -> None:
    watched = emulation(FakeCluster(tokens_per_ms=50), backlog_bytes=500_000)
    stuck = reader(Encoding.BINARY)
    watched.join(stuck)
    for i in range(1, 11):
        if watched.stream.readers:
            await stuck.take()  # and the socket does not accept it
        await watched.advance(i * SLICE_NS)
    assert watched.stream.readers == 0


@pytest.mark.parametrize("encoding", Encoding)
async def test_a_reader_that_comes_back_goes_on_after_its_last_message(encoding: Encoding) -> None:
    watched = emulation(FakeCluster())
    stays, leaves = reader(encoding), reader(encoding)
    watched.join(stays)
    watched.join(leaves)
    await watched.advance(3 * SLICE_NS)
    encode, opening = watched.stream._written[encoding].encode, await leaves.take()
    watched.stream.leave(leaves)
    await watched.advance(6 * SLICE_NS)
    whole, written = await stays.take(), watched.stream._written[encoding]
    assert whole.startswith(opening)
    # 3 messages open: hello, occupancy and a watermark, whose number is 0
    ends = encode.ends(whole)
    for seq in (0, 1, 5, len(ends) - 4, len(ends) - 3):
        again = reader(encoding)
        watched.join(again, f"{written.epoch}/{seq}")
        got = await again.take()
        rest = got[encode.ends(got)[0] :]
        assert rest == whole[ends[2 + seq] :]
        assert b'"resumed_after":%d' % seq in got
        watched.stream.leave(again)
    for unknown in (f"{written.epoch}/{len(ends)}", "other/1", f"{written.epoch}/x", ""):
        again = reader(encoding)
        watched.join(again, unknown)
        assert b"resumed_after" not in await again.take()
        watched.stream.leave(again)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulators.replay.KEPT_BYTES", 500)
    one = Numbered(Encoding.NDJSON)
    for number in range(1, 20):
        one.write(b"x" * 40 + b"\n", number, float(number))
    assert one.seq == 38
    assert one.after(f"{one.epoch}/37") is not None
    assert one.after(f"{one.epoch}/2") is None
    one.write(b"", 99, 1_000.0)
    assert one.after(f"{one.epoch}/37") is None  # too old
    assert one.after(f"{one.epoch}/38") is not None
    assert one.wanted(True, 1_000.0)
    assert one.wanted(False, 1_030.0)
    assert not one.wanted(False, 1_061.0)
    one.skip()
    assert one.after(f"{one.epoch}/39") is None


async def test_the_clock_does_not_go_back() -> None:
    watched = emulation(FakeCluster())
    await watched.advance(50 * MS)
    with pytest.raises(ClockError, match="cannot go back"):
        await watched.advance(49 * MS)
    await watched.advance(50 * MS)  # here already is no error


async def test_advances_take_turns() -> None:
    cluster = FakeCluster()
    watched = emulation(cluster)
    await asyncio.gather(watched.advance(5 * SLICE_NS), watched.advance(10 * SLICE_NS))
    assert cluster.advances == sorted(cluster.advances)
    assert cluster.now_ns == 10 * SLICE_NS


async def test_a_closed_stream_ends_its_readers() -> None:
    watched = emulation(FakeCluster())
    one = reader()
    watched.join(one)
    watched.stream.close()
    assert await one.take()
    assert await one.take() == b""


async def test_silence_is_broken_by_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = emulation(FakeCluster())
    one = reader()
    watched.join(one)
    await watched.advance(SLICE_NS)
    await one.take()
    watched.stream.heartbeat(SLICE_NS)  # too early
    monkeypatch.setattr("emulators.readers.QUIET_S", 0.0)
    watched.stream.heartbeat(SLICE_NS)
    (beat,) = await messages(one)
    assert (beat["type"], beat["time_ns"]) == ("watermark", SLICE_NS)
