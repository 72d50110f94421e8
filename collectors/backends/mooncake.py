"""Mooncake: the store's master, its clients, and the TENT transfer engine. No workers: the master's pools, and what a process moves.

The master's totals over all segments are taken, as pools of the target that is scraped: DRAM, SSDs over NVMe-oF, files; the segments
(`segment_*`) are the same bytes once more. Hits and look-ups are of keys, not of tokens. What is read from the store comes from another
machine's memory, into whatever the reader gave. Latencies are in microseconds, whatever they are called. TENT leaves out what is still
zero. Names: kvcache-ai/Mooncake `mooncake-store/src/master_metric_manager.cpp`, `mooncake-store/include/client_metric.h`,
`docs/source/design/tent/metrics.md`. Left out: eviction rounds (the keys and bytes that left are counted), totals of read and written
SSD bytes, summaries.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final

from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families, histogram, outdated
from collectors.backends.reach import Aspect, Hint, Reach, lacks
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey

_MARKS: Final = ("master_allocated_bytes", "master_total_capacity_bytes", "master_key_count", "mem_cache_hit_nums_")
"""Other software may have a master too."""
_GAUGE: Final = Kind.GAUGE
_COUNTER: Final = Kind.COUNTER
_US: Final = 1e-6
_NVME: Final = "NVMe-oF"
_FILES: Final = "files"
_FAILURES: Final = re.compile(r"master_(?!put_start_alloc_)([a-z0-9_]{1,64})_failures(?:_total)?")
"""Of each kind of call. Those for want of room are among the failed ones already."""

_POOLS: Final = {
    "": {
        "master_allocated_bytes": Rule(Signal.KV_USED_BYTES, _GAUGE, Tier.DRAM),
        "master_total_capacity_bytes": Rule(Signal.KV_CAPACITY_BYTES, _GAUGE, Tier.DRAM),
        "mem_cache_hit_nums_": Rule(Signal.HIT_LOOKUPS, _COUNTER, Tier.DRAM),
        "mem_cache_hit_bytes_total": Rule(Signal.HIT_BYTES, _COUNTER, Tier.DRAM),
        "master_evicted_key_count_mem": Rule(Signal.KV_EVICTED_BLOCKS, _COUNTER, Tier.DRAM),
        "master_evicted_size_bytes_mem": Rule(Signal.KV_EVICTED_BYTES, _COUNTER, Tier.DRAM),
        "master_evicted_key_count": Rule(Signal.KV_EVICTED_BLOCKS, _COUNTER, Tier.UNKNOWN),
        "master_evicted_size_bytes": Rule(Signal.KV_EVICTED_BYTES, _COUNTER, Tier.UNKNOWN),
        "master_key_count": Rule(Signal.KV_USED_BLOCKS, _GAUGE),
        "total_get_nums_": Rule(Signal.KV_QUERY_LOOKUPS, _COUNTER),
    },
    _NVME: {
        "master_nof_allocated_bytes": Rule(Signal.KV_USED_BYTES, _GAUGE, Tier.FLASH),
        "master_total_nof_capacity_bytes": Rule(Signal.KV_CAPACITY_BYTES, _GAUGE, Tier.FLASH),
        "master_evicted_key_count_nof": Rule(Signal.KV_EVICTED_BLOCKS, _COUNTER, Tier.FLASH),
        "master_evicted_size_bytes_nof": Rule(Signal.KV_EVICTED_BYTES, _COUNTER, Tier.FLASH),
    },
    _FILES: {
        "master_allocated_file_size_bytes": Rule(Signal.KV_USED_BYTES, _GAUGE, Tier.FLASH),
        "master_total_file_capacity_bytes": Rule(Signal.KV_CAPACITY_BYTES, _GAUGE, Tier.FLASH),
        "file_cache_hit_nums_": Rule(Signal.HIT_LOOKUPS, _COUNTER, Tier.FLASH),
        "file_cache_hit_bytes_total": Rule(Signal.HIT_BYTES, _COUNTER, Tier.FLASH),
    },
}
"""By what is added to the owner's name, then by sample name."""
_REPLACED: Final = {
    "master_evicted_key_count": "master_evicted_key_count_mem",
    "master_evicted_size_bytes": "master_evicted_size_bytes_mem",
}
"""Totals that count only on a page without their parts."""


def _moved(name: str, signal: Signal, kind: Kind, source: Tier, to: Tier) -> dict[str, Rule]:
    rule = Rule(signal, kind, source, _US if kind is Kind.BUCKET else 1.0, to)
    return histogram(name, rule) if kind is Kind.BUCKET else {name: rule}


_BYTES: Final = Signal.KV_TRANSFER_BYTES
_FLOWS: Final = {
    **_moved("mooncake_transfer_read_bytes", _BYTES, _COUNTER, Tier.PEER, Tier.UNKNOWN),
    **_moved("mooncake_transfer_write_bytes", _BYTES, _COUNTER, Tier.UNKNOWN, Tier.PEER),
    **_moved("mooncake_ssd_read_bytes_total", _BYTES, _COUNTER, Tier.FLASH, Tier.DRAM),
    **_moved("mooncake_ssd_write_bytes_total", _BYTES, _COUNTER, Tier.DRAM, Tier.FLASH),
    **_moved("mooncake_transfer_get_latency", Signal.KV_TRANSFER, Kind.BUCKET, Tier.PEER, Tier.UNKNOWN),
    **_moved("mooncake_transfer_put_latency", Signal.KV_TRANSFER, Kind.BUCKET, Tier.UNKNOWN, Tier.PEER),
    **_moved("mooncake_ssd_read_latency_us", Signal.KV_TRANSFER, Kind.BUCKET, Tier.FLASH, Tier.DRAM),
    **_moved("mooncake_ssd_write_latency_us", Signal.KV_TRANSFER, Kind.BUCKET, Tier.DRAM, Tier.FLASH),
    **_moved("tent_read_bytes_total", _BYTES, _COUNTER, Tier.PEER, Tier.UNKNOWN),
    **_moved("tent_write_bytes_total", _BYTES, _COUNTER, Tier.UNKNOWN, Tier.PEER),
    **_moved("tent_read_latency_us", Signal.KV_TRANSFER, Kind.BUCKET, Tier.PEER, Tier.UNKNOWN),
    **_moved("tent_write_latency_us", Signal.KV_TRANSFER, Kind.BUCKET, Tier.UNKNOWN, Tier.PEER),
    **_moved("tent_read_failures_total", Signal.KV_TRANSFER_FAILURES, _COUNTER, Tier.PEER, Tier.UNKNOWN),
    **_moved("tent_write_failures_total", Signal.KV_TRANSFER_FAILURES, _COUNTER, Tier.UNKNOWN, Tier.PEER),
}
"""TENT's have the transport as their label."""
_RULES: Final = _FLOWS | {name: rule for pool in _POOLS.values() for name, rule in pool.items()}
_OWNERS: Final = {name: suffix for suffix, pool in _POOLS.items() for name in pool}
_FAMILIES: Final = families(_RULES)


def _detect(names: Collection[str]) -> bool:
    return any(name.startswith(("mooncake_", "tent_")) or name in _MARKS for name in names)


def _wanted(family: str) -> bool:
    return family in _FAMILIES or _FAILURES.fullmatch(family) is not None


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    old = outdated(keys, _REPLACED)
    for index, key in enumerate(keys):
        labels = dict(key.labels)
        if failed := _FAILURES.fullmatch(key.name):
            rule = Rule(Signal.REQUEST_ERRORS, _COUNTER, label=failed[1])
            draft.take(index, key, labels, rule, worker="", owner=target)
        elif (found := _RULES.get(key.name)) and key.name not in old:
            owner = f"{target} {_OWNERS.get(key.name, '')}".rstrip()
            draft.take(index, key, labels, found, worker="", owner=owner, label=labels.get("transport", ""))
    return draft.mapping()


_REACH: Final = Reach(
    "Mooncake",
    hints=(
        Hint(
            Aspect.TIERS,
            lacks(Signal.KV_USED_BYTES),
            "the page of the store's master (:9003, --enable_metric_reporting) as a target",
            "what the pools hold, and their size",
        ),
    ),
)

BACKEND: Final = Backend("mooncake", _detect, _wanted, _map, _REACH)
