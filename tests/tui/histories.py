"""Constructed Frames with what the pages of tiers and of jitter show: histories, gaps by kind, flows. Deterministic."""

from __future__ import annotations

import math
import struct
from functools import cache

import msgspec

from collectors.model.figure import Distribution, Figure, Quantile
from collectors.model.frame import Frame
from collectors.model.history import GapRow, TierPast
from collectors.model.memory import FlowRow, HandoverRow, TierRow
from collectors.model.scales import (
    FULL,
    GAP_SAMPLES,
    TIER_SAMPLES,
    TIER_STEP_S,
    UNKNOWN_SHARE,
    UNOBSERVED,
    code,
)
from collectors.model.vocabulary import Device, Provenance, State, Tier
from tests.tui import frames
from tests.tui.frames import known, sketched, unknown


def share(value: float, *, n: int = 5_000, at_least: bool = False) -> Figure:
    state = State.OK if value else State.ZERO
    made = Figure(value, state, Provenance.DERIVED, True, 0, n=n, unit="ratio")
    return msgspec.structs.replace(made, at_least=True) if at_least else made


def churned(row: TierRow, index: int) -> TierRow:
    """Every third pool is full and takes back half of what it stores."""
    thrashes, shared = index % 3 == 1, row.worker is None
    capacity = row.capacity_bytes
    return msgspec.structs.replace(
        row,
        used_bytes=capacity if thrashes else row.used_bytes,
        stored_per_s=known(900.0),
        evicted_per_s=known(880.0 if thrashes else 12.0),
        stored_bytes_per_s=known(1.9e9),
        evicted_bytes_per_s=known(1.85e9 if thrashes else 2.5e7),
        stored_again=share(0.5 + index % 40 / 100 if thrashes else 0.01),
        again_bytes_per_s=known(0.95e9 if thrashes else 1.9e7),
        unread=share(0.62, at_least=True) if shared else msgspec.UNSET,
    )


@cache
def _shares(seed: int, newest: int) -> tuple[bytes, bytes]:
    used, active = bytearray(), bytearray()
    for number in range(newest - TIER_SAMPLES + 1, newest + 1):
        if number < 0 or number % 97 < 3:
            used.append(UNKNOWN_SHARE)
            active.append(UNKNOWN_SHARE)
            continue
        level = min(1.0, 0.35 + 0.6 * abs(math.sin((number + 7 * seed) / 37)))
        used.append(FULL if level > 0.93 else int(level * FULL))
        active.append(int(0.5 * level * FULL * (0.6 + 0.4 * math.sin(number / 5 + seed))))
    return bytes(used), bytes(active)


def _line(value_s: float, noise: float, end: int) -> bytes:
    values = []
    for second in range(end - GAP_SAMPLES, end):
        swing = 1 + noise * abs(math.sin(second * 12.9898))
        values.append(UNOBSERVED if second < 0 or second % 113 < 4 else code(value_s * swing))
    return struct.pack(f"<{GAP_SAMPLES}H", *values)


def _gap(device: Device, workers: int, p50: float, noise: float, end: int) -> GapRow:
    spread = (0.0, 0.02 + noise, 0.4 + 8 * noise, 1 + 15 * noise)
    quantiles = [sketched(p50 * (1 + one)) for one in spread[:3]]
    p50_, p99, p999 = quantiles
    gap = Distribution(60_000 * workers, "s", "gaps between deliveries", p50_, p99, p999, known(p50 * (1 + spread[3])))
    octaves = math.log2(p50 / 1e-6)
    first = int(octaves) * 32 + int((p50 / (1e-6 * 2 ** int(octaves)) - 1) * 32) - 8
    counts = [int(9_000 * workers * math.exp(-abs(at - 8) * (0.12 if noise > 0.1 else 1.5))) for at in range(120)]
    past = tuple(_line(p50 * (1 + one), noise, end) for one in (*spread, noise / 4))
    smoothed = known(p50 * noise / 5, n=11)
    return GapRow(
        device, "llama-3.1-8b", workers, gap, first, struct.pack("<120I", *counts), past=past, rfc3550_s=smoothed
    )


BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, math.inf)


def by_buckets(workers: int = 2) -> GapRow:
    def within(low: float, high: float) -> Quantile:
        return Quantile((low + high) / 2, State.OK, Provenance.REPORTED, False, 0, low=low, high=high)

    over = Quantile(None, State.OVER_RANGE, Provenance.REPORTED, False, 0, low=0.1)
    gap = Distribution(1_210, "s", "gaps between deliveries", within(0.01, 0.02), within(0.05, 0.1), over, unknown())
    counts = struct.pack("<6I", 0, 100, 800, 200, 100, 10)
    return GapRow(Device.GPU, "llama-3.1-8b", workers, gap, 0, counts, BOUNDS)


def gaps(frame: Frame) -> tuple[GapRow, ...]:
    end = frame.time_ns // 1_000_000_000
    workers = {
        kind: sum(row.device is kind and bool(row.gap.n) for row in frame.workers) for kind in (Device.GPU, Device.LPU)
    }
    return (
        _gap(Device.GPU, workers[Device.GPU], 0.0189, 0.6, end),
        _gap(Device.LPU, workers[Device.LPU], 0.00131, 0.004, end),
        by_buckets(),
    )


def _flow(worker: str, tier: Tier, moved: float, duration: Distribution) -> FlowRow:
    figure = msgspec.structs.replace(known(moved), unit="bytes")
    return FlowRow(worker, worker, tier, None, "", figure, duration, unknown())


def complete(frame: Frame) -> Frame:
    """The same Frame with all of it."""
    newest = frame.time_ns // (TIER_STEP_S * 1_000_000_000)
    tiers = tuple(churned(row, index) for index, row in enumerate(frame.tiers))
    timed = frames.distribution(140, sketched(0.0075), sketched(0.18), known(0.21), "fetches that ended")
    gpus = [row.id for row in frame.workers if row.device is Device.GPU]
    lpus = [row.id for row in frame.workers if row.device is Device.LPU]
    flows = [
        _flow(worker, tier, moved, timed) for worker in gpus for tier, moved in ((Tier.DRAM, 5.4e8), (Tier.FLASH, 4e7))
    ]
    return msgspec.structs.replace(
        frame,
        tiers=tiers,
        tier_pasts=tuple(TierPast(row.owner, row.tier, *_shares(seed, newest)) for seed, row in enumerate(tiers)),
        gaps=gaps(frame),
        flows=tuple(flows),
        handovers=tuple(HandoverRow(worker, timed, known(1.6e9), unknown(), Tier.SRAM) for worker in lpus),
        prompts=tuple(
            msgspec.structs.replace(row, worker=worker) for worker in gpus for row in frames.states().prompts[:1]
        ),
    )


def emulated(tick: int = 3600, workers: int | None = None) -> Frame:
    """The default fleet, or so many workers."""
    return complete(frames.emulated(tick, frames.DEFAULT if workers is None else frames.big_fleet(workers)))
