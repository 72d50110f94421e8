"""Windows of whole seconds: the sums are those of the seconds that are left, in whatever order things came."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stats.slots import Extremes, Slots, Tally
from collectors.stats.sparse import Sparse

CELLS = 2048
KEYS = st.lists(st.integers(0, CELLS - 1), min_size=1, max_size=8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 12), KEYS),
        st.tuples(st.just("expire"), st.integers(0, 12), st.just([])),
        st.tuples(st.just("resize"), st.just(0), st.just([])),
    ),
    max_size=30,
)
Steps = list[tuple[str, int, list[int]]]


class Model:
    """Each second's counts, added up when asked."""

    def __init__(self) -> None:
        self.seconds: dict[int, Counter[int]] = {}
        self.first = -1

    def add(self, second: int, keys: list[int], amount: int = 1) -> None:
        if second >= self.first:
            counts = self.seconds.setdefault(second, Counter())
            for key in keys:
                counts[key] += amount

    def expire(self, first: int) -> None:
        self.first = max(self.first, first)
        self.seconds = {second: counts for second, counts in self.seconds.items() if second >= self.first}

    def window(self) -> Counter[int]:
        return sum(self.seconds.values(), Counter())


@given(STEPS)
def test_dense_sums(steps: Steps) -> None:
    slots, model, size = Slots(CELLS), Model(), CELLS
    for what, second, keys in steps:
        if what == "add":
            slots.add(second, np.array(keys), np.full(len(keys), 7))
            slots.add(second, np.array(keys))
            model.add(second, keys, 8)
        elif what == "expire":
            slots.expire(second)
            model.expire(second)
        else:
            size += 512
            slots.resize(size)
    assert {int(key): int(n) for key, n in enumerate(slots.sums()) if n} == dict(model.window())


@pytest.mark.parametrize("busy", [False, True])
@given(STEPS)
def test_sparse_counts(busy: bool, steps: Steps) -> None:
    sparse, model, size = Sparse(CELLS, busy=busy), Model(), CELLS
    for what, second, keys in steps:
        if what == "add":
            sparse.add(second, np.array(keys))
            model.add(second, keys)
        elif what == "expire":
            sparse.expire(second)
            model.expire(second)
        else:
            size += 512
            sparse.resize(size)
        for one in (second, 3):
            cells, counts = sparse.of_second(one)
            assert dict(zip(cells.tolist(), counts.tolist(), strict=True)) == dict(model.seconds.get(one, {}))
            assert cells.tolist() == sorted(cells.tolist())
    cells, counts = sparse.window()
    assert dict(zip(cells.tolist(), counts.tolist(), strict=True)) == dict(model.window())
    assert cells.tolist() == sorted(cells.tolist())


def test_what_comes_after_its_second_has_left_is_counted_as_late() -> None:
    sparse = Sparse(CELLS, busy=True)
    sparse.expire(10)
    sparse.add(9, np.array([1, 2, 3]))
    assert sparse.late == 3
    assert not len(sparse.window()[0])


def test_extremes() -> None:
    extremes = Extremes(2)
    extremes.add(1, np.array([0, 0, 1]), np.array([5, 3, 9]), np.array([5, 3, 9]))
    extremes.add(2, np.array([0]), np.array([4]), np.array([8]))
    extremes.resize(3)
    smallest, largest = extremes.window()
    assert (smallest[:2].tolist(), largest.tolist()) == ([3, 9], [8, 9, -1])
    extremes.expire(2)
    assert extremes.window()[0][0] == 4
    extremes.add(1, np.array([0]), np.array([1]), np.array([99]))
    assert extremes.window()[1][0] == 8


def test_tally_is_bounded() -> None:
    tally = Tally("rest", limit=3)
    for i in range(10):
        tally.add(i, f"name {i}")
    assert tally.sums() == {"name 0": 1, "name 1": 1, "name 2": 1, "rest": 7}
    tally.expire(5)
    assert tally.sums() == {"rest": 5}
    tally.add(5, "name 9")
    tally.add(4, "gone")
    assert tally.sums() == {"rest": 5, "name 9": 1}
