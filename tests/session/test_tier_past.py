"""Tiers over time: a sample every two seconds, shares that say empty and full only where they are, and gaps."""

import numpy as np
import pytest

from collectors.model.batch import (
    BLOCK,
    OCCUPANCY,
    REMOVED,
    STORED,
    Batch,
    Blocks,
    Inventory,
    Occupancy,
    Phases,
    PoolInfo,
    Span,
    Status,
    Watermark,
    WorkerInfo,
)
from collectors.model.figure import Figure
from collectors.model.frame import Frame
from collectors.model.memory import TierRow
from collectors.model.scales import FULL, TIER_SAMPLES, UNKNOWN_SHARE
from collectors.model.vocabulary import Device, Phase, Role, State, TargetStatus, Tier
from collectors.session.session import Session

S = 1_000_000_000
UP = Status("http://router", "placement", TargetStatus.UP)
POOLS = (PoolInfo(0, Tier.HBM, "gpu-0", 0, 1_000), PoolInfo(1, Tier.DRAM, "host", None, 4_000))
FLEET = Inventory((WorkerInfo(0, "gpu-0", Role.AGGREGATED, Device.GPU),), POOLS)


def held(second: float, pool: int, used: int, active: int) -> Batch:
    rows = np.array([(0, pool, used, active)], OCCUPANCY)
    return Batch("router", round(second * S), (UP, FLEET, Occupancy(rows), Watermark(round(second * S))))


def played(*batches: Batch, until: int) -> Frame:
    session, waiting = Session("virtual"), list(batches)
    for tick in range(1, until * 4 + 1):
        while waiting and waiting[0].time_ns < tick * S // 4:
            session.feed(waiting.pop(0))
        frame = session.tick(tick * S // 4)
    return frame


def test_shares_of_the_capacity_every_two_seconds() -> None:
    frame = played(held(0, 0, 500, 0), held(2.1, 0, 999, 1), held(4.1, 0, 1_000, 1_000), until=6)
    hbm, dram = frame.tier_pasts
    assert (hbm.owner, hbm.tier, len(hbm.used)) == ("gpu-0", Tier.HBM, TIER_SAMPLES)
    # Each as the first tick of its two seconds knew it.
    assert list(hbm.used[-5:]) == [UNKNOWN_SHARE, FULL // 2, FULL // 2, FULL - 1, FULL]
    assert list(hbm.active[-4:]) == [0, 0, 1, FULL]
    assert set(dram.used) == {UNKNOWN_SHARE}


def test_rows_stay_the_same_objects_until_the_next_sample() -> None:
    session = Session("virtual")
    session.feed(held(0, 0, 500, 0))
    first = session.tick(S // 4).tier_pasts
    assert session.tick(S // 2).tier_pasts is first
    assert session.tick(2 * S).tier_pasts is not first


def test_what_was_not_heard_is_a_gap() -> None:
    down = Batch("router", round(2.5 * S), (Status("http://router", "placement", TargetStatus.DOWN, "refused"),))
    frame = played(held(0, 0, 500, 0), down, held(6.5, 0, 250, 0), until=8)
    assert list(frame.tier_pasts[0].used[-5:]) == [100, 100, UNKNOWN_SHARE, UNKNOWN_SHARE, 50]


def block(second: float, *rows: tuple[int, int, int]) -> Batch:
    made = np.zeros(len(rows), BLOCK)
    for one, (pool, op, name) in zip(made, rows, strict=True):
        one["pool"], one["op"], one["hash"], one["bytes"] = pool, op, name, 100
    return Batch("router", round(second * S), (UP, FLEET, Blocks(made), Watermark(round(second * S))))


def value(row: TierRow, name: str) -> float | int | None:
    found = getattr(row, name)
    assert isinstance(found, Figure), name
    return found.value


def test_what_a_tier_takes_back_and_what_it_costs() -> None:
    fetch = Span("r", Phase.FETCH, S, S // 2, 0, Tier.DRAM, bytes=50)
    frame = played(
        block(0, (0, STORED, 1), (0, STORED, 2), (1, STORED, 3), (1, STORED, 4)),
        block(1, (0, REMOVED, 1), (0, REMOVED, 2)),
        block(2, (0, STORED, 1), (0, STORED, 5)),
        Batch("router", 2 * S + 1, (Phases((fetch,)),)),
        until=4,
    )
    hbm, dram = frame.tiers
    assert (value(hbm, "stored_per_s"), value(hbm, "evicted_per_s")) == (1.0, 0.5)
    assert (value(hbm, "stored_bytes_per_s"), value(hbm, "evicted_bytes_per_s")) == (100.0, 50.0)
    assert (value(hbm, "stored_again"), value(hbm, "again_bytes_per_s")) == (0.25, 25.0)
    assert hbm.unread is not None
    assert not isinstance(hbm.unread, Figure)  # its blocks are read in place
    # 200 bytes written, 50 fetched: at least three quarters of it nobody read.
    assert (value(dram, "unread"), getattr(dram.unread, "at_least", None)) == (0.75, True)
    (flow,) = frame.flows
    assert (flow.tier, flow.moved_per_s.value, flow.duration.n) == (Tier.DRAM, 12.5, 1)
    assert flow.duration.max.value == pytest.approx(0.5)
    assert flow.duration.p99.state is State.TOO_FEW


def test_handovers_say_into_which_tier() -> None:
    spans = [Span(f"r{i}", Phase.TRANSFER, S, 1_000, 0, tier, bytes=8) for i, tier in enumerate([Tier.HBM, Tier.HBM])]
    one = played(held(0, 0, 0, 0), Batch("router", S + 1, (Phases(tuple(spans)),)), until=2)
    assert [row.to for row in one.handovers] == [Tier.HBM]
    spans.append(Span("r9", Phase.TRANSFER, S, 1_000, 0, Tier.SRAM, bytes=8))
    two = played(held(0, 0, 0, 0), Batch("router", S + 1, (Phases(tuple(spans)),)), until=2)
    assert [row.to for row in two.handovers] == [None]
