"""Timings of Cerebras' responses, whose total has the queue in it."""

import json

import pytest

from collectors.backends.cerebras import timing
from collectors.backends.responses import ResponseTiming
from collectors.model.vocabulary import Device
from tests.backends.pages import FIXTURES


def read(name: str) -> ResponseTiming | None:
    return timing(json.loads((FIXTURES / "cerebras" / f"{name}.json").read_text()))


def test_a_response() -> None:
    found = read("chat_unary")
    assert found == ResponseTiming(
        device=Device.WSE,
        queue_s=0.04307491,
        prefill_s=0.003177936,
        decode_s=0.003934382,
        total_s=0.051694631576538086,
        prompt_tokens=43,
        output_tokens=9,
        request="chatcmpl-5af19e85-b8e3-4836-8486-5f2b0b250c8d",
    )
    assert found.ttft_s == pytest.approx(0.046252846)
    assert found.tpot_s == pytest.approx(0.000437154, abs=1e-9)


def test_a_response_that_says_what_was_cached() -> None:
    found = read("chat_unary_service_tier_flex")
    assert found is not None
    assert (found.prompt_tokens, found.cached_tokens, found.output_tokens) == (70, 0, 15)
    assert (found.queue_s, found.decode_s, found.total_s) == (0.002429379, 0.019896992, 0.027352333068847656)


@pytest.mark.parametrize(
    "body", [None, [], 5, {}, {"usage": {"prompt_tokens": 5}}, {"time_info": None}, {"time_info": []}]
)
def test_bodies_without_timings(body: object) -> None:
    assert timing(body) is None


def test_what_is_not_as_expected_is_not_known() -> None:
    times = {"queue_time": "0.1", "prompt_time": -1, "completion_time": 0.5, "total_time": float("inf")}
    found = timing({"id": ["x"], "time_info": times, "usage": {"completion_tokens": "9"}})
    assert found == ResponseTiming(device=Device.WSE, decode_s=0.5)
