"""Bodies of the OpenAI API: what is understood, and what is refused in its words."""

import json

import pytest

from emulators.openai import DEFAULT_OUTPUT, MAX_CONTEXT, ApiError, made_up, wanted
from emulators.prompts import Part

USER = [{"role": "user", "content": "hello"}]


def chat(**more: object) -> bytes:
    return json.dumps({"model": "m", "messages": USER, **more}).encode()


def completion(**more: object) -> bytes:
    return json.dumps({"model": "m", "prompt": "hello", **more}).encode()


def test_a_chat() -> None:
    asked = wanted(chat(temperature=0.2, seed=1, tools=[], user="x"), chat=True)
    assert (asked.model, asked.parts, asked.prompt) == ("m", (Part("user", b"hello"),), 2)
    assert (asked.output, asked.limit > asked.output, asked.stream, asked.usage) == (DEFAULT_OUTPUT, True, False, False)
    assert (asked.kind, asked.extra) == ("interactive", frozenset())


def test_what_may_be_asked_for_beside() -> None:
    asked = wanted(
        chat(
            max_tokens=9,
            max_completion_tokens=7,
            stream=True,
            stream_options={"include_usage": True},
            service_tier="flex",
            nvext={"extra_fields": ["timing", "worker_id", "more"]},
        ),
        chat=True,
    )
    assert (asked.output, asked.limit, asked.stream, asked.usage, asked.kind) == (7, 7, True, True, "batch")
    assert asked.extra == {"timing", "worker_id"}
    assert wanted(completion(max_tokens=3), chat=False).output == 3
    assert wanted(chat(max_tokens=None, n=None, stream=None, stream_options=None, nvext=None), chat=True).prompt == 2


@pytest.mark.parametrize(
    ("messages", "parts"),
    [
        ([{"role": "system", "content": "ä"}, {"role": "user", "content": ""}], [("system", "ä".encode()), ("user", b"")]),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}], [("user", b"ab")]),
        ([{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}, *USER], [("assistant", b'[{"id": "1"}]'), ("user", b"hello")]),
    ],
)  # fmt: skip
def test_messages(messages: list[object], parts: list[tuple[str, bytes]]) -> None:
    assert [(part.role, part.text) for part in wanted(chat(messages=messages), chat=True).parts] == parts


@pytest.mark.parametrize(
    ("prompt", "tokens"), [("hello", 2), (["hello"], 2), ([1, 2, 3], 3), ([[1, 2, 3]], 3), ([7], 1)]
)
def test_prompts(prompt: object, tokens: int) -> None:
    assert wanted(completion(prompt=prompt), chat=False).prompt == tokens


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"{}", "model"),
        (chat(messages=[]), "messages"),
        (chat(messages="hi"), "messages"),
        (chat(messages=[{"role": "user", "content": ""}]), "empty"),
        (chat(messages=[{"role": "user", "content": [{"type": "image_url"}]}]), "only text"),
        (chat(n=2), "n must be 1"),
        (chat(max_tokens=0), "at least 1"),
        (chat(max_tokens="9"), "max_tokens"),
        (chat(max_tokens=MAX_CONTEXT), "maximum context length"),
        (chat(messages=[{"role": "user", "content": "x" * 4 * MAX_CONTEXT}]), "maximum context length"),
    ],
)
def test_what_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(ApiError, match=says) as refused:
        wanted(body, chat=True)
    assert refused.value.status == 400
    assert refused.value.body["error"].keys() == {"message", "type", "param", "code"}
    assert refused.value.body["error"]["type"] == "invalid_request_error"


def test_several_prompts_are_refused() -> None:
    with pytest.raises(ApiError, match="several"):
        wanted(completion(prompt=["a", "b"]), chat=False)


def test_output_says_that_it_is_made_up_and_is_of_one_request() -> None:
    text = made_up("h-17", 100)
    assert len(text.encode()) == 400
    assert text.startswith("[h-17] made up by tokenyard's emulator")
    assert len(made_up("h-1", 1)) == 4
