from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.stats.counters import GRID_NS, UNKNOWN, Groups, History, counts

SECOND = 1_000_000_000


def history(values: list[float], *, step_ns: int = SECOND, horizon_ns: int = 60 * SECOND) -> History:
    made = History(Groups([1]), horizon_ns)
    for i, value in enumerate(values):
        made.add(i * step_ns, counts(np.array([value])))
    return made


def grown(found: History, begin_ns: int = 0, end_ns: int = 1_000 * SECOND) -> tuple[int, float] | None:
    increase = grown_of(found, slice(0, 1), begin_ns, end_ns)
    return None if increase is None else (increase[0][0], increase[1] / 1e9)


def grown_of(found: History, columns: slice, begin_ns: int, end_ns: int) -> tuple[list[int], int] | None:
    """Growth of columns of one group, and the nanoseconds that it took."""
    window = found.window(begin_ns, end_ns)
    elapsed_ns = None if window is None else window.elapsed_ns(columns.start)
    return None if window is None or elapsed_ns is None else (window.grown[columns].tolist(), elapsed_ns)


def test_a_counter_that_falls_was_reset() -> None:
    found = history([0, 1, 2, 3, 2, 3, 4])
    assert grown(found) == (7, 6.0)
    assert found.reset_ns == 4 * SECOND


def test_the_first_sample_gives_no_increase() -> None:
    assert grown(history([5_000])) is None
    assert grown(history([5_000, 5_001])) == (1, 1.0)


def test_a_window_compares_its_own_first_and_last_sample() -> None:
    found = history([0, 10, 20, 30, 40, 50])
    assert grown(found, 2 * SECOND, 5 * SECOND) == (20, 2.0)
    assert grown(found, 2 * SECOND + 1, 5 * SECOND + 1) == (20, 2.0)
    assert grown(found, 6 * SECOND, 9 * SECOND) is None


def test_rates_go_by_the_samples_own_times() -> None:
    found = History(Groups([1]), 60 * SECOND)
    for time_ns, value in ((0, 0), (3 * SECOND, 300), (4 * SECOND + SECOND // 2, 450)):
        found.add(time_ns, np.array([value]))
    assert grown(found) == (450, 4.5)


def test_what_is_no_count_is_unknown_and_breaks_the_history() -> None:
    assert counts(np.array([np.nan, np.inf, -1.0, 2.0**60, 3.0, 0.0])).tolist() == [UNKNOWN] * 4 + [3, 0]
    found = history([0, 10, float("nan"), 1_000, 1_005])
    assert grown(found) == (5, 1.0)
    assert grown(history([0, 10, float("nan")])) is None


def test_a_group_is_reset_as_a_whole() -> None:
    found = History(Groups([3, 1]), 60 * SECOND)
    found.add(0, np.array([2, 8, 10, 100]))
    # Restarted: the first bucket is above what it was, the others fell. The counter beside them goes on.
    found.add(SECOND, np.array([4, 5, 6, 103]))
    assert grown_of(found, slice(0, 3), 0, 9 * SECOND) is not None
    increase = grown_of(found, slice(0, 3), 0, 9 * SECOND)
    assert increase is not None
    assert increase[0] == [4, 5, 6]
    beside = grown_of(found, slice(3, 4), 0, 9 * SECOND)
    assert beside is not None
    assert beside[0] == [3]


def test_a_clock_that_goes_back_starts_again() -> None:
    found = history([0, 10, 20])
    found.add(SECOND // 2, np.array([500]))
    assert grown(found) is None
    found.add(SECOND, np.array([510]))
    assert grown(found) == (10, 0.5)


def test_new_columns_begin_and_others_go_on() -> None:
    found = History(Groups([1, 1]), 60 * SECOND)
    found.add(0, np.array([1, 100]))
    found.add(SECOND, np.array([2, 110]))
    other = found.rearranged(Groups([1, 1]), np.array([-1, 1], dtype=np.intp))
    other.add(2 * SECOND, np.array([7_000, 120]))
    assert grown_of(other, slice(0, 1), 0, 9 * SECOND) is None
    kept = grown_of(other, slice(1, 2), 0, 9 * SECOND)
    assert kept is not None
    assert (kept[0], kept[1]) == ([20], 2 * SECOND)
    other.add(3 * SECOND, np.array([7_001, 130]))
    fresh = grown_of(other, slice(0, 1), 0, 9 * SECOND)
    assert fresh is not None
    assert (fresh[0], fresh[1]) == ([1], SECOND)


def test_memory_is_bounded_however_often_it_is_sampled() -> None:
    found = history([float(i) for i in range(20_000)], step_ns=SECOND // 500, horizon_ns=2 * SECOND)
    end = 19_999 * (SECOND // 500)
    assert grown(found, end - 2 * SECOND, end + 1) == (1_000, 2.0)
    assert found.samples <= 2 * (2 * SECOND // GRID_NS) + 2


steps = st.lists(
    st.tuples(st.integers(1, 700_000_000), st.one_of(st.integers(0, 2**40), st.just(-1))), min_size=1, max_size=60
)


@given(steps, st.integers(0, 120))
def test_on_the_grid_the_windows_state_depends_on_its_own_samples_only(
    steps: list[tuple[int, int]], ticks: int
) -> None:
    """What played up to here, and what was fed with the window alone, say the same."""
    times = np.cumsum([dt for dt, _ in steps])
    tick_ns = (int(times[-1]) // GRID_NS + 1) * GRID_NS
    begin_ns = tick_ns - ticks * GRID_NS
    whole, part = History(Groups([1]), 30 * SECOND), History(Groups([1]), 30 * SECOND)
    for time_ns, (_, value) in zip(times.tolist(), steps, strict=True):
        whole.add(time_ns, np.array([value]))
        if time_ns >= begin_ns:
            part.add(time_ns, np.array([value]))
    assert grown(whole, begin_ns, tick_ns) == grown(part, begin_ns, tick_ns)


@given(st.lists(st.integers(0, 2**50), min_size=2, max_size=40))
def test_increases_of_neighbouring_windows_add_up(values: list[int]) -> None:
    found = history([float(v) for v in values])
    middle = len(values) // 2
    expected = sum(b - a if b >= a else b for a, b in pairwise(values))
    left = grown(found, 0, middle * SECOND + 1) or (0, 0.0)
    right = grown(found, middle * SECOND, 1_000 * SECOND) or (0, 0.0)
    assert left[0] + right[0] == expected == (grown(found) or (0, 0.0))[0]


def test_totals_stay_exact_where_a_float_would_not() -> None:
    found = history([2.0**53 - 2, 2.0**53 - 1, 2.0**53, 1.0, 2.0**53])
    assert grown(found) == (2 + 1 + 2**53 - 1, 4.0)


@pytest.mark.parametrize("sizes", [[], [1], [3, 1]])
def test_no_columns_at_all_is_fine(sizes: list[int]) -> None:
    found = History(Groups(sizes), SECOND)
    found.add(0, np.zeros(sum(sizes), dtype=np.int64))
    found.add(SECOND, np.zeros(sum(sizes), dtype=np.int64))
    assert found.latest.tolist() == [0] * sum(sizes)


@given(
    st.lists(st.sampled_from([0, 1, 70_000, 2**23 - 1, 2**23, 2**31, 2**32 - 1, 2**32, 2**40]), min_size=1, max_size=90)
)
def test_totals_of_any_growth_are_whole_numbers(increases: list[int]) -> None:
    found = History(Groups([1, 1]), 60 * SECOND)
    value = 0
    for step, increase in enumerate([0, *increases]):
        value += increase
        found.add(step * SECOND, counts(np.array([float(value), float(step)])))
    begin = max(0, len(increases) - 60)
    for first in {begin, (begin + len(increases)) // 2}:
        if first == len(increases):
            continue
        for columns, expected in ((slice(0, 1), sum(increases[first:])), (slice(1, 2), len(increases) - first)):
            held = grown_of(found, columns, first * SECOND, 1_000 * SECOND)
            assert held is not None
            assert int(held[0][0]) == expected
