"""What each worker has counted since it started: the plain numbers behind a `/metrics` page, filled by the cluster.

Counters and bucket counts only. Nothing here knows a metric's prefix, labels or text form, and nothing is observed token by token: gaps
arrive as arrays. Families and bucket bounds are vLLM 0.32.0's (vllm-project/vllm: `vllm/v1/metrics/`), as a page captured from it shows them.

Who observes what, when one worker ingests a request and another generates (disaggregated): the ingesting worker sees its queue time, prefill time, TTFT,
prompt tokens and the one token that it samples; the generating worker sees its own queue time, every gap, TPOT, e2e, inference and decode time,
generation tokens and the finish. So each request is finished, and each token counted, by one worker only.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NS: Final = 1_000_000_000

_TTFT: Final = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
    1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
_GAP: Final = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
_REQUEST: Final = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0,
    40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
)  # fmt: skip
_TOKENS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
_ITERATION: Final = (
    1.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0,
)  # fmt: skip
_LOAD_BYTES: Final = (1e6, 5e6, 10e6, 20e6, 40e6, 60e6, 80e6, 100e6, 150e6, 200e6)
_PEER_TIME: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 5.0)
_PEER_BYTES: Final = tuple(float(2 ** (10 + power)) for power in range(1, 25, 2))
_PREEMPTIONS: Final = (1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0)

FAST_GAP: Final = (
    0.0001, 0.000125, 0.00015, 0.0002, 0.0003, 0.0004, 0.0005, 0.00075, 0.001, 0.00125, 0.0013, 0.00135, 0.0014, 0.0015, 0.00175, 0.002, 0.0025, 0.005, *_GAP,
)  # fmt: skip
"""Bounds of gap histograms for devices whose gaps are far below vLLM's first bound of 10 ms (which vLLM can be told to replace, too)."""

TTFT: Final = "time_to_first_token_seconds"
GAP: Final = "inter_token_latency_seconds"
TPOT: Final = "request_time_per_output_token_seconds"
E2E: Final = "e2e_request_latency_seconds"
QUEUE: Final = "request_queue_time_seconds"
INFERENCE: Final = "request_inference_time_seconds"
PREFILL: Final = "request_prefill_time_seconds"
DECODE: Final = "request_decode_time_seconds"
PROMPT_TOKENS: Final = "request_prompt_tokens"
GENERATION_TOKENS: Final = "request_generation_tokens"
MAX_TOKENS: Final = "request_params_max_tokens"
ITERATION_TOKENS: Final = "iteration_tokens_total"
NUM_PREEMPTIONS: Final = "request_num_preemptions"
COMPUTED_TOKENS: Final = "request_prefill_kv_computed_tokens"

SECONDS_FAMILIES: Final[dict[str, tuple[float, ...]]] = {
    TTFT: _TTFT,
    GAP: _GAP,
    TPOT: _GAP,
    E2E: _REQUEST,
    QUEUE: _REQUEST,
    INFERENCE: _REQUEST,
    PREFILL: _REQUEST,
    DECODE: _REQUEST,
}
"""Histogram names (after `vllm:`) in seconds, and their finite upper bounds."""
COUNT_FAMILIES: Final[dict[str, tuple[float, ...]]] = {
    PROMPT_TOKENS: _TOKENS,
    GENERATION_TOKENS: _TOKENS,
    MAX_TOKENS: _TOKENS,
    ITERATION_TOKENS: _ITERATION,
    NUM_PREEMPTIONS: _PREEMPTIONS,
    COMPUTED_TOKENS: _TOKENS,
}
"""Histogram names (after `vllm:`) in tokens or times, and their finite upper bounds."""

FINISH_REASONS: Final = ("stop", "length", "abort", "error")


class BucketCounts:
    """A histogram as counts per bucket, exact and independent of the order in which values came.

    `bounds`: the n finite upper bounds in the family's unit, float64. `counts`: n + 1 counts, int64, **not** cumulative; the last is above every
    bound (+Inf). A value that equals a bound lies below it (Prometheus `le`). Values are given as integers in `1 / per_unit` of the
    unit (nanoseconds of a family in seconds), so that the sum does not depend on how they were grouped.
    """

    __slots__ = ("_counts", "_edge_list", "_edges", "_per_unit", "_total", "bounds")

    def __init__(self, bounds: tuple[float, ...], per_unit: int = 1) -> None:
        self.bounds: Floats = np.array(bounds, np.float64)
        self._counts = [0] * (len(bounds) + 1)
        self._edges: Ints = np.round(self.bounds * per_unit).astype(np.int64)
        self._edge_list: list[int] = self._edges.tolist()
        self._per_unit = per_unit
        self._total = 0

    def add(self, values: npt.ArrayLike) -> None:
        """Count integers (an array, or anything that makes one), in `1 / per_unit` of the family's unit."""
        values = np.asarray(values, np.int64)
        at = np.searchsorted(self._edges, values, side="left")
        more = np.bincount(at.ravel(), minlength=len(self._counts)).tolist()
        self._counts = [count + one for count, one in zip(self._counts, more, strict=True)]
        self._total += int(values.sum())

    def add_one(self, value: int, times: int = 1) -> None:
        """Count a single integer, so many times: cheaper than `add`."""
        self._counts[bisect_left(self._edge_list, value)] += times
        self._total += value * times

    def less(self, other: "BucketCounts", share: float) -> "BucketCounts":
        """Without this share of what another one of the same bounds holds, in whole counts."""
        left = copy(self)
        left._counts = [count - round(share * one) for count, one in zip(self._counts, other._counts, strict=True)]
        left._total = self._total - round(share * other._total)
        return left

    @property
    def counts(self) -> Ints:
        return np.array(self._counts, np.int64)

    @property
    def sum(self) -> float:
        """Sum of all values, in the family's unit."""
        return self._total / self._per_unit

    @property
    def count(self) -> int:
        return sum(self._counts)

    def cumulative(self) -> Ints:
        """Counts as an exposition page says them: at or below each bound, and of everything (+Inf)."""
        return np.cumsum(self.counts)


def histograms(*, fast_gaps: bool = False) -> dict[str, BucketCounts]:
    """One empty `BucketCounts` for each family; `fast_gaps` takes `FAST_GAP` for gaps and TPOT."""
    out = {name: BucketCounts(bounds, NS) for name, bounds in SECONDS_FAMILIES.items()}
    out.update((name, BucketCounts(bounds)) for name, bounds in COUNT_FAMILIES.items())
    if fast_gaps:
        out[GAP] = BucketCounts(FAST_GAP, NS)
        out[TPOT] = BucketCounts(FAST_GAP, NS)
    return out


PEER: Final = "peer"


class Moved:
    """KV that prompts have had fetched, by the tier that it came from (memory of another worker: `peer`), and what has been written to the host."""

    __slots__ = ("fetched_bytes", "fetched_ns", "load_sizes", "peer_bytes", "peer_times", "stored_bytes", "stored_s")

    def __init__(self) -> None:
        self.fetched_bytes: Counter[str] = Counter()
        self.fetched_ns: Counter[str] = Counter()
        """Sum of the durations, of which several may be at once."""
        self.load_sizes = BucketCounts(_LOAD_BYTES)
        self.peer_times = BucketCounts(_PEER_TIME, NS)
        self.peer_bytes = BucketCounts(_PEER_BYTES)
        self.stored_bytes = 0
        self.stored_s = 0.0
        """Time that the path to the host takes for them."""

    def less(self, other: "Moved", share: float) -> "Moved":
        """Without this share of another's."""
        left = Moved()
        left.fetched_bytes = Counter(_less(self.fetched_bytes, other.fetched_bytes, share))
        left.fetched_ns = Counter(_less(self.fetched_ns, other.fetched_ns, share))
        for name in ("load_sizes", "peer_times", "peer_bytes"):
            setattr(left, name, getattr(self, name).less(getattr(other, name), share))
        left.stored_bytes = self.stored_bytes - round(share * other.stored_bytes)
        left.stored_s = self.stored_s - share * other.stored_s
        return left

    def fetched(self, tier: str, size: int, duration_ns: int) -> None:
        """A fetch is over."""
        self.fetched_bytes[tier] += size
        self.fetched_ns[tier] += duration_ns
        if tier == PEER:
            self.peer_times.add_one(duration_ns)
            self.peer_bytes.add_one(size)
        else:
            self.load_sizes.add_one(size)


@dataclass(slots=True)
class WorkerStats:
    """One worker's counters, as of the cluster's `now_ns`. Tokens and blocks are counts; times are in `histograms`.

    At every moment `prompt_tokens` = `computed_tokens` + Σ `hit_tokens` (by tier name): all three are counted when a request is admitted (memory of another
    worker is tier `peer`). Tokens computed again after a preemption are in `recomputed_tokens` only. `kv_*_blocks` speak of the worker's own pool: used = resident, active = referenced by
    requests, total = capacity.
    """

    running: int = 0
    waiting: int = 0
    deferred: int = 0
    """Of those that wait: whose KV is under way."""
    prompt_tokens: int = 0
    computed_tokens: int = 0
    recomputed_tokens: int = 0
    hit_tokens: dict[str, int] = field(default_factory=dict)
    generation_tokens: int = 0
    preemptions: int = 0
    finished: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FINISH_REASONS, 0))
    steps: int = 0
    kv_used_blocks: int = 0
    kv_active_blocks: int = 0
    kv_total_blocks: int = 0
    histograms: dict[str, BucketCounts] = field(default_factory=histograms)
    moved: Moved = field(default_factory=Moved)
    rounds: Mapping[str, int] = field(default_factory=dict)
    """Of an engine that decodes in rounds, what they have come to (`emulators.round_worker`)."""

    def less(self, other: "WorkerStats", share: float) -> "WorkerStats":
        """Counters without this share of what another's were; levels as they are."""
        counters = {
            name: getattr(self, name) - round(share * getattr(other, name))
            for name in (
                "prompt_tokens",
                "computed_tokens",
                "recomputed_tokens",
                "generation_tokens",
                "preemptions",
                "steps",
            )
        }
        return replace(
            self,
            **counters,
            hit_tokens=_less(self.hit_tokens, other.hit_tokens, share),
            finished=_less(self.finished, other.finished, share),
            histograms={name: one.less(other.histograms[name], share) for name, one in self.histograms.items()},
            moved=self.moved.less(other.moved, share),
            rounds=_less(self.rounds, other.rounds, share),
        )


def _less(counts: Mapping[str, int], other: Mapping[str, int], share: float) -> dict[str, int]:
    return {name: count - round(share * other.get(name, 0)) for name, count in counts.items()}
