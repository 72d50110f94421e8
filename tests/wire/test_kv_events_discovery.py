"""Endpoints out of what vLLM says of its publishers."""

import json
from typing import Any

import pytest

from collectors.wire.kv_discovery import KvEndpoint, kv_endpoints, tcp_endpoint
from collectors.wire.kv_events import KvEventError
from tests.wire.kv_messages import FIXTURES

PUBLISHER = {"enable_kv_cache_events": True, "publisher": "zmq", "endpoint": "tcp://*:5557", "topic": ""}


def answer(**ranks: dict[str, Any]) -> bytes:
    return json.dumps({rank.removeprefix("r"): one for rank, one in ranks.items()}).encode()


def test_the_captured_answer() -> None:
    body = (FIXTURES / "vllm" / "kv_event_sources.json").read_bytes()
    expected = KvEndpoint("tcp://gpu-7.lan:18257", "tcp://gpu-7.lan:18258", "kv-events", 0)
    assert kv_endpoints(body, "gpu-7.lan") == (expected,)


def test_ranks_in_their_order() -> None:
    body = answer(r10=PUBLISHER | {"endpoint": "tcp://*:5567"}, r2=PUBLISHER | {"replay_endpoint": None})
    assert kv_endpoints(body, "::1") == (
        KvEndpoint("tcp://[::1]:5557", None, "", 2),
        KvEndpoint("tcp://[::1]:5567", None, "", 10),
    )


@pytest.mark.parametrize("bound", ["*", "0.0.0.0", "[::]"])
def test_every_address_is_the_target(bound: str) -> None:
    assert tcp_endpoint(f"tcp://{bound}:1", "10.0.0.7") == "tcp://10.0.0.7:1"


@pytest.mark.parametrize("named", ["tcp://10.0.0.9:43127", "tcp://[fe80::2]:1", "tcp://node-3.svc:65535"])
def test_an_address_of_its_own_stays(named: str) -> None:
    assert tcp_endpoint(named, "10.0.0.7") == named


@pytest.mark.parametrize(
    "changed",
    [
        {"enable_kv_cache_events": False},
        {"publisher": "null"},
        {"endpoint": None},
        {"endpoint": "ipc:///tmp/events"},
        {"endpoint": "inproc://cache"},
    ],
)
def test_publishers_that_cannot_be_subscribed_to_are_left_out(changed: dict[str, Any]) -> None:
    assert kv_endpoints(answer(r0=PUBLISHER | changed, r1=PUBLISHER), "h")[0].rank == 1


def test_no_publishers() -> None:
    assert kv_endpoints(b"{}", "h") == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"0": 7}',
        b'{"0": {"endpoint": 7}}',
        b'{"zero": {}}',
        b'{"-1": {}}',
        b'{"99999": {}}',
        b'{"\xff": {}}',
        b'{"0":' * 50_000,
        answer(r0=PUBLISHER | {"endpoint": "tcp://*:0"}),
        answer(r0=PUBLISHER | {"endpoint": "tcp://*:70000"}),
        answer(r0=PUBLISHER | {"endpoint": "tcp://a b:1"}),
        answer(r0=PUBLISHER | {"endpoint": "tcp://user@host:1"}),
        answer(r0=PUBLISHER | {"replay_endpoint": "tcp://\x1b[2J:1"}),
    ],
)
def test_other_answers_are_refused(body: bytes) -> None:
    with pytest.raises(KvEventError):
        kv_endpoints(body, "h")


def test_more_ranks_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.wire.kv_discovery.MAX_SOURCES", 1)
    with pytest.raises(KvEventError, match="ranks"):
        kv_endpoints(answer(r0=PUBLISHER, r1=PUBLISHER), "h")
