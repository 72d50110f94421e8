"""Transfers that share a path, against a fluid model that moves time in small steps; copies and expiry between tiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.channel import Channel
from emulators.events import REMOVED, STORED
from emulators.journal import Journal
from emulators.kv import Pool, Spill
from emulators.loop import Loop
from emulators.policy import Lfu, Ttl
from tests.emulators.line import numbers, runs


def arrivals(sends: list[tuple[int, int, bool]], bytes_per_s: float, latency_ns: int = 0) -> dict[int, int]:
    """When each of (time, size, awaited) arrives, by its number."""
    loop, channel = Loop(), Channel(bytes_per_s, latency_ns)
    at: dict[int, int] = {}

    def start(number: int, size: int, awaited: bool) -> None:
        if awaited:
            channel.send(loop, size, lambda: at.__setitem__(number, loop.now_ns))
        else:
            channel.put(loop.now_ns, size)

    for number, (time, size, awaited) in enumerate(sends):
        loop.at(time, start, number, size, awaited)
    loop.run(10**15, lambda: None)
    assert channel.bytes_sent == sum(size for _, size, _ in sends)
    assert channel.backlog_ns(loop.now_ns) == 0
    return at


def fluid(sends: list[tuple[int, int, bool]], bytes_per_s: float) -> list[float]:
    """Ends by moving all that are under way from one event to the next."""
    left = {number: float(size) for number, (_, size, _) in enumerate(sends)}
    ends = [0.0] * len(sends)
    starts = sorted((time, number) for number, (time, _, _) in enumerate(sends))
    now, active = 0.0, set[int]()
    while starts or active:
        rate = bytes_per_s / 1e9 / max(1, len(active))
        end = min((now + left[number] / rate for number in active), default=float("inf"))
        join = starts[0][0] if starts else float("inf")
        then = min(end, join)
        for number in active:
            left[number] -= (then - now) * rate
        now = then
        if join <= end:
            active.add(starts.pop(0)[1])
        for number in [number for number in active if left[number] <= 1e-6]:
            active.remove(number)
            ends[number] = now
    return ends


def test_a_transfer_slows_down_when_another_joins() -> None:
    alone = arrivals([(0, 1_000, True)], 1e9)
    shared = arrivals([(0, 1_000, True), (500, 1_000, True)], 1e9)
    assert alone == {0: 1_000}
    # 500 bytes alone, then half the rate for the other 500; then the second has 500 left for itself.
    assert shared == {0: 1_500, 1: 2_000}


def test_latency_comes_on_top() -> None:
    assert arrivals([(10, 1_000, True)], 1e9, latency_ns=7) == {0: 1_017}


def test_writes_nobody_waits_for_take_their_share() -> None:
    assert arrivals([(0, 1_000, True), (0, 10_000, False)], 1e9) == {0: 2_000}


sending = st.tuples(st.integers(0, 5_000), st.integers(1, 5_000), st.booleans())


@given(st.lists(sending, min_size=1, max_size=12), st.floats(1e8, 1e10))
def test_shares_are_fair(sends: list[tuple[int, int, bool]], bytes_per_s: float) -> None:
    found = arrivals(sends, bytes_per_s)
    ends = fluid(sends, bytes_per_s)
    assert set(found) == {number for number, (_, _, awaited) in enumerate(sends) if awaited}
    for number, at in found.items():
        assert at == pytest.approx(ends[number], abs=1.01)


@given(st.lists(sending, min_size=1, max_size=12), st.floats(1e8, 1e10), st.integers(0, 60_000))
def test_the_backlog_is_how_long_the_last_will_take(
    sends: list[tuple[int, int, bool]], bytes_per_s: float, later_ns: int
) -> None:
    channel, times = Channel(bytes_per_s, 0), sorted(sends)
    for number, (now, size, _) in enumerate(times):
        channel.put(now, size)
        assert channel.backlog_ns(now) == pytest.approx(max(fluid(times[: number + 1], bytes_per_s)) - now, abs=1.01)
    assert channel.backlog_ns(later := times[-1][0] + later_ns) == pytest.approx(
        max(0, max(fluid(times, bytes_per_s)) - later), abs=1.01
    )


def pools(*, through: bool) -> tuple[Pool, Pool, Channel]:
    journal = Journal()
    below = Pool(1, "DRAM", "host", None, 10, 100, journal)
    channel = Channel(1e12, 0)
    return Pool(0, "HBM", "gpu", 0, 2, 100, journal, Spill(below, channel, through)), below, channel


@pytest.mark.parametrize("through", [False, True])
def test_write_back_copies_at_eviction_and_write_through_at_once(through: bool) -> None:
    upper, below, channel = pools(through=through)
    upper.claim(0, runs(1, 2))
    upper.release(0, runs(1, 2), 2)
    assert set(numbers(below)) == ({1, 2} if through else set())
    upper.claim(0, runs(3))
    assert set(numbers(upper)) == {1, 3}
    assert set(numbers(below)) == ({1, 2} if through else {2})
    assert channel.bytes_sent == 100 * below.used


def test_a_pool_evicts_by_its_order() -> None:
    target = Pool(0, "HBM", "gpu", 0, 3, 100, Journal(), order=Lfu())
    for name in (1, 1, 2, 2, 3):
        target.claim(0, runs(name))
        target.release(0, runs(name), 1)
    target.claim(0, runs(4))
    assert set(numbers(target)) == {1, 2, 4}


def test_what_is_in_use_does_not_expire() -> None:
    journal = Journal()
    target = Pool(0, "HBM", "gpu", 0, 5, 100, journal, order=Ttl(10))
    target.claim(0, runs(1, 2, 3))
    target.release(5, runs(1, 2), 2)
    target.expire(14)
    assert target.used == 3
    target.expire(15)
    assert set(numbers(target)) == {3}
    assert journal.take().blocks["op"].tolist() == [STORED] * 3 + [REMOVED] * 2
