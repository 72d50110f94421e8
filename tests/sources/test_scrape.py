"""Scraping a page that behaves: what is emitted, when, and how it follows a page that changes."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.backends import registry
from collectors.backends.registry import NAMES
from collectors.model.batch import Layout, Status
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import Role, TargetStatus
from collectors.session.clock import LiveClock
from collectors.sources.scrape import BIG_PAGE, ScrapeSource, next_slot_ns, phase_of
from collectors.wire.http import HttpClient
from tests.loopback import Request, page, says, says_in_turn, serving
from tests.sources.seen import Seen, value

VLLM = Path(__file__).parent.parent / "fixtures" / "vllm"
PAGES = [(VLLM / f"{name}.metrics.txt").read_bytes() for name in ("idle", "under_load", "after_load")]
TICK_NS = 250_000_000
UP = (TargetStatus.UP, "")


async def test_captured_pages_one_after_the_other() -> None:
    seen = Seen()
    kind = "text/plain; version=1.0.0; charset=utf-8"
    async with serving(says_in_turn([page(body, kind=kind) for body in PAGES])) as server, HttpClient() as client:
        source = ScrapeSource("gpu:8000", f"{server.url}/metrics", client)
        for tick in (1, 2, 3):
            await source.step(tick * TICK_NS, seen)
        await source.close()
    assert [request.path for request in server.requests] == ["/metrics"] * 3
    assert [batch.source for batch in seen.batches] == ["gpu:8000"] * 3
    assert [batch.time_ns for batch in seen.batches] == [TICK_NS - 1, 2 * TICK_NS - 1, 3 * TICK_NS - 1]
    assert seen.kinds() == [["Status", "Inventory", "Layout", "Samples"], ["Status", "Samples"], ["Status", "Samples"]]
    assert seen.statuses == [UP] * 3
    (inventory,) = seen.inventories
    (worker,) = inventory.workers
    assert (worker.slot, worker.id, worker.model, worker.role) == (0, "gpu:8000/0", "tiny", Role.UNKNOWN)
    assert not inventory.emulated
    for signal, kind_, le, expected in (
        (Signal.GENERATION_TOKENS, Kind.COUNTER, None, [0, 600, 4832]),
        (Signal.REQUESTS_WAITING, Kind.GAUGE, None, [0, 18, 0]),
        (Signal.KV_ACTIVE_RATIO, Kind.GAUGE, None, [0, 0.9230769230769231, 0]),
        (Signal.KV_CAPACITY_TOKENS, Kind.GAUGE, None, [1248] * 3),
        (Signal.QUEUE, Kind.BUCKET, 0.3, [0, 3, 11]),
        (Signal.QUEUE, Kind.BUCKET, 10.0, [0, 3, 11]),
        (Signal.QUEUE, Kind.BUCKET, 15.0, [0, 3, 14]),
        (Signal.QUEUE, Kind.COUNT, None, [0, 3, 27]),
    ):
        assert [value(sample, signal, kind_, le) for sample in seen.samples] == expected
    assert Signal.KV_USED_BYTES not in {series.signal for series, _ in seen.samples[0]}


async def test_live_it_begins_at_once_and_goes_on() -> None:
    seen = Seen()
    clock = LiveClock()
    async with serving(says(page(PAGES[1]))) as server, HttpClient() as client:
        source = ScrapeSource("gpu", server.url, client, interval_s=0.02)
        before_ns = clock.now_ns()
        task = asyncio.create_task(source.run(clock, seen))
        await seen.until(lambda seen: len(seen.batches) >= 5)
        task.cancel()
        await asyncio.wait({task})
    times = [before_ns, *(batch.time_ns for batch in seen.batches), clock.now_ns()]
    assert times == sorted(times)
    assert set(seen.statuses) == {UP}
    assert len(seen.inventories) == 1


async def test_one_request_at_a_time() -> None:
    under_way, most = 0, 0

    async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.03)
        writer.write(page(PAGES[0]))
        under_way -= 1

    seen = Seen()
    async with serving(slow) as server, HttpClient() as client:
        task = asyncio.create_task(ScrapeSource("gpu", server.url, client, interval_s=0.01).run(LiveClock(), seen))
        await seen.until(lambda seen: len(seen.batches) >= 3)
        task.cancel()
        await asyncio.wait({task})
    assert most == 1


@given(st.integers(0, 10**15), st.integers(1, 10**10), st.integers(0, 10**10))
def test_slots_are_on_the_phase_and_half_an_interval_apart(now_ns: int, interval_ns: int, phase_ns: int) -> None:
    phase_ns %= interval_ns
    slot_ns = next_slot_ns(now_ns, interval_ns, phase_ns)
    assert slot_ns % interval_ns == phase_ns
    assert interval_ns // 2 <= slot_ns - now_ns < interval_ns // 2 + interval_ns


def test_slots_are_shared_and_spread_and_none_is_at_a_tick() -> None:
    shared = Counter(phase_of(f"gpu-{number}:8000", 1_000_000_000) for number in range(1_000))
    assert len(shared) == 20
    assert max(shared.values()) < 100
    assert all(15_000_000 < phase_ns % TICK_NS < TICK_NS - 15_000_000 for phase_ns in shared)


async def test_a_page_that_changes_shape_is_explained_anew() -> None:
    def engine(number: int) -> bytes:
        return b'vllm:num_requests_running{engine="%d",model_name="m"} %d\n' % (number, number + 1)

    bodies = [engine(0), engine(0) + engine(1), engine(0) + engine(1), b"# a comment\n" + engine(0) + engine(1)]
    seen = Seen()
    async with serving(says_in_turn([page(body) for body in bodies])) as server, HttpClient() as client:
        source = ScrapeSource("t", server.url, client)
        for tick in range(1, 5):
            await source.step(tick * TICK_NS, seen)
    first, second = ["Status", "Inventory", "Layout", "Samples"], ["Status", "Samples"]
    assert seen.kinds() == [first, first, second, second]
    assert [value(sample, Signal.REQUESTS_RUNNING, Kind.GAUGE) for sample in seen.samples] == [1, 3, 3, 3]
    assert [[worker.id for worker in one.workers] for one in seen.inventories] == [["t/0"], ["t/0", "t/1"]]


async def test_a_type_that_changes_changes_the_meaning() -> None:
    body = b"vllm:generation_tokens_total 5\n"
    bodies = [b"# TYPE vllm:generation_tokens_total %b\n" % kind + body for kind in (b"counter", b"gauge")]
    seen = Seen()
    async with serving(says_in_turn([page(body) for body in bodies])) as server, HttpClient() as client:
        source = ScrapeSource("t", server.url, client)
        await source.step(TICK_NS, seen)
        await source.step(2 * TICK_NS, seen)
    kinds = [[series.kind for series, _ in sample] for sample in seen.samples]
    assert kinds == [[Kind.COUNTER], [Kind.GAUGE]]


async def test_other_software_at_the_same_address() -> None:
    real, emulated = b"vllm:num_requests_running 1\n", b"tokenyard_emulated 1\nvllm:num_requests_running 1\n"
    seen = Seen()
    async with (
        serving(says_in_turn([page(real), page(emulated), page(b"other 1\n")])) as server,
        HttpClient() as client,
    ):
        source = ScrapeSource("t", server.url, client)
        for tick in (1, 2, 3):
            await source.step(tick * TICK_NS, seen)
    assert [one.emulated for one in seen.inventories] == [False, True]
    assert seen.statuses[-1] == (TargetStatus.REJECTED, f"not a known back end; known: {', '.join(NAMES)}")
    assert len(seen.samples) == 2


async def test_what_a_page_has_of_a_second_back_end_is_said_to_be_left_out() -> None:
    both = b'vllm:num_requests_running{engine="0"} 1\nDCGM_FI_DEV_POWER_USAGE{gpu="0"} 300\n'
    only = b'vllm:num_requests_running{engine="0"} 1\n'
    seen = Seen()
    async with serving(says_in_turn([page(both), page(only), page(both)])) as server, HttpClient() as client:
        source = ScrapeSource("t", f"{server.url}/metrics", client)
        for tick in (1, 2):
            await source.step(tick * TICK_NS, seen)
        asked_for = ScrapeSource("d", f"{server.url}/metrics", client, backend=registry.named("vllm"))
        await asked_for.step(3 * TICK_NS, seen)
    warnings = [part.warning for part in seen.parts(Status)]
    assert warnings == ["left out: what the page has of dcgm", "", ""]


async def test_a_back_end_that_was_asked_for() -> None:
    seen = Seen()
    bodies = [page(b"tokenyard_requests_running 1\n"), page(b"vllm:num_requests_running 1\n")]
    async with serving(says_in_turn(bodies)) as server, HttpClient() as client:
        source = ScrapeSource("t", server.url, client, backend=registry.named("vllm"))
        await source.step(TICK_NS, seen)
        await source.step(2 * TICK_NS, seen)
    assert seen.statuses == [(TargetStatus.REJECTED, "not a page of vllm"), UP]


async def test_a_page_may_be_big() -> None:
    lines = (b'vllm:request_success_total{finished_reason="%d"} %d\n' % (number, number) for number in range(20_000))
    body = b"".join(lines)
    assert len(body) > BIG_PAGE // 2
    body += b"# x\n" * (BIG_PAGE // 4)
    seen = Seen()
    async with serving(says(page(body))) as server, HttpClient() as client:
        source = ScrapeSource("t", server.url, client)
        await source.step(TICK_NS, seen)
        await source.step(2 * TICK_NS, seen)
    assert seen.statuses == [UP, UP]
    assert value(seen.samples[1], Signal.REQUESTS_FINISHED, Kind.COUNTER) == pytest.approx(sum(range(20_000)))


async def test_samples_cannot_be_written_to() -> None:
    seen = Seen()
    async with serving(says(page(PAGES[0]))) as server, HttpClient() as client:
        await ScrapeSource("t", server.url, client).step(TICK_NS, seen)
    samples = seen.batches[0].parts[-1]
    with pytest.raises(ValueError, match="read-only"):
        samples.values[0] = 1.0  # type: ignore[union-attr]


async def test_counters_that_come_while_the_page_is_read_are_known_to_have_come_at_zero() -> None:
    """Not after a scrape that failed, nor where what is counted is a device's, since whenever it was switched on."""
    mark = b"dynamo_frontend_disconnected_clients 0\n"
    first, second = (
        b'dynamo_frontend_output_tokens_total{model="m"} 7\n',
        b'dynamo_frontend_requests_total{model="m"} 7\n',
    )
    gpu = b'DCGM_FI_DEV_POWER_USAGE{gpu="0"} 9\n'
    for bodies, expected in (
        ([page(mark), page(mark + first)], [False, True]),
        (
            [page(mark), page(b"", status="500 No"), page(mark + first), page(mark + first + second)],
            [False, False, True],
        ),
        ([page(gpu), page(gpu + b'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0"} 9\n')], [False, False]),
    ):
        seen = Seen()
        async with serving(says_in_turn(bodies)) as server, HttpClient() as client:
            source = ScrapeSource("t", f"{server.url}/metrics", client)
            for tick in range(1, len(bodies) + 1):
                await source.step(tick * TICK_NS, seen)
        layouts = [part for batch in seen.batches for part in batch.parts if isinstance(part, Layout)]
        assert [one.came_at_zero for one in layouts] == expected
