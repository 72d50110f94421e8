"""llama.cpp's server (`/metrics`, with `--metrics`). One page is one worker; whether it runs on a GPU or on the CPU it does not say.

Counters, and gauges of this moment, are taken. Its averages (`prompt_tokens_seconds`, `predicted_tokens_seconds`,
`n_busy_slots_per_decode`) are not: newer builds average over the time since whoever read the page last. `prompt_tokens_total` counts the
tokens that were computed; only builds that count the cached ones too tell all tokens of the prompts. `tokens_predicted_total` counts a
request's tokens when it ends, so a rate of it comes in jumps. Values have six digits. Left out: means made of two counters (time by token, or by
step), which are of all requests together and tell of none; both counters are there. Names:
ggml-org/llama.cpp `tools/server/server-context.cpp`; slots: `llamacpp_slots`.
"""

from collections.abc import Collection, Sequence
from typing import Final

from collectors.backends.llamacpp_slots import slots
from collectors.backends.mapping import Backend, Draft, Mapping, Rule, families
from collectors.backends.reach import Ask, Aspect, Fact, Hint, Reach, json_facts, lacks
from collectors.model.signals import Kind, Signal, WorkerFacts
from collectors.model.vocabulary import Tier
from collectors.wire.exposition import SampleKey

_P: Final = "llamacpp:"
_NS: Final = 1e9
_COMPUTED: Final = f"{_P}prompt_tokens_total"
_CACHED: Final = f"{_P}prompt_tokens_cached_total"

_RULES: Final = {
    f"{_P}requests_processing": Rule(Signal.REQUESTS_RUNNING, Kind.GAUGE),
    f"{_P}requests_deferred": Rule(Signal.REQUESTS_WAITING, Kind.GAUGE),
    _COMPUTED: Rule(Signal.PROMPT_TOKENS_COMPUTED, Kind.COUNTER),
    _CACHED: Rule(Signal.HIT_TOKENS, Kind.COUNTER, Tier.UNKNOWN),
    f"{_P}tokens_predicted_total": Rule(Signal.GENERATION_TOKENS, Kind.COUNTER),
    f"{_P}prompt_seconds_total": Rule(Signal.TIME_SPENT, Kind.COUNTER, scale=_NS, label="prefill"),
    f"{_P}tokens_predicted_seconds_total": Rule(Signal.TIME_SPENT, Kind.COUNTER, scale=_NS, label="decode"),
    f"{_P}n_decode_total": Rule(Signal.ENGINE_STEPS, Kind.COUNTER),
    f"{_P}spec_decode_num_draft_tokens_total": Rule(Signal.SPEC_DRAFT_TOKENS, Kind.COUNTER),
    f"{_P}spec_decode_num_accepted_tokens_total": Rule(Signal.SPEC_ACCEPTED_TOKENS, Kind.COUNTER),
    f"{_P}kv_cache_usage_ratio": Rule(Signal.KV_USED_RATIO, Kind.GAUGE, Tier.UNKNOWN),  # of older builds, as the next
    f"{_P}kv_cache_tokens": Rule(Signal.KV_USED_TOKENS, Kind.GAUGE, Tier.UNKNOWN),
}
_PROMPT: Final = Rule(Signal.PROMPT_TOKENS, Kind.COUNTER)
_FAMILIES: Final = families(_RULES)


def _detect(names: Collection[str]) -> bool:
    return any(name.startswith(_P) for name in names)


def _wanted(family: str) -> bool:
    return family in _FAMILIES


def _map(keys: Sequence[SampleKey], target: str) -> Mapping:
    draft = Draft()
    worker = f"{target}/0"
    names = {key.name for key in keys}
    for index, key in enumerate(keys):
        if rule := _RULES.get(key.name):
            labels = dict(key.labels)
            draft.worker(WorkerFacts(worker, model=labels.get("model", "")))
            draft.take(index, key, labels, rule, worker=worker)
            if key.name in (_COMPUTED, _CACHED) and names.issuperset((_COMPUTED, _CACHED)):
                draft.take(index, key, labels, _PROMPT, worker=worker, metric=f"{_COMPUTED} + {_CACHED}")
    return draft.mapping()


_REACH: Final = Reach(
    "llama.cpp",
    owned_by="llamacpp",
    no_page="--metrics",
    also=("/slots", slots),
    asks=(Ask("/props", Fact.VERSION, json_facts(version="build_info")),),
    hints=(
        Hint(Aspect.TIERS, lacks(Signal.HIT_TOKENS), "a newer llama.cpp", "prompt tokens that were cached"),
        Hint(
            Aspect.TIERS, lacks(Signal.KV_CAPACITY_TOKENS), "no --no-slots", "tokens of context, and how many are held"
        ),
    ),
)

BACKEND: Final = Backend(
    "llamacpp",
    _detect,
    _wanted,
    _map,
    _REACH,
    side_effect="newer builds begin their averaged gauges anew at each scrape; another reader's averages become shorter",
)
