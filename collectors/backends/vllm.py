"""vLLM's `/metrics`, as of 0.32, with the older names where a page has no newer one. Each `engine` on the page is a worker.

Names and meanings: vllm-project/vllm `vllm/v1/metrics/loggers.py` and `stats.py`. What a page does not say is left unknown: role, device,
what is cached but idle (its usage gauge counts such blocks as free: `vllm/v1/core/block_pool.py`, `get_usage`).
"""

from collections.abc import Callable, Collection, Sequence
from collections.abc import Mapping as Table
from typing import Final

from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families, rules
from collectors.model.signals import Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey

_INFO: Final = "vllm:cache_config_info"
_BY_SOURCE: Final = "vllm:prompt_tokens_by_source_total"
_CACHED_BY_SOURCE: Final = "vllm:prompt_tokens_cached_by_source_total"
_COMPUTED_HERE: Final = "local_compute"

_TIERS: Final = {"device": Tier.HBM, "host": Tier.DRAM, "disk": Tier.FLASH, "p2p": Tier.PEER}
"""By the `source` of cached prompt tokens. The others (`external_unspecified`, and what may come) are of an unknown tier."""

_SCALARS: Final = {
    "vllm:num_requests_running": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
    "vllm:num_requests_waiting": Rule(Signal.REQUESTS_WAITING, Kind.GAUGE),
    "vllm:request_success_total": Rule(
        Signal.REQUESTS_FINISHED, Kind.COUNTER
    ),  # one a `finished_reason`, errors included
    "vllm:num_preemptions_total": Rule(Signal.PREEMPTIONS, Kind.COUNTER),
    "vllm:prompt_tokens_total": Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
    "vllm:generation_tokens_total": Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
    _BY_SOURCE: Rule(Signal.PROMPT_TOKENS_COMPUTED, Kind.COUNTER),
    _CACHED_BY_SOURCE: Rule(Signal.HIT_TOKENS, Kind.COUNTER),
    "vllm:prompt_tokens_cached_total": Rule(Signal.HIT_TOKENS, Kind.COUNTER, Tier.UNKNOWN),
    "vllm:kv_cache_usage_perc": Rule(Signal.KV_ACTIVE_RATIO, Kind.GAUGE, Tier.HBM),
    "vllm:gpu_cache_usage_perc": Rule(Signal.KV_ACTIVE_RATIO, Kind.GAUGE, Tier.HBM),
}
_HISTOGRAMS: Final = {
    "vllm:time_to_first_token_seconds": Signal.TTFT,
    "vllm:inter_token_latency_seconds": Signal.GAP,
    "vllm:time_per_output_token_seconds": Signal.GAP,
    "vllm:request_time_per_output_token_seconds": Signal.TPOT,
    "vllm:e2e_request_latency_seconds": Signal.E2E,
    "vllm:request_queue_time_seconds": Signal.QUEUE,
    "vllm:request_prefill_time_seconds": Signal.PREFILL,
    "vllm:request_decode_time_seconds": Signal.DECODE,
}
_REPLACED: Final = {
    "vllm:time_per_output_token_seconds": "vllm:inter_token_latency_seconds",
    "vllm:gpu_cache_usage_perc": "vllm:kv_cache_usage_perc",
    "vllm:prompt_tokens_cached_total": _CACHED_BY_SOURCE,
}
"""Names that count only on a page without the other one."""

_RULES: Final = rules(_SCALARS, _HISTOGRAMS)
_FAMILIES: Final = families([*_RULES, _INFO])


def _detect(names: Collection[str]) -> bool:
    return not _FAMILIES.isdisjoint(names)


def wanted(family: str) -> bool:
    return family in _FAMILIES


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    add(draft, keys, lambda engine: f"{target}/{engine}")
    return draft.mapping()


def add(draft: Draft, keys: Sequence[SampleKey], worker_id: Callable[[str], str]) -> None:
    """Everything that vLLM's families say of the page's engines; `worker_id` makes an id of the `engine` label."""
    old = _outdated(keys)
    capacities: dict[str, set[int]] = {}
    for index, key in enumerate(keys):
        rule = _RULES.get(key.name)
        if rule is None and key.name != _INFO:
            continue
        labels = dict(key.labels)
        worker = worker_id(labels.get("engine", "0"))
        draft.worker(WorkerFacts(worker, model=labels.get("model_name", "")))
        if rule is None:
            capacities.setdefault(worker, set()).add(_capacity_tokens(labels))
        elif key.name in old or (key.name == _BY_SOURCE and labels.get("source") != _COMPUTED_HERE):
            continue
        elif key.name == _CACHED_BY_SOURCE:
            tier = _TIERS.get(labels.get("source", ""), Tier.UNKNOWN)
            draft.take(index, key, labels, rule, worker=worker, tier=tier)
        else:
            draft.take(index, key, labels, rule, worker=worker)
    for worker, (tokens, *others) in capacities.items():
        if tokens and not others:
            series = Series(Signal.KV_CAPACITY_TOKENS, Kind.GAUGE, worker=worker, metric=_INFO, tier=Tier.HBM)
            draft.constant(float(tokens), series)


def _outdated(keys: Sequence[SampleKey]) -> frozenset[str]:
    """Sample names to be passed over, as the page has what replaced them."""
    present = families(key.name for key in keys)
    names = [name for name, newer in _REPLACED.items() if newer in present]
    return frozenset(f"{name}{suffix}" for name in names for suffix in ("", "_bucket", "_sum", "_count"))


def _capacity_tokens(labels: Table[str, str]) -> int:
    """Size of the device's KV pool, 0 if unknown.

    Block 0 is the null block, which never holds anything (`vllm/v1/core/block_pool.py`). `kv_cache_memory_bytes` is a budget, not a size.
    """
    try:
        return max(int(labels["num_gpu_blocks"]) - 1, 0) * max(int(labels["block_size"]), 0)
    except (KeyError, ValueError):  # `None` until the engine has measured its memory
        return 0


BACKEND: Final = Backend("vllm", _detect, wanted, _map)
