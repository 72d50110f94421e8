"""SGLang's spans of a request (`--enable-trace --otlp-traces-endpoint`): a root with the request's id, a span for each thread, and stages below them. Pure.

Names: sgl-project/sglang python/sglang/srt/observability/trace.py@02a5808 (root `<role> Req <id>` with `rid`, `module`, `bootstrap_room`; tracer `sglang server`),
req_time_stats.py@00ce49e (stages). Decode's own steps are spans as well, one each: they are passed over.
"""

from typing import Final

from collectors.model.traces import Account
from collectors.model.vocabulary import About, Phase
from collectors.traces.span_reading import account, count, link, text, whole, within
from collectors.traces.span_vllm import stretches
from collectors.wire.otlp import Span

TELLER: Final = "SGLang span"
_SCOPE: Final = "sglang server"
_STAGES: Final = {
    "prefill_waiting": Phase.QUEUE,
    "decode_waiting": Phase.QUEUE,
    "prefill_forward": Phase.PREFILL,
    "prefill_transfer_kv_cache": Phase.TRANSFER,
    "decode_transferred": Phase.TRANSFER,
}


def read(span: Span, clock: str, engine: str) -> Account | None:
    if span.scope != _SCOPE and not text(span, "module").startswith("sglang::"):
        return None
    if rid := text(span, "rid"):
        role = span.name.partition(" Req ")[0].strip()
        worker = " ".join(filter(None, (engine, role)))
        room = text(span, "bootstrap_room")
        return account(
            span,
            TELLER,
            clock,
            engine=worker,
            # Both halves of a request that is served apart have its bootstrap room, and ids of their own.
            names=(rid, f"bootstrap room {room}" if room else ""),
            said=(
                (About.MODEL, text(span, "gen_ai.response.model")),
                (About.PROMPT_TOKENS, count(span, "gen_ai.usage.prompt_tokens")),
                (About.CACHED_TOKENS, count(span, "gen_ai.usage.cached_tokens")),
                (About.OUTPUT_TOKENS, count(span, "gen_ai.usage.completion_tokens")),
            ),
            stretches=stretches(span, worker) or (whole(span, worker=worker),),
            received=within(span.start_ns, span.start_ns),
        )
    if "thread_label" in span.attributes:
        return link(span, TELLER, clock) if span.attributes.get("tp_rank", 0) == 0 else None
    phase = _STAGES.get(span.name)
    return None if phase is None else account(span, TELLER, clock, stretches=(whole(span, phase=phase, worker=engine),))
