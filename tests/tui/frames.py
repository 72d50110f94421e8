"""Constructed Frames: what a session would make of the default emulated scenario, of a scraped vLLM, and of trouble. Deterministic."""

from __future__ import annotations

import functools
import math
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from collectors.model.figure import Distribution, Figure, Quantile
from collectors.model.frame import (
    RIVER_COLUMNS,
    DecisionSummary,
    Frame,
    JitterRow,
    PlacementRow,
    RiverRow,
    RuleCount,
    StallRow,
    TargetRow,
    WorkerRow,
)
from collectors.model.memory import HitRate, PromptRow, TierRow
from collectors.model.vocabulary import Device, Provenance, Role, Stage, State, TargetStatus, Tier

TICK_NS = 250_000_000
GIB = 2**30
UTC_START = 1_760_000_000.0
"""A round moment: 2025-10-09 08:53:20 UTC."""


def known(value: float | int, *, emulated: bool = True, n: int | None = None) -> Figure:
    state = State.OK if value else State.ZERO
    if n is None:
        return Figure(value, state, Provenance.REPORTED, emulated, 0)
    return Figure(value, state, Provenance.REPORTED, emulated, 0, n=n)


def unknown(state: State = State.ABSENT, *, emulated: bool = True) -> Figure:
    return Figure(None, state, None, emulated, None)


def stale(value: float, heard_ns: int) -> Figure:
    return Figure(value, State.STALE, Provenance.REPORTED, True, heard_ns)


def sketched(value: float, *, emulated: bool = True, error: float = 0.001) -> Quantile:
    """A quantile as a sketch knows it: within ±0.1 %."""
    low, high = value * (1 - error), value * (1 + error)
    return Quantile(value, State.OK, Provenance.DERIVED, emulated, 0, low=low, high=high)


def bucketed(low: float, high: float, *, emulated: bool = False) -> Quantile:
    """A quantile as buckets know it."""
    return Quantile((low + high) / 2, State.OK, Provenance.REPORTED, emulated, 0, low=low, high=high)


def over(low: float) -> Quantile:
    return Quantile(None, State.OVER_RANGE, Provenance.REPORTED, False, 0, low=low, high=None)


def no_quantile(state: State = State.ABSENT, *, emulated: bool = True) -> Quantile:
    return Quantile(None, state, None, emulated, None)


def distribution(
    n: int, p50: Quantile, p99: Quantile, maximum: Figure | None = None, population: str = "deliveries"
) -> Distribution:
    return Distribution(n, "s", population, p50, p99, no_quantile(State.TOO_FEW), maximum or unknown())


def nothing(population: str = "deliveries", state: State = State.ABSENT) -> Distribution:
    return distribution(0, no_quantile(state), no_quantile(state), population=population)


@dataclass(frozen=True)
class Kind:
    """How a constructed worker behaves."""

    role: Role
    device: Device
    chip: str
    chips: int
    model: str
    tokens_per_s: float
    gap_s: float
    noise: float
    stalls_every: int


GPU_PREFILL = Kind(Role.PREFILL, Device.GPU, "H100-SXM", 4, "llama-3.1-8b", 12.0, 0.0, 0.0, 0)
GPU_BOTH = Kind(Role.AGGREGATED, Device.GPU, "H100-SXM", 8, "llama-3.1-70b", 2210.0, 0.0189, 0.08, 31)
LPU_DECODE = Kind(Role.DECODE, Device.LPU, "LPU-v1", 64, "llama-3.1-8b", 9050.0, 0.00131, 0.006, 0)
DEFAULT = (("gpu-0/0", GPU_PREFILL), ("gpu-1/0", GPU_BOTH), ("lpu-0/0", LPU_DECODE), ("lpu-1/0", LPU_DECODE))


def worker(name: str, kind: Kind, tick: int, rng: random.Random) -> WorkerRow:
    rate = kind.tokens_per_s * (1 + 0.04 * math.sin(tick / 7) + rng.uniform(-0.01, 0.01))
    if kind.gap_s:
        n = int(rate * min(60, tick / 4) / 4)
        p50 = kind.gap_s * (1 + 0.004 * math.sin(tick / 11))
        p99 = 0.2118 if kind.stalls_every else p50 * (1 + 2.33 * kind.noise)
        gap = distribution(n, sketched(p50), sketched(p99), known(max(0.3127, p99)))
        tpot = distribution(n // 90, sketched(p50 * 1.02), sketched(p50 * 1.31), population="finished requests")
    else:
        gap, tpot = nothing(), nothing("finished requests")
    stalled = known(0.3127 if kind.stalls_every else 0) if kind.gap_s else unknown()
    return WorkerRow(
        id=name,
        target=name.partition("/")[0],
        role=kind.role,
        device=kind.device,
        chip=kind.chip,
        chips=kind.chips,
        model=kind.model,
        running=known(int(24 + 5 * math.sin(tick / 9))),
        waiting=known(3 if kind.role is Role.PREFILL else 0),
        tokens_per_s=known(round(rate, 3)),
        ttft=distribution(412, sketched(0.0873), sketched(0.4312), population="requests with a first token"),
        queue=distribution(412, sketched(0.0021), sketched(0.0713), population="admitted requests"),
        gap=gap,
        tpot=tpot,
        longest_stall_s=stalled,
        tokens_per_delivery=known(1.0),
    )


@functools.cache
def column(kind: Kind, seed: int, tick: int) -> tuple[int, int]:
    """Tokens and lateness class of one tick."""
    if tick < 0:
        return 0xFFFF, 0
    rng = random.Random(seed * 1_000_003 + tick)
    mean = kind.tokens_per_s / 4
    since = tick % kind.stalls_every if kind.stalls_every else 99
    if not kind.gap_s:
        return rng.randrange(0, 7), 0
    if since < 2:
        return int(mean * 0.15), 4 if since == 0 else 3
    return int(mean * rng.uniform(0.82, 1.0)), 2 if since < 5 else 1


def river(name: str, kind: Kind, tick: int, seed: int) -> RiverRow:
    """A minute that moves by one column a tick."""
    tokens, late = zip(*(column(kind, seed, at) for at in range(tick - RIVER_COLUMNS, tick)), strict=True)
    return RiverRow(name, kind.device, kind.role, struct.pack(f"<{RIVER_COLUMNS}H", *tokens), bytes(late))


def timeline(seconds: int) -> bytes:
    """One byte a second: mostly calm, some bursts, one gap."""
    out = bytearray()
    for second in range(seconds):
        rng = random.Random(second)
        level = 9 if second % 47 in (3, 4, 5) else 12 if second % 211 == 100 else rng.choice((6, 6, 7))
        out.append(255 if 300 <= second < 306 else level)
    return bytes(out[-900:])


def tiers(tick: int) -> tuple[TierRow, ...]:
    def row(
        owner: str, worker: str | None, tier: Tier, capacity: float, used: float, active: float, hits: int
    ) -> TierRow:
        wave = 1 + 0.05 * math.sin(tick / 13)
        return TierRow(
            owner, worker, tier, known(int(capacity * used * wave)), known(int(capacity * active * wave)), known(int(capacity)), known(hits)
        )  # fmt: skip

    return (
        row("gpu-0/0", "gpu-0/0", Tier.HBM, 212 * GIB, 0.51, 0.12, 18_240),
        row("gpu-1/0", "gpu-1/0", Tier.HBM, 424 * GIB, 0.74, 0.41, 9_312),
        row("host-0", None, Tier.DRAM, 1024 * GIB, 0.21, 0.0, 5_120),
        row("host-0", None, Tier.FLASH, 7168 * GIB, 0.006, 0.0, 640),
        row("lpu-0/0", "lpu-0/0", Tier.SRAM, 6.25 * GIB, 0.78, 0.66, 0),
        row("lpu-1/0", "lpu-1/0", Tier.SRAM, 6.25 * GIB, 0.93, 0.93, 0),
    )


def stalls(tick: int) -> tuple[StallRow, ...]:
    at = tick * 0.25
    rows = []
    for index in range(12):
        gap = 0.2118 + 0.011 * index
        causes = (
            ("prefill chunk of 2,048 tokens on gpu-1", "12 requests preempted")[: 1 + (index % 3 == 0)]
            if index % 4
            else ("unknown",)
        )
        rows.append(
            StallRow(at - 1.75 * index - 0.5, f"r-{1812 - 7 * index}", "gpu-1/0", known(gap), known(0.0189), causes)
        )
    return tuple(row for row in rows if row.at >= 0)


def placements(fleet: Sequence[tuple[str, Kind]]) -> tuple[PlacementRow, ...]:
    rows = []
    for name, kind in fleet:
        if kind.gap_s:
            tier = Tier.SRAM if kind.device is Device.LPU else Tier.HBM
            rows.append(PlacementRow(Stage.DECODE, True, name, kind.device, tier, known(int(kind.tokens_per_s * 60))))
        else:
            rows.append(PlacementRow(Stage.PREFILL, False, name, kind.device, Tier.HBM, known(180_400)))
    return tuple(rows)


def jitter(workers: Sequence[WorkerRow]) -> tuple[JitterRow, ...]:
    out = []
    for row in workers:
        p50, p99 = row.gap.p50, row.gap.p99
        if (
            p50.value is None
            or p99.value is None
            or p50.low is None
            or p50.high is None
            or p99.low is None
            or p99.high is None
        ):
            it = no_quantile()
        else:
            it = Quantile(
                p99.value - p50.value, State.OK, Provenance.DERIVED, True, 0, low=p99.low - p50.high, high=p99.high - p50.low
            )  # fmt: skip
        out.append(JitterRow(row.id, row.model, row.device, it, row.longest_stall_s))
    return tuple(out)


def emulated(tick: int = 3600, fleet: Sequence[tuple[str, Kind]] = DEFAULT, *, verdict: bool = True) -> Frame:
    """The default scenario (or another fleet) after `tick` ticks."""
    rng = random.Random(tick)
    workers = tuple(worker(name, kind, tick, rng) for name, kind in fleet)
    shown = tiers(tick) if fleet is DEFAULT else fleet_tiers(fleet, tick)
    return Frame(
        time_ns=tick * TICK_NS,
        utc_s=UTC_START + tick * 0.25,
        clock="live",
        window_s=min(60.0, tick * 0.25),
        emulated=True,
        targets=tuple(
            TargetRow(name.partition("/")[0], f"http://127.0.0.1:{9100 + i}", "tokenyard-emulator", TargetStatus.UP, "", tick * TICK_NS)
            for i, (name, _) in enumerate(fleet)
        ),
        workers=workers,
        tiers=shown,
        placements=placements(fleet),
        decisions=DecisionSummary(known(412), known(3), (RuleCount("interactive-to-lpu", known(311)), RuleCount("batch-to-gpu", known(101)))),
        jitter=jitter(workers),
        stalls=stalls(tick),
        tokens_per_s=known(round(sum(row.tokens_per_s.value or 0 for row in workers), 1)),
        ttft=distribution(412, sketched(0.0873), sketched(0.4312), population="requests with a first token"),
        river=tuple(river(name, kind, tick, seed) for seed, (name, kind) in enumerate(fleet)),
        timeline=timeline(tick // 4),
        verdict="gpu-1: prefill bursts stall its decodes (p99 gap 212 ms, 71 % of stalls in 60 s): cap chunked prefill or move decode to LPU"
        if verdict
        else None,
    )  # fmt: skip


def fleet_tiers(fleet: Sequence[tuple[str, Kind]], tick: int) -> tuple[TierRow, ...]:
    rows = []
    for index, (name, kind) in enumerate(fleet):
        used = 0.3 + 0.6 * ((index * 37) % 100) / 100 + 0.02 * math.sin((tick + index) / 5)
        tier = Tier.SRAM if kind.device is Device.LPU else Tier.HBM
        capacity = 64 * GIB
        rows.append(
            TierRow(
                name,
                name,
                tier,
                known(int(capacity * used)),
                known(int(capacity * used * 0.7)),
                known(capacity),
                known(100 * index),
            )
        )
    return tuple(rows)


def big_fleet(workers: int = 72) -> tuple[tuple[str, Kind], ...]:
    """As many LPUs as GPUs, most of those aggregated."""
    out = []
    for index in range(workers):
        kind = LPU_DECODE if index % 2 else GPU_PREFILL if index % 8 == 0 else GPU_BOTH
        out.append((f"{'lpu' if index % 2 else 'gpu'}-{index // 2}/0", kind))
    return tuple(out)


def empty() -> Frame:
    """The first tick, before anything answered."""
    return Frame(
        time_ns=0,
        utc_s=UTC_START,
        clock="live",
        window_s=0.0,
        emulated=False,
        targets=(),
        workers=(),
        tiers=(),
        placements=(),
        decisions=DecisionSummary(unknown(), unknown(), ()),
        jitter=(),
        stalls=(),
        tokens_per_s=unknown(),
        ttft=nothing("requests with a first token"),
        river=(),
        timeline=b"",
    )


def vllm(tick: int = 240) -> Frame:
    """One scraped vLLM: buckets, few samples, no stalls, the KV gauge that knows active only."""
    row = WorkerRow(
        id="localhost:8000/0",
        target="localhost:8000",
        role=Role.AGGREGATED,
        device=Device.UNKNOWN,
        chip="",
        chips=0,
        model="meta-llama/Llama-3.1-8B-Instruct",
        running=known(4, emulated=False),
        waiting=known(0, emulated=False),
        tokens_per_s=known(31.25, emulated=False),
        ttft=distribution(
            3, bucketed(0.25, 0.5), no_quantile(State.TOO_FEW, emulated=False), population="requests with a first token"
        ),
        queue=distribution(
            3, bucketed(0.0, 0.3), no_quantile(State.TOO_FEW, emulated=False), population="finished requests"
        ),
        gap=distribution(604, bucketed(0.1, 0.15), over(2.5)),
        tpot=distribution(
            3, bucketed(0.1, 0.15), no_quantile(State.TOO_FEW, emulated=False), population="finished requests"
        ),
        longest_stall_s=unknown(emulated=False),
        tokens_per_delivery=unknown(emulated=False),
    )
    spread = Quantile(0.2, State.OVER_RANGE, Provenance.DERIVED, False, 0, low=2.35, high=None)
    return Frame(
        time_ns=tick * TICK_NS,
        utc_s=UTC_START + tick * 0.25,
        clock="live",
        window_s=42.0,
        emulated=False,
        targets=(TargetRow("localhost:8000", "http://localhost:8000/metrics", "vllm", TargetStatus.UP, "", tick * TICK_NS),),
        workers=(row,),
        tiers=(
            TierRow(
                row.id, row.id, Tier.UNKNOWN, unknown(emulated=False),
                Figure(41_000, State.OK, Provenance.DERIVED, False, 0, unit="tokens"),
                Figure(81_920, State.OK, Provenance.REPORTED, False, 0, unit="tokens"),
                known(1_204, emulated=False),
            ),
        ),
        placements=(PlacementRow(Stage.UNKNOWN, True, row.id, Device.UNKNOWN, Tier.UNKNOWN, known(1312, emulated=False)),),
        decisions=DecisionSummary(unknown(), unknown(), ()),
        jitter=(JitterRow(row.id, row.model, row.device, spread, unknown(emulated=False)),),
        stalls=(),
        tokens_per_s=known(31.25, emulated=False),
        ttft=distribution(3, bucketed(0.25, 0.5), no_quantile(State.TOO_FEW, emulated=False), population="requests with a first token"),
        river=(RiverRow(row.id, row.device, row.role, struct.pack("<240H", *([0xFFFF] * 72 + [8, 7, 9, 8] * 42)), bytes(240)),),
        timeline=bytes([0] * 20 + [26] * 20 + [255] * 3 + [64] + [26] * 16),  # from buckets; down for 3 s, and restarted
    )  # fmt: skip


def with_trouble(tick: int = 3600) -> Frame:
    """The default scenario with a stale worker, and two targets that are down."""
    frame = emulated(tick, verdict=False)
    first, last_ns = frame.workers[0], frame.time_ns - 12_400_000_000
    aged = WorkerRow(
        id=first.id, target=first.target, role=first.role, device=first.device, chip=first.chip, chips=first.chips, model=first.model,
        running=stale(24, last_ns), waiting=unknown(State.UNSAMPLED), tokens_per_s=stale(12.0, last_ns), ttft=first.ttft, queue=first.queue,
        gap=nothing(state=State.NAN), tpot=first.tpot, longest_stall_s=first.longest_stall_s,
        tokens_per_delivery=first.tokens_per_delivery,
    )  # fmt: skip
    targets = (
        TargetRow(
            "gpu-0", frame.targets[0].url, "tokenyard-emulator", TargetStatus.STALE, "no answer within 2 s", last_ns
        ),
        *frame.targets[1:],
        TargetRow("gpu-9", "http://10.0.0.9:8000", "", TargetStatus.DOWN, "refused", None),
        TargetRow(
            "web",
            "http://10.0.0.7",
            "",
            TargetStatus.REJECTED,
            "not prometheus text: text/html",
            frame.time_ns - 3_000_000_000,
        ),
    )
    return msgspec.structs.replace(frame, targets=targets, workers=(aged, *frame.workers[1:]))


HOSTILE = "[bold red]x[/] 日本語モデル\u0301 " + "w" * 300


def hostile(tick: int = 400) -> Frame:
    """Names that look like markup, are wide, combine, and never end (control characters do not get past ingest)."""
    frame = emulated(tick, verdict=False)
    names = [f"{HOSTILE}{i}/0" for i in range(len(frame.workers))]
    workers = tuple(
        msgspec.structs.replace(row, id=name, model=HOSTILE, chip=HOSTILE)
        for row, name in zip(frame.workers, names, strict=True)
    )
    return msgspec.structs.replace(
        frame,
        workers=workers,
        targets=(TargetRow(HOSTILE, HOSTILE, HOSTILE, TargetStatus.DOWN, HOSTILE, frame.time_ns - 3_000_000_000),),
        tiers=tuple(msgspec.structs.replace(row, owner=HOSTILE, worker=None) for row in frame.tiers),
        stalls=tuple(
            msgspec.structs.replace(row, request=HOSTILE, worker=names[0], causes=(HOSTILE,)) for row in frame.stalls
        ),
        river=tuple(msgspec.structs.replace(row, worker=name) for row, name in zip(frame.river, names, strict=True)),
        jitter=tuple(msgspec.structs.replace(row, worker=name) for row, name in zip(frame.jitter, names, strict=True)),
        verdict=HOSTILE,
    )


def in_state(state: State, now_ns: int, *, emulated: bool = False) -> Figure:
    """Five, as far as it is known in this state."""
    value = {State.OK: 5, State.ZERO: 0, State.STALE: 5}.get(state)
    return Figure(value, state, Provenance.REPORTED, emulated, now_ns - 12_400_000_000)


def quantile_in(state: State, now_ns: int) -> Quantile:
    """20 ms, as far as it is known in this state."""
    if state in (State.OK, State.STALE):
        return Quantile(0.02, state, Provenance.REPORTED, False, now_ns - 12_400_000_000, low=0.01, high=0.025)
    if state is State.ZERO:
        return Quantile(0.0, state, Provenance.REPORTED, False, 0, low=0.0, high=0.0)
    return over(2.5) if state is State.OVER_RANGE else no_quantile(state, emulated=False)


def hit_rate(rate: Figure, unit: str = "tokens", *, preempted: bool | None = False) -> HitRate:
    hits, of = known(640, emulated=False), known(1000, emulated=False)
    return HitRate(rate, hits, of, unit, "prompt tokens that the worker admitted", (Tier.HBM,), 60.0, preempted)


FIGURES = (State.ABSENT, State.ZERO, State.NAN, State.UNSAMPLED, State.STALE, State.OK)
"""States that a gauge may be in; a quantile may be in two more."""


def states(tick: int = 240) -> Frame:
    """A worker and a tier for each state that a figure may be in, each called by it; no other figure is known."""
    frame, now_ns = vllm(tick), tick * TICK_NS
    template = frame.workers[0]
    ratio = Figure(0.64, State.OK, Provenance.DERIVED, False, now_ns)
    workers, rows = [], []
    for number, state in enumerate(State):
        figure = in_state(state, now_ns) if state in FIGURES else unknown(emulated=False)
        quantile = quantile_in(state, now_ns)
        spread = distribution(0 if state is State.ABSENT else 50, quantile, quantile)
        name = f"{state}/0"
        watts = in_state(State.OK, now_ns) if state is State.OK else msgspec.UNSET
        workers.append(
            msgspec.structs.replace(
                template, id=name, target=str(state), running=figure, waiting=figure, tokens_per_s=figure, gap=spread, ttft=spread,
                power_watts=watts if state is not State.ZERO else Figure(5_210.4, State.OK, Provenance.DERIVED, False, now_ns, estimate=True),
            )
        )  # fmt: skip
        rate = {State.OK: ratio, State.ZERO: Figure(0.0, State.ZERO, Provenance.DERIVED, False, now_ns), State.STALE: msgspec.structs.replace(ratio, state=State.STALE)}.get(
            state, unknown(state if state in FIGURES else State.ABSENT, emulated=False)
        )  # fmt: skip
        rows.append(
            TierRow(
                name, name, Tier.HBM, unknown(emulated=False), figure, known(10, emulated=False), unknown(emulated=False),
                hit_rate=hit_rate(rate, ("tokens", "blocks", "lookups")[number % 3], preempted=state in (State.OK, State.STALE)),
            )
        )  # fmt: skip
    prompts = tuple(
        PromptRow(
            row.id, 60.0, known(1000, emulated=False), known(292, emulated=False), known(640, emulated=False), known(residual, emulated=False),
            hit_rate(ratio), unknown(emulated=False), unknown(emulated=False), known(0, emulated=False),
        )
        for row, residual in zip(workers, (68, 0, -12), strict=False)
    )  # fmt: skip
    targets = tuple(TargetRow(row.target, "http://x", "vllm", TargetStatus.UP, "", now_ns) for row in workers)
    return msgspec.structs.replace(
        frame, targets=targets, workers=tuple(workers), tiers=tuple(rows), prompts=prompts, jitter=(), river=()
    )
