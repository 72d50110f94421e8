"""TensorRT-LLM's statistics of iterations (`GET /metrics` of `trtllm-serve`, with `enable_iter_perf_stats`): every step's own duration.

The answer holds what came since it was last asked for, and is gone for every other reader: it is to be asked for only where the operator
has said that there is no other. Fields: NVIDIA/TensorRT-LLM `docs/source/commands/trtllm-serve/trtllm-serve.rst`.
"""

from typing import Final

import msgspec

from collectors.backends.json_page import Count, JsonError, JsonPage
from collectors.model.signals import Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Tier

SIDE_EFFECT: Final = "statistics of iterations are removed once read: another reader loses them"
MAX_ITERATIONS: Final = 100_000


class Iterations(msgspec.Struct, frozen=True):
    newest: JsonPage
    """How things stood after the last of them."""
    steps_s: tuple[float, ...]
    """Duration of each, in order."""


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
