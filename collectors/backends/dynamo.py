"""NVIDIA Dynamo's pages, as of 1.6.1: frontend and router (`dynamo_frontend`), workers, and the block manager KVBM.

A worker's page has the engine's own families beside Dynamo's: they are one worker, and where both say the same the engine's word counts.
What Dynamo says of the process as a whole is said of no rank where the page has several. Left out: forward pass metrics, events of each step that workers
publish when asked to (ZMQ, NATS). Responses (`nvext`) are read where they pass (`collectors.tap`). Names: `dynamo/prometheus_names.py` in the wheel
ai-dynamo-runtime; KVBM's, the planner's and the engine statistics' pages were never seen, only their names.
"""

from collections.abc import Collection, Sequence
from typing import Final

from collectors.backends import dynamo_engines, dynamo_frontend
from collectors.backends.dynamo_engines import PROCESS
from collectors.backends.dynamo_workers import GENERATE, from_hex, role_alone, worker_id
from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families, rules
from collectors.backends.reach import Aspect, Hint, Reach, both, coarse, has, lacks, without
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier
from collectors.wire.exposition import SampleKey
from collectors.wire.safe import safe_text

_PREFIXES: Final = ("dynamo_frontend_", "dynamo_component_", "dynamo_kvbm_", "dynamo_planner_")
_UPTIME: Final = "dynamo_component_uptime_seconds"
_QUEUE: Final = "dynamo_request_queue"
_DURATION: Final = "dynamo_component_request_duration_seconds"

_WORKER: Final = rules(
    {
        "dynamo_component_inflight_requests": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
        _QUEUE: Rule(Signal.REQUESTS_WAITING, Kind.GAUGE),
        "dynamo_component_gpu_cache_usage_percent": Rule(Signal.KV_ACTIVE_RATIO, Kind.GAUGE, Tier.HBM),  # 0–1
        "dynamo_component_total_blocks": Rule(Signal.KV_CAPACITY_BLOCKS, Kind.GAUGE, Tier.HBM),
        "dynamo_component_kv_cache_hit_rate": Rule(Signal.KV_HIT_RATE, Kind.GAUGE, Tier.HBM),
        "dynamo_rejection_request_total": Rule(Signal.REQUESTS_REJECTED, Kind.COUNTER, label="capacity"),
        "trtllm_kv_transfer_bytes_sum": Rule(Signal.PD_TRANSFER_BYTES, Kind.COUNTER),
    },
    {_DURATION: Signal.E2E, "trtllm_kv_transfer_latency_seconds": Signal.PD_TRANSFER},
)
_PER_ENDPOINT: Final = frozenset({"dynamo_component_inflight_requests", *rules({}, {_DURATION: Signal.E2E})})
_PREFILLS: Final = rules({}, {_DURATION: Signal.PREFILL})
_OFFLOADED: Final = "dynamo_kvbm_offload_"
_ONBOARDED: Final = "dynamo_kvbm_onboard_"


def _moved(signal: Signal, source: Tier, to: Tier) -> Rule:
    return Rule(signal, Kind.COUNTER, source, to=to)


_KVBM: Final = {
    # In "offload" h is the host that is read from, in "onboard" the host that is read from too: d2h, h2d, then d(isk)2d(evice).
    f"{_OFFLOADED}blocks_d2h": _moved(Signal.KV_TRANSFER_BLOCKS, Tier.HBM, Tier.DRAM),
    f"{_OFFLOADED}blocks_h2d": _moved(Signal.KV_TRANSFER_BLOCKS, Tier.DRAM, Tier.FLASH),
    f"{_OFFLOADED}blocks_d2d": _moved(Signal.KV_TRANSFER_BLOCKS, Tier.HBM, Tier.FLASH),
    f"{_OFFLOADED}blocks_d2o": _moved(Signal.KV_TRANSFER_BLOCKS, Tier.HBM, Tier.OBJECT),
    f"{_ONBOARDED}blocks_h2d": _moved(Signal.KV_TRANSFER_BLOCKS, Tier.DRAM, Tier.HBM),
    f"{_ONBOARDED}blocks_d2d": _moved(Signal.KV_TRANSFER_BLOCKS, Tier.FLASH, Tier.HBM),
    f"{_ONBOARDED}blocks_o2d": _moved(Signal.KV_TRANSFER_BLOCKS, Tier.OBJECT, Tier.HBM),
    f"{_OFFLOADED}bytes_object": _moved(Signal.KV_TRANSFER_BYTES, Tier.HBM, Tier.OBJECT),
    f"{_ONBOARDED}bytes_object": _moved(Signal.KV_TRANSFER_BYTES, Tier.OBJECT, Tier.HBM),
    "dynamo_kvbm_object_write_failures": _moved(Signal.KV_TRANSFER_FAILURES, Tier.HBM, Tier.OBJECT),
    "dynamo_kvbm_object_read_failures": _moved(Signal.KV_TRANSFER_FAILURES, Tier.OBJECT, Tier.HBM),
    "dynamo_kvbm_matched_tokens": Rule(Signal.KV_HITS, Kind.COUNTER),
    "dynamo_kvbm_host_cache_hit_rate": Rule(Signal.KV_HIT_RATE, Kind.GAUGE, Tier.DRAM),
    "dynamo_kvbm_disk_cache_hit_rate": Rule(Signal.KV_HIT_RATE, Kind.GAUGE, Tier.FLASH),
    "dynamo_kvbm_object_cache_hit_rate": Rule(Signal.KV_HIT_RATE, Kind.GAUGE, Tier.OBJECT),
}
_PLANNER: Final = {"dynamo_planner_power_projected_watts": Rule(Signal.POWER_PROJECTED, Kind.GAUGE)}
_SHARED: Final = _KVBM | _PLANNER
_FAMILIES: Final = families([_UPTIME, *_WORKER, *_SHARED]) | dynamo_frontend.FAMILIES


def _detect(names: Collection[str]) -> bool:
    return any(name.startswith(_PREFIXES) for name in names)


def _wanted(family: str) -> bool:
    return family in _FAMILIES or dynamo_engines.wanted(family)


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    if dynamo_frontend.is_frontend(keys):
        dynamo_frontend.add(draft, keys, f"{target}/frontend")
    else:
        _add_workers(draft, keys, target)
    return draft.mapping()


def _add_workers(draft: Draft, keys: Sequence[SampleKey], target: str) -> None:
    """The workers of a page, named by their own ids where there are any, and what KVBM and a planner say, who may have a page alone."""
    labels = [dict(key.labels) for key in keys]
    components = [_of_component(key, one) for key, one in zip(keys, labels, strict=True)]
    named = dict.fromkeys(filter(None, components))
    only = next(iter(named)) if len(named) == 1 else ""

    def worker_of(rank: str, canonical: str = only) -> str:
        base = canonical or target
        return base if rank == PROCESS else worker_id(base, safe_text(rank, 20))

    dynamo_engines.add(draft, keys, worker_of)
    engines = draft.said()
    ranks = [worker for worker in engines if only and worker.startswith(worker_of(PROCESS))]
    # What Dynamo says of the process is its only rank's, where it has only one.
    whole = ranks[0] if len(ranks) == 1 else worker_of(PROCESS if ranks else "0")
    for canonical, one in zip(components, labels, strict=True):
        if canonical:
            mine = (
                [worker_of(one["dp_rank"], canonical)] if one.get("dp_rank") else ranks or [worker_of("0", canonical)]
            )
            for worker in mine:
                draft.worker(WorkerFacts(worker, role=role_alone(one.get("dynamo_component", ""))))
    for index, (key, canonical, one) in enumerate(zip(keys, components, labels, strict=True)):
        if rule := _SHARED.get(key.name):
            worker = whole if only else ""
            draft.take(index, key, one, rule, worker=worker, owner="" if worker else target)
        elif (rule := _WORKER.get(key.name)) and (canonical or only):
            if key.name in _PER_ENDPOINT and one.get("dynamo_endpoint") != GENERATE:
                continue
            if one.get("dp_rank"):
                worker = worker_of(one["dp_rank"], canonical or only)
            else:
                worker = whole if only else worker_of("0", canonical or "")
            if key.name in _PREFILLS and role_alone(one.get("dynamo_component", "")) is Role.PREFILL:
                draft.take(index, key, one, _PREFILLS[key.name], worker=worker)
            said = engines.get(worker, {}).get(rule.signal, "")
            # What waits in Dynamo is added to what waits in the engine.
            if not said or rule.signal is Signal.REQUESTS_WAITING:
                draft.take(index, key, one, rule, worker=worker, metric=said)


def _of_component(key: SampleKey, labels: dict[str, str]) -> str | None:
    """The worker whose sample it is, in canonical spelling."""
    return from_hex(labels.get("worker_id", "")) if key.name.startswith("dynamo_component_") else None


_FRONT: Final = has(dynamo_frontend.MARK)
_BEHIND: Final = without(dynamo_frontend.MARK, "dynamo_kvbm_matched_tokens")
_REACH: Final = Reach(
    "NVIDIA Dynamo",
    owned_by="nvidia",
    hints=(
        Hint(
            Aspect.PLACEMENT,
            _FRONT,
            "DYN_SYSTEM_PORT=8081 for each worker, and its page as a target",
            "each worker's own tokens, cache and role; a frontend tells of all together",
        ),
        Hint(
            Aspect.PLACEMENT,
            both(_FRONT, lacks(Signal.REUSE_CAPTURED)),
            "--router-mode kv",
            "what the router expected to reuse, and what it passed up",
        ),
        Hint(
            Aspect.PLACEMENT,
            _FRONT,
            'in each request: "nvext": {"extra_fields": ["worker_id", "timing"]}',
            "to its client, which workers served it (the old one after a migration); a page never tells",
        ),
        Hint(
            Aspect.PLACEMENT,
            _FRONT,
            "DYN_LOGGING_JSONL=1 on the front end, its log as a target (trace+file:///path)",
            "the workers that a request really ran on, migrations too, beside what its chunks say",
        ),
        Hint(
            Aspect.PLACEMENT,
            _FRONT,
            "DYN_REQUEST_TRACE=1 DYN_REQUEST_TRACE_SINKS=jsonl DYN_REQUEST_TRACE_OUTPUT_PATH=/path, that file as a target",
            "queue, prefill, KV transfer and decode of each request",
        ),
        Hint(
            Aspect.TIERS,
            _BEHIND,
            "DYN_KVBM_METRICS=true DYN_KVBM_METRICS_PORT=6880, and that page as a target",
            "blocks moved between device, host, disk and object store, where the block manager KVBM runs",
        ),
        Hint(
            Aspect.JITTER,
            both(_FRONT, coarse(Signal.GAP)),
            "DYN_METRICS_ITL_MIN=0.0005 DYN_METRICS_ITL_MAX=1 DYN_METRICS_ITL_COUNT=40",
            "gaps of a fast decoder told apart",
        ),
    ),
)

BACKEND: Final = Backend("dynamo", _detect, _wanted, _map, _REACH)
