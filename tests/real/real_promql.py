"""A real Prometheus (Debian's) between the emulators and us, sample by sample: what comes through it is what a direct scrape of the same state gives.

The emulators' clock is stepped, so that Prometheus and we scrape the same pages however far apart. Needs `prometheus` on the PATH.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from collectors.model.batch import Layout, Past, Samples
from collectors.model.frame import Frame
from collectors.model.signals import Series, Signal
from collectors.model.vocabulary import Provenance, TargetStatus
from collectors.session.clock import TICK_NS, LiveClock
from collectors.session.session import WINDOW_S, Session
from collectors.sources.promql import PromqlSource
from collectors.sources.scrape import ScrapeSource
from collectors.wire.http import HttpClient
from tests.loopback import Request, serving, unused_port
from tests.real.native_page import CONTENT_TYPE, page, upper
from tests.sources.seen import Seen
from tui.emulator import Emulator

STEP_S = 4.0
STEPS = 26
PATIENCE_S = 60.0

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="no prometheus on the PATH: apt-get install prometheus"
)


@asynccontextmanager
async def prometheus(folder: Path, targets: list[str]) -> AsyncIterator[str]:
    """The URL of a server that scrapes these pages each second."""
    config, port = folder / "prometheus.yml", await unused_port()
    hosts = ", ".join(f'"{url.removeprefix("http://").removesuffix("/metrics")}"' for url in targets)
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        f"scrape_configs: [{{job_name: llm, static_configs: [{{targets: [{hosts}]}}]}}]\n"
    )
    command = [
        *("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=native-histograms", "--log.level=error"),
    ]
    server = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        await server.wait()


async def until_scraped(url: str, targets: int) -> None:
    async with asyncio.timeout(PATIENCE_S), HttpClient() as client:
        while True:
            try:
                body = await client.get(f"{url}/api/v1/query?query=sum(up)", kinds=frozenset({"application/json"}))
                if f'"{targets}"'.encode() in body:
                    return
            except Exception:  # noqa: BLE001  it starts
                pass
            await asyncio.sleep(0.2)


def last(seen: Seen, name: str) -> list[tuple[str, ...]]:
    """The newest sample of a source, every series of it."""
    return sorted(
        (one.signal, one.kind, one.worker, one.metric, str(one.tier), str(one.le), one.label, repr(number))
        for one, number in seen.of(name).samples[-1]
    )


async def test_through_prometheus_everything_is_as_scraped_directly(tmp_path: Path) -> None:
    async with Emulator("default", seed=7, clock="stepped") as emulator, HttpClient() as client:
        urls = {
            worker.url.removeprefix("http://").removesuffix("/metrics"): worker.url
            for worker in emulator.addresses.workers
        }
        async with prometheus(tmp_path, list(urls.values())) as server:
            await until_scraped(server, len(urls))
            clock, direct, through = LiveClock(), Seen(), Seen()
            sources = [ScrapeSource(name, url, client) for name, url in urls.items()]
            fleet = PromqlSource("prom", server, client)
            for step in range(STEPS):
                await emulator.advance((step + 1) * 1_000_000_000)
                await asyncio.sleep(STEP_S)
                for source in sources:
                    assert await source.attempt(clock.now_ns, direct) is None
                assert await fleet.attempt(clock.now_ns, through) is None
                for name in urls:
                    assert last(through, f"{name} via prom") == last(direct, name), f"{name} in step {step}"
            later = Seen()
            assert await PromqlSource("later", server, client).attempt(clock.now_ns, later) is None
            check_frames(direct, through, clock.now_ns())
            check_past(through, later, list(urls), clock.now_ns())


def frame_of(seen: Seen, now_ns: int) -> Frame:
    session = Session("live")
    for batch in seen.batches:
        session.feed(batch)
    return session.tick(tick_after(now_ns))


def tick_after(now_ns: int) -> int:
    return now_ns - now_ns % TICK_NS + TICK_NS


def check_frames(direct: Seen, through: Seen, now_ns: int) -> None:
    """Workers and roles, gauges, and how much was counted. Windows begin at different scrapes, of which some are taken in the middle of a step: rates are those of the samples of each."""
    ours, theirs = frame_of(direct, now_ns), frame_of(through, now_ns)
    assert [row.status for row in theirs.targets] == [TargetStatus.UP] * len(theirs.targets)
    assert len(ours.workers) == len(theirs.workers) > 0
    others = {row.id: row for row in theirs.workers}
    for row in ours.workers:
        other = others[row.id]
        assert (row.role, row.device, row.model, row.chip) == (other.role, other.device, other.model, other.chip)
        assert other.running.emulated
        assert (row.running.value, row.waiting.value) == (other.running.value, other.waiting.value)
        ours_counted, theirs_counted = counted(direct, row.id, now_ns), counted(through, row.id, now_ns)
        assert theirs_counted[-1][1] == ours_counted[-1][1]
        assert row.tokens_per_s.value == pytest.approx(per_s(ours_counted), rel=1e-9)
        assert other.tokens_per_s.value == pytest.approx(per_s(theirs_counted), rel=1e-9)
        print(f"{row.id}: {row.tokens_per_s.value} tok/s directly, {other.tokens_per_s.value} through prometheus")
    assert {(row.owner, row.tier, row.used_bytes.value, row.capacity_bytes.value) for row in ours.tiers} == {
        (row.owner, row.tier, row.used_bytes.value, row.capacity_bytes.value) for row in theirs.tiers
    }


def counted(seen: Seen, worker: str, now_ns: int) -> list[tuple[int, float]]:
    """When each sample in the window of the Frame at `now_ns` was taken, and how many tokens it has of the worker."""
    found, series = [], dict[str, tuple[Series, ...]]()
    for batch in seen.batches:
        for part in batch.parts:
            if isinstance(part, Layout):
                series[batch.source] = part.series
            elif isinstance(part, Samples):
                of_worker = [
                    number
                    for one, number in zip(series[batch.source], part.values.tolist(), strict=True)
                    if (one.worker, one.signal) == (worker, Signal.GENERATION_TOKENS)
                ]
                if of_worker:
                    found.append((batch.time_ns if part.time_ns is None else part.time_ns, sum(of_worker)))
    end_ns = tick_after(now_ns)
    return [one for one in found if end_ns - WINDOW_S * 1_000_000_000 <= one[0] < end_ns]


def per_s(samples: list[tuple[int, float]]) -> float:
    (first_ns, before), (last_ns, after) = samples[0], samples[-1]
    return (after - before) / (last_ns - first_ns) * 1e9


def check_past(through: Seen, later: Seen, names: list[str], now_ns: int) -> None:
    """The time before is told from stored samples: each row is one of the samples, and rates are those of the rows."""
    for name in names:
        (past,) = later.of(f"{name} via later").parts(Past)
        tokens = [at for at, one in enumerate(past.series) if one.signal is Signal.GENERATION_TOKENS]
        told = {sum(row.values[at] for at in tokens) for row in past.rows}
        seen = {
            sum(number for one, number in sample if one.signal is Signal.GENERATION_TOKENS)
            for sample in through.of(f"{name} via prom").samples
        }
        assert told <= seen | {0.0}
        assert len(past.rows) >= 3
    rows = frame_of(later, now_ns).backfill
    assert len(rows) >= 2
    assert all(row.workers == len(names) and row.tokens_per_s.provenance is Provenance.DERIVED for row in rows)
    print("backfilled:", [(row.at, row.tokens_per_s.value, row.worst, row.p99_minus_p50.value) for row in rows])


async def test_native_histograms_become_buckets_with_their_own_bounds(tmp_path: Path) -> None:
    scrapes = 0

    async def handler(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal scrapes
        scrapes += 1
        body = page(100 * scrapes, {-40: 97 * scrapes, -39: scrapes, -16: 2 * scrapes}, 1.0)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (CONTENT_TYPE.encode(), len(body), body)
        )

    async with serving(handler) as target, HttpClient() as client, prometheus(tmp_path, [target.url]) as server:
        await until_scraped(server, 1)
        clock, seen = LiveClock(), Seen()
        source = PromqlSource("prom", server, client)
        for _ in range(4):
            await asyncio.sleep(3)
            assert await source.attempt(clock.now_ns, seen) is None
        (row,) = frame_of(seen, clock.now_ns()).workers
        assert row.tokens_per_s.value == pytest.approx(100, rel=0.2)
        assert row.gap.n >= 300
        assert row.gap.n % 100 == 0
        assert [row.gap.p50.low, row.gap.p50.high] == pytest.approx(upper([-41, -40]))
        assert [row.gap.p99.low, row.gap.p99.high] == pytest.approx(upper([-17, -16]))
