"""What an event of an OpenAI-style stream says: whether it brings output, of how many tokens, by which worker, and how it ended. Pure.

Chat and text completions. Text is never decoded, let alone kept: whether there is any is read off its JSON. An event is not a token: several may be in one, or
none; where the server does not count them, nobody does.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from collectors.wire.sse import Event

DONE: Final = b"[DONE]"
_NOTHING: Final = frozenset({b"", b"null", b'""', b"[]", b"{}"})
_ABSENT: Final = Raw(b"")
_LARGEST: Final = 2**53
_Count = Annotated[int, Meta(ge=0, le=_LARGEST)]


class Workers(Struct, frozen=True, gc=False):
    """As Dynamo's `nvext.worker_id` names them, `id/rank`, or `id` where no rank is said; empty where it does not. After a migration it goes on naming the first one (observed, 1.6.1)."""

    prefill: str = ""
    decode: str = ""


class Times(Struct, frozen=True, gc=False):
    """Seconds as the server says (reported, not measured), None where it does not: Groq's `usage`, Cerebras' `time_info`, Dynamo's `nvext.timing`, vLLM's `metrics`."""

    queue_s: float | None = None
    prefill_s: float | None = None
    decode_s: float | None = None


class Said(Struct, frozen=True, gc=False):
    """What one event says. `understood` is false where it is neither a chunk nor an error nor the end: whatever it brings is not known."""

    understood: bool = True
    content: bool = False
    """Output for the reader: text, reasoning, a tool call, token ids. A chunk of nothing but a role is none."""
    tokens: int | None = None
    """Output tokens since the last event with content, where that can be told; None beside `content`: unknown."""
    choice: int = 0
    finish: str = ""
    error: str | None = None
    """Sent in mid-stream, inside a response of status 200."""
    model: str = ""
    workers: Workers | None = None
    times: Times | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    """Of the response so far, all choices together, as `usage` has it."""
    done: bool = False
    id: str = ""
    """Of the response, as its server calls it; said once."""


class _Delta(Struct, gc=False):
    content: Raw = _ABSENT
    reasoning: Raw = _ABSENT
    reasoning_content: Raw = _ABSENT
    refusal: Raw = _ABSENT
    tool_calls: Raw = _ABSENT
    function_call: Raw = _ABSENT
    audio: Raw = _ABSENT


class _Choice(Struct, gc=False):
    index: Annotated[int, Meta(ge=0, le=127)] = 0
    delta: _Delta | None = None
    text: Raw = _ABSENT
    finish_reason: str | None = None
    token_ids: list[int] | None = None
    logprobs: Raw = _ABSENT


class _Usage(Struct, gc=False):
    completion_tokens: _Count = 0
    prompt_tokens: _Count | None = None
    prompt_tokens_details: Raw = _ABSENT
    queue_time: Raw = _ABSENT
    prompt_time: Raw = _ABSENT
    completion_time: Raw = _ABSENT


class _Chunk(Struct, gc=False):
    id: Raw = _ABSENT
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    model: str | None = None
    error: Raw = _ABSENT
    nvext: Raw = _ABSENT
    time_info: Raw = _ABSENT
    metrics: Raw = _ABSENT


class _WholeUsage(_Usage, gc=False):
    output_tokens: _Count | None = None
    """As the Responses API calls it."""


class _Whole(_Chunk, gc=False):
    usage: _WholeUsage | None = None


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_WHOLE: Final = msgspec.json.Decoder(_Whole)
_TEXT: Final = msgspec.json.Decoder(str)
_MALFORMED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class StreamReader:
    """Reads the events of one response, in order: what `usage` counts are sums, of which the difference belongs to the event."""

    def __init__(self) -> None:
        self._counted = 0
        """Output tokens that `usage` had counted at the last event with content."""
        self._identified = False
        self._metered = False
        """Whether an event before had a `usage`."""
        self._uncounted = False
        """Whether content came without `usage` since: the next difference belongs to several events."""

    def read(self, event: Event) -> Said:
        """Never raises: what cannot be read is not understood."""
        data = event.data
        if data is None:
            self._uncounted = True
            return Said(understood=False)
        if data.strip() == DONE:
            return Said(done=True)
        try:
            chunk = _CHUNK.decode(data)
        except _MALFORMED:
            if event.name == b"error":
                return Said(error=_message(data))
            self._uncounted = True
            return Said(understood=False)
        if _says(chunk.error):
            return Said(error=_message(bytes(chunk.error)))
        if event.name == b"error":
            return Said(error=_message(data))
        if chunk.choices is None and chunk.usage is None:
            return Said(understood=False)
        return self._said(chunk)

    def _said(self, chunk: _Chunk) -> Said:
        choices, usage = chunk.choices or [], chunk.usage
        spoken = [choice for choice in choices if _has_content(choice)] or self._silent(choices, usage)
        first = spoken[0] if spoken else choices[0] if choices else None
        extended = _object(chunk.nvext) if chunk.nvext is not _ABSENT else None
        return Said(
            content=bool(spoken),
            tokens=self._tokens(spoken, usage) if spoken else None,
            choice=first.index if first else 0,
            finish=_finish(choices) if choices else "",
            model=chunk.model or "",
            workers=_workers(extended) if extended else None,
            times=_times(chunk, extended or {}) if extended or _may_time(chunk) else None,
            prompt_tokens=usage.prompt_tokens if usage else None,
            cached_tokens=_cached(usage) if usage else None,
            output_tokens=usage.completion_tokens if usage else None,
            id="" if self._identified else self._id(chunk.id),
        )

    def _silent(self, choices: list[_Choice], usage: _Usage | None) -> list[_Choice]:
        """Tokens that are no text by themselves (half a character) come all the same: `usage` grows. What a last event counts at once came before."""
        if usage is None:
            return []
        came = usage.completion_tokens > self._counted and not self._uncounted
        known = self._metered or not _finish(choices)
        self._metered = True
        return choices[:1] if came and known else []

    def _id(self, raw: Raw) -> str:
        """Once: it is the same in every chunk."""
        if not _says(raw):
            return ""
        self._identified = True
        return _named(raw)

    def _tokens(self, spoken: list[_Choice], usage: _Usage | None) -> int | None:
        """By the difference in `usage`, which also counts tokens that were held back; else by what the chunk lists."""
        grown = None
        if usage is not None:
            grown = usage.completion_tokens - self._counted
            if self._uncounted or grown <= 0:
                grown = None
            self._counted, self._uncounted = usage.completion_tokens, False
        else:
            self._uncounted = True
        if grown is not None:
            return grown
        listed = [_listed(choice) for choice in spoken]
        return None if None in listed else sum(count for count in listed if count)


def whole(data: bytes) -> Said:
    """What a response says that is not streamed: `tokens`, of all its choices, are None where it does not count them. Never raises."""
    try:
        found = _WHOLE.decode(data)
    except _MALFORMED:
        return Said(understood=False)
    if _says(found.error):
        return Said(error=_message(bytes(found.error)))
    usage, extended = found.usage, _object(found.nvext)
    tokens = None if usage is None else usage.completion_tokens or usage.output_tokens or 0
    return Said(
        content=tokens != 0,
        tokens=tokens,
        finish=_finish(found.choices or []),
        model=found.model or "",
        workers=_workers(extended),
        times=_times(found, extended),
        prompt_tokens=usage.prompt_tokens if usage else None,
        cached_tokens=_cached(usage) if usage else None,
        output_tokens=tokens,
        id=_named(found.id),
    )


def _finish(choices: list[_Choice]) -> str:
    for choice in choices:
        if choice.finish_reason:
            return choice.finish_reason
    return ""


def _named(raw: Raw) -> str:
    """An id, where it is a text."""
    try:
        return _TEXT.decode(raw) if _says(raw) else ""
    except _MALFORMED:
        return ""


def _has_content(choice: _Choice) -> bool:
    delta = choice.delta
    if delta is not None and _says(delta.content):
        return True
    if _says(choice.text) or choice.token_ids:
        return True
    return delta is not None and any(
        _says(raw)
        for raw in (
            delta.reasoning,
            delta.reasoning_content,
            delta.refusal,
            delta.tool_calls,
            delta.function_call,
            delta.audio,
        )
    )


def _says(raw: Raw) -> bool:
    return raw is not _ABSENT and bytes(raw) not in _NOTHING


def _listed(choice: _Choice) -> int | None:
    """Tokens that the chunk lists: by their ids, or a log probability each. None where it does not."""
    if choice.token_ids:
        return len(choice.token_ids)
    logprobs = _object(choice.logprobs)
    listed = logprobs.get("content") or logprobs.get("tokens")
    return len(listed) if isinstance(listed, list) and listed else None


def _cached(usage: _Usage) -> int | None:
    if usage.prompt_tokens_details is _ABSENT:
        return None
    found = _object(usage.prompt_tokens_details).get("cached_tokens")
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _LARGEST else None


def _workers(nvext: dict[str, Any]) -> Workers | None:
    named = nvext.get("worker_id")
    if not isinstance(named, dict):
        return None
    found = Workers(_worker(named, "prefill"), _worker(named, "decode"))
    return found if found.prefill or found.decode else None


def _worker(named: dict[str, Any], role: str) -> str:
    """Ids are 64-bit integers, and none is ever a float. Without a rank where none is said."""
    worker, rank = named.get(f"{role}_worker_id"), named.get(f"{role}_dp_rank")
    if not _is_id(worker):
        return ""
    return f"{worker}/{rank}" if _is_id(rank) else str(worker) if rank is None else ""


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def _may_time(chunk: _Chunk) -> bool:
    """Whether it has any of the fields, `nvext` aside, that times are in."""
    usage = chunk.usage
    return (
        chunk.time_info is not _ABSENT
        or chunk.metrics is not _ABSENT
        or (usage is not None and usage.queue_time is not _ABSENT)
    )


def _times(chunk: _Chunk, nvext: dict[str, Any]) -> Times | None:
    usage = chunk.usage
    if usage is not None and _says(usage.queue_time):
        found = Times(*(_number(_value(raw)) for raw in (usage.queue_time, usage.prompt_time, usage.completion_time)))
    elif info := _object(chunk.time_info):
        found = Times(*(_number(info.get(name)) for name in ("queue_time", "prompt_time", "completion_time")))
    elif timing := _object(nvext.get("timing")):
        found = Times(*(_number(timing.get(name), 1e3) for name in ("prefill_wait_time_ms", "prefill_time_ms")))
    elif metrics := _object(chunk.metrics):
        found = Times(_number(metrics.get("queue_time_ms"), 1e3), None, _number(metrics.get("generation_time_ms"), 1e3))
    else:
        return None
    return None if found == Times() else found


def _number(value: object, per_s: float = 1.0) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
    return float(value) / per_s if fits else None  # type: ignore[arg-type]


def _value(raw: Raw) -> object:
    try:
        return msgspec.json.decode(raw) if raw else None
    except _MALFORMED:
        return None


def _object(value: object) -> dict[str, Any]:
    """The value, or the JSON of one, where that is an object; else an empty one."""
    if value is _ABSENT:
        return {}
    found = _value(value) if isinstance(value, Raw) else value
    return found if isinstance(found, dict) else {}


def _message(data: bytes) -> str:
    """What an error says, as it came: its message, or the first of its text."""
    try:
        found = msgspec.json.decode(data)
    except _MALFORMED:
        return data[:200].decode("utf-8", "replace")
    while isinstance(found, dict):
        found = found.get("message") or found.get("error") or found.get("type") or ""
    return str(found)[:200]
