"""The mocker of Dynamo in the guise of TensorRT-LLM: vLLM's names under another prefix, which TensorRT-LLM itself never used.

Names: a captured page of `dynamo.mocker --engine-type trtllm`, 1.6.1. In the guise of vLLM or SGLang it has those engines' own names.
"""

from collections.abc import Callable, Sequence
from typing import Final

from collectors.backends.mapping import Draft, Rule, families, rules
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey

_RULES: Final = rules(
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
FAMILIES: Final = families(_RULES)


def add(draft: Draft, keys: Sequence[SampleKey], worker_id: Callable[[str], str]) -> None:
    """`worker_id` makes an id of the `engine` label."""
    for index, key in enumerate(keys):
        if rule := _RULES.get(key.name):
            labels = dict(key.labels)
            worker = worker_id(labels.get("engine", "0"))
            draft.worker(WorkerFacts(worker, model=labels.get("model_name", "")))
            draft.take(index, key, labels, rule, worker=worker)
