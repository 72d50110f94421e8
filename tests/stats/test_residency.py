"""The residency index against a dict of blocks kept row by row, and its bounds."""

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.batch import BLOCK, EMPTIED, REMOVED, STORED, Blocks, Inventory, PoolInfo, WorkerInfo
from collectors.model.vocabulary import Counted, Tier
from collectors.stats import residency
from collectors.stats.block_set import ABSENT, BlockSet
from collectors.stats.fleet import PoolKey
from collectors.stats.residency import Residency, Resident

SECOND = 1_000_000_000
TIERS = (Tier.HBM, Tier.DRAM, Tier.FLASH)
HBM, DRAM, FLASH = (PoolKey("t/0", tier) for tier in TIERS)
Row = tuple[int, int, int, int]
"""(pool, op, hash, size)"""


def inventory(counted: Counted = Counted.WHOLE, tiers: Sequence[Tier] = TIERS) -> Inventory:
    pools = tuple(PoolInfo(slot, tier, "t/0", 0, None, counted) for slot, tier in enumerate(tiers))
    return Inventory((WorkerInfo(0, "t/0"),), pools)


def part(rows: Sequence[Row], *, past: bool = False) -> Blocks:
    made = np.zeros(len(rows), BLOCK)
    for made_row, (pool, op, block, size) in zip(made, rows, strict=True):
        made_row["pool"], made_row["op"], made_row["hash"], made_row["bytes"] = pool, op, block, size
    return Blocks(made, in_tokens=True, past=past)


def stores(pool: int, *hashes: int, size: int = 16) -> list[Row]:
    return [(pool, STORED, block, size) for block in hashes]


def removes(pool: int, *hashes: int) -> list[Row]:
    return [(pool, REMOVED, block, 0) for block in hashes]


def fed(*parts: Sequence[Row], at_ns: int = SECOND) -> Residency:
    index = Residency()
    index.inventory(inventory(), 0)
    for rows in parts:
        index.blocks(part(rows), at_ns)
    return index


def now(index: Residency, key: PoolKey = HBM, time_ns: int = 2 * SECOND) -> Resident:
    return index.tick(time_ns)[key]


class Plain:
    """The same, one row at a time in dicts. A block's size is the largest that was said of it since it came."""

    def __init__(self) -> None:
        self.pools: list[dict[int, int]] = [{} for _ in TIERS]
        self.stored, self.removed, self.promoted = ([0] * len(TIERS) for _ in range(3))

    def take(self, rows: Sequence[Row]) -> None:
        before = [set(pool) for pool in self.pools]
        arrived: list[set[int]] = [set() for _ in TIERS]
        for pool, op, block, size in rows:
            held = self.pools[pool]
            if op == EMPTIED:
                held.clear()
            elif op == REMOVED:
                self.removed[pool] += held.pop(block, None) is not None
            else:
                if block not in held:
                    self.stored[pool] += 1
                    arrived[pool].add(block)
                held[block] = max(held.get(block, 0), size)
        for pool, blocks in enumerate(arrived):
            self.promoted[pool] += len(blocks & set().union(*before[pool + 1 :]))


HASHES = st.sampled_from([0, 1, 2, 5, 2**63, 2**64 - 2, 2**64 - 1, *range(100, 112)])
ROWS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([STORED, REMOVED]), HASHES, st.sampled_from([0, 16, 32])))
MIXED = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([STORED, STORED, REMOVED, EMPTIED]), HASHES, st.just(16)), max_size=30
)


def assert_same(index: Residency, plain: Plain, *, flows: bool) -> None:
    for pool, (key, found) in enumerate(index.tick(2 * SECOND).items()):
        held = plain.pools[pool]
        assert key.tier == TIERS[pool]
        assert (found.blocks, found.size) == (len(held), None if 0 in held.values() else sum(held.values()))
        if flows:
            moved = plain.stored[pool], plain.removed[pool], plain.promoted[pool]
            assert (found.stored, found.removed, found.promoted) == moved


@given(st.lists(ROWS, max_size=8))
def test_the_index_is_a_dict_of_blocks(parts: list[list[Row]]) -> None:
    plain = Plain()
    for rows in parts:
        plain.take(rows)
    assert_same(fed(*parts), plain, flows=True)


@given(st.lists(MIXED, max_size=6))
def test_pools_that_are_emptied_in_between(parts: list[list[Row]]) -> None:
    plain = Plain()
    for rows in parts:
        plain.take(rows)
    assert_same(fed(*parts), plain, flows=False)


@given(ROWS, st.integers(0, 40))
def test_how_rows_were_split_into_parts_does_not_matter_to_what_is_resident(rows: list[Row], at: int) -> None:
    whole, split = fed(rows).tick(2 * SECOND), fed(rows[:at], rows[at:]).tick(2 * SECOND)
    for key, found in whole.items():
        assert found._replace(promoted=0, written=None) == split[key]._replace(promoted=0, written=None)


@given(st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 2**64 - 1), max_size=20)), max_size=12), st.data())
def test_a_block_set_is_a_dict_however_often_it_is_rewritten(
    changes: list[tuple[bool, set[int]]], data: st.DataObject
) -> None:
    held, plain = BlockSet(), dict[int, int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("collectors.stats.block_set.MIN_CHANGES", data.draw(st.integers(0, 6)))
        for puts, chosen in changes:
            if puts:
                size = data.draw(st.integers(0, 3))
                plain |= dict.fromkeys(chosen, size)
                held.put(np.array(sorted(chosen), np.uint64), np.full(len(chosen), size))
            else:
                gone = sorted(chosen & plain.keys()) + sorted(plain)[: data.draw(st.integers(0, 3))]
                gone = sorted(set(gone))
                for block in gone:
                    del plain[block]
                held.drop(np.array(gone, np.uint64))
    asked = sorted(plain.keys() | {0, 2**64 - 1})
    assert held.sizes(np.array(asked, np.uint64)).tolist() == [plain.get(block, ABSENT) for block in asked]
    assert (held.blocks, held.total) == (len(plain), sum(plain.values()))
    assert held.unsized == list(plain.values()).count(0)


def test_said_twice_is_said_once() -> None:
    found = now(fed(stores(0, 1, 2), stores(0, 1, 2), stores(0, 2), removes(0, 1), removes(0, 1, 99)))
    assert (found.blocks, found.size, found.stored, found.removed) == (1, 16, 2, 1)


def test_tiers_are_apart_and_a_move_up_is_a_promotion() -> None:
    index = fed(stores(0, 1, 2, 3), stores(1, 1, 2), removes(0, 1, 2, 3), stores(0, 1, 3))
    assert (now(index).blocks, now(index).stored, now(index).promoted) == (2, 5, 1)
    assert (now(index, DRAM).blocks, now(index, DRAM).promoted) == (2, 0)
    assert now(index, FLASH).blocks == 0


def test_what_leaves_a_tier_in_the_part_in_which_it_comes_to_another_was_there() -> None:
    assert now(fed(stores(1, 1), [*removes(1, 1), *stores(0, 1)])).promoted == 1
    assert now(fed([*stores(1, 1), *stores(0, 1)])).promoted == 0


def test_what_no_faster_tier_took_was_never_read() -> None:
    index = fed(stores(1, 1, 2, 3), stores(0, 2), removes(0, 2), stores(0, 2, 9))
    assert now(index, DRAM).written == (2, 3)
    assert now(index).written is None, "nothing reads from the fastest tier that would show"
    index.blocks(part(removes(1, 1)), SECOND)
    assert now(index, DRAM).written == (2, 3), "what was evicted unread stays unread"
    index.blocks(part(stores(1, 1)), 2 * SECOND)
    assert now(index, DRAM, 3 * SECOND).written == (3, 4)
    index.blocks(part(stores(0, 1)), 3 * SECOND)
    assert now(index, DRAM, 4 * SECOND).written == (1, 4), "a block is read wherever in the window it was stored"
    assert now(index, DRAM, 63 * SECOND).written == (0, 0)


def test_a_block_that_comes_to_two_tiers_at_once_was_not_read() -> None:
    assert now(fed([*stores(1, 1), *stores(0, 1)]), DRAM).written == (1, 1)


def test_what_was_stored_in_the_past_is_not_of_the_window() -> None:
    index = fed(stores(0, 7))
    index.blocks(part(stores(1, 1, 2), past=True), SECOND)
    assert now(index, DRAM).written == (0, 0)


def test_a_block_of_unknown_size_leaves_the_number_of_blocks() -> None:
    index = fed(stores(1, 1, 2), stores(1, 3, size=0))
    assert (now(index, DRAM).blocks, now(index, DRAM).size) == (3, None)
    index.blocks(part(stores(1, 3)), SECOND)
    assert (now(index, DRAM).blocks, now(index, DRAM).size) == (3, 48)


def test_blocks_of_many_sizes() -> None:
    index = fed(stores(0, 1, size=16), stores(0, 2, size=7), stores(0, 3, size=400_000))
    index.blocks(part(removes(0, 2)), SECOND)
    assert now(index).size == 400_016


def test_an_emptied_pool_is_empty_and_only_that_one() -> None:
    index = fed(stores(0, 1, 2), stores(1, 3), [(0, EMPTIED, 0, 0), *stores(0, 9)])
    assert (now(index).blocks, now(index, DRAM).blocks) == (1, 1)
    assert now(index).removed == 0


def test_the_past_counts_as_blocks_and_not_as_flows() -> None:
    index = fed()
    index.blocks(part(stores(0, 1, 2), past=True), SECOND)
    index.blocks(part(stores(0, 2, 3)), SECOND)
    assert (now(index).blocks, now(index).stored) == (3, 1)


def test_flows_leave_the_window_and_blocks_stay() -> None:
    index = fed(stores(0, 1, 2))
    assert now(index, time_ns=61 * SECOND).stored == 2
    assert (now(index, time_ns=62 * SECOND).stored, now(index, time_ns=62 * SECOND).blocks) == (0, 2)


def test_the_window_is_what_was_observed() -> None:
    index = Residency()
    index.inventory(inventory(), 10 * SECOND)
    assert index.window_s(10 * SECOND) == 0
    assert index.window_s(25 * SECOND) == 15
    assert index.window_s(500 * SECOND) == 60


def test_pools_that_are_not_counted_are_passed_over() -> None:
    index = Residency()
    index.inventory(inventory(Counted.NO), 0)
    index.blocks(part(stores(0, 1)), 0)
    assert index.tick(SECOND) == {}
    index.inventory(inventory(Counted.ABOUT), 0)
    index.blocks(part([*stores(0, 1), *stores(7, 2)]), 0)
    assert (now(index).blocks, now(index).estimate) == (1, True)


def test_a_pool_keeps_its_blocks_when_its_slot_changes() -> None:
    index = fed(stores(0, 1, 2), stores(1, 5))
    index.inventory(inventory(tiers=(Tier.DRAM, Tier.HBM)), SECOND)
    assert FLASH not in index.tick(2 * SECOND)
    index.blocks(part(removes(1, 1)), SECOND)
    assert (now(index).blocks, now(index, DRAM).blocks) == (1, 1)


def test_more_blocks_than_there_is_room_for_are_not_counted_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residency, "MAX_BLOCKS", 10)
    index = fed(stores(0, *range(8)), stores(1, *range(8)), stores(1, 0, 1))
    assert (now(index).blocks, now(index, DRAM).blocks) == (8, 2)
    assert (now(index).estimate, now(index, DRAM).estimate) == (False, True)
    index.blocks(part([(1, EMPTIED, 0, 0)]), SECOND)
    assert not now(index, DRAM).estimate


def test_a_million_blocks_take_less_than_100_mb() -> None:
    hashes = np.random.default_rng(7).permutation(1_000_000).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    index = Residency()
    index.inventory(inventory(), 0)
    rows = np.zeros(10_000, BLOCK)
    rows["bytes"] = 16
    tracemalloc.start()
    try:
        for start in range(0, len(hashes), len(rows)):
            rows["hash"] = hashes[start : start + len(rows)]
            index.blocks(Blocks(rows, in_tokens=True), SECOND)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now(index).size == 16_000_000
    assert kept < 20e6
    assert peak < 100e6
