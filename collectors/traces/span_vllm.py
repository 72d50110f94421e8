"""vLLM's span of a request (`--otlp-traces-endpoint`): `llm_request`, made when the request ends, from its arrival at the API server. Pure.

Attributes: vllm/v1/engine/output_processor.py `do_tracing`, vllm/tracing/utils.py `SpanAttributes` (0.33). Seconds. `time_to_first_token` and `e2e` run from
arrival on the API server's wall clock; queue, prefill and decode are differences of the engine's own monotonic stamps (queued → scheduled → first token → last
token), whose place in between is known as an interval only.
"""

from typing import Final

from collectors.model.traces import Account, Stretch
from collectors.model.vocabulary import About, Phase
from collectors.traces.span_reading import account, count, seconds, text, within
from collectors.wire.otlp import Span

TELLER: Final = "vLLM span"
_LATENCY: Final = "gen_ai.latency."
_US: Final = 1_000


def read(span: Span, clock: str, engine: str) -> Account | None:
    if span.name != "llm_request" or not text(span, "gen_ai.request.id"):
        return None
    return account(
        span,
        TELLER,
        clock,
        engine=engine,
        names=(text(span, "gen_ai.request.id"),),
        said=(
            (About.MODEL, text(span, "gen_ai.response.model", "gen_ai.request.model")),
            (About.PROMPT_TOKENS, count(span, "gen_ai.usage.prompt_tokens", "gen_ai.usage.input_tokens")),
            (About.OUTPUT_TOKENS, count(span, "gen_ai.usage.completion_tokens", "gen_ai.usage.output_tokens")),
        ),
        stretches=stretches(span, engine),
        # Arrival is a float of seconds since 1970: it is known to a quarter of a microsecond.
        received=within(span.start_ns - _US, span.start_ns + _US),
        spoke=None
        if (first := _ns(span, "time_to_first_token")) is None
        else within(span.start_ns + first - _US, span.start_ns + first + _US),
    )


def stretches(span: Span, worker: str) -> list[Stretch]:
    """Of the latencies that there are (SGLang has the same names)."""
    begin = span.start_ns
    names = ("time_to_first_token", "time_in_queue", "time_in_model_prefill", "time_in_model_decode", "e2e")
    first, queue, prefill, decode, whole = (_ns(span, name) for name in names)
    found = []
    if whole is not None:
        found.append(Stretch(Phase.REQUEST, whole, within(begin, begin), worker))
    if first is not None:
        found.append(Stretch(Phase.FIRST_TOKEN, first, within(begin, begin), worker))
    # What of the first token's time is neither queue nor prefill lies before, between or after them.
    spare = None if first is None else max(first - (queue or 0) - (prefill or 0), 0)
    if queue is not None:
        start = None if spare is None else within(begin, begin + spare)
        found.append(Stretch(Phase.QUEUE, queue, start, worker))
    if prefill is not None:
        after = begin + (queue or 0)
        start = None if spare is None else within(after, after + spare)
        found.append(Stretch(Phase.PREFILL, prefill, start, worker))
    if decode is not None:
        start = None if first is None or spare is None else within(begin + first - spare, begin + first)
        found.append(Stretch(Phase.DECODE, decode, start, worker))
    return found


def _ns(span: Span, name: str) -> int | None:
    found = seconds(span, _LATENCY + name)
    return None if found is None else round(found * 1e9)
