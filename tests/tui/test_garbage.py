"""Garbage in cycles is looked for when a Frame has been shown: the young soon and a little at a time, the old rarely."""

import gc
import itertools
from collections.abc import Iterator

import pytest

from tui.garbage import LATEST_S, OLD_S, SOONEST_S, Garbage


class Time:
    """A clock, and a collector that takes as long as it is told to."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.takes_s = 0.0
        self.busy = False
        self.looked: list[tuple[float, int]] = []

    def __call__(self) -> float:
        return self.now_s

    def collect(self, generation: int = 2) -> int:
        self.looked.append((self.now_s, generation))
        self.now_s += self.takes_s
        return 0


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr("gc.collect", made.collect)
    return made


@pytest.fixture
def garbage(time: Time) -> Iterator[Garbage]:
    made = Garbage(lambda: time.busy, time)
    made.settle()
    time.looked.clear()
    yield made
    made.end()


def frames(garbage: Garbage, time: Time, seconds: float) -> None:
    end_s = time.now_s + seconds
    while time.now_s < end_s:
        time.now_s += 0.25
        garbage.look()


def pauses(time: Time) -> list[float]:
    return [later - earlier for (earlier, _), (later, _) in itertools.pairwise(time.looked)]


def test_where_there_is_little_it_is_looked_for_more_and_more_seldom(garbage: Garbage, time: Time) -> None:
    frames(garbage, time, 30)
    assert pauses(time)[0] == pytest.approx(0.5)
    assert pauses(time)[-1] == pytest.approx(LATEST_S)
    assert {generation for _, generation in time.looked} == {1}


def test_where_there_is_much_it_is_looked_for_with_each_frame(garbage: Garbage, time: Time) -> None:
    frames(garbage, time, 30)
    time.takes_s = 0.03
    frames(garbage, time, 30)
    assert pauses(time)[-1] == pytest.approx(0.25, abs=0.04)
    assert SOONEST_S < 0.25


def test_it_is_looked_for_though_somebody_waits_all_the_time(garbage: Garbage, time: Time) -> None:
    """As long as a key is held."""
    time.busy = True
    frames(garbage, time, 30)
    assert pauses(time)
    assert pauses(time)[0] == pytest.approx(LATEST_S)
    assert pauses(time)[-1] == pytest.approx(LATEST_S)


def test_the_old_are_looked_at_rarely(garbage: Garbage, time: Time) -> None:
    time.takes_s = 0.03
    frames(garbage, time, 2.5 * OLD_S)
    old = [at for at, generation in time.looked if generation == 2]
    assert len(old) == 2
    assert old[1] - old[0] >= OLD_S


def test_cycles_are_found() -> None:
    class Node:
        me: "Node"

    def alive() -> int:
        return sum(type(one) is Node for one in gc.get_objects())

    now_s = [0.0]
    garbage = Garbage(lambda: False, lambda: now_s[0])
    garbage.settle()
    try:
        for _ in range(10):
            node = Node()
            node.me = node
        del node
        assert alive() == 10
        now_s[0] += 1
        garbage.look()
        assert alive() == 0
    finally:
        garbage.end()


def test_before_it_has_settled_and_after_its_end_nothing_is_changed() -> None:
    before = gc.get_threshold()
    garbage = Garbage(lambda: False, lambda: 1e9)
    garbage.look()
    assert gc.get_threshold() == before
    garbage.settle()
    assert gc.get_threshold() != before
    garbage.end()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
