"""What comes and goes in pools, in columns, against the same kept row by row."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.batch import BLOCK, EMPTIED, REMOVED, STORED, Blocks, PoolInfo
from collectors.model.vocabulary import Tier
from collectors.stats import churn
from collectors.stats.churn import Churn, Churned, Sizes
from collectors.stats.fleet import PoolKey

SECOND = 1_000_000_000
WINDOW_S = 10
HBM, DRAM = PoolKey("w/0", Tier.HBM), PoolKey("host", Tier.DRAM)
POOLS = (PoolInfo(3, Tier.HBM, "w/0", 0, None), PoolInfo(9, Tier.DRAM, "host", None, None))
SLOTS = {3: HBM, 9: DRAM}
Row = tuple[int, int, int, int]
"""(pool, op, hash, bytes)"""


def part(rows: Sequence[Row], **kinds: bool) -> Blocks:
    made = np.zeros(len(rows), BLOCK)
    for made_row, (pool, op, block, size) in zip(made, rows, strict=True):
        made_row["pool"], made_row["op"], made_row["hash"], made_row["bytes"] = pool, op, block, size
    return Blocks(made, **kinds)


def fed(*batches: tuple[int, Sequence[Row]]) -> Churn:
    it = Churn(WINDOW_S)
    it.inventory(POOLS)
    for second, rows in batches:
        it.blocks(part(rows), second * SECOND)
    return it


def plain(batches: Sequence[tuple[int, Sequence[Row]]], until_s: int) -> dict[PoolKey, tuple[int, int, int]]:
    """(stored, removed, stored again), one row at a time. A block is no longer removed once it is stored."""
    removed: dict[tuple[int, int], int] = {}
    found = {key: [0, 0, 0] for key in SLOTS.values()}
    for second, rows in batches:
        counts = second >= until_s - WINDOW_S
        for slot, op, block, _ in rows:
            if op == STORED:
                gone = removed.pop((slot, block), None)
                again = gone is not None and gone >= second - WINDOW_S
                found[SLOTS[slot]][0] += counts
                found[SLOTS[slot]][2] += counts and again
            elif op == REMOVED:
                removed[slot, block] = second
                found[SLOTS[slot]][1] += counts
    return {key: (row[0], row[1], row[2]) for key, row in found.items() if row[0] or row[1]}


ROWS = st.lists(
    st.tuples(st.sampled_from([3, 9]), st.sampled_from([STORED, REMOVED]), st.integers(0, 5), st.just(64)), max_size=12
)


@given(st.lists(ROWS, min_size=1, max_size=30))
def test_as_row_by_row(parts: list[list[Row]]) -> None:
    batches = list(enumerate(parts))
    it = Churn(WINDOW_S)
    it.inventory(POOLS)
    for second, rows in batches:
        it.blocks(part(rows), second * SECOND)
        told = it.tick((second + 1) * SECOND)
        expected = plain(batches[: second + 1], second + 1)
        assert {key: (one.stored, one.removed, one.again) for key, one in told.items()} == expected


@pytest.mark.parametrize(
    "among",
    [[], [(3, STORED, 1, 64), (3, REMOVED, 1, 64), (9, REMOVED, 1, 64), (9, STORED, 2, 64), (9, REMOVED, 2, 64)]],
)
def test_one_that_is_removed_a_second_time_keeps_no_other_from_being_forgotten(among: list[Row]) -> None:
    """Of the pools' blocks 0 and 1, removed at second 0, only the latter is removed again at second 10."""
    it = fed((0, [(9, REMOVED, 1, 64), (9, REMOVED, 2, 64), (3, REMOVED, 0, 64)]))
    it.tick(SECOND)
    it.blocks(part([(9, REMOVED, 1, 64), *among]), 10 * SECOND)
    it.tick(11 * SECOND)
    it.blocks(part([(3, STORED, 0, 64)]), 11 * SECOND)
    assert it.tick(12 * SECOND)[HBM].again == 0


def test_what_a_pool_takes_back() -> None:
    it = fed((0, [(3, STORED, 7, 64)]), (1, [(3, REMOVED, 7, 64)]), (4, [(3, STORED, 7, 64), (3, STORED, 8, 32)]))
    assert it.tick(5 * SECOND) == {HBM: Churned(3, 1, 1, Sizes(160, 64, 64), False)}


def test_one_pool_does_not_take_back_what_another_gave_up() -> None:
    it = fed((0, [(3, REMOVED, 7, 64)]), (1, [(9, STORED, 7, 64)]))
    assert it.tick(2 * SECOND)[DRAM].again == 0


def test_what_was_removed_long_ago_comes_back_as_new() -> None:
    it = fed((0, [(3, REMOVED, 7, 64)]))
    for second in range(1, 13):
        it.tick(second * SECOND)
    it.blocks(part([(3, STORED, 7, 64)]), 12 * SECOND)
    assert it.tick(13 * SECOND)[HBM].again == 0


def test_a_size_that_was_not_said_leaves_bytes_unknown_until_it_has_left_the_window() -> None:
    it = fed((0, [(3, STORED, 1, 0)]), (5, [(3, STORED, 2, 64)]))
    assert it.tick(6 * SECOND)[HBM].sizes is None
    assert it.tick(11 * SECOND)[HBM].sizes == Sizes(64, 0, 0)
    tokens = Churn(WINDOW_S)
    tokens.inventory(POOLS)
    tokens.blocks(part([(3, STORED, 1, 16)], in_tokens=True), 0)
    assert tokens.tick(SECOND)[HBM] == Churned(1, 0, 0, None, False)


def test_what_is_told_after_the_fact_does_not_count() -> None:
    it = Churn(WINDOW_S)
    it.inventory(POOLS)
    it.blocks(part([(3, STORED, 1, 64)], past=True), 0)
    assert it.tick(SECOND) == {}


def test_rows_of_unknown_pools_and_emptied_ones_count_nowhere() -> None:
    assert fed((0, [(5, STORED, 1, 64), (3, EMPTIED, 0, 0)])).tick(SECOND) == {}


def test_memory_is_bounded_and_what_was_forgotten_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(churn, "MAX_REMOVED", 10)
    it = fed((0, [(3, REMOVED, block, 64) for block in range(25)]))
    it.blocks(part([(3, STORED, block, 64) for block in range(25)]), SECOND)
    told = it.tick(2 * SECOND)[HBM]
    assert (told.again, told.forgot) == (10, True)
    assert it.tick(11 * SECOND)[HBM].forgot is False
