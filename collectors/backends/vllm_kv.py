"""vLLM's KV connectors on its `/metrics`: offloading to the host and beyond, transfers between prefill and decode workers.

Names and meanings: vllm-project/vllm `vllm/distributed/kv_transfer/kv_connector/v1/{nixl,mooncake,offloading}`, `vllm/v1/kv_offload/tiering`,
`vllm/v1/simple_kv_offload/metrics.py`. Left out, for none of them is occupancy: the `kv_offload_cpu_*usage_perc` gauges (the share of the
host's pool that transfers under way hold) and `kv_offload_tiering_primary_*_usage_perc`.
"""

from collections.abc import Mapping as Table
from typing import Final

from collectors.backends.mapping import Draft, Rule, rules, whole
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey

_NS: Final = 1e9
_OFFLOAD: Final = "vllm:kv_offload_"
_TIERING: Final = "vllm:kv_offload_tiering_"
_OFFLOAD_INFO: Final = "vllm:kv_offload_config_info"
_SIMPLE_INFO: Final = "vllm:simple_kv_offload_info"
INFOS: Final = (_OFFLOAD_INFO, _SIMPLE_INFO)

_TIERS: Final = {"primary": Tier.DRAM, "fs": Tier.FLASH, "obj": Tier.OBJECT, "p2p": Tier.PEER}
"""By what stands behind the number in a `tier` label (`1:fs`). Others are of an unknown tier."""
_DIRECTIONS: Final = {"GPU_to_CPU": (Tier.HBM, Tier.DRAM), "CPU_to_GPU": (Tier.DRAM, Tier.HBM)}


def _counter(signal: Signal, source: Tier, to: Tier, scale: float = 1.0) -> Rule:
    return Rule(signal, Kind.COUNTER, source, scale=scale, to=to)


_TIERED: Final = {
    f"{_TIERING}write_bytes_total": Rule(Signal.KV_TRANSFER_BYTES, Kind.COUNTER),
    f"{_TIERING}read_bytes_total": Rule(Signal.KV_TRANSFER_BYTES, Kind.COUNTER),
    f"{_TIERING}write_time_total": Rule(Signal.KV_TRANSFER_TIME, Kind.COUNTER, scale=_NS),
    f"{_TIERING}read_time_total": Rule(Signal.KV_TRANSFER_TIME, Kind.COUNTER, scale=_NS),
    f"{_TIERING}chunk_queries_total": Rule(Signal.KV_QUERY_BLOCKS, Kind.COUNTER),
    f"{_TIERING}chunk_hits_total": Rule(Signal.HIT_BLOCKS, Kind.COUNTER),
}
_OLD: Final = {
    f"{_OFFLOAD}total_bytes": Rule(Signal.KV_TRANSFER_BYTES, Kind.COUNTER),
    f"{_OFFLOAD}total_bytes_total": Rule(Signal.KV_TRANSFER_BYTES, Kind.COUNTER),
    f"{_OFFLOAD}total_time": Rule(Signal.KV_TRANSFER_TIME, Kind.COUNTER, scale=_NS),
    f"{_OFFLOAD}total_time_total": Rule(Signal.KV_TRANSFER_TIME, Kind.COUNTER, scale=_NS),
}
"""With the direction in the label `transfer_type`; a Prometheus client may add another `_total`."""
_FAILED: Final = Signal.PD_TRANSFER_FAILURES

RULES: Final = rules(
    {
        **_TIERED,
        **_OLD,
        f"{_OFFLOAD}store_bytes_total": _counter(Signal.KV_TRANSFER_BYTES, Tier.HBM, Tier.DRAM),
        f"{_OFFLOAD}load_bytes_total": _counter(Signal.KV_TRANSFER_BYTES, Tier.DRAM, Tier.HBM),
        f"{_OFFLOAD}store_time_total": _counter(Signal.KV_TRANSFER_TIME, Tier.HBM, Tier.DRAM, _NS),
        f"{_OFFLOAD}load_time_total": _counter(Signal.KV_TRANSFER_TIME, Tier.DRAM, Tier.HBM, _NS),
        "vllm:simple_kv_offload_load_blocks_total": _counter(Signal.KV_TRANSFER_BLOCKS, Tier.DRAM, Tier.HBM),
        "vllm:simple_kv_offload_used_blocks": Rule(Signal.KV_ACTIVE_BLOCKS, Kind.GAUGE, Tier.DRAM),  # pinned ones only
        "vllm:nixl_bytes_transferred_sum": Rule(Signal.PD_TRANSFER_BYTES, Kind.COUNTER),
        "vllm:mooncake_bytes_transferred_sum": Rule(Signal.PD_TRANSFER_BYTES, Kind.COUNTER),
        "vllm:nixl_num_failed_transfers_total": Rule(_FAILED, Kind.COUNTER, label="transfer"),
        "vllm:nixl_num_kv_expired_reqs_total": Rule(_FAILED, Kind.COUNTER, label="expired"),
        "vllm:mooncake_num_failed_transfers_total": Rule(_FAILED, Kind.COUNTER, label="transfer"),
        "vllm:mooncake_num_kv_expired_reqs_total": Rule(_FAILED, Kind.COUNTER, label="expired"),
    },
    {"vllm:nixl_xfer_time_seconds": Signal.PD_TRANSFER, "vllm:mooncake_xfer_time_seconds": Signal.PD_TRANSFER},
)
"""By sample name; those that need their labels looked at go through `take`."""
REPLACED: Final = {
    f"{_OFFLOAD}total_bytes": f"{_OFFLOAD}store_bytes_total",
    f"{_OFFLOAD}total_bytes_total": f"{_OFFLOAD}store_bytes_total",
    f"{_OFFLOAD}total_time": f"{_OFFLOAD}store_time_total",
    f"{_OFFLOAD}total_time_total": f"{_OFFLOAD}store_time_total",
}
"""Names that count only on a page without the other one."""


def take(draft: Draft, index: int, key: SampleKey, labels: Table[str, str], worker: str) -> None:
    """Takes a sample of which `RULES` speaks."""
    rule = RULES[key.name]
    if key.name in _TIERED:
        tier = _TIERS.get(labels.get("tier", "").rpartition(":")[2], Tier.UNKNOWN)
        if rule.signal not in (Signal.KV_TRANSFER_BYTES, Signal.KV_TRANSFER_TIME):
            draft.take(index, key, labels, rule, worker=worker, tier=tier)
            return
        written = key.name.startswith(f"{_TIERING}write")
        source, to = (Tier.DRAM, tier) if written else (tier, Tier.DRAM)
        draft.take(index, key, labels, rule._replace(to=to), worker=worker, tier=source)
    elif key.name in _OLD:
        source, to = _DIRECTIONS.get(labels.get("transfer_type", ""), (Tier.UNKNOWN, Tier.UNKNOWN))
        draft.take(index, key, labels, rule._replace(to=to), worker=worker, tier=source)
    else:
        draft.take(index, key, labels, rule, worker=worker)


def capacity(name: str, labels: Table[str, str], worker: str) -> tuple[int, Series] | None:
    """The size of the host's pool that stands in the labels of one of `INFOS`, if it does."""
    if name == _OFFLOAD_INFO:
        size, signal = whole(labels.get("cpu_kv_cache_size_bytes", "")), Signal.KV_CAPACITY_BYTES
    else:
        size, signal = whole(labels.get("capacity_blocks", "")), Signal.KV_CAPACITY_BLOCKS
    return (size, Series(signal, Kind.GAUGE, worker=worker, metric=name, tier=Tier.DRAM)) if size else None
