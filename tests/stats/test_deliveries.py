"""Deliveries as columns give what they give row by row, however they are cut into batches."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    Deliveries,
    Finished,
    Inventory,
    Received,
    Requests,
    Rows,
    WorkerInfo,
)
from collectors.stats.deliveries import DeliveryStats
from collectors.stats.sketch import Counts
from collectors.stats.summary import Faults, Summary
from tests.stats.reference import TICK_NS, Reference, traffic

WORKERS = 3
INVENTORY = Inventory(workers=tuple(WorkerInfo(slot=i, id=f"w{i}") for i in range(WORKERS)))
LONG = 100_000


def extras_of(rows: Rows) -> Rows:
    extras = np.zeros(int(rows["extra"].sum()), EXTRA)
    extras["worker"] = np.arange(len(extras)) % WORKERS
    extras["tier"] = 1 + np.arange(len(extras)) % 2
    extras["stage"] = 3
    return extras


def parts_of(rows: Rows, extras: Rows, cuts: list[int]) -> list[Deliveries]:
    edges = sorted({0, len(rows), *(cut % (len(rows) + 1) for cut in cuts)})
    taken = np.concatenate([[0], np.cumsum(rows["extra"], dtype=np.int64)])
    return [Deliveries(rows=rows[a:b], extras=extras[taken[a] : taken[b]]) for a, b in pairwise(edges)]


def run(parts: list[Deliveries], end_ns: int, flush_each: bool = False) -> Summary:
    stats = DeliveryStats(window_s=LONG)
    stats.inventory(INVENTORY, 0)
    stats.tick(TICK_NS)
    for part in parts:
        stats.deliveries(part, end_ns - 1)
        if flush_each:
            stats.tick(TICK_NS)
    return stats.tick(end_ns)


def end_of(rows: Rows) -> int:
    return (int(rows["time_ns"].max()) // TICK_NS + 1) * TICK_NS


def check(rows: Rows, summary: Summary, reference: Reference) -> None:
    assert summary.faults.holes == reference.holes
    assert summary.faults.disorder == reference.disorder
    for worker in range(WORKERS):
        gaps = [gap for of, gap in reference.gaps if of == worker]
        assert summary.gap.n[worker + 1] == len(gaps)
        if gaps:
            exact = np.quantile(np.array(gaps) * 1e-9, [0.5, 0.99, 0.999])
            np.testing.assert_allclose(summary.gap.value[worker + 1], exact, rtol=1e-3, atol=1e-6)
            assert (summary.gap.low[worker + 1] <= exact * (1 + 1e-12)).all()
            assert (exact <= summary.gap.high[worker + 1] * (1 + 1e-12)).all()
            assert summary.gap.longest[worker + 1] == pytest.approx(max(gaps) * 1e-9)
        stalls = [stall for stall in reference.stalls if stall[4] == worker]
        assert summary.stalled[worker + 1] == len(stalls)
        if stalls:
            assert summary.longest_stall_s[worker + 1] == pytest.approx(max(stall[2] for stall in stalls) * 1e-9)
    for found, wanted in ((summary.placed.tokens, reference.tokens), (summary.placed.beside, reference.beside)):
        assert {(w - 1, t, s): n for (w, t, s), n in np.ndenumerate(found) if n} == dict(wanted)
    assert [(s.at_ns, s.stream, s.gap_ns, s.median_ns, s.row - 1) for s in summary.stalls] == sorted(
        reference.stalls, reverse=True
    )[: len(summary.stalls)]
    assert len(summary.stalls) == min(len(reference.stalls), 256)
    last = summary.time_ns // TICK_NS
    columns = summary.river_tokens.shape[1]
    for worker in range(WORKERS):
        ticks = range(last - columns, last)
        seen = summary.river_tokens[worker + 1] != 0xFFFF
        tokens = np.array([reference.river[tick, worker] for tick in ticks])
        late = np.array([reference.late[tick, worker] for tick in ticks])
        np.testing.assert_array_equal(summary.river_tokens[worker + 1][seen], tokens[seen])
        np.testing.assert_array_equal(summary.river_late[worker + 1][seen], late[seen])


@pytest.mark.parametrize(
    "shape",
    [
        {"streams": 1, "deliveries": 3000, "life": 400},
        {"streams": 1, "deliveries": 3000, "spread": 1.5, "life": 10_000},
        {"streams": 40, "deliveries": 200},
        {"streams": 40, "deliveries": 200, "spread": 2.0, "mean_ns": 4e6},
        {"streams": 300, "deliveries": 60, "spread": 0.01, "faults": 0.0},
        {"streams": 300, "deliveries": 60, "life": 5},
        {"streams": 20, "deliveries": 600, "mean_ns": 3e5, "spread": 0.002, "life": 10_000},
        {"streams": 10, "deliveries": 500, "mean_ns": 3e7, "spread": 0.5, "life": 200},
    ],
    ids=str,
)
def test_as_row_by_row(shape: dict[str, float]) -> None:
    rows = traffic(1, **shape)  # type: ignore[arg-type]
    extras = extras_of(rows)
    reference = Reference()
    reference.feed(rows, extras)
    assert reference.stalls
    assert reference.gaps
    check(rows, run(parts_of(rows, extras, []), end_of(rows)), reference)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.integers(0, 10**6), max_size=30),
    spread=st.sampled_from([0.01, 0.4, 2.0]),
    flush_each=st.booleans(),
)
@example(seed=13910, cuts=[799], spread=0.01, flush_each=True)  # deliveries of old requests, and not one gap among them
def test_cuts_do_not_matter(seed: int, cuts: list[int], spread: float, flush_each: bool) -> None:
    rows = traffic(seed, streams=8, deliveries=50, spread=spread, life=25)
    extras = extras_of(rows)
    reference = Reference()
    reference.feed(rows, extras)
    check(rows, run(parts_of(rows, extras, cuts), end_of(rows), flush_each), reference)


def lives(seed: int) -> tuple[list[Received], Rows, list[Finished], list[int], list[int]]:
    """Requests that follow each other on ten streams, with what their TTFTs and TPOTs (ns) must be."""
    random = np.random.default_rng(seed)
    begun, ended, parts, ttfts, tpots = [], [], [], [], []
    for stream in range(10):
        now = int(random.integers(0, 10**8))
        for number in range(int(random.integers(1, 6))):
            name, count = f"{stream}.{number}", int(random.integers(1, 40))
            times = now + np.cumsum(random.integers(10**5, 2 * 10**7, count))
            rows = np.zeros(count, DELIVERY)
            rows["time_ns"], rows["stream"], rows["worker"] = times, stream, random.integers(0, WORKERS, count)
            rows["first_token"], rows["tokens"], rows["stage"] = np.arange(count) * 2, 2, 2
            parts.append(rows)
            begun.append(Received(time_ns=now, request=name, stream=stream))
            now = int(times[-1])
            ended.append(Finished(time_ns=now, request=name, reason="length", output_tokens=2 * count))
            ttfts.append(int(times[0]) - begun[-1].time_ns)
            tpots.append(round((now - int(times[0])) / (2 * count - 1)))
            # A stream goes to another request in a later message: every 50 ms there is one at least.
            now += 2 * 10**8
    rows = np.concatenate(parts)
    return begun, rows[np.argsort(rows["time_ns"], kind="stable")], ended, ttfts, tpots


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.sets(st.integers(0, 2 * 10**9), max_size=20), ticking=st.booleans())
def test_requests_in_messages_of_any_length(seed: int, cuts: set[int], ticking: bool) -> None:
    begun, rows, ended, ttfts, tpots = lives(seed)
    end_ns = end_of(rows)
    stats = DeliveryStats()
    stats.inventory(INVENTORY, 0)
    edges = sorted({*range(0, end_ns + 1, 5 * 10**7), *(cut for cut in cuts if cut < end_ns)})
    for begin, end in pairwise(edges):
        stats.requests(Requests(rows=tuple(row for row in begun if begin <= row.time_ns < end)), end)
        some = rows[(rows["time_ns"] >= begin) & (rows["time_ns"] < end)]
        stats.deliveries(Deliveries(rows=some, extras=np.zeros(0, EXTRA)), end)
        stats.requests(Requests(rows=tuple(row for row in ended if begin <= row.time_ns < end)), end)
        if ticking and end % TICK_NS == 0:
            stats.tick(end)
    summary = stats.tick(end_ns)
    assert summary.ttft.n.sum() == summary.tpot.n.sum() == len(begun) == summary.received
    assert summary.ttft_all == Counts.of(np.array(ttfts))
    assert np.nanmax(summary.tpot.longest) == pytest.approx(max(tpots) / 1e9)
    assert summary.gap.n.sum() == len(rows) - len(begun)
    assert summary.placed.tokens.sum() == 2 * len(rows)
    assert summary.running.sum() == 0
    assert summary.faults == Faults(0, 0, 0, 0)
