"""The window of a tick: what it holds, how long it is, and what is told second by second."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.model.batch import Inventory, Requests, WorkerInfo
from collectors.stats import fleet
from collectors.stats.deliveries import DeliveryStats
from collectors.stats.fleet import MAX_ROWS
from collectors.stats.lives import Life
from collectors.stats.river import NOT_OBSERVED
from collectors.stats.stalls import LEDGER, LONGEST, Ledger, Stall
from tests.stats.test_requests import DECODE, INVENTORY, MS, SECOND, delivered, finished, received

TICK = SECOND // 4


def every(ms: float, begin_ms: float, end_ms: float) -> list[float]:
    return np.arange(begin_ms, end_ms, ms).tolist()


def test_window_is_clipped_to_what_was_observed() -> None:
    stats = DeliveryStats(window_s=10)
    stats.inventory(INVENTORY, 2 * SECOND + 500 * MS)
    assert stats.tick(2 * SECOND + 750 * MS).window_s == 0.25
    assert stats.tick(12 * SECOND).window_s == 9.5
    assert stats.tick(13 * SECOND).window_s == 10
    # Slots are whole seconds: between them the window is shorter, by less than one.
    assert stats.tick(13 * SECOND + 250 * MS).window_s == 9.25


def test_what_is_older_leaves() -> None:
    stats = DeliveryStats(window_s=10)
    stats.inventory(INVENTORY, 0)
    stats.deliveries(delivered(1, every(50, 0, 30_000)), 30 * SECOND)
    for tick in range(30 * 4, 45 * 4):
        summary = stats.tick(tick * TICK)
        begin = tick * TICK / SECOND - summary.window_s
        kept = sum(begin <= at / 1000 < tick * TICK / SECOND for at in every(50, 0, 30_000))
        assert summary.placed.tokens.sum() == kept
        assert summary.gap.n[DECODE] == kept


def test_late_rows_count_in_their_own_second() -> None:
    stats = DeliveryStats(window_s=10)
    stats.inventory(INVENTORY, 0)
    stats.deliveries(delivered(1, [8000, 8100]), 9 * SECOND)
    stats.tick(9 * SECOND)
    stats.deliveries(delivered(2, [3000, 3100]), 9 * SECOND)
    assert stats.tick(13 * SECOND).gap.n[DECODE] == 2
    assert stats.tick(14 * SECOND).gap.n[DECODE] == 1
    stats.deliveries(delivered(3, [3000, 3100]), 14 * SECOND)
    summary = stats.tick(14 * SECOND)
    assert (summary.gap.n[DECODE], summary.faults.late) == (1, 1)


def test_a_clock_that_is_ahead_counts_at_the_time_of_the_batch() -> None:
    stats = DeliveryStats(window_s=10)
    stats.inventory(Inventory(workers=INVENTORY.workers, clock_offset_ns=5 * SECOND), 0)
    stats.deliveries(delivered(1, [1000, 1010, 900_000]), 7 * SECOND)
    for tick in range(1, 33):
        summary = stats.tick(tick * TICK)
    assert summary.placed.tokens.sum() == 3
    assert summary.gap.longest[DECODE] == pytest.approx(898.99)
    columns = summary.river_tokens[DECODE]
    assert (columns[-8], columns[-4]) == (2, 1)


def test_times_scattered_over_centuries_are_soon_dealt_with() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 10**18)
    rows = delivered(1, [0.0] * 20_000)
    rows.rows["time_ns"] = np.random.default_rng(1).integers(-(2**62), 2**62, 20_000)
    rows.rows["stream"] = np.arange(20_000)
    stats.deliveries(rows, 10**18)
    stats.requests(Requests(rows=tuple(received(f"r{i}", i, -i * 1e3) for i in range(100))), 10**18)
    summary = stats.tick(10**18)
    assert summary.placed.tokens.sum() == (rows.rows["time_ns"] >= 10**18 - 60 * SECOND).sum()


def test_worst_jitter_of_each_second_once() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    told: list[tuple[int, float | None]] = []
    steady, rough = every(5, 0, 3000), every(5, 0, 3000)
    rough[250] += 4
    for tick in range(1, 17):
        if tick == 2:
            stats.deliveries(delivered(1, steady, worker=0), 3 * SECOND)
            stats.deliveries(delivered(2, rough, worker=5), 3 * SECOND)
        told += stats.tick(tick * TICK).seconds
    assert [second for second, _ in told] == [0, 1, 2, 3]
    values = [value for _, value in told]
    assert values[0] == pytest.approx(0, abs=1e-5)
    assert values[1] == pytest.approx(0.004 * 0.01 / 2, abs=4e-5)
    assert values[2] == pytest.approx(0, abs=1e-5)
    assert values[3] is None


def test_too_few_gaps_in_a_second_say_nothing_of_its_jitter() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    stats.deliveries(delivered(1, every(20, 0, 2000)), SECOND)
    assert stats.tick(2 * SECOND).seconds == ((0, None), (1, None))


def test_the_window_is_the_time_in_which_anything_could_be_observed() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    stats.lost(10 * SECOND)
    assert stats.tick(30 * SECOND).window_s == 10
    stats.inventory(INVENTORY, 40 * SECOND)
    assert stats.tick(60 * SECOND).window_s == 30
    assert stats.tick(80 * SECOND).window_s == 40  # it begins at 20 s
    assert stats.tick(100 * SECOND).window_s == 60


def test_river() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    for tick in range(1, 9):
        if tick == 4:
            stats.deliveries(delivered(1, [760, 770, 780], tokens=60_000), tick * TICK)
        if tick == 6:
            stats.lost(6 * TICK)
        if tick == 8:
            stats.inventory(INVENTORY, tick * TICK - 1)
        summary = stats.tick(tick * TICK)
    assert summary.river_tokens.shape == (3, 240)
    shown = summary.river_tokens[DECODE]
    assert shown[-8:].tolist() == [0, 0, 0, NOT_OBSERVED - 1, 0, NOT_OBSERVED, NOT_OBSERVED, 0]
    assert (shown[:-8] == NOT_OBSERVED).all()


@pytest.mark.parametrize(
    ("median_ms", "gap_ms", "stall"),
    [(10, 49, False), (10, 52, True), (0.1, 1.9, False), (0.1, 2.1, True), (0.5, 2.4, False), (0.5, 2.6, True)],
)
def test_a_stall_is_five_medians_and_two_milliseconds(median_ms: float, gap_ms: float, stall: bool) -> None:
    for previous in (7, 8):
        stats = DeliveryStats()
        stats.inventory(INVENTORY, 0)
        stats.requests(Requests(rows=(received("r-17", 4),)), SECOND)
        times = [median_ms * i for i in range(previous + 1)]
        stats.deliveries(delivered(4, [*times, times[-1] + gap_ms]), SECOND)
        stats.requests(Requests(rows=(finished("r-17", 900),)), SECOND)
        summary = stats.tick(SECOND)
        expected = stall and previous == 8
        assert summary.stalled[DECODE] == len(summary.stalls) == expected
        if expected:
            assert summary.stalls[0].request == "r-17"
            assert summary.stalls[0].row == DECODE
            assert summary.stalls[0].gap_ns == pytest.approx(gap_ms * MS)
            assert summary.stalls[0].median_ns == pytest.approx(median_ms * MS, rel=8e-3)
            assert summary.stalls[0].time_ns == summary.stalls[0].at_ns
            assert summary.longest_stall_s[DECODE] == pytest.approx(gap_ms / 1e3)
        else:
            assert np.isnan(summary.longest_stall_s[DECODE])


def test_a_request_that_nobody_announced_is_named_by_its_stream() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    stats.deliveries(delivered(40_000, [*range(20), 500]), SECOND)
    assert [stall.request for stall in stats.tick(SECOND).stalls] == ["#40000"]


def test_all_stalls_count_and_the_newest_are_kept() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    gaps = [10.0] * 20 + [10, 10, 10, 60] * 500
    stats.deliveries(delivered(1, np.cumsum(gaps).tolist()), 60 * SECOND)
    summary = stats.tick(50 * SECOND)
    assert summary.stalled[DECODE] == 500
    assert len(summary.stalls) == LEDGER
    assert summary.stalls[0].at_ns == round(sum(gaps)) * MS
    assert [stall.at_ns for stall in summary.stalls] == sorted((s.at_ns for s in summary.stalls), reverse=True)


def test_a_long_stall_outlasts_a_burst_of_short_ones() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    gaps = [10.0] * 20 + [900] + [10, 10, 10, 60] * 500
    stats.deliveries(delivered(1, np.cumsum(gaps).tolist()), 60 * SECOND)
    summary = stats.tick(50 * SECOND)
    assert 900 * MS not in {stall.gap_ns for stall in summary.stalls}
    assert [stall.gap_ns for stall in summary.longest_stalls] == [900 * MS, *[60 * MS] * (LONGEST - 1)]
    assert stats.tick(62 * SECOND).longest_stalls[0].gap_ns == 60 * MS  # it has left the window


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 40)), max_size=80), st.integers(1, 30))
def test_the_longest_are_those_of_the_window_however_they_came(made: list[tuple[int, int]], at_once: int) -> None:
    stalls = [Stall(at, at, number, gap, 1.0, 1, 1, 1, "r") for number, (at, gap) in enumerate(made)]
    ledger = Ledger()
    for start in range(0, len(stalls), at_once):
        ledger.add(stalls[start : start + at_once])
    for first in (0, 30, 60):
        ledger.expire(first)
        there = sorted((one.gap_ns, one) for one in stalls if one.at_ns >= first)
        assert [one.gap_ns for one in ledger.longest()] == [gap for gap, _ in there[::-1][:LONGEST]]


def test_a_median_is_of_the_first_gaps_of_a_very_long_request() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    gaps = [0.1] * 65_536 + [1.0] * 80_000
    stats.deliveries(delivered(1, np.cumsum(gaps).tolist()), 90 * SECOND)
    stats.deliveries(delivered(2, np.cumsum(gaps).tolist()), 90 * SECOND)
    assert stats.tick(90 * SECOND).stalls == ()
    whole = sum(gaps)
    last = [whole + 1.0 * i for i in range(1, 70_001)]
    stats.deliveries(delivered(1, [*last, last[-1] + 4], first=len(gaps)), 160 * SECOND)
    summary = stats.tick(160 * SECOND)
    assert len(summary.stalls) == 1
    assert summary.stalls[0].median_ns == pytest.approx(0.1 * MS, rel=8e-3)


def test_workers_keep_their_row_by_id() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    stats.deliveries(delivered(1, [1, 2], worker=5), SECOND)
    stats.inventory(Inventory(workers=(WorkerInfo(slot=5, id="new"), WorkerInfo(slot=6, id="decode"))), SECOND)
    stats.deliveries(delivered(2, [1, 2, 3], worker=6), SECOND)
    stats.deliveries(delivered(3, [1, 2, 3, 4], worker=5), SECOND)
    summary = stats.tick(SECOND)
    assert summary.workers == ("", "prefill", "decode", "new")
    assert summary.placed.deliveries.tolist() == [0, 0, 5, 4]


def test_more_workers_than_rows_begin_anew() -> None:
    stats = DeliveryStats()
    for generation in range(3):
        workers = tuple(WorkerInfo(slot=i, id=f"{generation}-{i}") for i in range(2000))
        stats.inventory(Inventory(workers=workers), generation * SECOND)
        stats.deliveries(delivered(1, [1, 2], worker=3), 60 * SECOND)
    summary = stats.tick(4 * SECOND)
    assert len(summary.workers) == 2001 < MAX_ROWS
    assert summary.placed.tokens.sum() == 2
    assert summary.window_s == 2


def test_who_made_a_request_of_before_is_no_other_worker_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are numbered anew: an ended request's worker is not known any more, and its tokens are in dispute with nobody."""
    monkeypatch.setattr(fleet, "MAX_ROWS", 6)
    stats = DeliveryStats()
    stats.inventory(Inventory(workers=tuple(WorkerInfo(slot, f"a{slot}") for slot in range(5))), 0)

    def lived(request: str, at_s: int, worker: int) -> Life:
        stats.requests(Requests((received(request, 1, 1_000 * at_s),)), at_s * SECOND)
        stats.deliveries(delivered(1, [1_000 * at_s, 1_000 * at_s + 1], worker=worker), at_s * SECOND)
        stats.requests(Requests((finished(request, 1_000 * at_s + 2),)), (at_s + 1) * SECOND)
        stats.tick((at_s + 1) * SECOND)
        ((name, life),) = stats.ended()
        assert name == request
        return life

    before = lived("r", 1, 4)
    assert stats.worker(before.row) == stats.worker(before.first_row) == "a4"
    stats.inventory(Inventory(workers=(WorkerInfo(0, "b0"), WorkerInfo(1, "b1"))), 2 * SECOND)
    assert stats.worker(before.row) == stats.worker(before.first_row) == ""
    assert not stats.taken_over("r", 0, 1, 1, before, 3 * SECOND)
    after = lived("s", 3, 1)
    assert stats.worker(after.row) == "b1"
    assert stats.tick(5 * SECOND).disputed == {}
    assert stats.taken_over("s", 1, 0, 1, after, 5 * SECOND)
    assert stats.tick(6 * SECOND).disputed == {1: 1, 2: 1}


def test_impossible_streams_and_extras_are_refused() -> None:
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    stats.deliveries(delivered(65_536, [1, 2]), SECOND)
    stats.tick(SECOND)
    wrong = delivered(1, [1, 2])
    wrong.rows["extra"] = 3
    stats.deliveries(type(wrong)(rows=wrong.rows, extras=np.zeros(1, wrong.extras.dtype)), SECOND)
    summary = stats.tick(SECOND)
    assert summary.faults.rejected == 4
    assert summary.placed.tokens.sum() == 0
