"""TensorRT-LLM's exposition text (`trtllm-serve`, path `/prometheus/metrics`, with `return_perf_metrics` set). One page is one worker.

Its path `/metrics` is something else: JSON that is gone once read (`trtllm_stats`). "Used" blocks are those that requests hold; a block
that is only kept for reuse counts as free (NVIDIA/TensorRT-LLM `batch_manager/evictionPolicy`: a cached block without a user is on the free
list), so the utilisation gauges are active shares and not occupancy. Of the two sets of speculation counters, which are not to be added,
those per request are taken. Left out: `/kv_cache_events` and `/perf_metrics`, gone once read; `/energy_metrics` and the role in `/server_info`, of which
no answer is known; paused requests as preemptions (they are a gauge, and a stage here). Names: `tensorrt_llm/metrics/collector.py`; older releases wrote `trtllm:` or no prefix, the latter not told
from others.
"""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from typing import Final

from collectors.backends.mapping import Backend, Draft, Mapping, Op, Rule, families, outdated, rules, whole
from collectors.backends.reach import Ask, Aspect, Fact, Hint, Reach, json_facts, lacks, shared
from collectors.model.signals import Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Device, Tier
from collectors.wire.exposition import SampleKey

_P: Final = "trtllm_"
_OLD_P: Final = "trtllm:"
_GAUGE: Final = Kind.GAUGE
_COUNTER: Final = Kind.COUNTER
_PROMPT: Final = f"{_P}prompt_tokens_total"
_CACHED: Final = f"{_P}prompt_cached_tokens_total"
_CACHED_BY_TIER: Final = f"{_P}prompt_cache_hit_tokens_total"
_REUSED: Final = f"{_P}kv_cache_reused_blocks_total"
_MISSED: Final = f"{_P}kv_cache_missed_blocks_total"
_BLOCKS: Final = f"{_P}kv_cache_max_blocks"
_BLOCK_TOKENS: Final = f"{_P}kv_cache_tokens_per_block"
_FINISHED: Final = f"{_P}request_success_total"
_ERRORS: Final = f"{_P}request_error_total"
_LABELS: Final = {_FINISHED: "finished_reason", _ERRORS: "http_code"}
"""The label by which samples of a name are told apart."""
_MODEL: Final = f"{_P}model_config_info"
_PARALLEL: Final = f"{_P}parallel_config_info"

_TIERS: Final = {"gpu": Tier.HBM, "host": Tier.DRAM, "disk": Tier.FLASH}
"""By the label `cache_tier`."""
_LEVELS: Final = {"0": Tier.HBM, "1": Tier.DRAM, "2": Tier.FLASH}
"""By the label `cache_level`, where there is no `cache_tier` at all: a deployment may have two levels on the GPU."""

_RULES: Final = rules(
    {
        f"{_P}num_requests_running": Rule(Signal.REQUESTS_RUNNING, _GAUGE),
        f"{_P}num_requests_waiting": Rule(Signal.REQUESTS_WAITING, _GAUGE),
        f"{_P}num_paused_requests": Rule(Signal.REQUESTS_IN_STAGE, _GAUGE, label="paused"),
        _FINISHED: Rule(Signal.REQUESTS_FINISHED, _COUNTER),
        _ERRORS: Rule(Signal.REQUEST_ERRORS, _COUNTER),
        _PROMPT: Rule(Signal.PROMPT_TOKENS, _COUNTER),
        f"{_P}generation_tokens_total": Rule(Signal.GENERATION_TOKENS, _COUNTER),
        _CACHED: Rule(Signal.HIT_TOKENS, _COUNTER, Tier.UNKNOWN),
        _CACHED_BY_TIER: Rule(Signal.HIT_TOKENS, _COUNTER),
        _REUSED: Rule(Signal.HIT_BLOCKS, _COUNTER),
        f"{_P}kv_cache_utilization": Rule(Signal.KV_ACTIVE_RATIO, _GAUGE, Tier.HBM),
        f"{_P}kv_cache_host_utilization": Rule(Signal.KV_ACTIVE_RATIO, _GAUGE, Tier.DRAM),
        f"{_P}kv_cache_used_blocks": Rule(Signal.KV_ACTIVE_BLOCKS, _GAUGE, Tier.HBM),
        _BLOCKS: Rule(Signal.KV_CAPACITY_BLOCKS, _GAUGE, Tier.HBM),
        _BLOCK_TOKENS: Rule(Signal.KV_BLOCK_TOKENS, _GAUGE),
        f"{_P}kv_cache_hit_rate": Rule(Signal.KV_HIT_RATE, _GAUGE),
        f"{_P}kv_cache_offload_bytes_total": Rule(Signal.KV_TRANSFER_BYTES, _COUNTER, Tier.HBM, to=Tier.DRAM),
        f"{_P}kv_cache_onboard_bytes_total": Rule(Signal.KV_TRANSFER_BYTES, _COUNTER, Tier.DRAM, to=Tier.HBM),
        f"{_P}kv_cache_intra_device_copy_bytes_total": Rule(Signal.KV_TRANSFER_BYTES, _COUNTER, Tier.HBM, to=Tier.HBM),
        f"{_P}kv_cache_disk_prefetch_blocks_total": Rule(Signal.KV_TRANSFER_BLOCKS, _COUNTER, Tier.FLASH, to=Tier.DRAM),
        f"{_P}iteration_latency_seconds": Rule(Signal.ITERATION, _GAUGE),
        f"{_P}spec_decode_drafted_tokens_total": Rule(Signal.SPEC_DRAFT_TOKENS, _COUNTER),
        f"{_P}spec_decode_accepted_tokens_total": Rule(Signal.SPEC_ACCEPTED_TOKENS, _COUNTER),
        f"{_P}gpu_memory_usage_bytes": Rule(Signal.DEVICE_MEMORY_USED, _GAUGE),
        f"{_P}cpu_memory_usage_bytes": Rule(Signal.HOST_MEMORY_USED, _GAUGE, label="cpu"),
        f"{_P}pinned_memory_usage_bytes": Rule(Signal.HOST_MEMORY_USED, _GAUGE, label="pinned"),
    },
    {
        f"{_P}time_to_first_token_seconds": Signal.TTFT,
        f"{_P}time_per_output_token_seconds": Signal.TPOT,
        f"{_P}e2e_request_latency_seconds": Signal.E2E,
        f"{_P}request_queue_time_seconds": Signal.QUEUE,
        f"{_P}request_prefill_time_seconds": Signal.PREFILL,
        f"{_P}request_decode_time_seconds": Signal.DECODE,
    },
)
_REPLACED: Final = {_CACHED: _CACHED_BY_TIER}
"""Names that count only on a page without the other one."""
_QUERIED: Final = Rule(Signal.KV_QUERY_BLOCKS, _COUNTER)
_FAMILIES: Final = families([*_RULES, _MISSED, _MODEL, _PARALLEL])


def _detect(names: Collection[str]) -> bool:
    return any(name.startswith((_P, _OLD_P)) for name in names)


def wanted(family: str) -> bool:
    """Whether `add` may look at samples of this family."""
    return _current(family) in _FAMILIES


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    add(draft, keys, f"{target}/0")
    return draft.mapping()


def add(draft: Draft, keys: Sequence[SampleKey], worker: str) -> None:
    """Everything that TensorRT-LLM's families say of the page's engine, if they are there."""
    samples = [
        (index, _current(key.name), key, dict(key.labels))
        for index, key in enumerate(keys)
        if key.name.startswith((_P, _OLD_P))
    ]
    if not samples:
        return
    draft.worker(_facts(worker, [(name, labels) for _, name, _, labels in samples]))
    at = {name: index for index, name, _, _ in samples}
    plain = {name for _, name, key, _ in samples if key.type in ("gauge", "counter", "untyped")}
    old = outdated(keys, _REPLACED)
    for index, name, key, labels in samples:
        if name in (_REUSED, _MISSED):
            draft.take(index, key, labels, _QUERIED, worker=worker, metric=f"{_REUSED} + {_MISSED}")
        if name in old or name not in _RULES:
            continue
        tier = _tier(labels) if name == _CACHED_BY_TIER else None
        label = labels.get(_LABELS.get(name, ""), "")
        draft.take(index, key, labels, _RULES[name], worker=worker, tier=tier, label=label)
    if plain.issuperset((_PROMPT, _CACHED)):
        series = Series(Signal.PROMPT_TOKENS_COMPUTED, _COUNTER, worker, f"{_PROMPT} - {_CACHED}")
        draft.difference(at[_PROMPT], at[_CACHED], series)
    if plain.issuperset((_BLOCKS, _BLOCK_TOKENS)):
        series = Series(Signal.KV_CAPACITY_TOKENS, _GAUGE, worker, f"{_BLOCKS} * {_BLOCK_TOKENS}", Tier.HBM)
        draft.derive(Op.TIMES, at[_BLOCKS], at[_BLOCK_TOKENS], series)


def _current(name: str) -> str:
    return f"{_P}{name.removeprefix(_OLD_P)}" if name.startswith(_OLD_P) else name


def _tier(labels: Table[str, str]) -> Tier:
    if "cache_tier" in labels:
        return _TIERS.get(labels["cache_tier"].lower(), Tier.UNKNOWN)
    return _LEVELS.get(labels.get("cache_level", ""), Tier.UNKNOWN)


def _facts(worker: str, samples: Sequence[tuple[str, Table[str, str]]]) -> WorkerFacts:
    model = next((labels["model_name"] for _, labels in samples if labels.get("model_name")), "")
    chip = next((labels["gpu_type"] for name, labels in samples if name == _MODEL and labels.get("gpu_type")), "")
    chips = next(
        (
            whole(labels.get("tp_size", "")) * whole(labels.get("pp_size", ""))
            for name, labels in samples
            if name == _PARALLEL
        ),
        0,
    )
    return WorkerFacts(
        worker, model, device=Device.GPU if chip else Device.UNKNOWN, chip=chip, chips=min(chips, 999_999)
    )


_REACH: Final = Reach(
    "TensorRT-LLM",
    owned_by="tensorrt_llm",
    page="/prometheus/metrics",
    no_page="return_perf_metrics: true",
    asks=(Ask("/version", Fact.VERSION, json_facts(version="version")),),
    hints=(
        Hint(Aspect.TIERS, lacks(Signal.HIT_TOKENS), "a newer TensorRT-LLM", "hits by tier"),
        Hint(
            Aspect.JITTER,
            shared,
            "enable_iter_perf_stats: true, and sole_reader = true here",
            "each step's own duration; reading its /metrics takes them from every other reader",
        ),
    ),
)

BACKEND: Final = Backend("trtllm", _detect, wanted, _map, _REACH, never_seen=True)
