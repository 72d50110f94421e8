"""Every limit has a default, can be set for a target, and says by its name that it was passed; how often is counted where a user sees it."""

import asyncio
import contextlib

import msgspec
import pytest

from collectors.model.batch import Status
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import TICK_NS
from collectors.session.session import Session
from collectors.sources.promql import PromqlSource
from collectors.sources.scrape import ScrapeSource
from collectors.wire.http import HttpClient
from collectors.wire.kv_events import Decoder, KvEventError
from collectors.wire.limits import DEFAULT, NAMES, Limits
from tests.loopback import Handler, drips, head, page, says, says_in_turn, serving
from tests.sources.promql_double import Double
from tests.sources.seen import Seen

RUNNING = b'vllm:num_requests_running{engine="%d"} 1\n'
BUCKETS = b"".join(b'vllm:time_to_first_token_seconds_bucket{engine="0",le="%d"} 1\n' % bound for bound in range(3))
BYTES = b"x" * 40
PASSED: dict[str, tuple[Limits, Handler]] = {
    "max_body_bytes": (Limits(max_body_bytes=40), says(page(RUNNING % 0 + BYTES))),
    "max_lines": (Limits(max_lines=1), says(page(RUNNING % 0 + RUNNING % 1))),
    "max_line_bytes": (Limits(max_line_bytes=40), says(page(b"# " + BYTES + b"\n"))),
    "max_series": (Limits(max_series=1), says(page(RUNNING % 0 + RUNNING % 1))),
    "max_labels": (Limits(max_labels=1), says(page(b'vllm:num_requests_running{engine="0",model_name="m"} 1\n'))),
    "max_name_bytes": (Limits(max_name_bytes=30), says(page(BYTES + b" 1\n"))),
    "max_label_bytes": (Limits(max_label_bytes=30), says(page(b'a{b="%b"} 1\n' % BYTES))),
    "max_buckets": (Limits(max_buckets=2), says(page(BUCKETS))),
    "max_workers": (Limits(max_workers=1), says(page(RUNNING % 0 + RUNNING % 1))),
    "idle_s": (Limits(idle_s=0.05), says(head("Content-Type: text/plain"), then_hangs=True)),
    "total_s": (Limits(total_s=0.2, connect_s=0.1), drips(b"a 1\n", 0.01)),
}
ELSEWHERE = {"connect_s", "max_event_bytes", "max_connections", "max_queued_bytes"}
"""The last two are a listener's: `tests/sources/test_otlp.py`."""


@pytest.mark.parametrize("name", PASSED)
async def test_a_limit_that_is_passed_is_named_and_counted(name: str) -> None:
    limits, handler = PASSED[name]
    session, seen = Session("virtual"), Seen()
    async with serving(handler) as server, HttpClient(limits) as client:
        source = ScrapeSource("t", f"{server.url}/metrics", client)
        for tick in (1, 2):
            await source.step(tick * TICK_NS, seen)
    for batch in seen.batches:
        session.feed(batch)
    (row,) = session.tick(2 * TICK_NS).targets
    assert row.limits == {name: 2}
    assert row.reason.endswith(f" (limits.{name})")
    assert row.status is (TargetStatus.DOWN if name.endswith("_s") else TargetStatus.REJECTED)


@pytest.mark.parametrize("name", PASSED.keys() - {"idle_s", "total_s"})
async def test_the_same_is_read_where_the_limit_allows_it(name: str) -> None:
    limits, handler = PASSED[name]
    seen = Seen()
    async with serving(handler) as server, HttpClient(msgspec.structs.replace(limits, **{name: 10_000})) as client:
        await ScrapeSource("t", f"{server.url}/metrics", client).step(TICK_NS, seen)
    assert [part.limit for part in seen.parts(Status)] == [""]


async def test_a_handshake_that_takes_too_long() -> None:
    async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    seen = Seen()
    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with HttpClient(Limits(connect_s=0.05)) as client:
        await ScrapeSource("t", f"https://127.0.0.1:{port}/metrics", client).step(TICK_NS, seen)
    server.close()
    assert [part.limit for part in seen.parts(Status)] == ["connect_s"]


def test_a_message_of_events_that_is_too_long() -> None:
    with pytest.raises(KvEventError, match=r"101 bytes; the limit is 100"):
        Decoder(max_payload=100).decode(bytes(101))


def test_every_limit_is_held_by_a_test_and_none_is_off() -> None:
    assert PASSED.keys() | ELSEWHERE == set(NAMES)
    assert all(getattr(DEFAULT, name) > 0 for name in NAMES)


@pytest.mark.parametrize(
    "given", [{"max_series": 0}, {"idle_s": 0}, {"total_s": -1}, {"max_series": "many"}, {"max_serie": 1}]
)
def test_a_limit_cannot_be_switched_off_or_misspelt(given: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, Limits)
    assert msgspec.convert({"max_series": 5, "idle_s": 1}, Limits) == Limits(max_series=5, idle_s=1.0)


async def test_a_page_that_grows_is_over_its_limit_from_then_on() -> None:
    seen = Seen()
    small, large = page(RUNNING % 0), page(b"".join(RUNNING % number for number in range(3)))
    async with serving(says_in_turn([small, large, large])) as server, HttpClient(Limits(max_series=2)) as client:
        source = ScrapeSource("t", server.url, client)
        for tick in (1, 2, 3):
            await source.step(tick * TICK_NS, seen)
    assert [part.limit for part in seen.parts(Status)] == ["", "max_series", "max_series"]


async def test_limits_hold_for_what_a_prometheus_server_tells_of_each_target() -> None:
    double = Double()
    for ago_s in (16, 1):
        double.scraped(RUNNING % 0 + RUNNING % 1, double.now_s - ago_s, "a:1")
        double.scraped(RUNNING % 0, double.now_s - ago_s, "b:1")
    seen = Seen()
    async with serving(double.handler) as server, HttpClient(Limits(max_workers=1)) as client:
        await PromqlSource("prom", server.url, client).step(TICK_NS, seen)
    assert seen.of("a:1 via prom").statuses == [(TargetStatus.REJECTED, "more than 1 workers on one page")]
    assert [part.limit for part in seen.of("a:1 via prom").parts(Status)] == ["max_workers"]
    assert seen.of("b:1 via prom").statuses == [(TargetStatus.UP, "")]
