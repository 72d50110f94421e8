"""Timings of Groq's responses: a whole one, a stream's last chunk in which they stand twice, and bodies that are not as expected."""

import json

import pytest

from collectors.backends.groq import timing
from collectors.backends.responses import ResponseTiming
from collectors.model.vocabulary import Device
from tests.backends.pages import FIXTURES

FOLDER = FIXTURES / "groq"


def chunks(name: str) -> list[object]:
    lines = (FOLDER / f"{name}.sse").read_text().splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]


def test_a_whole_response() -> None:
    found = timing(json.loads((FOLDER / "chat_unary.json").read_text()))
    assert found == ResponseTiming(
        device=Device.LPU,
        queue_s=0.100731848,
        prefill_s=0.002665957,
        decode_s=0.029090909,
        total_s=0.100731848 + 0.031756866,  # the server's total leaves out the queue
        prompt_tokens=48,
        output_tokens=8,
        request="req_01jr8hj0hzeq9b86xqb5dn7wqs",
    )
    assert found.ttft_s == pytest.approx(0.103397805)
    assert found.tpot_s == pytest.approx(0.003636363625)


def test_a_stream_tells_once_in_its_last_chunk() -> None:
    assert [timing(chunk) for chunk in chunks("chat_stream_head_excerpt")] == [None] * 11
    *others, last = [timing(chunk) for chunk in chunks("chat_stream_tail_excerpt")]
    assert others == [None] * len(others)
    assert last == ResponseTiming(
        device=Device.LPU,
        queue_s=0.005354561,
        prefill_s=0.016828877,
        decode_s=0.379143995,
        total_s=0.005354561 + 0.395972872,
        prompt_tokens=343,
        output_tokens=180,  # and not 360
        request="req_01khrzq88ceeg8s97kbq467yp9",
    )
    assert last.tpot_s == pytest.approx(0.002106, abs=1e-6)


def test_cached_tokens_have_no_tier() -> None:
    usage = {"prompt_time": 0.5, "prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}
    found = timing({"usage": usage})
    assert found is not None
    assert (found.cached_tokens, found.queue_s, found.ttft_s, found.total_s) == (4, None, None, None)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        5,
        {},
        {"usage": None},
        {"usage": []},
        {"x_groq": {"usage": 5}},
        {"usage": {"prompt_tokens": 5}},
    ],
)
def test_bodies_without_timings(body: object) -> None:
    assert timing(body) is None


@pytest.mark.parametrize("value", ["0.1", -0.1, float("nan"), float("inf"), True, None, [], {}])
def test_what_is_no_duration_is_not_known(value: object) -> None:
    found = timing({"usage": {"queue_time": value, "prompt_time": 0.25, "total_time": 1.0}, "x_groq": {"id": 5}})
    assert found is not None
    assert (found.queue_s, found.total_s, found.prefill_s, found.request) == (None, None, 0.25, "")


@pytest.mark.parametrize("value", ["7", -7, 7.0, True, None, 2**60])
def test_what_is_no_count_is_not_known(value: object) -> None:
    found = timing({"usage": {"completion_time": 0.25, "completion_tokens": value}})
    assert found is not None
    assert (found.output_tokens, found.tpot_s) == (None, None)


def test_no_tokens_have_no_time_each() -> None:
    found = timing({"usage": {"completion_time": 0.0, "completion_tokens": 0}})
    assert found is not None
    assert (found.output_tokens, found.tpot_s) == (0, None)


def test_ids_are_made_safe() -> None:
    found = timing({"x_groq": {"id": "req\x1b[2J_1" + "a" * 400, "usage": {"queue_time": 0.1}}})
    assert found is not None
    assert found.request.startswith("req_1aaa")
    assert len(found.request) == 256
