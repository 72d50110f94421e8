"""Hugging Face's Text Generation Inference, 3.x. One page is one worker; it tells nothing of itself, not even its model.

Token counts are sums of histograms that are recorded when a request begins (prompt) or ends (output). A batch's steps are not a request's
phases: they are told apart as `batch`, and no gap or TTFT is made of them. `tgi_batch_current_max_tokens` is what the running batch may
come to need, 0 when idle, and no capacity; `tgi_batch_max_total_tokens` is. Left out: what it computes on, which only headers of responses tell
(`x-compute-type`). Names: huggingface/text-generation-inference
`router/src/server.rs`, `backends/v3/src/backend.rs` and `lib.rs`. The exporter adds no `_total`; without buckets of its own a histogram is
a summary there.
"""

from collections.abc import Collection, Sequence
from typing import Final

from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families, histogram, rules
from collectors.backends.reach import Ask, Fact, Reach, json_facts
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey

_P: Final = "tgi_"
_BATCH: Final = "batch"
_FAILED: Final = f"{_P}request_failure"
_STEP: Final = f"{_P}batch_forward_duration"
_INFERENCE: Final = f"{_P}batch_inference_duration"

_RULES: Final = rules(
    {
        f"{_P}batch_current_size": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
        f"{_P}queue_size": Rule(Signal.REQUESTS_WAITING, Kind.GAUGE),
        f"{_P}batch_max_total_tokens": Rule(Signal.KV_CAPACITY_TOKENS, Kind.GAUGE, Tier.HBM),
        f"{_P}request_success": Rule(Signal.REQUESTS_FINISHED, Kind.COUNTER),
        _FAILED: Rule(Signal.REQUEST_ERRORS, Kind.COUNTER),
        f"{_P}request_input_length_sum": Rule(Signal.PROMPT_TOKENS, Kind.COUNTER),
        f"{_P}request_generated_tokens_sum": Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
        f"{_P}request_skipped_tokens_sum": Rule(Signal.SPEC_ACCEPTED_TOKENS, Kind.COUNTER),
    },
    {
        f"{_P}request_duration": Signal.E2E,
        f"{_P}request_queue_duration": Signal.QUEUE,
        f"{_P}request_mean_time_per_token_duration": Signal.TPOT,
    },
)
_BY_METHOD: Final = {
    "prefill": histogram(_INFERENCE, Rule(Signal.PREFILL, Kind.BUCKET, label=_BATCH)),
    "decode": histogram(_INFERENCE, Rule(Signal.DECODE, Kind.BUCKET, label=_BATCH)),
}
"""By the label `method`, then by sample name."""
_STEPS: Final = histogram(_STEP, Rule(Signal.ITERATION, Kind.BUCKET))
_FAMILIES: Final = families([*_RULES, _STEP, _INFERENCE])


def _detect(names: Collection[str]) -> bool:
    return any(name.startswith(_P) for name in names)


def _wanted(family: str) -> bool:
    return family in _FAMILIES


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    worker = f"{target}/0"
    for index, key in enumerate(keys):
        labels = dict(key.labels)
        method = labels.get("method", "")
        label = ""
        if rule := _RULES.get(key.name):
            label = labels.get("err", "") if key.name == _FAILED else ""
        elif rule := _STEPS.get(key.name):
            label = method
        else:
            rule = _BY_METHOD.get(method, {}).get(key.name)
        if rule is not None:
            draft.worker(WorkerFacts(worker))
            draft.take(index, key, labels, rule, worker=worker, label=label)
    return draft.mapping()


_REACH: Final = Reach(
    "TGI",
    asks=(Ask("/info", Fact.VERSION, json_facts(version="version", model="model_id")),),
)
"""Archived upstream: no flag of it brings gaps, TTFT or tiers."""

BACKEND: Final = Backend("tgi", _detect, _wanted, _map, _REACH, never_seen=True)
