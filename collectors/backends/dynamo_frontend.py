"""The page of Dynamo's frontend with its router, as of 1.6.1: what clients got, what the router believed, and which workers there are.

The frontend is a row of its own, with the role of a router; the workers that it names are those of the workers' own pages. What the
router counts once for the prefill and again for the decode of one request is taken of the prefill only, or, where the page does not say
which is which (time to first token, hit rate, requests), left to the frontend's own count. Names: `dynamo/prometheus_names.py` in the wheel
ai-dynamo-runtime; meanings: the HELP texts of a captured page.
"""

from collections.abc import Sequence
from typing import Final

from collectors.backends.dynamo_workers import from_decimal, role, worker_id
from collectors.backends.mapping import Draft, Rule, families, rules
from collectors.model.signals import Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier
from collectors.wire.exposition import SampleKey
from collectors.wire.safe import safe_text

_FRONTEND: Final = "dynamo_frontend_"
_ROUTER: Final = "dynamo_component_router_"
_REGISTERED: Final = f"{_ROUTER}worker_registered"
_PREDICTED: Final = f"{_FRONTEND}worker_active_decode_blocks"
_PROMPT: Final = f"{_FRONTEND}input_sequence_tokens_sum"
_CACHED: Final = f"{_FRONTEND}cached_tokens_sum"
_FINISHED: Final = f"{_FRONTEND}requests_total"
_REUSED: Final = f"{_ROUTER}kv_worker_reused_tokens_total"
_ROUTED_TOKENS: Final = f"{_ROUTER}input_sequence_tokens_sum"
_ROUTED_OUTPUT: Final = f"{_ROUTER}output_sequence_tokens_sum"
MARK: Final = f"{_FRONTEND}disconnected_clients"
"""There before any request."""

_SCALARS: Final = {
    f"{_FRONTEND}active_requests": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
    f"{_FRONTEND}inflight_requests": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
    f"{_FRONTEND}router_queue_pending_requests": Rule(Signal.REQUESTS_WAITING, Kind.GAUGE),
    f"{_FRONTEND}router_queue_pending_isl_tokens": Rule(Signal.TOKENS_WAITING, Kind.GAUGE),
    f"{_FRONTEND}stage_requests": Rule(Signal.REQUESTS_IN_STAGE, Kind.GAUGE),
    _FINISHED: Rule(Signal.REQUESTS_FINISHED, Kind.COUNTER),
    f"{_FRONTEND}router_admission_rejected_total": Rule(Signal.REQUESTS_REJECTED, Kind.COUNTER),
    f"{_FRONTEND}router_queue_backpressure_total": Rule(Signal.REQUESTS_REJECTED, Kind.COUNTER),
    f"{_FRONTEND}output_tokens_total": Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
    _PROMPT: Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
    _CACHED: Rule(Signal.HIT_TOKENS, Kind.COUNTER, Tier.UNKNOWN),
    f"{_FRONTEND}model_migration_total": Rule(Signal.MIGRATIONS, Kind.COUNTER),
    f"{_FRONTEND}model_ready": Rule(Signal.MODEL_READY, Kind.GAUGE),
    f"{_FRONTEND}model_total_kv_blocks": Rule(Signal.KV_CAPACITY_BLOCKS, Kind.GAUGE),
    f"{_FRONTEND}model_kv_cache_block_size": Rule(Signal.KV_BLOCK_TOKENS, Kind.GAUGE),
    f"{_ROUTER}kv_best_eligible_cached_prefix_tokens_total": Rule(Signal.REUSE_AVAILABLE, Kind.COUNTER),
    f"{_ROUTER}kv_selected_cached_prefix_tokens_total": Rule(Signal.REUSE_CAPTURED, Kind.COUNTER),
    f"{_ROUTER}non_max_overlap_selections_total": Rule(Signal.SELECTIONS_BELOW_BEST, Kind.COUNTER),
    "dynamo_component_kv_cache_events_applied": Rule(Signal.KV_EVENTS_APPLIED, Kind.COUNTER),
}
_HISTOGRAMS: Final = {
    f"{_FRONTEND}time_to_first_token_seconds": Signal.TTFT,
    f"{_FRONTEND}inter_token_latency_seconds": Signal.GAP,
    f"{_FRONTEND}request_duration_seconds": Signal.E2E,
    f"{_FRONTEND}stage_duration_seconds": Signal.STAGE,
    "dynamo_request_plane_queue_seconds": Signal.STAGE,
    f"{_FRONTEND}model_migration_duration_seconds": Signal.MIGRATION,
    f"{_ROUTER}inter_token_latency_seconds": Signal.TPOT,  # a request's average
    f"{_ROUTER}kv_transfer_estimated_latency_seconds": Signal.PD_TRANSFER_BOUND,
    f"{_ROUTER}overlap_blocks_lost": Signal.OVERLAP_LOST,
}
_ALONE: Final = rules(
    {
        _ROUTED_TOKENS: Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
        _ROUTED_OUTPUT: Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
        _REUSED: Rule(Signal.HIT_TOKENS, Kind.COUNTER, Tier.UNKNOWN),
        f"{_ROUTER}requests_total": Rule(Signal.REQUESTS_FINISHED, Kind.COUNTER),
    },
    {f"{_ROUTER}time_to_first_token_seconds": Signal.TTFT},
)
"""Of a router without a frontend, which counts the same and better."""
_HIT_RATIOS: Final = rules({}, {f"{_ROUTER}kv_hit_rate": Signal.PREDICTED_HIT_RATIO})
_TWICE: Final = frozenset({*_ALONE, *_HIT_RATIOS} - {_ROUTED_TOKENS, _REUSED})
"""Counted again for the decode of a request that another worker prefilled, without a label that tells."""
_QUERIES: Final = Rule(Signal.KV_QUERY_TOKENS, Kind.COUNTER)
_LABELS: Final = {
    "requests_total": ("status", "error_type"),
    "stage_requests": ("phase", "stage"),
    "router_admission_rejected_total": ("reason",),
    "router_queue_backpressure_total": ("reason",),
    "stage_duration_seconds": ("stage",),
    "model_migration_total": ("migration_type",),
    "model_migration_duration_seconds": ("outcome",),
    "model_ready": ("model",),
    "model_total_kv_blocks": ("model",),
    "model_kv_cache_block_size": ("model",),
    "kv_cache_events_applied": ("event_type", "status"),
}
"""By family, without its prefix: labels by which its signal is told apart."""

_RULES: Final = rules(_SCALARS, _HISTOGRAMS)
FAMILIES: Final = families([*_RULES, *_ALONE, *_HIT_RATIOS, _REGISTERED, _PREDICTED, MARK])


def is_frontend(keys: Sequence[SampleKey]) -> bool:
    """Whether the page is of a frontend or a router, where `worker_id` of `dynamo_component_*` is its own id."""
    return any(key.name.startswith((_FRONTEND, _ROUTER)) for key in keys)


def add(draft: Draft, keys: Sequence[SampleKey], name: str) -> None:
    """Everything that the page says; `name` is the worker id of the frontend itself."""
    labels = [dict(key.labels) for key in keys]
    models = {model for one in labels if (model := one.get("model"))}
    model = models.pop() if len(models) == 1 else ""
    draft.worker(WorkerFacts(name, role=Role.ROUTER, model=model))
    kinds = _workers(draft, keys, labels, model)
    names = {key.name for key in keys}
    phases = {one["phase"] for key, one in zip(keys, labels, strict=True) if _is_router(key) and "phase" in one}
    split = "prefill" in phases or "prefill" in kinds
    fronted = _PROMPT in names
    prompts = {one.get("model", ""): index for index, one in enumerate(labels) if keys[index].name == _PROMPT}
    for index, (key, one) in enumerate(zip(keys, labels, strict=True)):
        again = split and _is_router(key) and (key.name in _TWICE or one.get("phase") == "decode")
        outdated = key.name == f"{_FRONTEND}inflight_requests" and f"{_FRONTEND}active_requests" in names
        if again or outdated:
            continue
        if key.name == _PREDICTED:
            _predicted(draft, index, key, one)
        elif rule := _RULES.get(key.name):
            draft.take(index, key, one, rule, worker=name, label=_label(key, one))
            if key.name == _FINISHED and one.get("status") == "error":
                # Of another type than the others: `cancelled`, where the client went away.
                rule = Rule(Signal.REQUEST_ERRORS, Kind.COUNTER, label=one.get("error_type", ""))
                draft.take(index, key, one, rule, worker=name)
            elif key.name == _CACHED and (prompt := prompts.get(one.get("model", ""))) is not None:
                metric = f"{_PROMPT} - {_CACHED}"
                draft.difference(prompt, index, Series(Signal.PROMPT_TOKENS_COMPUTED, Kind.COUNTER, name, metric))
        elif rule := _ALONE.get(key.name):
            if key.name == _ROUTED_TOKENS:
                draft.take(index, key, one, _QUERIES, worker=name)
            if not fronted:
                draft.take(index, key, one, rule, worker=name)
        elif rule := _HIT_RATIOS.get(key.name):
            draft.take(index, key, one, rule, worker=name)


def _is_router(key: SampleKey) -> bool:
    return key.name.startswith(_ROUTER)


def _workers(draft: Draft, keys: Sequence[SampleKey], labels: list[dict[str, str]], model: str) -> set[str]:
    """Tells the draft of the workers that the page names; returns their types."""
    found: dict[str, str] = {}
    for key, one in zip(keys, labels, strict=True):
        if key.name in (_REGISTERED, _PREDICTED):
            canonical = from_decimal(one.get("router_worker_id" if key.name == _REGISTERED else "worker_id", ""))
            if canonical is not None:
                found.setdefault(worker_id(canonical, _rank(one)), one.get("worker_type", ""))
    kinds = set(found.values())
    for name, kind in found.items():
        draft.worker(WorkerFacts(name, role=role(kind, kinds), model=model))
    return kinds


def _predicted(draft: Draft, index: int, key: SampleKey, labels: dict[str, str]) -> None:
    """Blocks that the router believes to be in use: under load it was seen to say five times what the engine itself said."""
    canonical = from_decimal(labels.get("worker_id", ""))
    if canonical is not None:
        rule = Rule(Signal.KV_PREDICTED_BLOCKS, Kind.GAUGE, Tier.HBM)
        draft.take(index, key, labels, rule, worker=worker_id(canonical, _rank(labels)))


def _rank(labels: dict[str, str]) -> str:
    return safe_text(labels.get("dp_rank") or "0", 20)


def _label(key: SampleKey, labels: dict[str, str]) -> str:
    if key.name.startswith("dynamo_request_plane_queue"):
        return "request plane queue"
    family = key.name.removeprefix(_FRONTEND).removeprefix("dynamo_component_")
    for suffix in ("_bucket", "_sum", "_count"):
        family = family.removesuffix(suffix)
    return " ".join(value for name in _LABELS.get(family, ()) if (value := labels.get(name)))
