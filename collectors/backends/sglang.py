"""SGLang's `/metrics`, as of 0.5.23, with the older names where a page has no newer one. Each data-parallel rank is a worker.

A scheduler says what it knows with its ranks as labels, and every tensor-parallel rank may say the same: what is logical (requests,
tokens, durations) is taken of the first of them, bytes add up over those that report. The server's front counts prompts, tokens and
latencies without a rank: they are of the only rank, or, where the page has several, of the worker `…/server`. Totals of queues stand
beside their parts by priority, which are passed over. Names and units: sgl-project/sglang `srt/observability/metrics_collector.py`; its
GB and MB are 2^30 and 2^20 (`srt/disaggregation`). Left out: `utilization` (load against an objective), `gen_throughput`, and the figures of
`/v1/loads`, which are the page's but for sizes of weights and graphs.
"""

from collections.abc import Callable, Collection, Sequence
from collections.abc import Mapping as Table
from typing import Final, NamedTuple

import msgspec

from collectors.backends import lmcache_engine
from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families, histogram, outdated, rules
from collectors.backends.reach import (
    OFF,
    ON,
    Ask,
    Aspect,
    Fact,
    Facts,
    Hint,
    Reach,
    always,
    coarse,
    json_facts,
    lacks,
    lacks_tiers,
    no_events,
)
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier
from collectors.wire.exposition import SampleKey

SERVER: Final = "server"
"""Stands for the rank of what is said of all ranks of a page together."""

_P: Final = "sglang:"
_GIB: Final = 1024.0**3
_MIB: Final = 1024.0**2
_MS: Final = 1e-3
_NS: Final = 1e9
_GAUGE: Final = Kind.GAUGE
_COUNTER: Final = Kind.COUNTER

_RETRY: Final = "prefills begun again, at whichever worker"

_QUEUES: Final = {
    f"{_P}num_{stage}_queue_reqs": stage
    for stage in ("prefill_bootstrap", "prefill_inflight", "decode_prealloc", "decode_transfer")
}
_RUNNING: Final = f"{_P}num_running_reqs"
_WAITING: Final = f"{_P}num_queue_reqs"
_GRAMMAR: Final = f"{_P}num_grammar_queue_reqs"
_WITH_PRIORITIES: Final = frozenset({_RUNNING, _WAITING, *_QUEUES})
_ACTIVE: Final = f"{_P}kv_used_tokens"
_EVICTABLE: Final = f"{_P}kv_evictable_tokens"
_STAGES: Final = f"{_P}per_stage_req_latency_seconds"
_CACHED: Final = f"{_P}cached_tokens_total"
_PREFILLED: Final = f"{_P}prefill_effective_tokens_total"
_FETCHED: Final = f"{_P}prefetched_tokens_total"
_BACKED_UP: Final = f"{_P}backuped_tokens_total"

_SUMS: Final = {
    (_WAITING, _GRAMMAR): Rule(Signal.REQUESTS_WAITING, _GAUGE),
    (_ACTIVE, _EVICTABLE): Rule(Signal.KV_USED_TOKENS, _GAUGE, Tier.HBM),
}
"""What is the sum of two gauges, of pages that have both."""

_SCALARS: Final = {
    _RUNNING: Rule(Signal.REQUESTS_RUNNING, _GAUGE),
    _WAITING: Rule(Signal.REQUESTS_WAITING, _GAUGE),
    **{name: Rule(Signal.REQUESTS_IN_STAGE, _GAUGE, label=stage) for name, stage in _QUEUES.items()},
    f"{_P}token_usage": Rule(Signal.KV_ACTIVE_RATIO, _GAUGE, Tier.HBM),
    _ACTIVE: Rule(Signal.KV_ACTIVE_TOKENS, _GAUGE, Tier.HBM),
    f"{_P}num_used_tokens": Rule(Signal.KV_ACTIVE_TOKENS, _GAUGE, Tier.HBM),
    f"{_P}max_total_num_tokens": Rule(Signal.KV_CAPACITY_TOKENS, _GAUGE, Tier.HBM),
    f"{_P}kv_cache_memory_usage_gb": Rule(Signal.KV_CAPACITY_BYTES, _GAUGE, Tier.HBM, _GIB),
    f"{_P}page_size": Rule(Signal.KV_BLOCK_TOKENS, _GAUGE),
    f"{_P}hicache_host_used_tokens": Rule(Signal.KV_USED_TOKENS, _GAUGE, Tier.DRAM),
    f"{_P}hicache_host_total_tokens": Rule(Signal.KV_CAPACITY_TOKENS, _GAUGE, Tier.DRAM),
    f"{_P}cache_hit_rate": Rule(Signal.KV_HIT_RATE, _GAUGE),
    f"{_P}spec_accept_rate": Rule(Signal.SPEC_ACCEPT_RATIO, _GAUGE),
    f"{_P}spec_accept_length": Rule(Signal.SPEC_ACCEPT_LENGTH, _GAUGE),
    f"{_P}fwd_occupancy": Rule(Signal.DEVICE_ACTIVITY, _GAUGE, scale=1e-2, label="forward pass"),
    f"{_P}prompt_tokens_total": Rule(Signal.PROMPT_TOKENS, _COUNTER),
    f"{_P}generation_tokens_total": Rule(Signal.GENERATION_TOKENS, _COUNTER),
    f"{_P}num_requests_total": Rule(Signal.REQUESTS_FINISHED, _COUNTER),
    f"{_P}num_aborted_requests_total": Rule(Signal.REQUEST_ERRORS, _COUNTER, label="aborted"),
    f"{_P}num_retracted_requests_total": Rule(Signal.PREEMPTIONS, _COUNTER),
    f"{_P}num_transfer_failed_reqs_total": Rule(Signal.PD_TRANSFER_FAILURES, _COUNTER, label="transfer"),
    f"{_P}num_bootstrap_failed_reqs_total": Rule(Signal.PD_TRANSFER_FAILURES, _COUNTER, label="bootstrap"),
    f"{_P}num_prefill_retries_total": Rule(Signal.MIGRATIONS, _COUNTER, label="prefill retry", estimate=_RETRY),
    f"{_P}evicted_tokens_total": Rule(Signal.KV_EVICTED_TOKENS, _COUNTER, Tier.HBM),
    f"{_P}hicache_backup_bytes_total": Rule(Signal.KV_TRANSFER_BYTES, _COUNTER, Tier.HBM, to=Tier.DRAM),
    f"{_P}load_back_bytes_total": Rule(Signal.KV_TRANSFER_BYTES, _COUNTER, Tier.DRAM, to=Tier.HBM),
    f"{_P}kv_transfer_total_mb_sum": Rule(Signal.PD_TRANSFER_BYTES, _COUNTER, scale=_MIB),
}
_HISTOGRAMS: Final = {
    f"{_P}time_to_first_token_seconds": Rule(Signal.TTFT, Kind.BUCKET),
    f"{_P}inter_token_latency_seconds": Rule(Signal.GAP, Kind.BUCKET),
    f"{_P}time_per_output_token_seconds": Rule(Signal.GAP, Kind.BUCKET),
    f"{_P}request_time_per_output_token_seconds": Rule(Signal.TPOT, Kind.BUCKET),
    f"{_P}e2e_request_latency_seconds": Rule(Signal.E2E, Kind.BUCKET),
    f"{_P}queue_time_seconds": Rule(Signal.QUEUE, Kind.BUCKET),
    f"{_P}kv_transfer_latency_ms": Rule(Signal.PD_TRANSFER, Kind.BUCKET, scale=_MS),
    f"{_P}kv_transfer_bootstrap_ms": Rule(Signal.PD_TRANSFER, Kind.BUCKET, scale=_MS, label="bootstrap"),
    f"{_P}kv_transfer_alloc_ms": Rule(Signal.PD_TRANSFER, Kind.BUCKET, scale=_MS, label="alloc"),
    f"{_P}kv_transfer_speed_gb_s": Rule(Signal.PD_TRANSFER_RATE, Kind.BUCKET, scale=_GIB),
    f"{_P}load_back_duration_seconds": Rule(Signal.KV_TRANSFER, Kind.BUCKET, Tier.DRAM, to=Tier.HBM),
    f"{_P}hicache_backup_duration_seconds": Rule(Signal.KV_TRANSFER, Kind.BUCKET, Tier.HBM, to=Tier.DRAM),
}
_RULES: Final = rules(_SCALARS, {}) | {
    part: rule for name, whole in _HISTOGRAMS.items() for part, rule in histogram(name, whole).items()
}

_BY_STAGE: Final = {
    stage: histogram(_STAGES, Rule(signal, Kind.BUCKET))
    for stage, signal in (("prefill_forward", Signal.PREFILL), ("decode_forward", Signal.DECODE))
}
"""By stage, then by sample name. There are two dozen more stages, which nothing here asks for."""
_BY_MODE: Final = {
    "input": Rule(Signal.PROMPT_TOKENS_COMPUTED, _COUNTER),
    "device_hit": Rule(Signal.KV_HITS, _COUNTER, Tier.HBM),
    "host_hit": Rule(Signal.KV_HITS, _COUNTER, Tier.DRAM),
    "storage_hit": Rule(Signal.KV_HITS, _COUNTER, Tier.UNKNOWN),
}
_STORAGE: Final = {"file": Tier.FLASH, "hf3fs": Tier.FLASH}
"""Tier by storage back end. Others keep KV wherever they are told to: an unknown tier."""
_SOURCES: Final = {
    "device": Tier.HBM,
    "host": Tier.DRAM,
    **{f"storage_{name}": tier for name, tier in _STORAGE.items()},
}
_FROM_STORAGE: Final = {
    **histogram(f"{_P}prefetch_bandwidth", Rule(Signal.KV_TRANSFER_RATE, Kind.BUCKET, scale=_GIB)),
    _FETCHED: Rule(Signal.KV_TRANSFER_TOKENS, _COUNTER),
}
_TO_STORAGE: Final = {
    **histogram(f"{_P}backup_bandwidth", Rule(Signal.KV_TRANSFER_RATE, Kind.BUCKET, scale=_GIB)),
    _BACKED_UP: Rule(Signal.KV_TRANSFER_TOKENS, _COUNTER),
}
_LABELLED: Final = {
    f"{_P}hicache_dropped_tokens_total": (Rule(Signal.KV_LOST_TOKENS, _COUNTER, Tier.HBM), "reason"),
    f"{_P}forward_execution_seconds_total": (Rule(Signal.TIME_SPENT, _COUNTER, scale=_NS), "category"),
}
_OF_ALL_RANKS: Final = frozenset(
    {f"{_P}{name}" for name in ("hicache_backup_bytes_total", "load_back_bytes_total", "kv_cache_memory_usage_gb")}
)
_REPLACED: Final = {
    f"{_P}time_per_output_token_seconds": f"{_P}inter_token_latency_seconds",
    f"{_P}num_used_tokens": _ACTIVE,
}
"""Names that count only on a page without the other one."""
_ROLES: Final = {"prefill": Role.PREFILL, "decode": Role.DECODE, "unified": Role.AGGREGATED}
"""By the label `engine_type`; `dynamic` changes its role while it runs."""
_FAMILIES: Final = families(
    [*_RULES, _GRAMMAR, _EVICTABLE, _STAGES, _CACHED, _PREFILLED, *_FROM_STORAGE, *_TO_STORAGE, *_LABELLED]
)


class _Sample(NamedTuple):
    position: int
    key: SampleKey
    labels: dict[str, str]
    rank: str
    """The data-parallel one; empty where the sample is of the server's front."""
    place: tuple[int, int, int]
    """Among the ranks that may say the same."""


def _detect(names: Collection[str]) -> bool:
    return any(name.startswith(_P) for name in names)


def wanted(family: str) -> bool:
    """Whether `add` may look at samples of this family: an engine's page may have those of LMCache within it."""
    return family in _FAMILIES or lmcache_engine.wanted(family)


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    add(draft, keys, lambda rank: f"{target}/{rank}")
    return draft.mapping()


def add(draft: Draft, keys: Sequence[SampleKey], worker_id: Callable[[str], str]) -> None:
    """Everything that SGLang's families say of the page's engines; `worker_id` makes an id of a data-parallel rank, or of `SERVER`."""
    samples = [_sample(index, key) for index, key in enumerate(keys) if key.name.startswith(_P)]
    ranks = dict.fromkeys(one.rank for one in samples if one.rank) or {"0": None}
    only = next(iter(ranks)) if len(ranks) == 1 else SERVER
    old = outdated(keys, _REPLACED)
    first: dict[tuple[str, str], tuple[int, int, int]] = {}
    for one in samples:
        where = (one.rank, one.key.name)
        first[where] = min(first.get(where, one.place), one.place)
    names = {one.key.name for one in samples}
    sums = {
        name: (rule, " + ".join(parts)) for parts, rule in _SUMS.items() if names.issuperset(parts) for name in parts
    }
    roles: dict[str, set[Role]] = {}
    for one in samples:
        if kind := one.labels.get("engine_type"):
            roles.setdefault(worker_id(one.rank or only), set()).add(_ROLES.get(kind, Role.UNKNOWN))
    for one in samples:
        repeated = one.place != first[one.rank, one.key.name] and one.key.name not in _OF_ALL_RANKS
        if one.key.name in old or repeated or (one.key.name in _WITH_PRIORITIES and one.labels.get("priority")):
            continue
        worker = worker_id(one.rank or only)
        said = roles.get(worker, set())
        facts = WorkerFacts(worker, one.labels.get("model_name", ""), *(said if len(said) == 1 else ()))
        draft.worker(facts)
        _take(draft, one, worker, sums.get(one.key.name))
    lmcache_engine.add(draft, keys, worker_id(only) if only != SERVER else "")


def _take(draft: Draft, one: _Sample, worker: str, total: tuple[Rule, str] | None) -> None:
    index, key, labels = one.position, one.key, one.labels
    rule = _RULES.get(key.name)
    if total is not None:
        draft.take(index, key, labels, total[0], worker=worker, metric=total[1])
        rule = None if rule is not None and rule.signal is total[0].signal else rule
    if rule is not None:
        draft.take(index, key, labels, rule, worker=worker)
    elif key.name.startswith(_STAGES):
        if part := _BY_STAGE.get(labels.get("stage", ""), {}).get(key.name):
            draft.take(index, key, labels, part, worker=worker)
    elif key.name == _CACHED:
        tier = _SOURCES.get(labels.get("cache_source", ""), Tier.UNKNOWN)
        draft.take(index, key, labels, Rule(Signal.HIT_TOKENS, _COUNTER, tier), worker=worker)
    elif key.name == _PREFILLED:
        if mode := _BY_MODE.get(labels.get("mode", "")):
            draft.take(index, key, labels, mode, worker=worker)
    elif stored := _FROM_STORAGE.get(key.name) or _TO_STORAGE.get(key.name):
        storage = _STORAGE.get(labels.get("storage_backend", ""), Tier.UNKNOWN)
        source, to = (storage, Tier.DRAM) if key.name in _FROM_STORAGE else (Tier.DRAM, storage)
        draft.take(index, key, labels, stored._replace(to=to), worker=worker, tier=source)
    elif key.name in _LABELLED:
        labelled, name = _LABELLED[key.name]
        draft.take(index, key, labels, labelled, worker=worker, label=labels.get(name, ""))


def _sample(index: int, key: SampleKey) -> _Sample:
    labels = dict(key.labels)
    rank = labels.get("dp_rank", "")
    if rank in ("", "None"):
        rank = "0" if "tp_rank" in labels else ""
    return _Sample(
        index,
        key,
        labels,
        rank,
        (_number(labels, "pp_rank"), _number(labels, "tp_rank"), _number(labels, "moe_ep_rank")),
    )


def _number(labels: Table[str, str], name: str) -> int:
    text = labels.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


class _ServerInfo(msgspec.Struct):
    """A few fields of a long answer that has every argument of the server, secrets too: nothing else of it is kept."""

    version: str = ""
    kv_events: msgspec.Raw = msgspec.Raw(b"null")
    kv_events_config: str | None = None


def _told(body: bytes, host: str) -> Facts:
    try:
        info = msgspec.json.decode(body, type=_ServerInfo)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("not SGLang's /server_info") from None
    published = bytes(info.kv_events) not in (b"null", b"{}")
    return {Fact.VERSION: info.version, Fact.KV_EVENTS: ON if published or info.kv_events_config else OFF}


_REACH: Final = Reach(
    "SGLang",
    owned_by="sglang",
    no_page="--enable-metrics",
    asks=(
        Ask(
            "/v1/loads?include=core",
            Fact.CHIP,
            json_facts(chip="accelerator", chips="num_accelerators", version="version"),
        ),
        Ask("/server_info", Fact.KV_EVENTS, _told),
        Ask("/get_server_info", Fact.KV_EVENTS, _told),
    ),
    hints=(
        Hint(
            Aspect.PLACEMENT,
            always,
            "--enable-trace --otlp-traces-endpoint http://here:4318/v1/traces with OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf",
            "queue, prefill and decode of each request (otlp+http://127.0.0.1:4318 as a target)",
        ),
        Hint(
            Aspect.TIERS,
            lacks(Signal.KV_CAPACITY_TOKENS, tier=Tier.DRAM),
            "--enable-hierarchical-cache",
            "host memory as a tier, with what it really holds",
        ),
        Hint(
            Aspect.TIERS,
            no_events,
            '--kv-events-config \'{"publisher":"zmq","topic":"kv-events","endpoint":"tcp://*:5557"}\'',
            "blocks stored and removed in every tier, disk and stores too",
        ),
        Hint(
            Aspect.TIERS, lacks(Signal.KV_USED_TOKENS, tier=Tier.HBM), "SGLang 0.5.23", "what the device really holds"
        ),
        Hint(Aspect.TIERS, lacks(Signal.HIT_TOKENS), "SGLang 0.5.23", "hits by tier"),
        Hint(Aspect.TIERS, lacks_tiers(Signal.HIT_TOKENS), "SGLang 0.5.23", "hits by tier"),
        Hint(
            Aspect.JITTER,
            coarse(Signal.GAP),
            "--bucket-inter-token-latency 0.0005 0.001 0.0015 0.002 0.003 0.005 0.01 0.02 0.05 0.1 0.5",
            "gaps of a fast decoder told apart",
        ),
    ),
)

BACKEND: Final = Backend("sglang", _detect, wanted, _map, _REACH)
