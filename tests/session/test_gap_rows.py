"""Gaps by device kind and model: merged within, never across; second by second, with gaps where nobody was heard; and of pages by their buckets."""

import numpy as np
import pytest

from collectors.model.batch import (
    DELIVERY,
    Batch,
    Deliveries,
    Inventory,
    Layout,
    Samples,
    Status,
    WorkerInfo,
)
from collectors.model.history import GapRow
from collectors.model.scales import GAP_SAMPLES, LINES, NOTHING, UNOBSERVED, codes, moment, spans
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Device, Role, State, TargetStatus
from collectors.session.session import Session

S = 1_000_000_000
UP = Status("http://router", "placement", TargetStatus.UP)
DOWN = Status("http://router", "placement", TargetStatus.DOWN, "refused")
FLEET = Inventory(
    (
        WorkerInfo(0, "gpu-0", Role.DECODE, Device.GPU, model="m"),
        WorkerInfo(1, "gpu-1", Role.DECODE, Device.GPU, model="m"),
        WorkerInfo(2, "gpu-2", Role.DECODE, Device.GPU, model="other"),
        WorkerInfo(3, "lpu-0", Role.DECODE, Device.LPU, model="m"),
    ),
    emulated=True,
)


def deliveries(worker: int, begin_s: float, gaps_ns: list[int], first: int = 0) -> Deliveries:
    rows = np.zeros(len(gaps_ns) + 1, DELIVERY)
    rows["time_ns"] = round(begin_s * S) + np.cumsum([0, *gaps_ns])
    rows["first_token"], rows["tokens"] = first + np.arange(len(rows)), 1
    rows["worker"] = rows["stream"] = worker
    return Deliveries(rows, np.zeros(0, DELIVERY))


def played(*told: Deliveries, until: float, session: Session | None = None, since: float = 0.0) -> tuple[GapRow, ...]:
    """Deliveries as they come, tick by tick, and the rows at the last tick."""
    session = session or Session("virtual")
    session.feed(Batch("router", round(since * S), (UP, FLEET)))
    rows: tuple[GapRow, ...] = ()
    for tick in range(round(since * 4) + 1, round(until * 4) + 1):
        end = tick * S // 4
        for one in told:
            times = one.rows["time_ns"]
            part = one.rows[(times >= end - S // 4) & (times < end)]
            if len(part):
                session.feed(Batch("router", end - 1, (Deliveries(part, one.extras),)))
        rows = session.tick(end).gaps
    return rows


def row(rows: tuple[GapRow, ...], device: Device, model: str = "m") -> GapRow:
    return next(one for one in rows if (one.device, one.model) == (device, model))


def test_kinds_and_models_are_never_mixed() -> None:
    rows = played(
        deliveries(0, 1, [20_000_000] * 150),
        deliveries(1, 1, [30_000_000] * 50),
        deliveries(2, 1, [40_000_000] * 50),
        deliveries(3, 1, [1_300_000] * 300),
        until=6,
    )
    assert [(one.device, one.model, one.workers, one.gap.n) for one in rows] == [
        (Device.GPU, "m", 2, 200),
        (Device.GPU, "other", 1, 50),
        (Device.LPU, "m", 1, 300),
    ]
    gpu = row(rows, Device.GPU)
    assert (gpu.gap.p50.value, gpu.gap.p99.value) == pytest.approx((0.02, 0.03), rel=1e-3)
    assert (gpu.gap.max.value, gpu.gap.p999.state) == (0.03, State.TOO_FEW)
    assert row(rows, Device.GPU, "other").gap.p99.state is State.TOO_FEW
    assert gpu.gap.p50.emulated


def test_the_bins_hold_every_gap() -> None:
    rows = played(deliveries(0, 1, [500, 1_300_000, 1_300_500, 20_000_000]), until=2)
    found = list(spans(row(rows, Device.GPU)))
    assert sum(n for _, _, n in found) == 4
    for gap_s in (500e-9, 1.3e-3, 0.02):
        assert any(low <= gap_s < high and high - low <= max(1e-6, low / 16) for low, high, _ in found)


def line(found: GapRow, name: str) -> list[int]:
    return list(codes(found.past[LINES.index(name)]))


def test_second_by_second() -> None:
    rows = played(deliveries(0, 1.1, [5_000_000] * 150 + [50_000_000] + [20_000_000] * 60), until=3.75)
    found = row(rows, Device.GPU)
    assert all(len(one) == 2 * GAP_SAMPLES for one in found.past)
    assert line(found, "p50")[:-3] == [UNOBSERVED] * (GAP_SAMPLES - 3)
    first, second, third = line(found, "p50")[-3:]
    assert first == NOTHING
    assert (moment(second), moment(third)) == pytest.approx((0.005, 0.02), rel=1e-3)
    assert line(found, "p99")[-1] == NOTHING  # some 50 gaps tell no p99
    assert moment(line(found, "max")[-2]) == pytest.approx(0.05, rel=1e-3)
    assert line(found, "p99.9")[-2] == NOTHING


def test_nobody_heard_is_a_gap_and_not_nothing() -> None:
    session = Session("virtual")
    played(deliveries(0, 0, [10_000_000] * 150), until=2, session=session)
    session.feed(Batch("router", 2 * S, (DOWN,)))
    session.tick(4 * S)
    rows = played(deliveries(0, 5, [10_000_000] * 80), until=7, session=session, since=5)
    tail = line(row(rows, Device.GPU), "p50")[-7:]
    assert tail[2:4] == [UNOBSERVED, UNOBSERVED]
    assert tail[6] == NOTHING
    assert all(code not in (NOTHING, UNOBSERVED) for code in tail[:2])


def test_smoothed_jitter_is_of_requests_with_enough_gaps() -> None:
    told = deliveries(0, 1, [10_000_000, 30_000_000] * 50), deliveries(1, 1, [10_000_000] * 5)
    found = row(played(*told, until=4), Device.GPU).rfc3550_s
    assert found is not None
    assert getattr(found, "value", None) == pytest.approx(0.019966, rel=1e-3)
    assert getattr(found, "n", None) == 1


BOUNDS = (0.01, 0.02, 0.05, np.inf)


def page(source: str, second: int, counts: tuple[float, ...], bounds: tuple[float, ...] = BOUNDS) -> Batch:
    worker = WorkerInfo(0, f"{source}/0", Role.DECODE, Device.GPU, model="m")
    series = tuple(Series(Signal.GAP, Kind.BUCKET, worker.id, "gap_bucket", le=le) for le in bounds)
    status = Status(f"http://{source}", "vllm", TargetStatus.UP)
    return Batch(source, second * S, (status, Inventory((worker,)), Layout(series), Samples(np.array(counts))))


def test_pages_with_the_same_bounds_are_merged_and_others_stand_apart() -> None:
    session = Session("virtual")
    other = (0.1, np.inf)
    for second, n in ((1, 0.0), (9, 100.0)):
        for source in "ab":
            session.feed(page(source, second, (0.0, n, n, n + 2)))
        session.feed(page("c", second, (n, n), other))
    rows = session.tick(10 * S).gaps
    assert [(one.workers, one.gap.n, one.bounds) for one in rows] == [(2, 200, BOUNDS), (1, 100, other)]
    assert list(spans(rows[0])) == [(0.01, 0.02, 200)]
    assert rows[0].past == ()
    assert (rows[0].gap.p50.low, rows[0].gap.p50.high) == (0.01, 0.02)
