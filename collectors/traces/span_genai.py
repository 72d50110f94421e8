"""Spans of clients after OpenTelemetry's conventions for generative AI: the whole request as its caller saw it, by the id that the response had. Pure.

open-telemetry/semantic-conventions-genai@7269173 (`gen_ai.response.id`, `gen_ai.usage.{input,output}_tokens`); all of it is in development.
"""

from typing import Final

from collectors.model.traces import Account
from collectors.model.vocabulary import About
from collectors.traces.span_reading import account, count, text, whole
from collectors.wire.otlp import Span

TELLER: Final = "client span"


def read(span: Span, clock: str, engine: str) -> Account | None:
    name = text(span, "gen_ai.response.id")
    if not name:
        return None
    said = (
        (About.MODEL, text(span, "gen_ai.response.model")),
        (About.PROMPT_TOKENS, count(span, "gen_ai.usage.input_tokens")),
        (About.OUTPUT_TOKENS, count(span, "gen_ai.usage.output_tokens")),
    )
    return account(span, TELLER, clock, names=(name,), said=said, stretches=(whole(span),))
