"""OpenAI's chat and text completions as data: what a body asks for, and what is said in return. Pure.

Field names are those of the public API; what is not understood in a body is ignored, as servers do. The output is made up, and says so.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from emulators.events import Row
from emulators.prompts import TOKEN_BYTES, Part

MAX_CONTEXT: Final = 32_768
"""Tokens of prompt and output of a request, as in the built-in workloads."""
DEFAULT_OUTPUT: Final = 128
"""Tokens of an answer for which no limit is given; it then ends by itself."""
DEFAULT_LIMIT: Final = 1_024
FINGERPRINT: Final = "tokenyard-emulator"
FINISH: Final = {"stop": "stop", "length": "length"}
_SAYING: Final = "made up by tokenyard's emulator, no model ran. "
_HERE: Final = "the piece"
_EXTRA: Final = frozenset({"worker_id", "timing"})


class ApiError(Exception):
    """A request that cannot be served, as the API says it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: Row = {"error": {"message": message, "type": kind, "param": param, "code": code}}


class _Text(Struct):
    type: str
    text: str | None = None


class _Message(Struct):
    role: Annotated[str, Meta(max_length=64)]
    content: str | list[_Text] | None = None
    tool_calls: Raw = Raw(b"")


class _StreamOptions(Struct):
    include_usage: bool | None = False


class _Nvext(Struct):
    extra_fields: list[str] | None = None


class _Common(Struct, kw_only=True):
    model: str
    max_tokens: int | None = None
    n: int | None = 1
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    service_tier: str | None = None
    nvext: _Nvext | None = None


class _Chat(_Common, kw_only=True):
    messages: Annotated[list[_Message], Meta(min_length=1)]
    max_completion_tokens: int | None = None


class _Completion(_Common, kw_only=True):
    prompt: str | list[str | int | list[int]]


_CHAT: Final = msgspec.json.Decoder(_Chat)
_COMPLETION: Final = msgspec.json.Decoder(_Completion)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a body asks for. `extra`: what it wants to know beyond OpenAI's fields, in Dynamo's `nvext`."""

    chat: bool
    model: str
    parts: tuple[Part, ...]
    output: int
    limit: int
    kind: str
    stream: bool
    usage: bool
    extra: frozenset[str]

    @property
    def prompt(self) -> int:
        """Tokens."""
        return sum(part.tokens for part in self.parts)


def wanted(body: bytes, *, chat: bool) -> Wanted:
    """Reads a body. ApiError (400) for what is malformed, or asks for what there is not."""
    try:
        asked = _CHAT.decode(body) if chat else _COMPLETION.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, f"the body cannot be read: {error}") from None
    if asked.n not in (None, 1):
        raise ApiError(400, "one choice for each request: n must be 1", param="n")
    parts = _said(asked) if isinstance(asked, _Chat) else (Part("", _prompt(asked.prompt)),)
    limit = asked.max_tokens
    if isinstance(asked, _Chat) and asked.max_completion_tokens is not None:
        limit = asked.max_completion_tokens
    if limit is not None and limit < 1:
        raise ApiError(400, f"max_tokens must be at least 1, not {limit}", param="max_tokens")
    options = asked.stream_options
    found = Wanted(
        chat=chat,
        model=asked.model,
        parts=parts,
        output=DEFAULT_OUTPUT if limit is None else limit,
        limit=DEFAULT_LIMIT if limit is None else limit,
        kind="batch" if asked.service_tier == "flex" else "interactive",
        stream=bool(asked.stream),
        usage=bool(options and options.include_usage),
        extra=_EXTRA & set(asked.nvext.extra_fields or ()) if asked.nvext else frozenset(),
    )
    if not found.prompt:
        raise ApiError(400, "the prompt is empty", param="messages" if chat else "prompt")
    if found.prompt + found.limit > MAX_CONTEXT:
        raise ApiError(
            400,
            f"this model's maximum context length is {MAX_CONTEXT} tokens; {found.prompt} of prompt and up to {found.limit} of output are more",
            code="context_length_exceeded",
        )
    return found


def _said(asked: _Chat) -> tuple[Part, ...]:
    return tuple(Part(message.role, _text(message)) for message in asked.messages)


def _text(message: _Message) -> bytes:
    content = message.content
    if isinstance(content, list):
        if any(piece.text is None for piece in content):
            raise ApiError(400, "only text is understood: a message has a part of another type", param="messages")
        content = "".join(piece.text or "" for piece in content)
    return (content or "").encode("utf-8", "surrogatepass") + bytes(message.tool_calls)


def _prompt(prompt: str | list[str | int | list[int]]) -> bytes:
    """A text, a list of one text, or token ids, of which each makes a token."""
    only = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
    if isinstance(only, str):
        return only.encode("utf-8", "surrogatepass")
    listed = [only] if isinstance(only, int) else only
    ids = [one for one in listed if isinstance(one, int)]
    if len(ids) < len(listed):
        raise ApiError(400, "one prompt for each request: send several as several requests", param="prompt")
    return b"".join((one & 0xFFFF_FFFF).to_bytes(TOKEN_BYTES, "little") for one in ids)


def made_up(name: str, tokens: int) -> str:
    """The output of the request `name`: a text of so many tokens that says what it is, and is no other request's."""
    length = tokens * TOKEN_BYTES
    head = f"[{name}] "
    return (head + _SAYING * (length // len(_SAYING) + 1))[:length]


class Telling:
    """What is said of one request, as the body of an answer or as events of a stream. `name`: of the request."""

    def __init__(self, asked: Wanted, name: str, created: int) -> None:
        kind = "chat.completion" if asked.chat else "text_completion"
        self._chat = asked.chat
        self._id = f"{'chatcmpl' if asked.chat else 'cmpl'}-{name}"
        self._object = f"{kind}.chunk" if asked.chat and asked.stream else kind
        self._created, self._model = created, asked.model
        self._around: dict[bool, tuple[bytes, bytes]] = {}
        """What stands before and after the text in the first event with a piece, and in the others."""

    def body(self, choices: list[Row], **more: object) -> Row:
        return {
            "id": self._id,
            "object": self._object,
            "created": self._created,
            "model": self._model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
            **more,
        }

    def whole(self, text: str, finish: str, usage: Row, nvext: Row | None) -> Row:
        """The answer to a request that does not stream."""
        said: Row = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish}
        return self.body([choice], usage=usage, **({"nvext": nvext} if nvext else {}))

    def piece(self, text: str, nvext: Row | None, *, first: bool) -> bytes:
        """An event with a piece of the output. `nvext` is the same for all of them."""
        if first not in self._around:
            said: Row = {"text": _HERE}
            if self._chat:
                said = {"delta": {"role": "assistant", "content": _HERE} if first else {"content": _HERE}}
            whole = self._event([{"index": 0, **said, "logprobs": None, "finish_reason": None}], nvext)
            before, _, after = whole.partition(f'"{_HERE}"'.encode())
            self._around[first] = before, after
        before, after = self._around[first]
        return before + json.dumps(text).encode() + after

    def finish(self, reason: str, nvext: Row | None) -> bytes:
        """The event that says how it ended."""
        said: Row = {"delta": {}} if self._chat else {"text": ""}
        return self._event([{"index": 0, **said, "logprobs": None, "finish_reason": reason}], nvext)

    def usage(self, usage: Row) -> bytes:
        """The event that only counts."""
        return event(self.body([], usage=usage))

    def _event(self, choices: list[Row], nvext: Row | None) -> bytes:
        return event(self.body(choices, **({"nvext": nvext} if nvext else {})))


DONE: Final = b"data: [DONE]\n\n"


def event(body: Mapping[str, object]) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def usage(prompt: int, output: int, cached: int) -> Row:
    """Tokens; `cached` of the prompt were found in memory."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
