"""llama.cpp's slots (`GET /slots`, on unless `--no-slots`): how many tokens of context there are, and how many are held.

Reading it changes nothing. Older builds answer with prompts too: nothing but the numbers is looked at. A slot keeps what it holds after its
request has ended. Fields: ggml-org/llama.cpp `tools/server/README.md`; `n_prompt_tokens`, prompt and output so far, is of newer builds, in which
a slot that never had a task (`id_task`) does not tell, for it holds nothing. Whether slots share one cache, of which each may have all, it does
not say: their sums are estimates.
"""

from typing import Any, Final

import msgspec

from collectors.backends.json_page import Count, JsonError, JsonPage
from collectors.model.signals import Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Tier

MAX_SLOTS: Final = 4_096
_ESTIMATE: Final = "the sum over slots, which may share one cache (--kv-unified): then it is smaller"


class _Slot(msgspec.Struct):
    n_ctx: Count
    is_processing: bool
    id_task: Any = None
    n_prompt_tokens: Count | None = None


def slots(body: object, target: str) -> JsonPage:
    """Of the decoded answer: the worker of the page `target`. Tokens held only where every slot that was ever used tells. Raises JsonError."""
    if isinstance(body, list) and len(body) > MAX_SLOTS:
        raise JsonError(f"more than {MAX_SLOTS} slots")
    try:
        found = msgspec.convert(body, list[_Slot])
    except msgspec.ValidationError:
        raise JsonError("not the /slots of llama.cpp: no list of slots with n_ctx and is_processing") from None
    worker = f"{target}/0"
    figures: list[tuple[Signal, str, Tier | None, float]] = [
        (Signal.REQUESTS_RUNNING, "/slots[].is_processing", None, sum(one.is_processing for one in found)),
        (Signal.KV_CAPACITY_TOKENS, "/slots[].n_ctx", Tier.UNKNOWN, sum(one.n_ctx for one in found)),
    ]
    used = [one for one in found if one.is_processing or one.id_task is not None or one.n_prompt_tokens is not None]
    held = [one.n_prompt_tokens for one in used]
    if held and None not in held:
        active = sum(one.n_prompt_tokens or 0 for one in found if one.is_processing)
        figures += [
            (Signal.KV_USED_TOKENS, "/slots[].n_prompt_tokens", Tier.UNKNOWN, sum(filter(None, held))),
            (Signal.KV_ACTIVE_TOKENS, "/slots[is_processing].n_prompt_tokens", Tier.UNKNOWN, active),
        ]
    series = tuple(
        Series(signal, Kind.GAUGE, worker, metric, tier, estimate=_ESTIMATE if tier else "")
        for signal, metric, tier, _ in figures
    )
    return JsonPage((WorkerFacts(worker),), series, tuple(float(value) for *_, value in figures))
