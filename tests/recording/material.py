"""Batches to record: every kind of part, and streams of deliveries like an emulated fleet's."""

import numpy as np

from collectors.model.batch import (
    BLOCK,
    DELIVERY,
    EXTRA,
    OCCUPANCY,
    Admitted,
    Batch,
    Blocks,
    Candidate,
    Decision,
    Decisions,
    Deliveries,
    Finished,
    Inventory,
    Layout,
    Occupancy,
    Part,
    Phases,
    PoolInfo,
    Received,
    Requests,
    Rows,
    Samples,
    Span,
    Status,
    Tick,
    Watermark,
    WorkerInfo,
)
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Device, Phase, Role, TargetStatus, Tier

SECOND = 1_000_000_000


def deliveries(rows: int, seed: int = 0, extras: int = 0) -> Deliveries:
    """Rows of random bytes (nothing that compresses), `extras` further stages on the first of them."""
    made = np.frombuffer(np.random.default_rng(seed).bytes(rows * DELIVERY.itemsize), DELIVERY).copy()
    made["extra"] = 0
    if rows:
        made["extra"][0] = extras
    return Deliveries(made, np.zeros(extras, EXTRA))


def steps(seconds: int, seed: int = 1) -> Rows:
    """Two GPU workers of 31 streams at about 20 ms a step, two LPU workers of 24 at about 1.3 ms: 40,000 deliveries a second in order of time."""
    rng = np.random.default_rng(seed)
    parts = []
    base = 0
    for worker, (streams, step_ns, tier) in enumerate(((31, 19e6, 2), (31, 21e6, 2), (24, 1.3e6, 1), (24, 1.33e6, 1))):
        count = int(seconds * SECOND / step_ns)
        durations = (step_ns * (1 + 0.01 * rng.standard_normal(count))).astype(np.int64)
        ends = np.cumsum(durations)
        stagger = (
            (np.arange(streams) * (step_ns / streams)).astype(np.int64) if tier == 1 else np.zeros(streams, np.int64)
        )
        made = np.zeros((count, streams), DELIVERY)
        made["time_ns"] = ends[:, None] + stagger
        made["start_ns"] = (ends - durations)[:, None] + stagger
        made["duration_ns"] = durations[:, None]
        made["stream"] = base + np.arange(streams)
        made["first_token"] = np.arange(count)[:, None] % 300 + rng.integers(0, 200, streams)
        made["tokens"], made["worker"], made["tier"], made["stage"] = 1, worker, tier, 2
        parts.append(made.ravel())
        base += streams
    rows = np.concatenate(parts)
    rows = rows[np.argsort(rows["time_ns"], kind="stable")]
    return rows[rows["time_ns"] < seconds * SECOND]


def batches(rows: Rows, every_ns: int = SECOND // 20) -> list[Batch | Tick]:
    """`rows` as they would be coalesced, with a tick each 250 ms."""
    edges = np.arange(every_ns, int(rows["time_ns"][-1]) + every_ns, every_ns)
    items: list[Batch | Tick] = []
    for end, part in zip(edges.tolist(), np.split(rows, np.searchsorted(rows["time_ns"], edges)), strict=False):
        items.append(Batch("router", end - 1, (Deliveries(part, np.zeros(0, EXTRA)),)))
        if end % (SECOND // 4) == 0:
            items.append(Tick(end))
    return items


PARTS: tuple[Part, ...] = (
    Inventory(
        (WorkerInfo(0, "gpu-0/0", Role.AGGREGATED, Device.GPU, "H100-SXM", 8, "llama-3.1-8b"), WorkerInfo(1, "w ü")),
        (PoolInfo(0, Tier.HBM, "gpu-0/0", 0, 2**36), PoolInfo(1, Tier.DRAM, "host-0", None, None)),
        True,
        "a1b2",
        -5,
    ),
    deliveries(5, extras=3),
    deliveries(0),
    Blocks(np.ones(3, BLOCK)),
    Occupancy(np.ones(2, OCCUPANCY)),
    Requests(
        (
            Received(1, "r-17", 3, "m", 812, ("interactive", "short-context"), "w-2"),
            Admitted(2, "r-17", 0, 300, ((0, 512),), True),
            Finished(3, "r-17", "stop", None),
        )
    ),
    Decisions(
        (
            Decision(
                4, "r-17", "rule", 2, (Candidate(2, 0.9, {"load": 0.5}, 0), Candidate(3, 0.6)), ("x",), 0.3, False, -0.1
            ),
            Decision(5, "r-18", "only", 1),
        )
    ),
    Phases((Span("r-17", Phase.TRANSFER, 1, 2, 0, Tier.SRAM, None, 106_430_464), Span("r-17", Phase.DECODE, 3, 4))),
    Watermark(2**62),
    Layout(
        (
            Series(Signal.TTFT, Kind.BUCKET, "w", "x_bucket", le=float("inf")),
            Series(Signal.HIT_TOKENS, Kind.COUNTER, "w", "x", Tier.DRAM, owner="host-0"),
        )
    ),
    Samples(np.array([1.5, np.nan, np.inf, -0.0])),
    Status("http://127.0.0.1:9100", "vllm", TargetStatus.REJECTED, "not prometheus text: …"),
)
