"""Batches of a loaded fleet, tick by tick: workers that deliver so many tokens a second to requests that come and go, with their decisions, phases and pools."""

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np

from collectors.model.batch import (
    DELIVERY,
    EXTRA,
    OCCUPANCY,
    Admitted,
    Batch,
    Candidate,
    Decision,
    Decisions,
    Deliveries,
    Finished,
    Inventory,
    Occupancy,
    Part,
    Phases,
    PoolInfo,
    Received,
    Requests,
    Rows,
    Span,
    Status,
    Watermark,
    WorkerInfo,
)
from collectors.model.vocabulary import Device, Phase, Role, TargetStatus, Tier
from collectors.session.clock import TICK_NS

LIFE = 200
"""Tokens of a request, about: it ends with the tick in which it has them."""
STALLS = 2
"""Requests of each tick of which all tokens come at its end."""
CANDIDATES = 4
TERMS = {"overlap": 0.9, "load": 0.8, "queue": 0.5}
MS = 1_000_000
BEFORE_NS = 30 * MS
"""From a request's receipt to the tick in which it has its first token."""
POOL_BYTES = 64 << 30


def inventory(workers: int) -> Inventory:
    infos = tuple(
        WorkerInfo(n, f"w-{n}/0", Role.DECODE, (Device.LPU, Device.GPU)[n % 2], model="m") for n in range(workers)
    )
    pools = tuple(PoolInfo(n, (Tier.SRAM, Tier.HBM)[n % 2], f"w-{n}/0", n, POOL_BYTES) for n in range(workers))
    return Inventory(infos, pools, emulated=True)


def batches(
    workers: int, tokens_per_s: int, streams: int, ticks: int | None = None, origin_ns: int = 0
) -> Iterator[list[Batch]]:
    """Those of each tick from `origin_ns` on, without an end if `ticks` is None. Each stream has one request after the other."""
    random = np.random.default_rng(7)
    each = round(tokens_per_s / 4 / streams)
    gap_ns = TICK_NS // each
    token = random.integers(0, LIFE, streams)
    number = np.arange(streams)
    begun = streams
    for tick in range(ticks) if ticks is not None else count():
        begin_ns = origin_ns + tick * TICK_NS
        fresh = np.flatnonzero(token >= LIFE) if tick else np.arange(streams)
        parts: list[Part] = [] if tick else [Status("http://router", "placement", TargetStatus.UP), inventory(workers)]
        if tick:
            ended = ((f"r-{number[stream]}", int(token[stream])) for stream in fresh.tolist())
            parts.append(Requests(tuple(Finished(begin_ns, request, "stop", tokens) for request, tokens in ended)))
            number[fresh] = begun + np.arange(len(fresh))
            begun += len(fresh)
        parts += _begin([(f"r-{number[stream]}", stream) for stream in fresh.tolist()], begin_ns, workers)
        token[fresh] = token[fresh] if not tick else 0
        rows = np.zeros((each, streams), DELIVERY)
        noise = random.normal(0, gap_ns * 0.02, rows.shape)
        rows["time_ns"] = begin_ns + np.arange(each)[:, None] * gap_ns + gap_ns // 2 + noise.astype(np.int64)
        late = random.integers(0, streams, STALLS)
        rows["time_ns"][:, late] = begin_ns + TICK_NS - MS + np.arange(each)[:, None]
        rows["stream"] = np.arange(streams)
        rows["first_token"] = token + np.arange(each)[:, None]
        rows["tokens"], rows["stage"] = 1, 2
        rows["worker"] = np.arange(streams) % workers
        rows["tier"] = 1 + np.arange(streams) % 2
        rows["start_ns"], rows["duration_ns"] = rows["time_ns"] - gap_ns // 2, gap_ns // 2
        token += each
        end_ns = begin_ns + TICK_NS
        told = Deliveries(rows.reshape(-1), np.zeros(0, EXTRA))
        end = Watermark(end_ns - BEFORE_NS)
        yield [
            Batch("router", begin_ns, tuple(parts)),
            Batch("router", end_ns - 1, (told, Occupancy(_filled(workers, tick, end_ns)), end)),
        ]


def _filled(workers: int, tick: int, at_ns: int) -> Rows:
    """How full each pool is: some more, some less, a little otherwise in every tick."""
    pool = np.arange(workers)
    rows = np.zeros(workers, OCCUPANCY)
    share = 0.3 + 0.6 * (pool * 37 % 100) / 100 + 0.02 * np.sin((tick + pool) / 5)
    rows["time_ns"], rows["pool"] = at_ns - BEFORE_NS, pool
    rows["used_bytes"], rows["active_bytes"] = POOL_BYTES * share, POOL_BYTES * share * 0.7
    return rows


def _begin(some: Sequence[tuple[str, int]], at_ns: int, workers: int) -> list[Part]:
    """What is told of requests, each with its stream, until their first tokens."""
    received_ns, admitted_ns = at_ns - BEFORE_NS, at_ns - 20 * MS
    received, decisions, admitted, spans = [], [], [], []
    for request, stream in some:
        worker = stream % workers
        others = [(worker + step) % workers for step in range(CANDIDATES)]
        chosen = tuple(Candidate(one, 2.0 - step / 10, TERMS, cached_tokens=64) for step, one in enumerate(others))
        labels = ("interactive",)
        received.append(Received(received_ns, request, stream, "m", 800, labels, f"run-{stream % 50}"))
        decisions.append(Decision(received_ns, request, "all", worker, chosen, labels, 0.1, headroom_s=0.1))
        admitted.append(Admitted(admitted_ns, request, worker, 800))
        spans.append(Span(request, Phase.QUEUE, received_ns, admitted_ns - received_ns, worker))
        spans.append(Span(request, Phase.PREFILL, admitted_ns, 20 * MS, worker, Tier.HBM, 800))
    return [
        Requests(tuple(received)),
        Decisions(tuple(decisions)),
        Requests(tuple(admitted)),
        Phases(tuple(spans)),
    ]
