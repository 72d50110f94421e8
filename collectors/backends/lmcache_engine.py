"""LMCache within an engine's process (`lmcache:*`), on the engine's page or on that of LMCache's own small server.

Every tensor-parallel worker of the engine has an LMCache of its own and counts for itself: bytes add up over them, but the tokens are
the same ones each time and are taken of the first worker. What the engine's page says in its own words counts there, and is not said
twice: prompt tokens, and by what their KV was served. Names, units and types: LMCache/LMCache `lmcache/observability.py`.
"""

from collections.abc import Collection, Sequence
from typing import Final

from collectors.backends.mapping import Draft, Rule, families, histogram
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey

_MS: Final = 1e-3
_TRANSFER: Final = Signal.KV_TRANSFER

_TOKENS: Final = {
    "lmcache:num_lookup_tokens_total": Rule(Signal.KV_QUERY_TOKENS, Kind.COUNTER, Tier.UNKNOWN),
    "lmcache:num_lookup_hits_total": Rule(Signal.KV_HITS, Kind.COUNTER, Tier.UNKNOWN),
}
"""Taken of one worker."""
_ALONE: Final = {
    "lmcache:num_prompt_tokens_total": Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
    "lmcache:num_vllm_hit_tokens_total": Rule(Signal.KV_HITS, Kind.COUNTER, Tier.HBM),
    "lmcache:num_hit_tokens_total": Rule(Signal.PROMPT_TOKENS_EXTERNAL, Kind.COUNTER),
}
"""Taken of one worker, on a page without an engine."""
_OF_ALL: Final = {
    "lmcache:lmcache_is_healthy": Rule(Signal.HEALTHY, Kind.GAUGE),
    "lmcache:local_cache_usage": Rule(Signal.KV_USED_BYTES, Kind.GAUGE, Tier.DRAM),
    "lmcache:local_storage_usage": Rule(Signal.KV_USED_BYTES, Kind.GAUGE, Tier.FLASH),
    "lmcache:remote_cache_usage": Rule(Signal.KV_USED_BYTES, Kind.GAUGE, Tier.UNKNOWN),  # whatever the remote is
    "lmcache:local_cpu_hot_cache_count": Rule(Signal.KV_USED_BLOCKS, Kind.GAUGE, Tier.DRAM),
    "lmcache:local_cpu_evict_keys_count_total": Rule(Signal.KV_EVICTED_BLOCKS, Kind.COUNTER, Tier.DRAM),
    "lmcache:num_remote_read_bytes_total": Rule(Signal.KV_TRANSFER_BYTES, Kind.COUNTER, Tier.UNKNOWN, to=Tier.DRAM),
    "lmcache:num_remote_write_bytes_total": Rule(Signal.KV_TRANSFER_BYTES, Kind.COUNTER, Tier.DRAM, to=Tier.UNKNOWN),
    **histogram("lmcache:retrieve_to_gpu_time", Rule(_TRANSFER, Kind.BUCKET, Tier.DRAM, to=Tier.HBM)),
    **histogram("lmcache:time_to_retrieve", Rule(_TRANSFER, Kind.BUCKET, Tier.UNKNOWN, to=Tier.HBM)),
    **histogram("lmcache:time_to_store", Rule(_TRANSFER, Kind.BUCKET, Tier.HBM, to=Tier.UNKNOWN)),
    **histogram("lmcache:remote_time_to_get", Rule(_TRANSFER, Kind.BUCKET, Tier.UNKNOWN, _MS, Tier.DRAM)),
    **histogram("lmcache:remote_time_to_put", Rule(_TRANSFER, Kind.BUCKET, Tier.DRAM, _MS, Tier.UNKNOWN)),
    **histogram("lmcache:p2p_time_to_transfer", Rule(_TRANSFER, Kind.BUCKET, Tier.PEER, to=Tier.DRAM)),
}
"""Of all workers together."""
_FAMILIES: Final = families([*_TOKENS, *_ALONE, *_OF_ALL])
_PREFIX: Final = "lmcache:"


def wanted(family: str) -> bool:
    return family in _FAMILIES


def add(
    draft: Draft,
    keys: Sequence[SampleKey],
    worker: str,
    among: Collection[int] | None = None,
    *,
    owner: str = "",
    alone: bool = False,
) -> None:
    """What LMCache says of the engine `worker`, or, if that is empty, of the pools of `owner`. `alone`: the page has no engine.

    `among` are the indices of the keys to be looked at, if not all.
    """
    samples = [
        (index, key, dict(key.labels))
        for index, key in enumerate(keys)
        if key.name.startswith(_PREFIX) and (among is None or index in among)
    ]
    first: dict[str, tuple[int, str]] = {}
    for _, key, labels in samples:
        rank = _rank(labels.get("worker_id", ""))
        first[key.name] = min(first.get(key.name, rank), rank)
    where = owner or ("" if worker else "LMCache")
    for index, key, labels in samples:
        rule = _TOKENS.get(key.name) or (_ALONE.get(key.name) if alone else None)
        if rule is not None and _rank(labels.get("worker_id", "")) != first[key.name]:
            continue
        if rule := rule or _OF_ALL.get(key.name):
            draft.take(index, key, labels, rule, worker=worker, owner=where)


def _rank(text: str) -> tuple[int, str]:
    """Numbers in their order, then anything else."""
    return (int(text), "") if text.isascii() and text.isdecimal() and len(text) < 10 else (1 << 40, text)
