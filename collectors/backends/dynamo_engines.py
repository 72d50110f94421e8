"""The engine behind a Dynamo worker's page, by its own families: vLLM, SGLang or TensorRT-LLM, or the mocker in the guise of one of them.

As TensorRT-LLM the mocker has vLLM's names under a prefix of its own; seen on `dynamo.mocker --engine-type trtllm`, 1.6.1.
"""

from collections.abc import Callable, Sequence
from typing import Final

from collectors.backends import sglang, trtllm, vllm
from collectors.backends.mapping import Draft, Rule, families, rules
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey

PROCESS: Final = ""
"""Instead of a rank: the worker as a whole."""

_MOCKED: Final = rules(
    {
        "trtllm:num_requests_running": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
        "trtllm:num_requests_waiting": Rule(Signal.REQUESTS_WAITING, Kind.GAUGE),
        "trtllm:num_preemptions_total": Rule(Signal.PREEMPTIONS, Kind.COUNTER),
        "trtllm:kv_cache_usage_perc": Rule(Signal.KV_ACTIVE_RATIO, Kind.GAUGE, Tier.HBM),
    },
    {
        "trtllm:time_to_first_token_seconds": Signal.TTFT,
        "trtllm:inter_token_latency_seconds": Signal.GAP,
        "trtllm:e2e_request_latency_seconds": Signal.E2E,
    },
)
_MOCKER: Final = "trtllm:kv_cache_usage_perc"
"""TensorRT-LLM has no such name under any prefix."""
_FAMILIES: Final = families(_MOCKED)
_KV_SOURCE: Final = "worker_kv_query_source_"
"""Beginning of the name of an endpoint that each rank has one of."""


def wanted(family: str) -> bool:
    """Whether `add` may look at samples of this family."""
    return family in _FAMILIES or vllm.wanted(family) or sglang.wanted(family) or trtllm.wanted(family)


def add(draft: Draft, keys: Sequence[SampleKey], worker_of: Callable[[str], str]) -> None:
    """Everything that the engine's families say; `worker_of` makes an id of a rank, or of PROCESS."""
    names = {key.name for key in keys}
    if any(name.startswith("sglang:") for name in names):
        together = _unranked(keys)
        sglang.add(draft, keys, lambda rank: worker_of(PROCESS if together or rank == sglang.SERVER else rank))
    elif _MOCKER in names:
        _add_mocked(draft, keys, worker_of)
    elif any(trtllm.wanted(name) for name in names):
        trtllm.add(draft, keys, worker_of("0"))
    else:
        vllm.add(draft, keys, worker_of)


def _unranked(keys: Sequence[SampleKey]) -> bool:
    """Whether SGLang's families are of several ranks without saying of which (the mocker's are)."""
    labels = [dict(key.labels) for key in keys]
    ranks = {one.get("dynamo_endpoint", "") for one in labels if one.get("dynamo_endpoint", "").startswith(_KV_SOURCE)}
    return len(ranks) > 1 and not any(
        "dp_rank" in one for key, one in zip(keys, labels, strict=True) if key.name.startswith("sglang:")
    )


def _add_mocked(draft: Draft, keys: Sequence[SampleKey], worker_of: Callable[[str], str]) -> None:
    for index, key in enumerate(keys):
        if rule := _MOCKED.get(key.name):
            labels = dict(key.labels)
            worker = worker_of(labels.get("engine", "0"))
            draft.worker(WorkerFacts(worker, model=labels.get("model_name", "")))
            draft.take(index, key, labels, rule, worker=worker)
