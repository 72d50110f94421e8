"""llm-d's router (endpoint picker), under its names and the deprecated ones that it still emits beside them: each is counted once.

The router is a row of its own; what it says of its pool are means over endpoints and what its index believes, never a worker's occupancy.
llm-d's simulator has vLLM's page. Names and meanings: llm-d/llm-d-router `docs/metrics.md`, `pkg/epp/metrics/testdata/`; older ones:
kubernetes-sigs/gateway-api-inference-extension.
"""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from typing import Final, NamedTuple

from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families, rules
from collectors.backends.reach import Aspect, Hint, Reach, always, lacks
from collectors.model.signals import Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier
from collectors.wire.exposition import SampleKey

_PREFIX: Final = "llm_d_epp_"
_PROMPT: Final = "request_input_tokens_sum"
_CACHED: Final = "request_cached_tokens_sum"
_ENQUEUED: Final = "flow_control_request_enqueue_duration_seconds"
_QUEUED: Final = "flow_control_request_queue_duration_seconds"
_ATTEMPTS: Final = "scheduler_attempts_total"

_SCALARS: Final = {
    "request_running": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
    "request_total": Rule(Signal.REQUESTS_FINISHED, Kind.COUNTER),
    "request_error_total": Rule(Signal.REQUEST_ERRORS, Kind.COUNTER),
    _PROMPT: Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
    "request_output_tokens_sum": Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
    _CACHED: Rule(Signal.HIT_TOKENS, Kind.COUNTER, Tier.UNKNOWN),
    "average_running_requests": Rule(Signal.REQUESTS_RUNNING_MEAN, Kind.GAUGE),
    "average_queue_size": Rule(Signal.REQUESTS_WAITING_MEAN, Kind.GAUGE),
    "average_kv_cache_utilization": Rule(Signal.KV_ACTIVE_RATIO_MEAN, Kind.GAUGE),
    "ready_endpoints": Rule(Signal.ENDPOINTS_READY, Kind.GAUGE),
    "per_endpoint_queue_size": Rule(Signal.REQUESTS_WAITING, Kind.GAUGE),
    "flow_control_queue_size": Rule(Signal.REQUESTS_IN_STAGE, Kind.GAUGE, label="flow control"),
    "flow_control_revocations_total": Rule(Signal.REVOCATIONS, Kind.COUNTER),
    "prefix_indexer_size": Rule(Signal.KV_INDEXED_BLOCKS, Kind.GAUGE),
    "prefix_indexer_hit_ratio_count": Rule(Signal.KV_QUERY_LOOKUPS, Kind.COUNTER),
    "disagg_decision_total": Rule(Signal.DISAGGREGATIONS, Kind.COUNTER),
    _ATTEMPTS: Rule(Signal.SELECTIONS, Kind.COUNTER),
}
_HISTOGRAMS: Final = {
    "request_ttft_seconds": Signal.TTFT,
    "request_streaming_itl_seconds": Signal.GAP,
    "request_streaming_tpot_seconds": Signal.TPOT,
    "request_ntpot_seconds": Signal.NTPOT,
    "request_duration_seconds": Signal.E2E,
    _QUEUED: Signal.QUEUE,
    _ENQUEUED: Signal.QUEUE,
    "prefix_indexer_hit_bytes": Signal.PREDICTED_HIT_BYTES,
}
_STAGES: Final = {
    "scheduler_e2e_duration_seconds": "scheduling",
    "flow_control_dispatch_cycle_duration_seconds": "dispatch cycle",
    "request_processing_duration_seconds": "request processing",
    "response_processing_duration_seconds": "response processing",
}
_RATIOS: Final = rules({}, {"prefix_indexer_hit_ratio": Signal.PREDICTED_HIT_RATIO})
_RULES: Final = {
    **rules(_SCALARS, _HISTOGRAMS),
    **{
        name: rule._replace(label=stage)
        for family, stage in _STAGES.items()
        for name, rule in rules({}, {family: Signal.STAGE}).items()
    },
}
_LABELS: Final = {
    "average_running_requests": ("name",),
    "average_queue_size": ("name",),
    "average_kv_cache_utilization": ("name",),
    "ready_endpoints": ("name",),
    "per_endpoint_queue_size": ("model_server_endpoint", "model_server_pod"),
    "flow_control_revocations_total": ("outcome",),
    "disagg_decision_total": ("decision_type",),
}
"""Labels of which the first that is there tells a sample of the signal apart."""

_OBJECTIVE: Final = ("inference_objective_", "inference_model_")
_OLD: Final = {
    **{f"{prefix}request_total": "request_total" for prefix in _OBJECTIVE},
    **{f"{prefix}request_error_total": "request_error_total" for prefix in _OBJECTIVE},
    **{f"{prefix}request_duration_seconds": "request_duration_seconds" for prefix in _OBJECTIVE},
    **{f"{prefix}request_ttft_seconds": "request_ttft_seconds" for prefix in _OBJECTIVE},
    **{f"{prefix}request_tpot_seconds": "request_streaming_tpot_seconds" for prefix in _OBJECTIVE},
    **{f"{prefix}input_tokens": "request_input_tokens" for prefix in _OBJECTIVE},
    **{f"{prefix}output_tokens": "request_output_tokens" for prefix in _OBJECTIVE},
    **{f"{prefix}running_requests": "request_running" for prefix in _OBJECTIVE},
    **{f"{prefix}normalized_time_per_output_token_seconds": "request_ntpot_seconds" for prefix in _OBJECTIVE},
    "inference_objective_prompt_cached_tokens": "request_cached_tokens",
    "inference_pool_average_kv_cache_utilization": "average_kv_cache_utilization",
    "inference_pool_average_queue_size": "average_queue_size",
    "inference_pool_average_running_requests": "average_running_requests",
    "inference_pool_ready_pods": "ready_endpoints",
    "inference_pool_per_pod_queue_size": "per_endpoint_queue_size",
    "inference_extension_scheduler_attempts_total": _ATTEMPTS,
    "inference_extension_prefix_indexer_size": "prefix_indexer_size",
    "inference_extension_prefix_indexer_hit_ratio": "prefix_indexer_hit_ratio",
    "inference_extension_prefix_indexer_hit_bytes": "prefix_indexer_hit_bytes",
    "inference_extension_flow_control_queue_size": "flow_control_queue_size",
    "inference_extension_scheduler_e2e_duration_seconds": "scheduler_e2e_duration_seconds",
    "inference_extension_flow_control_dispatch_cycle_duration_seconds": "flow_control_dispatch_cycle_duration_seconds",
    f"inference_extension_{_ENQUEUED}": _ENQUEUED,
    f"inference_extension_{_QUEUED}": _QUEUED,
    "llm_d_inference_scheduler_disagg_decision_total": "disagg_decision_total",
}
"""Families by their older names, the less old first. One counts only on a page that has the family under no newer name."""
_SUFFIXES: Final = ("_bucket", "_sum", "_count")


def _base(name: str) -> str:
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


class _Spelling(NamedTuple):
    """Of a sample's name: the name that it has now, and how old this spelling is (0: as now)."""

    name: str
    age: int


_OF_TODAY: Final = (*_RULES, *_RATIOS)
_SPELLINGS: Final = {
    **{f"{_PREFIX}{name}": _Spelling(name, 0) for name in _OF_TODAY},
    **{
        f"{old}{name.removeprefix(new)}": _Spelling(name, age)
        for age, (old, new) in enumerate(_OLD.items(), 1)
        for name in _OF_TODAY
        if _base(name) == new
    },
}
_FAMILIES: Final = families(_SPELLINGS)
_MARKS: Final = (
    _PREFIX,
    "inference_objective_",
    "inference_pool_",
    "inference_extension_",
    "llm_d_inference_scheduler_",
)


def _wanted(family: str) -> bool:
    return family in _FAMILIES or family.startswith(_MARKS)


def _detect(names: Collection[str]) -> bool:
    return any(_wanted(name) for name in names)


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    worker = f"{target}/epp"
    draft.worker(WorkerFacts(worker, role=Role.ROUTER))
    counted = _counted(keys)
    names = {name for _, _, name in counted}
    prompts = {key.labels: index for index, key, name in counted if name == _PROMPT}
    for index, key, name in counted:
        labels = dict(key.labels)
        if _base(name) == _ENQUEUED and f"{_QUEUED}_count" in names:
            continue  # only the way into the queue, not the wait in it
        if rule := _RATIOS.get(name):
            draft.take(index, key, labels, rule, worker=worker)
        if rule := _RULES.get(name):
            draft.take(index, key, labels, rule, worker=worker, label=_label(name, labels))
        if name == _CACHED and (prompt := prompts.get(key.labels)) is not None:
            metric = f"{keys[prompt].name} - {key.name}"
            draft.difference(prompt, index, Series(Signal.PROMPT_TOKENS_COMPUTED, Kind.COUNTER, worker, metric))
    return draft.mapping()


def _counted(keys: Sequence[SampleKey]) -> list[tuple[int, SampleKey, str]]:
    """The samples under the newest name that the page has for their family, with the name that they have today."""
    known = [(index, key, _SPELLINGS[key.name]) for index, key in enumerate(keys) if key.name in _SPELLINGS]
    newest: dict[str, int] = {}
    for _, _, (name, age) in known:
        newest[_base(name)] = min(age, newest.get(_base(name), age))
    return [(index, key, name) for index, key, (name, age) in known if newest[_base(name)] == age]


def _label(name: str, labels: Table[str, str]) -> str:
    if name == _ATTEMPTS:
        return _endpoint(labels) or labels.get("status", "")
    return next((value for one in _LABELS.get(name, ()) if (value := labels.get(one))), "")


def _endpoint(labels: Table[str, str]) -> str:
    """`namespace/name:port` of what was chosen; empty if nothing was, or it is not said."""
    name = labels.get("endpoint_name") or labels.get("pod_name", "")
    if not name or labels.get("status") != "success":
        return ""
    namespace, port = labels.get("namespace", ""), labels.get("port", "")
    return (f"{namespace}/{name}" if namespace else name) + (f":{port}" if port else "")


_REACH: Final = Reach(
    "llm-d router",
    version_label=("llm_d_epp_info", "build_ref"),
    hints=(
        Hint(Aspect.PLACEMENT, lacks(Signal.SELECTIONS), "a newer llm-d router", "how often each endpoint was chosen"),
        Hint(
            Aspect.PLACEMENT,
            always,
            "the pages of the endpoints behind it as targets",
            "each worker's own tokens and cache; a router tells of its pool together",
        ),
        Hint(
            Aspect.PLACEMENT,
            always,
            "--tracing with an OpenTelemetry collector that sends OTLP/HTTP here",
            "each request's way through picker and sidecar (otlp+http://127.0.0.1:4318 as a target)",
        ),
        Hint(
            Aspect.PLACEMENT,
            always,
            "--emit-endpoint-scores",
            "the scores of all candidates, in Envoy's metadata and access log; a page never tells",
        ),
    ),
)

BACKEND: Final = Backend("llm-d", _detect, _wanted, _map, _REACH)
