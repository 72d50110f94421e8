"""Ranks, tiers and pools of one publisher, and how well each pool is known."""

from typing import TypeVar

import pytest

from collectors.model.batch import EMPTIED, REMOVED, STORED, Blocks, Inventory, Part
from collectors.model.vocabulary import Counted, Tier
from collectors.sources import kv_parts
from collectors.sources.kv_parts import KvParts
from collectors.wire.kv_events import Decoder, KvEvents
from tests.wire.kv_messages import Event, cleared, payload, removed, stored

T = TypeVar("T")


def message(*events: Event, rank: int | None = 0, ts: float = 1.5) -> KvEvents:
    return Decoder().decode(payload(*events, rank=rank, ts=ts))


def one(parts: list[Part], kind: type[T]) -> T:
    (found,) = [part for part in parts if isinstance(part, kind)]
    return found


def told(parts: list[Part]) -> list[tuple[int, int, int]]:
    """(pool, op, hash) of each row."""
    return [(pool, op, block) for _, block, _, pool, op, _ in one(parts, Blocks).rows.tolist()]


def pools(parts: list[Part]) -> list[tuple[str, Tier, Counted]]:
    return [(pool.owner, pool.tier, pool.counted) for pool in one(parts, Inventory).pools]


def test_rows_say_when_where_and_how_many_tokens() -> None:
    parts = KvParts("host:8000", 0).parts([message(stored(5, size=32), removed(6, medium="CPU"), ts=2.25)], past=True)
    blocks = one(parts, Blocks)
    assert blocks.rows.tolist() == [(2_250_000_000, 5, 32, 0, STORED, 0), (2_250_000_000, 6, 0, 1, REMOVED, 0)]
    assert (blocks.in_tokens, blocks.past) == (True, True)
    inventory = one(parts, Inventory)
    assert [(worker.slot, worker.id) for worker in inventory.workers] == [(0, "host:8000/0")]
    assert [(pool.slot, pool.worker, pool.capacity_bytes) for pool in inventory.pools] == [(0, 0, None), (1, 0, None)]


def test_an_inventory_is_told_when_it_is_a_new_one() -> None:
    made = KvParts("t", 0)
    assert pools(made.parts([message(stored(1))], past=False)) == [("t/0", Tier.HBM, Counted.WHOLE)]
    assert [type(part) for part in made.parts([message(stored(2))], past=False)] == [Blocks]
    assert len(pools(made.parts([message(stored(2, medium="CPU"))], past=False))) == 2
    assert made.inventory() == []


def test_messages_without_blocks_are_no_parts() -> None:
    made = KvParts("t", 0)
    made.inventory()
    assert made.parts([message(), message(stored())], past=False) == []


def test_ranks_have_pools_of_their_own_and_slots_stay() -> None:
    made = KvParts("t", 1)
    parts = made.parts(
        [message(stored(1), rank=None), message(stored(1), rank=4), message(removed(1), rank=1)], past=False
    )
    assert [worker.id for worker in one(parts, Inventory).workers] == ["t/1", "t/4"]
    assert told(parts) == [(0, STORED, 1), (1, STORED, 1), (0, REMOVED, 1)]
    assert told(made.parts([message(stored(9), rank=4)], past=False)) == [(1, STORED, 9)]


def test_too_many_ranks_are_left_out_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv_parts, "MAX_RANKS", 3)
    made = KvParts("t", 0)
    parts = made.parts([message(stored(rank), rank=rank) for rank in range(6)], past=False)
    assert [worker.id for worker in one(parts, Inventory).workers] == ["t/0", "t/1", "t/2"]
    assert [block for _, _, block in told(parts)] == [0, 1, 2]
    assert made.ranks_refused


def test_all_blocks_cleared_empties_each_pool_of_its_rank() -> None:
    made = KvParts("t", 0)
    made.parts([message(stored(1), stored(1, medium="CPU")), message(stored(1), rank=1)], past=False)
    parts = made.parts([message(removed(1), cleared(), stored(2))], past=False)
    assert told(parts) == [(0, REMOVED, 1), (0, EMPTIED, 0), (1, EMPTIED, 0), (0, STORED, 2)]


def test_cleared_of_one_medium() -> None:
    made = KvParts("t", 0)
    made.parts([message(stored(1), stored(1, medium="CPU"))], past=False)
    parts = made.parts([message(cleared() | {"medium": "CPU"})], past=False)
    assert told(parts) == [(1, EMPTIED, 0)]


def test_what_was_missed_makes_every_pool_an_estimate_until_its_device_is_emptied() -> None:
    made = KvParts("t", 0)
    made.parts([message(stored(1), stored(1, medium="CPU"))], past=False)
    made.incomplete()
    assert {counted for _, _, counted in pools(made.inventory())} == {Counted.ABOUT}
    assert pools(made.parts([message(cleared())], past=False)) == [
        ("t/0", Tier.HBM, Counted.WHOLE),
        ("t/0", Tier.DRAM, Counted.ABOUT),
    ]
    made.incomplete()
    assert {counted for _, _, counted in pools(made.inventory())} == {Counted.ABOUT}


def test_the_device_is_known_when_it_was_emptied_before_anything_was_stored() -> None:
    made = KvParts("t", 0)
    made.incomplete()
    parts = made.parts([message(cleared()), message(stored(1), stored(1, medium="CPU"))], past=False)
    assert {tier: counted for _, tier, counted in pools(parts)} == {Tier.HBM: Counted.WHOLE, Tier.DRAM: Counted.ABOUT}


@pytest.mark.parametrize(
    ("event", "counted"),
    [
        (stored(1), Counted.WHOLE),
        (stored(1, medium="CPU_PINNED"), Counted.WHOLE),
        (stored(1, medium="DISK"), Counted.ABOUT),
        (stored(1, medium="EXTERNAL"), Counted.ABOUT),
        (stored(1, medium="STORAGE"), Counted.ABOUT),
        (stored(1, locality="REMOTE"), Counted.ABOUT),
    ],
)
def test_tiers_that_lose_blocks_without_a_word_are_never_known_exactly(event: Event, counted: Counted) -> None:
    assert pools(KvParts("t", 0).parts([message(event)], past=False))[0][2] is counted


def test_a_restart_empties_everything_and_knows_it_again() -> None:
    made = KvParts("t", 0)
    made.parts([message(stored(1)), message(stored(1, medium="CPU"), rank=2)], past=False)
    made.incomplete()
    made.inventory()
    assert told(made.restarted(7)) == [(0, EMPTIED, 0), (1, EMPTIED, 0)]
    assert {counted for _, _, counted in pools(made.inventory())} == {Counted.WHOLE}
    assert KvParts("t", 0).restarted(7) == []
