"""LMCache's own pages: the multi-process server and coordinator (`lmcache_mp_*`, `lmcache_coordinator_*`), and the small server that shows
what LMCache within an engine counts (`lmcache_engine`). No workers: pools, and what flows between them, of the server that is scraped.

L1 is the host's memory or what its `backend` label says, L2 whatever the adapter's name tells; a name that tells nothing is an unknown
tier. Hits are the cache's own word, so they are not the engines' prompt tokens. Names: LMCache/LMCache `lmcache/v1/mp_observability` as
OpenTelemetry's Prometheus exporter spells them. Left out: staging bytes (no resident KV), the deprecated `lmcache_mp_key_directory_*`
where the coordinator has the newer ones, all gauges of rates since the last log line.
"""

import re
from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from typing import Final

from collectors.backends import lmcache_engine
from collectors.backends.mapping import Backend, Draft, Mapping, Op, Rule, families, histogram
from collectors.backends.reach import Aspect, Hint, Reach, without
from collectors.model.signals import Kind, Series, Signal
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey

_PREFIXES: Final = ("lmcache:", "lmcache_mp_", "lmcache_coordinator_")
_NS: Final = 1e9
_GB: Final = 1e9
_L1_BYTES: Final = "lmcache_mp_l1_memory_usage_bytes"
_L1_RATIO: Final = "lmcache_mp_l1_usage_ratio"
_L2_BYTES: Final = "lmcache_mp_l2_usage_bytes"
_PLACED: Final = "lmcache_coordinator_key_directory_placements"
_PLACED_OLD: Final = "lmcache_mp_key_directory_placement_count"
_PHASE_BYTES: Final = "lmcache_mp_transfer_phase_bytes_total"
_PHASE_TIME: Final = "lmcache_mp_transfer_phase_elapsed_seconds_total"

_PHASES: Final = ("staging", "kernel")
"""The same bytes are counted in each phase: one of them is taken, this one first."""
_DIRECTIONS: Final = {"d2h": (Tier.HBM, Tier.DRAM), "h2d": (Tier.DRAM, Tier.HBM)}
_L1_TIERS: Final = {"": Tier.DRAM, "dram": Tier.DRAM, "gds": Tier.FLASH}
"""By the label `backend`, which older servers do not have."""
_PLACES: Final = {"l0": Tier.HBM, "l1": Tier.DRAM}
_WORDS: Final = {
    **dict.fromkeys(("fs", "file", "disk", "nvme", "ssd", "gds"), Tier.FLASH),
    **dict.fromkeys(("s3", "gcs", "obj", "object"), Tier.OBJECT),
}
"""What tells the tier in the name of an L2 adapter."""
_WORD: Final = re.compile(r"[a-z0-9]+")
_DIGITS: Final = "0123456789"


def _rate(name: str, source: Tier, to: Tier) -> dict[str, Rule]:
    return histogram(f"{name}_GB_per_second", Rule(Signal.KV_TRANSFER_RATE, Kind.BUCKET, source, _GB, to))


def _rules(l2: Tier) -> dict[str, Rule]:
    """By sample name, where the L2 adapter is of that tier."""
    blocks, failures = Signal.KV_TRANSFER_BLOCKS, Signal.KV_TRANSFER_FAILURES
    return {
        _L1_BYTES: Rule(Signal.KV_USED_BYTES, Kind.GAUGE),
        _L1_RATIO: Rule(Signal.KV_USED_RATIO, Kind.GAUGE),
        _L2_BYTES: Rule(Signal.KV_USED_BYTES, Kind.GAUGE, l2),
        _PLACED: Rule(Signal.KV_USED_BLOCKS, Kind.GAUGE),
        _PLACED_OLD: Rule(Signal.KV_USED_BLOCKS, Kind.GAUGE),
        _PHASE_BYTES: Rule(Signal.KV_TRANSFER_BYTES, Kind.COUNTER),
        _PHASE_TIME: Rule(Signal.KV_TRANSFER_TIME, Kind.COUNTER, scale=_NS),
        "lmcache_mp_lookup_requested_tokens_total": Rule(Signal.KV_QUERY_TOKENS, Kind.COUNTER),
        "lmcache_mp_lookup_hit_l1_tokens_total": Rule(Signal.KV_HITS, Kind.COUNTER, Tier.DRAM),
        "lmcache_mp_lookup_hit_l2_tokens_total": Rule(Signal.KV_HITS, Kind.COUNTER, l2),
        "lmcache_mp_l1_evicted_chunks_total": Rule(Signal.KV_EVICTED_BLOCKS, Kind.COUNTER, Tier.DRAM),
        "lmcache_mp_l2_evicted_objects_chunks_total": Rule(Signal.KV_EVICTED_BLOCKS, Kind.COUNTER, l2),
        "lmcache_mp_l2_store_completed_objects_chunks_total": Rule(blocks, Kind.COUNTER, Tier.DRAM, to=l2),
        "lmcache_mp_l2_prefetch_load_completed_chunks_total": Rule(blocks, Kind.COUNTER, l2, to=Tier.DRAM),
        "lmcache_mp_l2_prefetch_failure_chunks_total": Rule(failures, Kind.COUNTER, l2, to=Tier.DRAM),
        "lmcache_mp_timeouts_total": Rule(Signal.REQUEST_ERRORS, Kind.COUNTER),
        **_rate("lmcache_mp_l0_l1_load_throughput", Tier.DRAM, Tier.HBM),
        **_rate("lmcache_mp_l0_l1_store_throughput", Tier.HBM, Tier.DRAM),
        **_rate("lmcache_mp_l2_load_throughput", l2, Tier.DRAM),
        **_rate("lmcache_mp_l2_store_throughput", Tier.DRAM, l2),
    }


_BY_L2: Final = {l2: _rules(l2) for l2 in (Tier.FLASH, Tier.OBJECT, Tier.UNKNOWN)}
_RULES: Final = _BY_L2[Tier.UNKNOWN]
_HIT_L2: Final = "lmcache_mp_lookup_hit_l2_tokens_total"
_OF_ADAPTERS: Final = frozenset({_L2_BYTES, _HIT_L2, "lmcache_mp_l2_evicted_objects_chunks_total"})
"""What is of a pool of its own, the adapter's; where the labels do not tell which, the only one's."""
_LABELS: Final = {
    "lmcache_mp_l2_prefetch_failure_chunks_total": "reason",
    "lmcache_mp_timeouts_total": "exception_type",
}
"""The label by which samples of a name are told apart."""
_FAMILIES: Final = families(_RULES)


def _detect(names: Collection[str]) -> bool:
    return any(name.startswith(_PREFIXES) for name in names)


def _wanted(family: str) -> bool:
    return family in _FAMILIES or lmcache_engine.wanted(family)


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    samples = [(index, key, dict(key.labels)) for index, key in enumerate(keys) if key.name in _RULES]
    names = {key.name for _, key, _ in samples}
    phases = {labels.get("phase", "") for _, key, labels in samples if key.name == _PHASE_BYTES}
    phase = next((one for one in _PHASES if one in phases), "")
    adapters = {labels["l2_name"] for _, _, labels in samples if labels.get("l2_name")}
    tiers = {_adapter_tier(name) for name in adapters}
    only, tier = adapters.pop() if len(adapters) == 1 else "", tiers.pop() if len(tiers) == 1 else Tier.UNKNOWN
    for index, key, labels in samples:
        if key.name in (_PHASE_BYTES, _PHASE_TIME) and labels.get("phase", "") != phase:
            continue
        if key.name == _PLACED_OLD and _PLACED in names:
            continue
        adapter = labels.get("l2_name") or only
        rule = _BY_L2[_adapter_tier(adapter) if adapter else tier][key.name]
        owner = f"{target} {adapter}" if key.name in _OF_ADAPTERS and adapter else target
        label = labels.get(_LABELS.get(key.name, ""), "")
        if key.name in (_PHASE_BYTES, _PHASE_TIME):
            source, to = _DIRECTIONS.get(labels.get("direction", ""), (Tier.UNKNOWN, Tier.UNKNOWN))
            rule = rule._replace(tier=source, to=to)
        elif key.name in (_L1_BYTES, _L1_RATIO):
            rule = rule._replace(tier=_l1_tier(labels))
        elif key.name in (_PLACED, _PLACED_OLD):
            rule = rule._replace(tier=_PLACES.get(labels.get("tier", "").lower(), Tier.UNKNOWN))
        draft.take(index, key, labels, rule, worker="", owner=owner, label=label)
    _add_capacity(draft, samples, target)
    lmcache_engine.add(draft, keys, "", owner=target, alone=True)
    return draft.mapping()


def _add_capacity(draft: Draft, samples: list[tuple[int, SampleKey, dict[str, str]]], target: str) -> None:
    """Size of L1 = bytes held ÷ share in use, of each manager; not known while nothing is held."""
    ratios = {
        key.labels: index for index, key, _ in samples if key.name == _L1_RATIO and key.type in ("gauge", "untyped")
    }
    for index, key, labels in samples:
        over = ratios.get(key.labels) if key.name == _L1_BYTES and key.type in ("gauge", "untyped") else None
        if over is not None:
            metric, tier = f"{_L1_BYTES} / {_L1_RATIO}", _l1_tier(labels)
            series = Series(Signal.KV_CAPACITY_BYTES, Kind.GAUGE, "", metric, tier, owner=target)
            draft.derive(Op.OVER, index, over, series)


def _l1_tier(labels: Table[str, str]) -> Tier:
    return _L1_TIERS.get(labels.get("backend", ""), Tier.UNKNOWN)


def _adapter_tier(name: str) -> Tier:
    words = _WORD.findall(name.lower())
    found = {tier for word in words if (tier := _WORDS.get(word) or _WORDS.get(word.rstrip(_DIGITS)))}
    return found.pop() if len(found) == 1 else Tier.UNKNOWN


_REACH: Final = Reach(
    "LMCache",
    hints=(
        Hint(
            Aspect.TIERS,
            without(_L1_BYTES, "lmcache:local_cache_usage"),
            "LMCache's multi-process server (0.4 or later) as a target",
            "what each of its tiers really holds",
        ),
    ),
)

BACKEND: Final = Backend("lmcache", _detect, _wanted, _map, _REACH, never_seen=True)
