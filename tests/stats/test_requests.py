"""What is said of requests: TTFT, TPOT, queues, decisions, hits, and who runs where."""

import numpy as np
import pytest

from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    OCCUPANCY,
    Admitted,
    Candidate,
    Decision,
    Decisions,
    Deliveries,
    Finished,
    Inventory,
    Occupancy,
    Phases,
    PoolInfo,
    Received,
    Requests,
    Rows,
    Span,
    WorkerInfo,
)
from collectors.model.vocabulary import TIERS, Phase, Tier
from collectors.stats.deliveries import DeliveryStats

MS = 1_000_000
SECOND = 1_000_000_000
INVENTORY = Inventory(
    workers=(WorkerInfo(slot=0, id="prefill"), WorkerInfo(slot=5, id="decode")),
    pools=(PoolInfo(0, Tier.HBM, "prefill", 0, 1000), PoolInfo(3, Tier.DRAM, "host", None, 9000)),
)
PREFILL, DECODE = 1, 2
LATER = 10 * SECOND


def delivered(stream: int, times_ms: list[float], worker: int = 5, tokens: int = 1, first: int = 0) -> Deliveries:
    rows: Rows = np.zeros(len(times_ms), DELIVERY)
    rows["time_ns"] = [round(time * MS) for time in times_ms]
    rows["stream"], rows["worker"], rows["tokens"] = stream, worker, tokens
    rows["first_token"] = first + np.arange(len(times_ms)) * tokens
    rows["tier"], rows["stage"] = 2, 2
    return Deliveries(rows=rows, extras=np.zeros(0, EXTRA))


def received(request: str, stream: int, time_ms: float = 0) -> Received:
    return Received(time_ns=round(time_ms * MS), request=request, stream=stream)


def finished(request: str, time_ms: float, tokens: int | None = None, reason: str = "stop") -> Finished:
    return Finished(time_ns=round(time_ms * MS), request=request, reason=reason, output_tokens=tokens)


@pytest.fixture
def stats() -> DeliveryStats:
    made = DeliveryStats()
    made.inventory(INVENTORY, 0)
    return made


def feed(stats: DeliveryStats, *rows: Received | Admitted | Finished) -> None:
    stats.requests(Requests(rows=rows), LATER)


def test_tpot_leaves_the_first_token_out(stats: DeliveryStats) -> None:
    feed(stats, received("r", 3))
    stats.deliveries(delivered(3, [200 + 80 * i for i in range(25)], tokens=4), LATER)
    feed(stats, finished("r", 2120, 100))
    summary = stats.tick(LATER)
    assert summary.tpot.n.tolist() == [0, 0, 1]
    assert summary.tpot.value[DECODE, 0] == pytest.approx(0.019394, rel=1e-3)
    assert summary.ttft.value[DECODE, 0] == pytest.approx(0.2)
    assert summary.gap.n[DECODE] == 24
    assert summary.gap.value[DECODE, 1] == pytest.approx(0.08, rel=1e-3)
    assert summary.placed.tokens[DECODE].sum() == 100
    assert summary.placed.deliveries[DECODE] == 25


def test_gaps_come_from_the_emitters_times(stats: DeliveryStats) -> None:
    stats.deliveries(delivered(0, [100, 150, 210]), LATER)
    summary = stats.tick(LATER)
    assert summary.gap.n[DECODE] == 2
    assert summary.gap.value[DECODE, 0] == pytest.approx(0.055, rel=1e-3)
    assert summary.gap.longest[DECODE] == pytest.approx(0.06)


def test_each_figure_is_of_the_worker_that_made_it(stats: DeliveryStats) -> None:
    feed(stats, received("r", 3, 10))
    stats.deliveries(delivered(3, [50], worker=0), LATER)
    stats.deliveries(delivered(3, [90, 110], worker=5, first=1), LATER)
    feed(stats, finished("r", 110, 3))
    summary = stats.tick(LATER)
    assert summary.workers == ("", "prefill", "decode")
    assert summary.ttft.n.tolist() == [0, 1, 0]
    assert summary.gap.n.tolist() == [0, 0, 2]
    assert summary.tpot.n.tolist() == [0, 0, 1]
    assert summary.tpot.value[DECODE, 0] == pytest.approx(0.03, rel=1e-3)
    assert summary.ttft_all.n == 1


def test_a_worker_that_nobody_named(stats: DeliveryStats) -> None:
    stats.deliveries(delivered(0, [1, 2], worker=0xFFFF), LATER)
    stats.deliveries(delivered(1, [1, 2], worker=17), LATER)
    assert stats.tick(LATER).placed.tokens[0].sum() == 4


def test_a_stream_goes_from_hand_to_hand(stats: DeliveryStats) -> None:
    for i in range(5):
        feed(stats, received(f"r{i}", 3, 100 * i))
        stats.deliveries(delivered(3, [100 * i + 20, 100 * i + 30 + i]), LATER)
        feed(stats, finished(f"r{i}", 100 * i + 50, 2))
    summary = stats.tick(LATER)
    assert summary.ttft.n[DECODE] == summary.tpot.n[DECODE] == summary.gap.n[DECODE] == 5
    assert summary.ttft.value[DECODE].tolist() == pytest.approx([0.02] * 3, rel=1e-3)
    assert summary.gap.longest[DECODE] == pytest.approx(0.014)
    assert (summary.received, summary.finished) == (5, {"stop": 5})


def test_the_next_request_of_a_stream_may_come_in_the_message_after(stats: DeliveryStats) -> None:
    feed(stats, received("a", 3))
    stats.deliveries(delivered(3, [10, 20]), LATER)
    feed(stats, finished("a", 20, 2))
    feed(stats, received("b", 3, 30))
    stats.tick(SECOND)
    stats.deliveries(delivered(3, [95, 100]), LATER)
    summary = stats.tick(LATER)
    assert summary.ttft.longest[DECODE] == pytest.approx(0.065)
    assert summary.gap.n[DECODE] == 2


def test_no_tpot_without_its_ends(stats: DeliveryStats) -> None:
    feed(stats, *(received(name, i) for i, name in enumerate(["aborted", "one token", "begun before", "torn", "eos"])))
    stats.deliveries(delivered(0, [10, 20]), LATER)
    stats.deliveries(delivered(1, [10]), LATER)
    stats.deliveries(delivered(2, [10, 20], first=7), LATER)
    stats.deliveries(delivered(3, [10, 20]), LATER)
    stats.deliveries(delivered(4, [10, 30]), LATER)
    feed(
        stats,
        finished("aborted", 30, 2, "abort"),
        finished("one token", 30, 1),
        finished("begun before", 30, 9),
        finished("torn", 30, 9),
        finished("eos", 30, 3),
        finished("eos", 30, 3),
        finished("never heard of", 30, 3),
    )
    summary = stats.tick(LATER)
    assert summary.tpot.n[DECODE] == 1
    assert summary.tpot.value[DECODE, 0] == pytest.approx(0.01, rel=1e-3)
    assert summary.ttft.n[DECODE] == 4
    assert summary.finished == {"abort": 1, "stop": 6}


def test_running_and_waiting(stats: DeliveryStats) -> None:
    feed(stats, *(received(f"r{i}", i) for i in range(5)))
    chosen = (Candidate(worker=5, score=0.9, prefill=0), Candidate(worker=5, score=0.4, prefill=5))
    decided = [Decision(time_ns=0, request=f"r{i}", rule="x", chosen=5, candidates=chosen) for i in range(4)]
    stats.decisions(Decisions(rows=tuple(decided)), LATER)
    feed(stats, *(Admitted(time_ns=0, request=f"r{i}", worker=0, computed_tokens=1) for i in (0, 1, 2)))
    stats.deliveries(delivered(0, [10, 20], worker=5), LATER)
    stats.deliveries(delivered(1, [10, 20], worker=5), LATER)
    feed(stats, finished("r1", 20, 2))
    summary = stats.tick(LATER)
    assert summary.running.tolist() == [0, 1, 1]
    assert summary.waiting.tolist() == [0, 1, 0]


def test_hits_and_prompt_tokens_once(stats: DeliveryStats) -> None:
    feed(
        stats,
        received("r", 0),
        Admitted(time_ns=0, request="r", worker=0, computed_tokens=300, hits=((0, 500), (3, 12), (9, 1))),
        Admitted(time_ns=5, request="r", worker=0, computed_tokens=300, hits=((0, 512),), again=True),
    )
    spans = (
        Span("r", Phase.PREFILL, 0, 5 * MS, worker=0, tier=Tier.HBM, tokens=200),
        Span("r", Phase.PREFILL, 5 * MS, 5 * MS, worker=0, tier=Tier.HBM, tokens=100),
        Span("r", Phase.PREFILL, 5 * MS, -1, worker=0, tier=Tier.HBM, tokens=100),
        Span("r", Phase.QUEUE, 0, 4 * MS, worker=0),
        Span("r", Phase.QUEUE, 0, 6 * MS),
    )
    stats.phases(Phases(rows=spans), LATER)
    summary = stats.tick(LATER)
    assert summary.placed.hits == {("prefill", Tier.HBM): 500, ("host", Tier.DRAM): 12, ("", Tier.UNKNOWN): 1}
    assert summary.placed.prompt[PREFILL, TIERS.index(Tier.HBM)] == 300
    assert summary.placed.prompt.sum() == 300
    assert summary.queue.n.tolist() == [1, 1, 0]
    assert summary.queue.value[PREFILL, 0] == pytest.approx(0.004)
    assert summary.faults.disorder == 1


def test_decisions(stats: DeliveryStats) -> None:
    rules = ["a", "b", "a"]
    rows = [Decision(time_ns=i, request=f"r{i}", rule=rule, chosen=5, tie=i == 1) for i, rule in enumerate(rules)]
    stats.decisions(Decisions(rows=tuple(rows)), LATER)
    summary = stats.tick(LATER)
    assert (summary.decisions, summary.ties, summary.rules) == (3, 1, {"a": 2, "b": 1})


def test_occupancy_is_the_latest_by_its_own_time(stats: DeliveryStats) -> None:
    rows = np.array([(5, 0, 50, 40), (7, 0, 70, 60), (6, 0, 60, 50), (1, 3, 9, 8), (1, 77, 1, 1)], OCCUPANCY)
    stats.occupancy(Occupancy(rows=rows))
    stats.occupancy(Occupancy(rows=np.array([(4, 0, 1, 1), (1, 3, 10, 9)], OCCUPANCY)))
    occupied = stats.tick(LATER).occupied
    assert occupied == {("prefill", Tier.HBM): (7, 70, 60), ("host", Tier.DRAM): (1, 10, 9)}


def test_a_new_connection_that_does_not_go_on_ends_what_was_known(stats: DeliveryStats) -> None:
    feed(stats, received("r", 3), received("gone", 4))
    stats.deliveries(delivered(3, [10, 20]), LATER)
    stats.deliveries(delivered(4, [10, 20]), LATER)
    assert stats.tick(SECOND).running[DECODE] == 2
    stats.lost(SECOND)
    assert stats.tick(2 * SECOND).running[DECODE] == 2  # the last that was known, which a row shows as stale
    stats.inventory(INVENTORY, 3 * SECOND)
    feed(stats, received("r", 3))
    stats.deliveries(delivered(3, [3020, 3030], first=90), LATER)
    summary = stats.tick(4 * SECOND)
    assert summary.gap.n[DECODE] == 3
    assert summary.gap.longest[DECODE] == pytest.approx(0.01)
    assert summary.running[DECODE] == 1
    assert summary.received == 2


def test_a_first_token_that_comes_twice_has_one_ttft(stats: DeliveryStats) -> None:
    feed(stats, received("r", 3))
    stats.deliveries(delivered(3, [10, 20]), LATER)
    stats.deliveries(delivered(3, [30, 40]), LATER)
    summary = stats.tick(LATER)
    assert summary.ttft.n[DECODE] == 1
    assert summary.ttft.longest[DECODE] == pytest.approx(0.01)
    assert summary.gap.n[DECODE] == 2


def test_a_missed_delivery_makes_no_gap(stats: DeliveryStats) -> None:
    stats.deliveries(delivered(3, [10, 20]), LATER)
    stats.deliveries(delivered(3, [500, 510], first=40), LATER)
    summary = stats.tick(LATER)
    assert summary.gap.n[DECODE] == 2
    assert summary.faults.holes == 1
