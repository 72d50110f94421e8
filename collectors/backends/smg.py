"""SGLang's model gateway (`smg`, port 29000 by default): what it routed, to whom, and how long that took.

The gateway is a row of its own, with the role of a router. Tokens, TTFT and TPOT it counts in gRPC mode only. Names and labels: the HELP texts in the wheel
sglang-router 0.3.2, and a captured page. Left out, for it is the same once more: choices by branch of a policy, outcomes of the circuit breakers, errors by
worker, the pool's size by type (`smg_worker_health` names the workers), what the HTTP server before the router counts.
"""

from collections.abc import Collection, Sequence
from collections.abc import Mapping as Table
from typing import Final

from collectors.backends.mapping import Backend, Draft, Mapping, Rule, histogram, outdated, rules
from collectors.backends.reach import BY_POLICY, Aspect, Hint, Reach, always, lacks
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Role
from collectors.wire.exposition import SampleKey

_P: Final = "smg_"
_RETRY: Final = "requests sent again, perhaps to the same worker"
_TOKENS: Final = f"{_P}router_tokens_total"
_SELECTED: Final = f"{_P}worker_selection_total"
_REQUESTS: Final = f"{_P}router_request_duration_seconds"
_GENERATION: Final = f"{_P}router_generation_duration_seconds"
_OF_TOKENS: Final = {
    "input": Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
    "output": Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
}
"""By the label `token_type`."""

_RULES: Final = {
    **rules(
        {
            f"{_P}worker_requests_active": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
            f"{_P}router_requests_total": Rule(Signal.REQUESTS_FINISHED, Kind.COUNTER),
            f"{_P}router_request_errors_total": Rule(Signal.REQUEST_ERRORS, Kind.COUNTER),
            _SELECTED: Rule(Signal.SELECTIONS, Kind.COUNTER),
            f"{_P}worker_retries_total": Rule(Signal.MIGRATIONS, Kind.COUNTER, label="retry", estimate=_RETRY),
            f"{_P}worker_health": Rule(Signal.HEALTHY, Kind.GAUGE),
        },
        {
            f"{_P}router_ttft_seconds": Signal.TTFT,
            f"{_P}router_tpot_seconds": Signal.TPOT,
            _REQUESTS: Signal.E2E,
            _GENERATION: Signal.E2E,
        },
    ),
    **histogram(f"{_P}router_stage_duration_seconds", Rule(Signal.STAGE, Kind.BUCKET)),
}
_LABELS: Final = {
    f"{_P}router_request_errors_total": "error_type",
    f"{_P}worker_health": "worker",
    **dict.fromkeys(histogram(f"{_P}router_stage_duration_seconds", Rule(Signal.STAGE, Kind.BUCKET)), "stage"),
}
"""The label by which samples of a name are told apart."""
_REPLACED: Final = {_GENERATION: _REQUESTS}
"""Names that count only on a page without the other one."""


def _detect(names: Collection[str]) -> bool:
    return any(map(_wanted, names))


def _wanted(family: str) -> bool:
    return family.startswith(_P)  # one that has routed nothing yet is known by the rest


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    worker = f"{target}/gateway"
    labels = [dict(key.labels) for key in keys]
    models = {model for one in labels if (model := one.get("model"))}
    draft.worker(WorkerFacts(worker, model=models.pop() if len(models) == 1 else "", role=Role.ROUTER))
    old = outdated(keys, _REPLACED)
    for index, (key, one) in enumerate(zip(keys, labels, strict=True)):
        if (rule := _meaning(key.name, one)) and key.name not in old:
            draft.take(index, key, one, rule, worker=worker, label=_label(key.name, one))
    return draft.mapping()


def _label(name: str, labels: Table[str, str]) -> str:
    """Of a choice: the worker, or, where that is not said, by which policy."""
    if name == _SELECTED:
        return labels.get("worker") or f"{BY_POLICY}{labels.get('policy', '')}"
    return labels.get(_LABELS.get(name, ""), "")


def _meaning(name: str, labels: Table[str, str]) -> Rule | None:
    return _OF_TOKENS.get(labels.get("token_type", "")) if name == _TOKENS else _RULES.get(name)


_REACH: Final = Reach(
    "SGLang model gateway",
    hints=(
        Hint(
            Aspect.PLACEMENT,
            always,
            "the pages of the workers behind it as targets",
            "each worker's own tokens, cache and role; a gateway tells of all together",
        ),
        Hint(
            Aspect.PLACEMENT,
            lacks(Signal.GENERATION_TOKENS),
            "its workers in gRPC mode",
            "tokens, counted by the gateway",
        ),
    ),
)

BACKEND: Final = Backend("smg", _detect, _wanted, _map, _REACH)
