"""What the KV of a token costs a request: computed, fetched, handed over; by whom it is told, and when it is not known."""

import numpy as np
import pytest

from collectors.diagnose.claimed import Told
from collectors.diagnose.claims import held, parsed
from collectors.diagnose.hops import costs
from collectors.model.batch import (
    Batch,
    Inventory,
    Layout,
    Phases,
    PoolInfo,
    Samples,
    Span,
    Status,
    Watermark,
    WorkerInfo,
)
from collectors.model.frame import Frame
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Device, Phase, Role, State, TargetStatus, Tier
from collectors.session.session import Session

S, MS = 1_000_000_000, 1_000_000
FLEET = Inventory(
    (
        WorkerInfo(0, "gpu/0", Role.PREFILL, Device.GPU),
        WorkerInfo(1, "gpu/1", Role.PREFILL, Device.GPU),
        WorkerInfo(2, "lpu/0", Role.DECODE, Device.LPU),
    ),
    (
        PoolInfo(0, Tier.HBM, "gpu/0", 0, 1_000),
        PoolInfo(1, Tier.HBM, "gpu/1", 1, 1_000),
        PoolInfo(2, Tier.SRAM, "lpu/0", 2, 1_000),
        PoolInfo(3, Tier.DRAM, "host", None, 4_000),
    ),
    emulated=True,
)
UP = Status("http://any", "placement", TargetStatus.UP)


def span(phase: Phase, worker: int, tier: Tier, ms: int, tokens: int | None, size: int | None = None) -> Span:
    return Span("r", phase, S, ms * MS, worker, tier, tokens=tokens, bytes=size)


def frame(*spans: Span, joules: float | None = None, down: bool = False) -> Frame:
    session = Session("virtual")
    session.feed(Batch("router", 0, (UP, FLEET)))
    if joules is not None:
        series = (Series(Signal.ENERGY, Kind.COUNTER, metric="drawn", worker="gpu/0", label="prefill"),)
        page = Inventory(FLEET.workers[:1], emulated=True)
        session.feed(Batch("page", 0, (UP, page, Layout(series), Samples(np.array([0.0])))))
        session.feed(Batch("page", 3 * S, (UP, Samples(np.array([joules])))))
    session.feed(Batch("router", 2 * S, (Phases(spans), Watermark(2 * S))))
    if down:
        session.feed(Batch("router", 3 * S, (Status("http://any", "placement", TargetStatus.DOWN, "refused"),)))
    return session.tick(4 * S)


def test_time_and_bytes_of_a_token_by_worker_and_way() -> None:
    found = frame(
        span(Phase.PREFILL, 0, Tier.HBM, 30, 1_000),
        span(Phase.PREFILL, 0, Tier.HBM, 10, 1_000),
        span(Phase.FETCH, 0, Tier.DRAM, 5, 500, 1_000),
        span(Phase.TRANSFER, 2, Tier.SRAM, 4, 2_000, 4_000),
    )
    computed, fetched, handed = sorted(found.hops, key=lambda row: ["prefill", "fetch", "transfer"].index(row.phase))
    assert (computed.tokens.value, computed.tokens.n) == (2_000, 2)
    assert computed.s_per_token.value == pytest.approx(0.04 / 2_000)
    assert computed.bytes_per_token.state is State.ABSENT
    assert (fetched.worker, fetched.tier, fetched.bytes_per_token.value) == ("gpu/0", Tier.DRAM, 2.0)
    assert fetched.s_per_token.value == pytest.approx(1e-5)
    assert (handed.worker, handed.tier, handed.s_per_token.value) == ("lpu/0", Tier.SRAM, 2e-6)
    assert all(row.s_per_token.emulated for row in found.hops)


def test_a_phase_that_says_no_tokens_is_no_part_of_it() -> None:
    assert frame(span(Phase.FETCH, 0, Tier.DRAM, 5, None, 1_000), span(Phase.QUEUE, 0, Tier.HBM, 5, 9)).hops == ()
    (row,) = frame(span(Phase.FETCH, 0, Tier.DRAM, 5, 10), span(Phase.FETCH, 0, Tier.DRAM, 5, 10, 20)).hops
    assert row.bytes_per_token.value is None, "not of all of them known"
    assert row.s_per_token.n == 2


def test_workers_together_count_by_tokens() -> None:
    found = frame(span(Phase.PREFILL, 0, Tier.HBM, 30, 3_000), span(Phase.PREFILL, 1, Tier.HBM, 90, 1_000))
    (cost,) = costs(found)
    assert cost.tier is None
    assert cost.seconds.value == pytest.approx(0.12 / 4_000)
    assert cost.seconds.n == 2
    assert cost.joules.value is None


def test_joules_of_computing_are_what_the_page_counts_for_prompts() -> None:
    found = frame(span(Phase.PREFILL, 0, Tier.HBM, 30, 1_000), joules=600.0)
    (row,) = found.hops
    # 600 J in the 3 s between two samples, 1,000 tokens in the 4 s that were observed.
    assert row.joules_per_token.value == pytest.approx(0.8)
    assert row.joules_per_token.estimate is True
    both = frame(span(Phase.PREFILL, 0, Tier.HBM, 30, 1_000), span(Phase.PREFILL, 1, Tier.HBM, 30, 1_000), joules=600.0)
    assert costs(both)[0].joules.value is None, "one of two says nothing"


def test_energy_of_moving_is_assumed_at_both_memories() -> None:
    prefill = span(Phase.PREFILL, 0, Tier.HBM, 30, 1_000)
    fetch = span(Phase.FETCH, 0, Tier.DRAM, 5, 500, 50_000)
    transfer = span(Phase.TRANSFER, 2, Tier.SRAM, 4, 1_000, 100_000)
    _, fetched, handed = costs(frame(prefill, fetch, transfer))
    assert (fetched.tier, handed.tier) == (Tier.DRAM, Tier.SRAM)
    assert fetched.joules.value == pytest.approx(100 * 8 * (20 + 3.9) * 1e-12)
    assert handed.joules.value == pytest.approx(100 * 8 * (3.9 + 0.22) * 1e-12)
    assert fetched.joules.estimate is True
    assert costs(frame(transfer))[0].joules.value is None, "where from is not said"
    odd = span(Phase.FETCH, 0, Tier.OBJECT, 5, 500, 50_000)
    assert costs(frame(odd))[0].joules.value is None, "nothing is assumed of object stores"


def test_what_a_lost_stream_told_is_stale() -> None:
    found = frame(span(Phase.PREFILL, 0, Tier.HBM, 30, 3_000), span(Phase.PREFILL, 1, Tier.HBM, 30, 1_000), down=True)
    assert costs(found)[0].seconds.state is State.STALE


def test_claims_of_what_a_token_waits() -> None:
    found = frame(span(Phase.PREFILL, 0, Tier.HBM, 30, 1_000), span(Phase.FETCH, 0, Tier.DRAM, 5, 1_000, 1_000))
    assert held(parsed("waits('DRAM') * 5 < waits(computed)"), Told(found)).holds is True
    assert held(parsed("waits('DRAM') * 7 < waits(computed)"), Told(found)).holds is False
    assert held(parsed("waits('flash') < waits(computed)"), Told(found)).holds is None
    assert held(parsed("waits('to SRAM') < waits(computed)"), Told(found)).holds is None
