"""Dynamo's extra fields, held against a captured stream of Dynamo's, and its list of workers against our reader of it."""

import json
from pathlib import Path

from collectors.backends.dynamo_workers import inventory
from emulators.blocks import Context
from emulators.nvext import extra, health, number
from emulators.request import Request
from emulators.scenarios import build

CAPTURED = Path(__file__).parents[1] / "fixtures/dynamo/chat_stream_disagg.sse"
LEFT_OUT = {"router_queue_depth", "kv_transfer_estimated_latency_ms"}
"""Dynamo's estimates, of which the emulated router makes none."""
IDS = ["gpu-0/0", "gpu-1/0", "lpu-0/0"]


def served() -> Request:
    request = Request("h-1", 0, 1_000_000, 200, 10, 10, Context(0), (), ingest=0, generate=2)
    request.admitted_ns, request.first_ns, request.computed_prompt = 3_000_000, 8_000_000, 50
    return request


def test_fields_are_those_of_dynamo_but_for_two() -> None:
    events = [json.loads(line[6:]) for line in CAPTURED.read_text().splitlines() if line.startswith("data: {")]
    theirs = [event["nvext"] for event in events if "nvext" in event]
    ours = extra(served(), IDS, {"worker_id", "timing"}, (20_000_000, 1_795_000_000_000))
    assert ours is not None
    assert ours["worker_id"].keys() == theirs[0]["worker_id"].keys()
    (timing,) = [one["timing"] for one in theirs if "timing" in one]
    assert ours["timing"].keys() == timing.keys() - LEFT_OUT
    assert {type(value) for value in ours["worker_id"].values()} == {int}


def test_times_and_shares_are_the_requests() -> None:
    found = extra(served(), IDS, {"timing"}, (20_000_000, 7))
    assert found == {
        "timing": {
            "request_received_ms": 7,
            "prefill_wait_time_ms": 2.0,
            "prefill_time_ms": 5.0,
            "ttft_ms": 7.0,
            "total_time_ms": 19.0,
            "kv_hit_rate": 0.75,
        }
    }


def test_only_what_is_asked_for_is_said() -> None:
    assert extra(served(), IDS, frozenset()) is None
    assert extra(served(), IDS, {"timing"}) is None
    found = extra(served(), IDS, {"worker_id"}, (20_000_000, 7))
    assert found == {
        "worker_id": {
            "prefill_worker_id": number("gpu-0/0"),
            "prefill_dp_rank": 0,
            "decode_worker_id": number("lpu-0/0"),
            "decode_dp_rank": 0,
        }
    }


def test_our_own_reader_finds_the_workers_in_the_list() -> None:
    hello = build("default", 7).hello()
    found = inventory(json.loads(json.dumps(health(hello))))
    assert [str(number(worker["id"])) in one.id for worker, one in zip(hello["workers"], found, strict=True)] == [
        True
    ] * 4
    assert [str(one.role) for one in found] == ["prefill", "decode", "decode", "decode"]
    assert str(found[0].device) == "GPU"
