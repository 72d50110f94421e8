"""Scraping targets that are broken or hostile: a typed reason each, bounded in time and memory, and the others go on."""

import asyncio
import gzip
import tracemalloc
from collections.abc import Callable

import pytest

from collectors.backends.registry import NAMES
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import LiveClock
from collectors.sources.detect import open_target
from collectors.sources.scrape import ScrapeSource
from collectors.sources.settings import TargetSettings
from collectors.wire.http import HttpClient
from collectors.wire.limits import Limits
from tests.loopback import Handler, drips, head, page, says, says_in_turn, serving, unused_port
from tests.sources.seen import Seen, value

GOOD = b'# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{engine="0",model_name="m"} 7\n'
QUICK = Limits(max_body_bytes=16 << 20, connect_s=1.0, idle_s=0.3, total_s=1.0)
TICK_NS = 250_000_000
DOWN, REJECTED, UP = TargetStatus.DOWN, TargetStatus.REJECTED, TargetStatus.UP

Faults = dict[str, tuple[Callable[[], Handler], TargetStatus, str]]
FAULTS: Faults = {
    "hangs after its headers": (
        lambda: says(head("Content-Type: text/plain"), then_hangs=True),
        DOWN,
        "timeout reading",
    ),
    "slow drip": (lambda: drips(b"a 1\n", 0.05), DOWN, "timeout reading"),
    "oversized": (lambda: says(page(b"a 1\n" * (5 << 20))), REJECTED, "too large: more than 16 MiB"),
    "half-closed": (lambda: says(page(GOOD)[:-3]), DOWN, "truncated"),
    "half-closed without a length": (lambda: says(head("Content-Type: text/plain") + GOOD[:-1]), DOWN, "truncated"),
    "malformed line": (
        lambda: says(page(GOOD + b"vllm:num_requests_waiting{engine 3\n")),
        REJECTED,
        "not prometheus text: line 3: ",
    ),
    "not a number": (
        lambda: says(page(b"vllm:num_requests_running seven\n")),
        REJECTED,
        "not prometheus text: line 1: value",
    ),
    "not UTF-8": (lambda: says(page(GOOD + b'a{b="\xff"} 1\n')), REJECTED, "not prometheus text: line 3: not UTF-8"),
    "web page called text": (lambda: says(page(b"<!doctype html>\n")), REJECTED, "not prometheus text: line 1: "),
    "picture": (lambda: says(page(GOOD, kind="image/png")), REJECTED, "not text: content type image/png"),
    "truncated gzip": (
        lambda: says(page(gzip.compress(GOOD)[:-4], "Content-Encoding: gzip")),
        REJECTED,
        "truncated gzip",
    ),
    "gzip bomb": (
        lambda: says(page(gzip.compress(bytes(64 << 20), 1), "Content-Encoding: gzip")),
        REJECTED,
        "too large: more than 16 MiB",
    ),
    "10 MB label": (
        lambda: says(page(b'vllm:num_requests_running{engine="%b"} 1\n' % (b"x" * 10_000_000))),
        REJECTED,
        "not prometheus text: line 1: line of 10000038 bytes is over the limit",
    ),
    "unavailable": (lambda: says(page(b"loading\n", status="503 Service Unavailable")), DOWN, "http 503"),
    "elsewhere": (
        lambda: says(head("Location: http://127.0.0.2:1/metrics", status="302 Found")),
        REJECTED,
        "redirect to another origin",
    ),
    "of nothing known": (
        lambda: says(page(b"go_goroutines 7\n")),
        REJECTED,
        f"not a known back end; known: {', '.join(NAMES)}",
    ),
    "empty": (lambda: says(page(b"")), REJECTED, f"not a known back end; known: {', '.join(NAMES)}"),
    "contradicts itself": (
        lambda: says(
            page(
                b"tokenyard_emulated 1\n"
                + b'tokenyard_worker_info{worker="a"} 1\ntokenyard_worker_info{worker="b"} 1\n'
            )
        ),
        REJECTED,
        "tokenyard_worker_info 2 times on one page",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
async def test_a_fault_is_a_status_with_a_reason_and_ends_with_the_fault(case: str) -> None:
    handler, status, reason = FAULTS[case]
    faulty = handler()
    seen = Seen()
    healthy = says(page(GOOD))
    answers = iter([faulty, faulty, healthy])

    async def handle(*arguments: object) -> None:
        await next(answers)(*arguments)  # type: ignore[arg-type]

    tracemalloc.start()
    try:
        async with serving(handle) as server, HttpClient(QUICK) as client:
            source = ScrapeSource("t", f"{server.url}/metrics", client)
            for tick in (1, 2, 3):
                await source.step(tick * TICK_NS, seen)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [found for found, _ in seen.statuses] == [status, status, UP]
    for _, found in seen.statuses[:2]:
        assert found.startswith(reason)
        assert len(found) <= 256
    assert [batch.time_ns for batch in seen.batches] == [TICK_NS - 1, 2 * TICK_NS - 1, 3 * TICK_NS - 1]
    assert [value(sample, Signal.REQUESTS_RUNNING, Kind.GAUGE) for sample in seen.samples] == [7]
    # The server's own bytes included: the largest is 20 MiB long, and no body is kept beyond 16 MiB.
    assert peak < 100 << 20


async def test_a_fault_after_a_success_leaves_the_last_sample_as_it_was() -> None:
    seen = Seen()
    answers = [page(GOOD), page(GOOD + b"nonsense\n"), page(GOOD.replace(b" 7", b" 8"))]
    async with serving(says_in_turn(answers)) as server, HttpClient(QUICK) as client:
        source = ScrapeSource("t", server.url, client)
        for tick in (1, 2, 3):
            await source.step(tick * TICK_NS, seen)
    assert seen.kinds() == [["Status", "Inventory", "Layout", "Samples"], ["Status"], ["Status", "Samples"]]
    assert [value(sample, Signal.REQUESTS_RUNNING, Kind.GAUGE) for sample in seen.samples] == [7, 8]


async def test_others_go_on() -> None:
    seen = Seen()
    clock = LiveClock()
    endless = says(head("Content-Type: text/plain"), then_hangs=True)
    bomb = says(page(gzip.compress(bytes(64 << 20), 1), "Content-Encoding: gzip"))
    async with (
        serving(says(page(GOOD))) as good,
        serving(endless) as mute,
        serving(bomb) as bad,
        HttpClient(QUICK) as client,
    ):
        urls = {"good": good.url, "mute": mute.url, "bad": bad.url, "gone": f"http://127.0.0.1:{await unused_port()}"}
        sources = [ScrapeSource(name, url, client, interval_s=0.02) for name, url in urls.items()]
        tasks = [asyncio.create_task(source.run(clock, seen)) for source in sources]
        await seen.until(lambda seen: all(len(seen.of(name).batches) >= 2 for name in urls))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert {name: set(seen.of(name).statuses) for name in urls} == {
        "good": {(UP, "")},
        "mute": {(DOWN, "timeout reading")},
        "bad": {(REJECTED, "too large: more than 16 MiB")},
        "gone": {(DOWN, "refused")},
    }
    assert len(seen.of("good").samples) > len(seen.of("mute").batches)


async def test_a_target_that_comes_up_later_is_found() -> None:
    seen = Seen()
    port = await unused_port()
    async with HttpClient(QUICK) as client:
        source = ScrapeSource("t", f"http://127.0.0.1:{port}/metrics", client, interval_s=0.01)
        task = asyncio.create_task(source.run(LiveClock(), seen))
        await seen.until(lambda seen: len(seen.statuses) >= 3)
        assert set(seen.statuses) == {(DOWN, "refused")}
        async with serving(says(page(GOOD)), port):
            await seen.until(lambda seen: seen.statuses[-1] == (UP, ""))
        await seen.until(lambda seen: seen.statuses[-1] == (DOWN, "refused"))
        task.cancel()
        await asyncio.wait({task})
    assert len(seen.inventories) == 1


async def test_text_of_a_target_is_made_safe() -> None:
    hostile = "\x1b]0;owned\x07\u202e\u200b[bold]" + "x" * 600
    body = (
        f'vllm:num_requests_running{{engine="{hostile}",model_name="{hostile}"}} 1\n'
        f'{{"vllm:num_requests_waiting","{hostile[:4]}"="1"}} 2\n'
    )
    seen = Seen()
    async with serving(says(page(body.encode()))) as server, HttpClient(QUICK) as client:
        await ScrapeSource("t", f"{server.url}/metrics", client).step(TICK_NS, seen)
    assert seen.statuses == [(UP, "")]
    assert len(seen.inventories[0].workers) == 1  # what is said of no engine is of the same server
    for text in seen.texts():
        assert text.isprintable()
        assert "owned" not in text
        assert len(text) <= 600


class Waits:
    """Time that passes at once: what would be slept is written down."""

    def __init__(self, enough: int) -> None:
        self.all: list[float] = []
        self._enough = enough
        self._sleep = asyncio.sleep

    async def __call__(self, delay_s: float) -> None:
        self.all.append(delay_s)
        await self._sleep(0 if len(self.all) < self._enough else 3600)


@pytest.mark.parametrize("found", [False, True], ids=["while it is not known what it is", "that had answered before"])
async def test_where_nobody_listens_it_is_tried_every_five_seconds(
    monkeypatch: pytest.MonkeyPatch, found: bool
) -> None:
    port, seen = await unused_port(), Seen()
    async with HttpClient(QUICK) as client:
        source = open_target(f"127.0.0.1:{port}", client, settings=TargetSettings(kv_events=False))
        if found:
            async with serving(says(page(GOOD)), port):
                await source.step(TICK_NS, seen)
        waits = Waits(12)
        monkeypatch.setattr(asyncio, "sleep", waits)
        running = asyncio.create_task(source.run(LiveClock(), seen))
        await seen.until(lambda seen: seen.statuses[-1:] == [(DOWN, "refused")] and len(waits.all) >= 12)
        running.cancel()
        await asyncio.wait({running})
    assert max(waits.all) <= 5.0
    assert min(waits.all[-6:]) >= 2.5  # 1, 2, 4, then 5 s, each cut by up to a half
