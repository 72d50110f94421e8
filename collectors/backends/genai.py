"""Pages with OpenTelemetry's metrics of generative AI, as gateways (Envoy AI Gateway, agentgateway) and instrumented clients write them.

Whoever counts is a row of its own, with the role of a router: no worker, chip or tier is told. What it saw of a server counts before what a
client of it saw. Units stand in the names or, at some, do not: durations are in seconds either way. Names, meanings and attributes:
open-telemetry/semantic-conventions-genai `docs/gen-ai/gen-ai-metrics.md`; a page was never seen. Left out, for it is the same once more: the
type `total` of tokens, and the tokens of single calls (`gen_ai.client.inference.operation.*`).
"""

from collections.abc import Collection, Sequence
from typing import Final

from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families, histogram
from collectors.backends.reach import Aspect, Hint, Reach, always
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier
from collectors.wire.exposition import SampleKey

_PREFIXES: Final = ("gen_ai_", "agentgateway_gen_ai_")


def _spelled(name: str, *units: str) -> tuple[str, ...]:
    """With or without its unit, under each prefix."""
    return tuple(f"{prefix}{name}{unit}" for prefix in _PREFIXES for unit in ("", *units))


_SERVER: Final = {
    "server_request_duration": Signal.E2E,
    "server_time_to_first_token": Signal.TTFT,
    "server_time_per_output_token": Signal.TPOT,
}
_CLIENT: Final = {
    "client_operation_duration": Signal.E2E,
    "client_operation_time_to_first_chunk": Signal.TTFT,
    "client_operation_time_per_output_chunk": Signal.GAP,
}
_PARTS: Final = {
    part: (rule, own)
    for told, own in ((_SERVER, True), (_CLIENT, False))
    for name, signal in told.items()
    for spelling in _spelled(name, "_seconds")
    for part, rule in histogram(spelling, Rule(signal, Kind.BUCKET)).items()
}
"""By sample name: what it is, and whether of a server."""
_ERRORS: Final = frozenset(
    f"{spelling}_count"
    for name in ("server_request_duration", "client_operation_duration")
    for spelling in _spelled(name, "_seconds")
)
"""Of requests that failed where they have `error_type`."""
_COUNTERS: Final = {
    spelling: rule
    for name, rule in {
        "client_inference_usage_input_tokens": Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
        "client_inference_usage_output_tokens": Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
        "client_inference_usage_cache_read_input_tokens": Rule(Signal.HIT_TOKENS, Kind.COUNTER, Tier.UNKNOWN),
    }.items()
    for spelling in _spelled(name, "_total")
}
_USAGE: Final = frozenset(f"{spelling}_sum" for spelling in _spelled("client_token_usage", "_token", "_tokens"))
"""Tokens of both kinds, where a page has no counters of them."""
_BY_TYPE: Final = {
    "input": Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
    "output": Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
}
"""By the label `gen_ai_token_type`."""
_FAMILIES: Final = families([*_PARTS, *_COUNTERS, *_USAGE])


def _detect(names: Collection[str]) -> bool:
    return not _FAMILIES.isdisjoint(names)


def _wanted(family: str) -> bool:
    return family in _FAMILIES


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    worker = f"{target}/gen-ai"
    labels = [dict(key.labels) for key in keys]
    models = {
        model for one in labels if (model := one.get("gen_ai_response_model") or one.get("gen_ai_request_model", ""))
    }
    draft.worker(WorkerFacts(worker, model=models.pop() if len(models) == 1 else "", role=Role.ROUTER))
    of_server = {rule.signal for key in keys for rule, own in [_PARTS.get(key.name, (None, False))] if rule and own}
    counted = any(key.name in _COUNTERS for key in keys)
    for index, (key, one) in enumerate(zip(keys, labels, strict=True)):
        rule, own = _PARTS.get(key.name, (None, False))
        if rule is None:
            rule = _COUNTERS.get(key.name)
            if key.name in _USAGE and not counted:
                rule = _BY_TYPE.get(one.get("gen_ai_token_type", ""))
        elif not own and rule.signal in of_server:
            continue
        if rule is not None:
            draft.take(index, key, one, rule, worker=worker)
        if key.name in _ERRORS and (error := one.get("error_type")):
            draft.take(index, key, one, Rule(Signal.REQUEST_ERRORS, Kind.COUNTER, label=error), worker=worker)
    return draft.mapping()


_REACH: Final = Reach(
    "OpenTelemetry GenAI",
    hints=(
        Hint(
            Aspect.PLACEMENT,
            always,
            "the pages of the engines behind it as targets",
            "each worker's own tokens, cache and role; these metrics tell of no worker",
        ),
    ),
)

BACKEND: Final = Backend("genai", _detect, _wanted, _map, _REACH, never_seen=True)
