"""What a probe asks, and in which form a server takes it. Pure.

The same few tokens each time; the first thing in each prompt is new, so that no prefix cache has answered it before.
"""

from typing import Any, Final, NamedTuple

import msgspec

from collectors.model.vocabulary import PROBE_ID

MAX_TOKENS: Final = 16
USER_AGENT: Final = "tokenyard-probe"
_PROMPT: Final = "{nonce} One, two, three, four, five,"
_COMPLETIONS: Final = "/v1/completions"
_CHAT: Final = "/v1/chat/completions"


class Form(NamedTuple):
    """`rich`: with what makes servers say more (tokens of each chunk, Dynamo's workers), which strict ones refuse."""

    path: str
    rich: bool


FORMS: Final = (Form(_COMPLETIONS, True), Form(_COMPLETIONS, False), Form(_CHAT, True), Form(_CHAT, False))
"""In the order in which they are tried. Plain completions first: no template stands before the prompt."""
NOT_SO: Final = frozenset({400, 404, 405, 415, 422, 501})
"""Statuses by which a server refuses a form, and not the work."""


def id_of(nonce: str) -> str:
    """By which whoever sees the request knows it for ours."""
    return f"{PROBE_ID}{nonce}"


def body(form: Form, model: str, nonce: str) -> bytes:
    prompt = _PROMPT.format(nonce=nonce)
    asked: dict[str, Any] = {"model": model, "max_tokens": MAX_TOKENS, "temperature": 0, "stream": True}
    asked |= {"messages": [{"role": "user", "content": prompt}]} if form.path == _CHAT else {"prompt": prompt}
    asked["stream_options"] = {"include_usage": True}
    if form.rich:
        asked["stream_options"]["continuous_usage_stats"] = True
        asked["nvext"] = {"extra_fields": ["worker_id", "timing"]}
    return msgspec.json.encode(asked)


def headers(nonce: str) -> dict[str, str]:
    return {
        "X-Request-Id": id_of(nonce),
        "User-Agent": USER_AGENT,
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
    }
