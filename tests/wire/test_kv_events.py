"""KV event messages: every dialect to the same rows, captured ones exactly, hostile ones refused."""

import contextlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.batch import EMPTIED, REMOVED, STORED
from collectors.model.vocabulary import TIERS, Tier
from collectors.wire import kv_events
from collectors.wire.kv_events import END, EVERY_TIER, MEDIA, SGLANG_MEDIA, Decoder, KvEventError, KvEvents, read_frames
from tests.wire.kv_messages import (
    MOCKER,
    MOCKER_REPLAY,
    MOCKERS,
    VLLM,
    VLLM_REPLAY,
    array_payload,
    captured,
    cleared,
    number,
    payload,
    removed,
    replayed,
    stored,
)

U64 = st.integers(0, 2**64 - 1)
OPS = {"BlockStored": STORED, "BlockRemoved": REMOVED}


def plain(events: KvEvents) -> list[tuple[int, str, int, int]]:
    """(op, tier, hash, tokens) of each row."""
    return [
        (op, "every" if tier == EVERY_TIER else TIERS[tier], block, tokens)
        for block, tokens, tier, op, _ in events.rows.tolist()
    ]


def told(event: dict[str, Any]) -> list[tuple[int, str, int, int]]:
    """What the JSON of a captured event says, of the device and the first cache group."""
    assert event.get("medium", "GPU") == "GPU"
    assert event["group_idx"] == 0
    return [(OPS[event["type"]], "HBM", block, event.get("block_size", 0)) for block in event["block_hashes"]]


@pytest.mark.parametrize(
    ("path", "messages", "blocks", "resident"),
    [(VLLM, 110, 314, 34), (MOCKERS, 13, 120, 93), (MOCKER, 31, 152, 96)],
)
def test_captured_messages_say_what_their_json_says(path: Path, messages: int, blocks: int, resident: int) -> None:
    decoder = Decoder()
    seen = 0
    left: set[int] = set()
    for frames, (ts, events, rank) in captured(path):
        found = decoder.decode(read_frames(frames).payload)
        assert plain(found) == [row for event in events for row in told(event)]
        assert (found.rank, found.skipped) == (rank, 0)
        assert found.time_ns == pytest.approx(ts * 1e9, abs=1e3)
        for op, _, block, _ in plain(found):
            (left.add if op == STORED else left.discard)(block)
        messages -= 1
        seen += len(found.rows)
    assert (messages, seen, len(left)) == (0, blocks, resident)


@pytest.mark.parametrize(("path", "count"), [(VLLM_REPLAY, 30), (MOCKER_REPLAY, 4)])
def test_captured_replay_frames_are_numbered_up_to_their_end(path: Path, count: int) -> None:
    found = [read_frames(frames) for frames in replayed(path)]
    assert [one.seq for one in found] == [*range(count), END]
    assert all(len(Decoder().decode(one.payload).rows) for one in found[:-1])


def test_a_replay_of_vllm_says_what_was_published() -> None:
    live = {read_frames(frames).seq: read_frames(frames).payload for frames, _ in captured(VLLM)}
    for frames in replayed(VLLM_REPLAY)[:-1]:
        one = read_frames(frames)
        assert live[one.seq] == one.payload


@pytest.mark.parametrize(
    "frames",
    [
        [b"topic", number(3), b"x"],
        [b"", b"topic", number(3), b"x"],
        [b"", number(3), b"x"],
        [number(3), b"x"],
    ],
)
def test_every_shape_of_frames(frames: list[bytes]) -> None:
    assert (read_frames(frames).seq, read_frames(frames).payload) == (3, b"x")


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"x"],
        [b"not empty", b"", number(0), b""],
        [b""] * 5,
        [b"", b"\0" * 7, b""],
        [b"", number(-2), b""],
        [b"", number(END), b"payload"],
    ],
)
def test_other_frames_are_refused(frames: list[bytes]) -> None:
    with pytest.raises(KvEventError):
        read_frames(frames)


def test_arrays_say_what_maps_say() -> None:
    maps, arrays = Decoder(), Decoder()
    for _, (ts, events, rank) in captured(VLLM):
        as_map = maps.decode(payload(*events, ts=ts, rank=rank))
        as_array = arrays.decode(array_payload(*events, ts=ts, rank=rank))
        assert np.array_equal(as_map.rows, as_array.rows)
        assert (as_map.time_ns, as_map.rank) == (as_array.time_ns, as_array.rank)


def test_arrays_of_before_there_were_media_and_ranks() -> None:
    events = [["BlockStored", [1, 2], None, [5] * 32, 16, None], ["BlockRemoved", [1]], ["AllBlocksCleared"]]
    found = Decoder().decode(msgspec.msgpack.encode([1.5, events]))
    assert found.rank is None
    assert plain(found) == [
        (STORED, "HBM", 1, 16),
        (STORED, "HBM", 2, 16),
        (REMOVED, "HBM", 1, 0),
        (EMPTIED, "every", 0, 0),
    ]


def test_sglang_maps_with_signed_hashes() -> None:
    event = {"type": "BlockStored", "block_hashes": [-1, 5], "parent_block_hash": -9, "token_ids": [1] * 64}
    event |= {"block_size": 32, "lora_id": None, "medium": "CPU_PINNED", "cache_salt": "a", "session_id": "b"}
    found = Decoder(SGLANG_MEDIA).decode(msgspec.msgpack.encode([1.5, [event], None]))
    assert found.rank is None
    assert plain(found) == [(STORED, "DRAM", 2**64 - 1, 32), (STORED, "DRAM", 5, 32)]


def test_signed_and_unsigned_hashes_in_one_message() -> None:
    found = Decoder().decode(payload(stored(-1, 2**64 - 2, 3)))
    assert [row[2] for row in plain(found)] == [2**64 - 1, 2**64 - 2, 3]


@pytest.mark.parametrize(
    ("medium", "tier"),
    [
        ("GPU", Tier.HBM),
        ("CPU", Tier.DRAM),
        ("cpu", Tier.DRAM),
        ("CPU_PINNED", Tier.DRAM),
        ("DISK", Tier.FLASH),
        ("EXTERNAL", Tier.OBJECT),
        ("STORAGE", Tier.UNKNOWN),
        ("gpu", Tier.UNKNOWN),
        ("LocalDiskBackend", Tier.UNKNOWN),
    ],
)
def test_tiers_by_medium(medium: str, tier: Tier) -> None:
    assert plain(Decoder().decode(payload(removed(1, medium=medium))))[0][1] == tier


def test_an_absent_medium_is_what_the_engine_means_by_it() -> None:
    message = payload({"type": "BlockRemoved", "block_hashes": [1]}, removed(2, medium=None))
    assert [row[1] for row in plain(Decoder(MEDIA).decode(message))] == ["HBM", "HBM"]
    assert [row[1] for row in plain(Decoder(SGLANG_MEDIA).decode(message))] == ["unknown", "unknown"]


def test_what_is_elsewhere_is_of_a_peer() -> None:
    found = Decoder().decode(payload(stored(1, medium="STORAGE", locality="REMOTE"), stored(1, locality="LOCAL")))
    assert [row[1] for row in plain(found)] == ["peer", "HBM"]


def test_copies_that_are_apart_stay_apart_and_the_same_is_the_same() -> None:
    found = Decoder().decode(
        payload(
            stored(1),
            stored(1, group_idx=0),
            stored(1, group_idx=1),
            stored(1, group_idx=2),
            stored(1, ownership="kvcr"),
            stored(1, medium="one"),
            stored(1, medium="two"),
            removed(1, group_idx=1),
        )
    )
    first, zero, one, two, owned, here, there, gone = (row[2] for row in plain(found))
    assert first == zero == 1
    assert len({first, one, two, owned, here, there}) == 6
    assert gone == one
    assert [row[2] for row in plain(Decoder().decode(payload(stored(1, group_idx=1))))] == [one]


def test_bytes_are_the_hashes_that_vllm_makes_integers_of() -> None:
    whole = [bytes(range(32)), bytes(range(100, 132)), b"\xff" * 3]
    as_int = [int.from_bytes(one, "big") & (2**64 - 1) for one in whole]
    of_bytes, of_ints = (Decoder().decode(payload(stored(*hashes))) for hashes in (whole, as_int))
    assert np.array_equal(of_bytes.rows, of_ints.rows)


def test_digits_in_bytes_are_no_number() -> None:
    assert plain(Decoder().decode(payload(removed(b"12"))))[0][2] == int.from_bytes(b"12", "big")


def test_a_placeholder_is_a_block_of_unknown_size() -> None:
    event = stored(9, size=0, medium="CPU", group_idx=0)
    assert event["token_ids"] == []
    assert plain(Decoder().decode(payload(event))) == [(STORED, "DRAM", 9, 0)]


def test_token_ids_are_not_looked_at() -> None:
    event = stored(1) | {"token_ids": ["no", {"token": [None]}], "extra_keys": "x", "lora_id": {}, "later": [1]}
    assert np.array_equal(Decoder().decode(payload(event)).rows, Decoder().decode(payload(stored(1))).rows)
    assert np.array_equal(Decoder().decode(array_payload(event)).rows, Decoder().decode(payload(stored(1))).rows)


def test_events_of_unknown_kinds_are_counted_and_the_others_read() -> None:
    unknown = {"type": "BlockTransferred", "block_hashes": [1], "from_medium": "GPU", "to_medium": "CPU"}
    found = Decoder().decode(payload(stored(1), unknown, removed(1)))
    assert (found.skipped, [row[0] for row in plain(found)]) == (1, [STORED, REMOVED])
    array = msgspec.msgpack.encode([1.5, [["BlockTransferred", [1], "GPU", "CPU"], ["BlockRemoved", [1]]]])
    found = Decoder().decode(array)
    assert (found.skipped, [row[0] for row in plain(found)]) == (1, [REMOVED])


def test_an_empty_message_is_one() -> None:
    assert len(Decoder().decode(payload()).rows) == 0


MALFORMED: dict[str, Any] = {
    "no batch": {"ts": 1.0},
    "no events": [1.0],
    "time is no number": ["now", [], 0],
    "time is not finite": [float("nan"), [], 0],
    "time is infinite": [float("inf"), [], 0],
    "time is negative": [-1.0, [], 0],
    "time is beyond clocks": [1e300, [], 0],
    "rank is negative": [1.0, [], -1],
    "rank is huge": [1.0, [], 1 << 40],
    "rank is text": [1.0, [], "0"],
    "event is a number": [1.0, [7], 0],
    "event is empty": [1.0, [{}], 0],
    "event is an empty array": [1.0, [[]], 0],
    "hashes are missing": [1.0, [{"type": "BlockRemoved"}], 0],
    "hash is a float": [1.0, [removed(0) | {"block_hashes": [0.5]}], 0],
    "hash is text": [1.0, [removed(0) | {"block_hashes": ["a"]}], 0],
    "hash is endless": [1.0, [removed(b"x" * 4_096)], 0],
    "size is negative": [1.0, [stored(1) | {"block_size": -16}], 0],
    "size is huge": [1.0, [stored(1) | {"block_size": 1 << 31}], 0],
    "size is missing": [1.0, [{"type": "BlockStored", "block_hashes": [1]}], 0],
    "medium is a number": [1.0, [removed(1) | {"medium": 3}], 0],
    "medium is endless": [1.0, [removed(1, medium="x" * 10_000)], 0],
    "group is negative": [1.0, [removed(1, group_idx=-1)], 0],
    "array without its fields": [1.0, [["BlockStored", [1]]], 0],
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
def test_malformed_messages_are_refused_and_the_next_is_read(message: object) -> None:
    decoder = Decoder()
    with pytest.raises(KvEventError):
        decoder.decode(msgspec.msgpack.encode(message))
    assert len(decoder.decode(payload(stored(1))).rows) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        payload(stored(1))[:-3],
        payload(stored(1)) + b"\0",
        b"\x93\xcb" + b"\0" * 8 + b"\xdd\xff\xff\xff\xff",
        b"\x91" * 100_000,
        payload({"type": "BlockRemoved", "block_hashes": [1], "medium": "GPU"}).replace(b"GPU", b"\xff\xfe\xfd"),
    ],
    ids=["nothing", "cut", "trailing", "2^32 events", "nested", "not utf-8"],
)
def test_damaged_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(KvEventError):
        Decoder().decode(raw)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    message = payload(stored(*range(8)))
    with pytest.raises(KvEventError, match="limit"):
        Decoder(max_payload=len(message) - 1).decode(message)
    assert len(Decoder(max_payload=len(message)).decode(message).rows) == 8
    monkeypatch.setattr(kv_events, "MAX_HASHES", 15)
    with pytest.raises(KvEventError, match="blocks"):
        Decoder().decode(payload(stored(*range(8)), removed(*range(8))))
    with pytest.raises(KvEventError):
        Decoder().decode(payload(*[cleared()] * (kv_events.MAX_EVENTS + 1)))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(KvEventError):
        Decoder().decode(raw)


@given(st.data())
def test_damage_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(payload(stored(1, 2**63, b"abc"), removed(2, medium="CPU"), cleared(), rank=3))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(KvEventError):
        Decoder().decode(bytes(raw))


@given(
    st.lists(
        st.one_of(
            st.builds(lambda hashes, size: stored(*hashes, size=size), st.lists(U64, max_size=5), st.integers(0, 64)),
            st.builds(lambda hashes: removed(*hashes), st.lists(U64, max_size=5)),
            st.just(cleared()),
        ),
        max_size=8,
    )
)
def test_rows_are_in_the_order_of_the_events(events: list[dict[str, Any]]) -> None:
    expected = []
    for event in events:
        if event["type"] == "AllBlocksCleared":
            expected.append((EMPTIED, "every", 0, 0))
        size = event.get("block_size", 0)
        expected += [(OPS[event["type"]], "HBM", block, size) for block in event.get("block_hashes", ())]
    for encode in (payload, array_payload):
        assert plain(Decoder().decode(encode(*events))) == expected
