"""The block store against a plain model of it, and what moves between its tiers."""

from collections import Counter

import numpy as np
import pytest

from emulators.blocks import BLOCK_TOKENS, Chain, Context, blocks_for, chained
from emulators.channel import Channel
from emulators.events import Events
from emulators.fetching import Source, anywhere, locate
from emulators.journal import Journal
from emulators.kv import MAX_BACKLOG_NS, Pool, Spill
from emulators.loop import Loop
from tests.emulators.line import NUMBERS, numbers, runs

SIZE = 1 << 20
FAST = 1e12


def pool(capacity: int, journal: Journal | None = None, slot: int = 0, spill: Spill | None = None) -> Pool:
    return Pool(slot, "HBM", "owner", 0, capacity, SIZE, journal or Journal(), spill)


def tiers(journal: Journal, *capacities: int, bytes_per_s: float = FAST) -> list[Pool]:
    """Pools that spill into one another, the fastest first."""
    pools: list[Pool] = []
    below: Pool | None = None
    for slot in range(len(capacities) - 1, -1, -1):
        spill = None if below is None else Spill(below, Channel(bytes_per_s, 0))
        below = pool(capacities[slot], journal, slot, spill)
        pools.insert(0, below)
    return pools


def residents(events: Events) -> dict[int, Counter[int]]:
    """What the block events say is where: a block is never stored twice nor removed where it is not."""
    held: dict[int, Counter[int]] = {}
    for row in events.blocks:
        here = held.setdefault(int(row["pool"]), Counter())
        name = NUMBERS[int(row["hash"])]
        assert here[name] == int(row["op"]), f"block {name:x} in pool {row['pool']}"
        here[name] = 1 - int(row["op"])
    return {slot: +here for slot, here in held.items()}


def put(target: Pool, *names: int) -> None:
    """Stores blocks that nobody refers to afterwards."""
    assert target.claim(0, runs(*names))
    target.release(0, runs(*names), len(names))


def test_least_recently_used_goes_first() -> None:
    target = pool(3)
    for name in (1, 2, 3):
        put(target, name)
    put(target, 1)  # used again
    put(target, 4)
    assert set(numbers(target)) == {1, 3, 4}


def test_the_end_of_a_prefix_goes_before_its_start() -> None:
    target = pool(4)
    put(target, 1, 2, 3, 4)
    put(target, 9)
    assert target.prefix(runs(1, 2, 3, 4)) == 3


def test_what_is_referred_to_stays() -> None:
    target = pool(2)
    assert target.claim(0, runs(1))
    put(target, 2)
    put(target, 3)
    assert set(numbers(target)) == {1, 3}
    assert not target.claim(0, runs(4, 5)), "only one block can be made free"
    assert set(numbers(target)) == {1, 3}, "all or nothing"


def test_shared_blocks_count_once_and_stay_with_the_last_holder() -> None:
    target = pool(8)
    assert target.claim(0, runs(1, 2, 3))
    assert target.claim(0, runs(1, 2, 4))
    assert (target.used, target.active) == (4, 4)
    target.release(0, runs(1, 2, 3), full=2)
    assert (target.used, target.active) == (3, 3), "block 3 was not full: nobody could find it again"
    target.release(0, runs(1, 2, 4), full=3)
    assert (target.used, target.active) == (3, 0)


def test_evicted_blocks_move_down_tier_by_tier() -> None:
    journal = Journal()
    hbm, dram, flash = tiers(journal, 2, 2, 2)
    for name in range(1, 8):
        put(hbm, name)
    assert [set(numbers(one)) for one in (hbm, dram, flash)] == [{6, 7}, {4, 5}, {2, 3}]
    held = residents(journal.take())
    assert [set(held[slot]) for slot in range(3)] == [{6, 7}, {4, 5}, {2, 3}]


def test_a_block_that_is_below_already_is_only_refreshed() -> None:
    journal = Journal()
    hbm, dram = tiers(journal, 1, 2)
    for name in (1, 2, 1, 3):  # DRAM: 1; 1 2; 2 1 (refreshed)
        put(hbm, name)
    put(hbm, 4)  # 3 comes down, 2 goes
    assert set(numbers(dram)) == {1, 3}


def test_a_congested_path_drops_what_is_evicted() -> None:
    journal = Journal()
    hbm, dram = tiers(journal, 1, 100, bytes_per_s=SIZE / 0.6)
    for name in range(1, 6):
        put(hbm, name)
    # Each takes 0.6 s to write, and at most a second of writing may wait.
    assert MAX_BACKLOG_NS == 1_000_000_000
    assert set(numbers(dram)) == {1, 2}


def test_a_reservation_keeps_room() -> None:
    target = pool(4)
    put(target, 8, 9)
    assert target.claim(0, runs(1), reserve=2)
    assert target.room == 1
    assert not target.claim(0, runs(2, 3))
    target.claim_reserved(0, *runs(2))
    target.claim_reserved(0, *runs(3))
    assert (target.active, target.reserved) == (3, 0)
    with pytest.raises(RuntimeError, match="nothing is reserved"):
        target.claim_reserved(0, *runs(4))


def test_locate_finds_the_longest_prefix_over_all_tiers() -> None:
    own, dram, flash = (pool(10) for _ in range(3))
    put(own, 1, 2, 5)
    put(dram, 2, 3)
    put(flash, 3, 4, 7)
    sources = (Source(dram, ()), Source(flash, ()))
    count, found = locate(runs(1, 2, 3, 4, 5, 6, 7), own, sources)
    assert count == 5
    assert found == [runs(3), runs(4)]


def test_what_is_anywhere_counts_until_nobody_has_it() -> None:
    pools = [pool(10) for _ in range(3)]
    put(pools[0], 1, 2, 5)
    put(pools[1], 2, 3)
    put(pools[2], 3, 4, 7)
    assert anywhere(runs(1, 2, 3, 4, 5, 6, 7), pools) == 5
    assert anywhere(runs(2, 3, 9, 10), pools) == 2
    assert anywhere(runs(6), pools) == 0


def test_a_fetch_takes_as_long_as_the_slowest_part_of_its_path() -> None:
    loop, arrived = Loop(), []
    disk, bus = Channel(7e9, 100_000), Channel(14e9, 10_000)
    source = Source(pool(10), (disk, bus))
    source.send(loop, 10, lambda: arrived.append(loop.now_ns))
    loop.run(10**9, lambda: None)
    assert arrived == [-(-10 * SIZE * 10**9 // 7_000_000_000) + 100_000]


def test_names_are_chained() -> None:
    contents = np.arange(10, dtype=np.uint64)
    names, _ = chained(contents)
    head, carry = chained(contents[:4])
    tail, _ = chained(contents[4:], 4, carry)
    assert [*head, *tail] == list(names)
    changed = contents.copy()
    changed[3] += np.uint64(1)
    other, _ = chained(changed)
    assert list(other[:3]) == list(names[:3])
    assert not set(other[3:]) & set(names[3:])
    swapped, _ = chained(contents[::-1].copy())
    assert not set(swapped) & set(names)


def prompt(content: int) -> Chain:
    chain = Chain(content)
    chain.grow(6)
    return chain


def named(context: Context, tokens: int) -> list[int]:
    context.grow(tokens)
    return [name for chain, lo, hi in context.runs(0, blocks_for(tokens)) for name in chain.names(lo, hi).tolist()]


def test_sessions_share_their_applications_prompt_and_nothing_else() -> None:
    shared, other_prompt = prompt(1), prompt(2)
    one, other, elsewhere = Context(50, shared), Context(51, shared), Context(50, other_prompt)
    names = named(one, 400)
    assert len(names) == 25
    assert named(other, 400)[:6] == names[:6]
    assert not set(named(other, 400)[6:]) & set(names)
    assert not set(named(elsewhere, 400)) & set(names)
    assert named(one, 1_000)[:25] == names
    assert len(set(named(one, 100_000))) == 100_000 // BLOCK_TOKENS


def test_a_context_is_the_same_blocks_however_it_is_cut() -> None:
    context = Context(50, prompt(1))
    names = named(context, 400)
    for lo in range(25):
        for hi in range(25):
            cut = context.runs(lo, hi)
            assert [name for chain, a, b in cut for name in chain.names(a, b).tolist()] == names[lo:hi]
            assert all(a < b for _, a, b in cut)
