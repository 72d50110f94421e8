"""What chunks say, on captured streams first; figures in these tests were read off the files by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.openai_stream import Said, StreamReader, Times, Workers
from collectors.wire.sse import Event, EventSplitter

FIXTURES = Path(__file__).parents[1] / "fixtures"


def said(stream: bytes) -> list[Said]:
    reader = StreamReader()
    return [reader.read(event) for event in EventSplitter().feed(stream)]


def chunks(*bodies: object) -> list[Said]:
    return said(b"".join(b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies))


def chunk(delta: object = None, usage: object = None, **more: object) -> dict[str, Any]:
    """A chunk of one choice; `more` belongs to the choice."""
    return {"choices": [{"index": 0, "delta": delta or {}, **more}], "usage": usage}


@pytest.mark.parametrize(("name", "cached"), [("vllm/chat_stream.sse", 0), ("vllm/chat_stream_prefix_hit.sse", 288)])
def test_vllm_counts_as_it_goes(name: str, cached: int) -> None:
    role, *rest = said((FIXTURES / name).read_bytes())
    *content, usage, done = rest
    assert (role.content, role.tokens, role.understood) == (False, None, True)
    assert [(one.content, one.tokens) for one in content] == [(True, 1)] * 12
    assert content[-1].finish == "length"
    assert (usage.content, usage.output_tokens, usage.prompt_tokens, usage.cached_tokens) == (False, 12, 289, cached)
    assert usage.times is not None
    assert usage.times.queue_s == pytest.approx(0.00011545 if cached == 0 else 0.000038748, rel=1e-4)
    assert done.done
    assert {one.model for one in rest[:-1]} == {"tiny"}


def test_dynamo_names_its_workers_by_ids_that_no_float_holds() -> None:
    *content, last, usage, done = said((FIXTURES / "dynamo/chat_stream_disagg.sse").read_bytes())
    workers = Workers("17325804865820210879/0", "10877841985536116478/0")
    assert {(one.workers, one.content, one.tokens) for one in content} == {(workers, True, None)}
    assert len(content) == 12
    assert (last.workers, last.content, last.finish) == (workers, False, "length")
    assert last.times == Times(0.003528265, 0.031510021)
    assert (usage.output_tokens, usage.workers, done.done) == (12, None, True)


@pytest.mark.parametrize(
    ("rank", "worker"), [(b"", "7"), (b',"decode_dp_rank":null', "7"), (b',"decode_dp_rank":1', "7/1"), (b',"decode_dp_rank":"x"', "")]
)  # fmt: skip
def test_a_rank_that_is_not_said_is_none(rank: bytes, worker: str) -> None:
    (one,) = said(b'data: {"choices":[],"nvext":{"worker_id":{"decode_worker_id":7%b}}}\n\n' % rank)
    assert (one.workers.decode if one.workers else "") == worker


def test_after_a_migration_dynamo_goes_on_naming_the_first_worker() -> None:
    read = said((FIXTURES / "dynamo/chat_stream_migration.sse").read_bytes())
    assert {one.workers.decode for one in read if one.workers} == {"10877841985536116478/0"}
    assert (sum(one.content for one in read), read[-2].output_tokens) == (40, 40)


def test_groq_says_its_usage_twice_and_it_counts_once() -> None:
    head = said((FIXTURES / "groq/chat_stream_head_excerpt.sse").read_bytes())
    tail = said((FIXTURES / "groq/chat_stream_tail_excerpt.sse").read_bytes())
    assert [one.content for one in head] == [False, *[True] * 10]
    assert [one.content for one in tail] == [*[True] * 7, False, False]
    end = tail[-2]
    assert (end.finish, end.output_tokens, end.prompt_tokens) == ("tool_calls", 180, 343)
    assert end.times == Times(0.005354561, 0.016828877, 0.379143995)
    assert {one.tokens for one in head + tail} == {None}


def test_cerebras_times() -> None:
    (one,) = chunks(
        {"choices": [], "usage": {}, "time_info": {"queue_time": 0.001, "prompt_time": 2, "completion_time": 3.5}}
    )
    assert one.times == Times(0.001, 2.0, 3.5)


def test_a_token_without_text_comes_when_it_is_counted() -> None:
    read = chunks(
        chunk({"role": "assistant", "content": ""}, {"completion_tokens": 0}),
        chunk({"content": ""}, {"completion_tokens": 1}),
        chunk({"content": "é"}, {"completion_tokens": 3}),
        chunk({"content": ""}, {"completion_tokens": 3}),
        chunk({}, {"completion_tokens": 4}, finish_reason="length"),
        {"choices": [], "usage": {"completion_tokens": 4}},
    )
    assert [(one.content, one.tokens) for one in read] == [
        *((False, None), (True, 1), (True, 2)),
        *((False, None), (True, 1), (False, None)),
    ]


def test_a_last_event_that_counts_everything_brings_nothing() -> None:
    """As servers do that count once: with text before it or, of tokens without any, none."""
    end = chunk({}, {"completion_tokens": 9}, finish_reason="stop")
    assert [one.content for one in chunks(chunk({"content": "a"}), end)] == [True, False]
    assert [one.content for one in chunks(chunk({"content": ""}), end)] == [False, False]


def test_a_sum_at_the_end_is_not_the_last_chunks() -> None:
    read = chunks(chunk({"content": "a"}), chunk({"content": "b"}), chunk({"content": "c"}, {"completion_tokens": 9}))
    assert [one.tokens for one in read] == [None, None, None]
    assert read[-1].output_tokens == 9
    read += chunks(chunk({"content": "a"}, {"completion_tokens": 9}))
    assert read[-1].tokens == 9


def test_counting_goes_on_after_a_chunk_without_usage() -> None:
    read = chunks(*(chunk({"content": "a"}, {"completion_tokens": n} if n else None) for n in (1, 0, 3, 4)))
    assert [one.tokens for one in read] == [1, None, None, 1]


@pytest.mark.parametrize(
    ("more", "tokens"),
    [
        ({"token_ids": [5, 6, 7]}, 3),
        ({"logprobs": {"content": [{"token": "a"}, {"token": "b"}]}}, 2),
        ({"logprobs": {"tokens": ["a"]}}, 1),
        ({"logprobs": {"content": []}}, None),
        ({"token_ids": None, "logprobs": None}, None),
        ({"logprobs": 7}, None),
    ],
)
def test_tokens_that_a_chunk_lists(more: dict[str, Any], tokens: int | None) -> None:
    (one,) = chunks(chunk({"content": "abc"}, **more))
    assert (one.content, one.tokens) == (True, tokens)


@pytest.mark.parametrize(
    ("delta", "content"),
    [
        ({"role": "assistant"}, False),
        ({"role": "assistant", "content": ""}, False),
        ({"content": None}, False),
        ({"tool_calls": []}, False),
        ({"tool_calls": [{"index": 0}]}, True),
        ({"reasoning": "hm"}, True),
        ({"reasoning_content": "hm"}, True),
        ({"refusal": "no"}, True),
        ({"content": "\x00"}, True),
        ({"content": ["a list"]}, True),
    ],
)
def test_what_is_output(delta: dict[str, Any], content: bool) -> None:
    assert chunks(chunk(delta))[0].content is content


def test_text_completions_and_several_choices() -> None:
    (one,) = chunks({"choices": [{"index": 1, "text": "a", "finish_reason": "stop"}]})
    assert (one.content, one.choice, one.finish) == (True, 1, "stop")


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b'data: {"error":{"message":"out of memory","code":500}}\n\n', "out of memory"),
        (b'data: {"error":"gone"}\n\n', "gone"),
        (b'event: error\ndata: {"message":"no worker"}\n\n', "no worker"),
        (b"event: error\ndata: plain words\n\n", "plain words"),
    ],
)
def test_an_error_inside_a_success(stream: bytes, error: str) -> None:
    (one,) = said(stream)
    assert (one.error, one.content) == (error, False)


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"7", b"{}", b'{"choices":7}', b'{"choices":[{"delta":7}]}', b"\xff", b"[" * 5000]
)
def test_what_is_no_chunk_is_not_understood(data: bytes) -> None:
    one = StreamReader().read(Event(data))
    assert (one.understood, one.content, one.error) == (False, False, None)


def test_an_event_that_was_too_long_leaves_the_next_count_unknown() -> None:
    reader = StreamReader()
    lines = [json.dumps(chunk({"content": "a"}, {"completion_tokens": n})).encode() for n in (1, 5, 6)]
    assert reader.read(Event(lines[0])).tokens == 1
    assert not reader.read(Event(None)).understood
    assert [reader.read(Event(line)).tokens for line in lines[1:]] == [None, 1]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["choices", "delta", "usage", "nvext", "worker_id", "timing", "error", "decode_worker_id", "completion_tokens"]), inner)))  # fmt: skip
def test_nothing_that_is_json_makes_it_raise(body: object) -> None:
    StreamReader().read(Event(json.dumps(body).encode("utf-8", "surrogatepass")))
