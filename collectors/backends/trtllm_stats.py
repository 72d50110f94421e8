"""TensorRT-LLM's statistics of iterations (`GET /metrics` of `trtllm-serve`, with `enable_iter_perf_stats`): every step's own duration.

The answer holds what came since it was last asked for, and is gone for every other reader: it is to be asked for only where the operator
has said that there is no other. Fields: NVIDIA/TensorRT-LLM `docs/source/commands/trtllm-serve/trtllm-serve.rst`.
"""

import math
from typing import Final

import msgspec

from collectors.backends.json_page import Count, JsonError, JsonPage, decoded
from collectors.model.signals import Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Tier

SIDE_EFFECT: Final = "statistics of iterations are removed once read: another reader loses them"
MAX_ITERATIONS: Final = 100_000


class Iterations(msgspec.Struct, frozen=True):
    newest: JsonPage
    """How things stood after the last of them."""
    steps_s: tuple[float, ...]
    """Duration of each, in order."""


BOUNDS_S: Final = tuple(digit * 10.0**power for power in range(-4, 2) for digit in (1.0, 2.0, 5.0))
"""Upper bounds of the buckets that steps are counted in: 0.1 ms to 50 s."""


class Steps:
    """What the worker of `target` told, answer by answer: durations of steps are added up, for each is told only once."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._seconds = 0.0
        self._counts = [0] * (len(BOUNDS_S) + 1)

    def read(self, body: bytes) -> JsonPage | None:
        """None if nothing happened since the last time. Raises JsonError."""
        found = iterations(decoded(body), self._target)
        if found is None:
            return None
        for step_s in found.steps_s:
            self._seconds += step_s
            for place, bound_s in enumerate((*BOUNDS_S, math.inf)):
                self._counts[place] += step_s <= bound_s
        return JsonPage(
            found.newest.workers,
            (*found.newest.series, *_histogram(f"{self._target}/0")),
            (*found.newest.values, *map(float, self._counts), self._seconds, float(self._counts[-1])),
        )


def _histogram(worker: str) -> tuple[Series, ...]:
    """Buckets, sum and count of the durations."""
    signal, metric = Signal.ITERATION, "iterLatencyMS"
    buckets = [Series(signal, Kind.BUCKET, worker, metric, le=le) for le in (*BOUNDS_S, math.inf)]
    return (*buckets, Series(signal, Kind.SUM, worker, metric), Series(signal, Kind.COUNT, worker, metric))


class _Blocks(msgspec.Struct, rename="camel"):
    max_num_blocks: Count | None = None
    used_num_blocks: Count | None = None
    tokens_per_block: Count | None = None
    reused_blocks: Count | None = None
    missed_blocks: Count | None = None


class _Iteration(msgspec.Struct):
    step: int = msgspec.field(name="iter")
    latency_ms: float | None = msgspec.field(name="iterLatencyMS", default=None)
    running: Count | None = msgspec.field(name="numActiveRequests", default=None)
    waiting: Count | None = msgspec.field(name="numQueuedRequests", default=None)
    memory: Count | None = msgspec.field(name="gpuMemUsage", default=None)
    blocks: _Blocks | None = msgspec.field(name="kvCacheStats", default=None)


def iterations(body: object, target: str) -> Iterations | None:
    """Of the decoded answer, of the worker of `target`; None if nothing happened since the last time. Raises JsonError."""
    if isinstance(body, list) and len(body) > MAX_ITERATIONS:
        raise JsonError(f"more than {MAX_ITERATIONS} iterations at once")
    try:
        found = msgspec.convert(body, list[_Iteration])
    except msgspec.ValidationError:
        raise JsonError("not the /metrics of TensorRT-LLM: no list of iterations") from None
    if not found:
        return None
    steps_s = tuple(one.latency_ms / 1e3 for one in found if one.latency_ms is not None and 0 <= one.latency_ms < 1e9)
    return Iterations(_page(found[-1], f"{target}/0"), steps_s)


def _page(last: _Iteration, worker: str) -> JsonPage:
    """Used blocks are those that requests hold (see `trtllm`)."""
    blocks = last.blocks or _Blocks()
    used, most, each = blocks.used_num_blocks, blocks.max_num_blocks, blocks.tokens_per_block
    reused, missed = blocks.reused_blocks, blocks.missed_blocks
    stats = "kvCacheStats"
    figures: list[tuple[Signal, Kind, Tier | None, str, float | None]] = [
        (Signal.REQUESTS_RUNNING, Kind.GAUGE, None, "numActiveRequests", last.running),
        (Signal.REQUESTS_WAITING, Kind.GAUGE, None, "numQueuedRequests", last.waiting),
        (Signal.DEVICE_MEMORY_USED, Kind.GAUGE, None, "gpuMemUsage", last.memory),
        (Signal.KV_ACTIVE_BLOCKS, Kind.GAUGE, Tier.HBM, f"{stats}.usedNumBlocks", used),
        (Signal.KV_CAPACITY_BLOCKS, Kind.GAUGE, Tier.HBM, f"{stats}.maxNumBlocks", most),
        (Signal.KV_BLOCK_TOKENS, Kind.GAUGE, None, f"{stats}.tokensPerBlock", each),
        (
            Signal.KV_ACTIVE_RATIO,
            Kind.GAUGE,
            Tier.HBM,
            f"{stats}.usedNumBlocks / maxNumBlocks",
            used / most if used is not None and most else None,
        ),
        (
            Signal.KV_CAPACITY_TOKENS,
            Kind.GAUGE,
            Tier.HBM,
            f"{stats}.maxNumBlocks * tokensPerBlock",
            most * each if most is not None and each is not None else None,
        ),
        (Signal.HIT_BLOCKS, Kind.COUNTER, None, f"{stats}.reusedBlocks", reused),
        (
            Signal.KV_QUERY_BLOCKS,
            Kind.COUNTER,
            None,
            f"{stats}.reusedBlocks + missedBlocks",
            reused + missed if reused is not None and missed is not None else None,
        ),
    ]
    known = [(signal, kind, tier, metric, value) for signal, kind, tier, metric, value in figures if value is not None]
    series = tuple(Series(signal, kind, worker, metric, tier) for signal, kind, tier, metric, _ in known)
    return JsonPage((WorkerFacts(worker),), series, tuple(float(value) for *_, value in known))
