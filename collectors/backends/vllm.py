"""vLLM's `/metrics`, as of 0.33, with the older names where a page has no newer one. Each `engine` on the page is a worker.

Names and meanings: vllm-project/vllm `vllm/v1/metrics/loggers.py` and `stats.py`; connectors: `vllm_kv`. What a page does not say is left
unknown: role (that a worker takes KV in does not tell what else it does), device, what is cached but idle (its usage gauge counts such blocks
as free: `vllm/v1/core/block_pool.py`, `get_usage`). Left out: lifetimes of blocks, which are a sample of them (KV events tell all evictions);
estimated operations and bytes read, of which no page says how many a second there could be; a step's mean duration, for its inverse is
`engine_steps_total` a second; `http_requests_total`, for at a Prometheus server that name is every web server's.
"""

from collections.abc import Callable, Collection, Sequence
from collections.abc import Mapping as Table
from typing import Final, NamedTuple

from collectors.backends import lmcache_engine, vllm_kv
from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families, outdated, rules, whole
from collectors.backends.reach import (
    OFF,
    Ask,
    Aspect,
    Fact,
    Facts,
    Hint,
    Reach,
    always,
    both,
    coarse,
    json_facts,
    lacks,
    lacks_tiers,
    no_events,
    without,
)
from collectors.model.signals import Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey
from collectors.wire.kv_discovery import kv_endpoints

_INFO: Final = "vllm:cache_config_info"
_BY_SOURCE: Final = "vllm:prompt_tokens_by_source_total"
_CACHED_BY_SOURCE: Final = "vllm:prompt_tokens_cached_by_source_total"
_FINISHED: Final = "vllm:request_success_total"
_OF_PROMPTS: Final = {
    "local_compute": Rule(Signal.PROMPT_TOKENS_COMPUTED, Kind.COUNTER),
    "external_kv_transfer": Rule(Signal.PROMPT_TOKENS_EXTERNAL, Kind.COUNTER),
}
"""By the `source` of prompt tokens. `local_cache_hit` is said by tier elsewhere."""
_ERRORS: Final = Rule(Signal.REQUEST_ERRORS, Kind.COUNTER, label="error")

_TIERS: Final = {"device": Tier.HBM, "host": Tier.DRAM, "disk": Tier.FLASH, "p2p": Tier.PEER}
"""By the `source` of cached prompt tokens. The others (`external_unspecified`, and what may come) are of an unknown tier."""

_STAGES: Final = {"vllm:num_requests_waiting_by_reason": "reason", "vllm:num_requests_kv_fetch_by_stage": "stage"}
_REJECTED: Final = "vllm:admission_rejections_total"
_LABELS: Final = {**_STAGES, _REJECTED: "reason", _FINISHED: "finished_reason"}
"""The label by which samples of a name are told apart."""

_SCALARS: Final = {
    "vllm:num_requests_running": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
    "vllm:num_requests_waiting": Rule(Signal.REQUESTS_WAITING, Kind.GAUGE),
    **dict.fromkeys(_STAGES, Rule(Signal.REQUESTS_IN_STAGE, Kind.GAUGE)),
    _FINISHED: Rule(Signal.REQUESTS_FINISHED, Kind.COUNTER),  # errors included
    _REJECTED: Rule(Signal.REQUESTS_REJECTED, Kind.COUNTER),
    "vllm:num_preemptions_total": Rule(Signal.PREEMPTIONS, Kind.COUNTER),
    "vllm:prompt_tokens_total": Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
    "vllm:generation_tokens_total": Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
    "vllm:iteration_tokens_total_count": Rule(Signal.ENGINE_STEPS, Kind.COUNTER),  # a histogram, in spite of its name
    _BY_SOURCE: _OF_PROMPTS["local_compute"],
    _CACHED_BY_SOURCE: Rule(Signal.HIT_TOKENS, Kind.COUNTER),
    "vllm:prompt_tokens_cached_total": Rule(Signal.HIT_TOKENS, Kind.COUNTER, Tier.UNKNOWN),
    "vllm:prefix_cache_queries_total": Rule(Signal.KV_QUERY_TOKENS, Kind.COUNTER, Tier.HBM),
    "vllm:gpu_prefix_cache_queries_total": Rule(Signal.KV_QUERY_TOKENS, Kind.COUNTER, Tier.HBM),
    "vllm:prefix_cache_hits_total": Rule(Signal.KV_HITS, Kind.COUNTER, Tier.HBM),
    "vllm:gpu_prefix_cache_hits_total": Rule(Signal.KV_HITS, Kind.COUNTER, Tier.HBM),
    "vllm:external_prefix_cache_queries_total": Rule(Signal.KV_QUERY_TOKENS, Kind.COUNTER, Tier.UNKNOWN),
    "vllm:external_prefix_cache_hits_total": Rule(Signal.KV_HITS, Kind.COUNTER, Tier.UNKNOWN),
    "vllm:kv_cache_usage_perc": Rule(Signal.KV_ACTIVE_RATIO, Kind.GAUGE, Tier.HBM),
    "vllm:gpu_cache_usage_perc": Rule(Signal.KV_ACTIVE_RATIO, Kind.GAUGE, Tier.HBM),
    "vllm:spec_decode_num_draft_tokens_total": Rule(Signal.SPEC_DRAFT_TOKENS, Kind.COUNTER),
    "vllm:spec_decode_num_accepted_tokens_total": Rule(Signal.SPEC_ACCEPTED_TOKENS, Kind.COUNTER),
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
    "vllm:gpu_prefix_cache_queries_total": "vllm:prefix_cache_queries_total",
    "vllm:gpu_prefix_cache_hits_total": "vllm:prefix_cache_hits_total",
    **vllm_kv.REPLACED,
}
"""Names that count only on a page without the other one."""

_RULES: Final = rules(_SCALARS, _HISTOGRAMS) | vllm_kv.RULES
_FAMILIES: Final = families([*_RULES, _INFO, *vllm_kv.INFOS])


def _detect(names: Collection[str]) -> bool:
    return not _FAMILIES.isdisjoint(names)


def wanted(family: str) -> bool:
    """Whether `add` may look at samples of this family: an engine's page may have those of LMCache within it."""
    return family in _FAMILIES or lmcache_engine.wanted(family)


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    add(draft, keys, lambda engine: f"{target}/{engine}")
    return draft.mapping()


def add(
    draft: Draft,
    keys: Sequence[SampleKey],
    worker_id: Callable[[str], str],
    among: Collection[int] | None = None,
) -> None:
    """Everything that vLLM's families say of the page's engines; `worker_id` makes an id of the `engine` label.

    `among` are the indices of the keys to be looked at, if not all.
    """
    old = outdated(keys, _REPLACED)
    samples = [
        (index, key, dict(key.labels))
        for index, key in enumerate(keys)
        if (key.name in _RULES or key.name == _INFO or key.name in vllm_kv.INFOS) and (among is None or index in among)
    ]
    engines = dict.fromkeys(labels["engine"] for _, _, labels in samples if "engine" in labels) or {"0": None}
    only = next(iter(engines)) if len(engines) == 1 else None
    pools: dict[str, set[_Pool]] = {}
    for index, key, labels in samples:
        if key.name in old:
            continue
        engine = labels.get("engine", only)
        worker = "" if engine is None else worker_id(engine)  # a server with several engines says some things of itself
        if worker:
            draft.worker(WorkerFacts(worker, model=labels.get("model_name") or labels.get("model", "")))
        if key.name in _RULES:
            _take(draft, index, key, labels, worker)
        elif worker and key.name == _INFO:
            pools.setdefault(worker, set()).add(_pool(labels))
        elif worker and (size := vllm_kv.capacity(key.name, labels, worker)):
            draft.constant(float(size[0]), size[1])
    summed = len(pools) > 1 and len(set(map(frozenset, pools.values()))) == 1
    for worker, (pool, *others) in pools.items():
        if (tokens := pool.tokens(len(pools) if summed else 1)) and not others:
            series = Series(Signal.KV_CAPACITY_TOKENS, Kind.GAUGE, worker=worker, metric=_INFO, tier=Tier.HBM)
            draft.constant(float(tokens), series)
    lmcache_engine.add(draft, keys, worker_id(only) if only is not None else "", among)


def _take(draft: Draft, index: int, key: SampleKey, labels: Table[str, str], worker: str) -> None:
    if key.name in vllm_kv.RULES:
        vllm_kv.take(draft, index, key, labels, worker)
    elif key.name == _BY_SOURCE:
        if rule := _OF_PROMPTS.get(labels.get("source", "")):
            draft.take(index, key, labels, rule, worker=worker)
    elif key.name == _CACHED_BY_SOURCE:
        tier = _TIERS.get(labels.get("source", ""), Tier.UNKNOWN)
        draft.take(index, key, labels, _RULES[key.name], worker=worker, tier=tier)
    else:
        label = labels.get(_LABELS.get(key.name, ""), "")
        draft.take(index, key, labels, _RULES[key.name], worker=worker, label=label)
        if key.name == _FINISHED and labels.get("finished_reason") == "error":
            draft.take(index, key, labels, _ERRORS, worker=worker)


class _Pool(NamedTuple):
    """What `cache_config_info` says of the device's KV pool, 0 where it does not: blocks have no number until the engine has measured its memory.

    `blocks` is the sum over all engines of the server, `held` (in tokens, not of old builds) of one (`vllm/v1/engine/core_client.py`).
    `kv_cache_memory_bytes` is a budget, not a size.
    """

    blocks: int
    block_tokens: int
    held: int

    def tokens(self, engines: int) -> int:
        """Of one engine, where the blocks are those of so many. Block 0 is the null block, which never holds anything (`vllm/v1/core/block_pool.py`)."""
        blocks, rest = divmod(self.blocks, engines)
        if self.held:
            blocks, rest = divmod(self.held, self.block_tokens) if self.block_tokens else (0, 0)
            if rest or not blocks or self.blocks % blocks:
                return self.held  # of layers that differ, no multiple of a block
        return 0 if rest else max(blocks - 1, 0) * self.block_tokens


def _pool(labels: Table[str, str]) -> _Pool:
    names = ("num_gpu_blocks", "block_size", "kv_cache_size_tokens")
    return _Pool(*(whole(labels.get(name, "")) for name in names))


def _publishers(body: bytes, host: str) -> Facts:
    return {Fact.KV_EVENTS: ", ".join(one.live for one in kv_endpoints(body, host)) or OFF}


_REACH: Final = Reach(
    "vLLM",
    owned_by="vllm",
    asks=(
        Ask("/version", Fact.VERSION, json_facts(version="version")),
        Ask("/kv_event_sources", Fact.KV_EVENTS, _publishers),
    ),
    hints=(
        Hint(
            Aspect.PLACEMENT,
            always,
            "--otlp-traces-endpoint http://here:4318/v1/traces with OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf",
            "queue, prefill and decode of each request (otlp+http://127.0.0.1:4318 as a target)",
        ),
        Hint(
            Aspect.TIERS,
            no_events,
            '--kv-events-config \'{"enable_kv_cache_events":true,"publisher":"zmq","endpoint":"tcp://*:5557","replay_endpoint":"tcp://*:5558"}\'',
            "what each tier really holds, evictions, moves between tiers; its usage gauge counts cached idle blocks as free",
        ),
        Hint(Aspect.TIERS, lacks_tiers(Signal.HIT_TOKENS), "vLLM later than 0.25", "hits by tier"),
        Hint(
            Aspect.TIERS,
            both(no_events, without("vllm:kv_block_lifetime_seconds")),
            "--kv-cache-metrics",
            "sampled lifetimes and reuse of blocks, on its page (for other tools: tokenyard reads KV events instead)",
        ),
        Hint(
            Aspect.JITTER,
            coarse(Signal.GAP),
            "--custom-histogram-buckets '{\"inter_token_latency\":[0.0005,0.001,0.0015,0.002,0.003,0.005,0.01,0.02,0.05,0.1,0.5]}'",
            "gaps of a fast decoder told apart",
        ),
        Hint(Aspect.JITTER, lacks(Signal.GAP), "vLLM 0.13 or later", "gaps between tokens"),
    ),
)

BACKEND: Final = Backend("vllm", _detect, wanted, _map, _REACH)
