"""The product as it is used: its sources on real targets, one session, and what was seen, as Frames, as sums over the whole time, and as a recording."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from collectors.model.batch import Batch, Layout, Samples
from collectors.model.figure import Quantile
from collectors.model.frame import Frame, TargetRow, WorkerRow
from collectors.model.signals import Signal
from collectors.model.snapshot import snapshot
from collectors.model.vocabulary import State, TargetStatus, Tier
from collectors.observe import Observation
from collectors.recording.writer import Writer
from collectors.session.clock import LiveClock
from collectors.session.session import Session
from collectors.sources.detect import open_targets
from collectors.sources.source import Source
from collectors.stats.columns import Key
from collectors.stats.figures import histogram
from collectors.stats.quantiles import enough
from collectors.stats.scraped import ScrapedStats
from collectors.wire.http import HttpClient
from tests.e2e.commands import tokenyard
from tests.real.driver import nearest_rank

DEADLINE_S: Final = 60.0
HOUR_NS: Final = 3_600_000_000_000


class Observed:
    """What a session saw so far; sums are over everything from the first sample on."""

    def __init__(self, writer: Writer) -> None:
        self.newest: Frame | None = None
        self._batches: list[Batch] = []
        self._ticked = asyncio.Event()
        self._writer = writer

    def batch(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._writer.batch(batch)

    def tick(self, time_ns: int, utc_s: float | None) -> None:
        self._writer.tick(time_ns, utc_s)

    def frame(self, frame: Frame) -> None:
        """Part of what a `Recorder` is."""

    def look(self, frame: Frame) -> None:
        self.newest = frame
        self._ticked.set()

    async def until(self, seen: Callable[[Frame], bool], what: str, deadline_s: float = DEADLINE_S) -> Frame:
        """The first Frame from now on of which `seen` is true."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self.newest is None or not seen(self.newest):
                    self._ticked.clear()
                    await self._ticked.wait()
        assert self.newest is not None
        assert seen(self.newest), f"not within {deadline_s} s: {what}; targets: {self.newest.targets}"
        return self.newest

    async def up(self, count: int = 1) -> Frame:
        return await self.until(
            lambda frame: sum(row.status is TargetStatus.UP for row in frame.targets) >= count, f"{count} targets up"
        )

    async def sampled(self, more: int = 2, *, without: str = "") -> Frame:
        """After `more` further samples of every source but `without`, which is dead: whatever had happened before is in them."""
        wanted = {name: count + more for name, count in self._samples().items() if count and name != without}
        assert wanted
        return await self.until(
            lambda _: all(self._samples()[name] >= count for name, count in wanted.items()), "new samples"
        )

    def workers(self) -> dict[str, WorkerRow]:
        assert self.newest is not None
        return {row.id: row for row in self.newest.workers}

    def targets(self) -> dict[str, TargetRow]:
        assert self.newest is not None
        return {row.name: row for row in self.newest.targets}

    def placed(self, stage: str) -> dict[str | None, int]:
        """Tokens of the Frame's window by worker."""
        assert self.newest is not None
        rows: dict[str | None, int] = {}
        for row in self.newest.placements:
            if row.stage == stage:
                assert row.tokens.value is not None
                rows[row.worker] = rows.get(row.worker, 0) + int(row.tokens.value)
        return rows

    def total(self, source: str, worker: str, signal: Signal, tier: Tier | None = None, label: str = "") -> int | None:
        """How much a counter grew; None where the page has no such counter."""
        stats, end_ns = self._stats(source)
        return stats.increase(end_ns, HOUR_NS, Key(worker, signal, tier, label=label)).value

    def totals(self, source: str, worker: str, signal: Signal) -> dict[str, int]:
        """The same by tier or label."""
        stats, end_ns = self._stats(source)
        found = {}
        for key in stats.keys:
            if key.worker == worker and key.signal is signal:
                found[str(key.tier or key.label)] = stats.increase(end_ns, HOUR_NS, key).value or 0
        return found

    def gauge(self, source: str, worker: str, signal: Signal, tier: Tier | None = None) -> float | None:
        stats, end_ns = self._stats(source)
        return stats.gauge(end_ns, Key(worker, signal, tier)).value

    def most(self, source: str, worker: str, *signals: Signal) -> tuple[float, ...]:
        """The highest values that gauges ever had, as sampled."""
        stats, highest = ScrapedStats(horizon_ns=HOUR_NS), [0.0] * len(signals)
        for part, time_ns in self._parts(source):
            if isinstance(part, Layout):
                stats.layout(part)
                continue
            stats.samples(part, time_ns)
            found = [stats.gauge(time_ns + 1, Key(worker, signal)).value or 0.0 for signal in signals]
            highest = [max(pair) for pair in zip(highest, found, strict=True)]
        return tuple(highest)

    def quantiles(self, source: str, worker: str, signal: Signal) -> tuple[int, Quantile, Quantile]:
        """n, p50 and p99 of the whole time, as a screen would show them."""
        stats, end_ns = self._stats(source)
        made = histogram(stats.histogram(end_ns, HOUR_NS, Key(worker, signal)), population="", emulated=False)
        return made.n, made.p50, made.p99

    def _samples(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for batch in self._batches:
            counts.setdefault(batch.source, 0)
            counts[batch.source] += any(isinstance(part, Samples) for part in batch.parts)
        return counts

    def _stats(self, source: str) -> tuple[ScrapedStats, int]:
        stats, end_ns = ScrapedStats(horizon_ns=HOUR_NS), 0
        for part, end_ns in self._parts(source):
            if isinstance(part, Layout):
                stats.layout(part)
            else:
                stats.samples(part, end_ns)
        return stats, end_ns + 1

    def _parts(self, source: str) -> Iterator[tuple[Layout | Samples, int]]:
        for batch in self._batches:
            if batch.source == source:
                for part in batch.parts:
                    if isinstance(part, Layout):
                        yield part, batch.time_ns
                    elif isinstance(part, Samples):
                        yield part, batch.time_ns if part.time_ns is None else part.time_ns


@contextlib.asynccontextmanager
async def observing(file: Path, targets: Sequence[str], *others: Source) -> AsyncIterator[Observed]:
    """Watches the targets, and other sources, and records what it sees to `file`, until left. At last the recording is replayed: it ends as the watch did."""
    clock = LiveClock()
    writer = Writer(file, clock=clock.kind, version="test-real")
    seen, session = Observed(writer), Session(clock.kind)
    async with HttpClient() as client:
        sources = [*open_targets(targets, client), *others]
        observation = Observation(session, sources, clock, seen.look, seen)
        live = asyncio.create_task(observation.live())
        try:
            yield seen
        finally:
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)
            await observation.close()
            writer.close()
    assert writer.error is None, writer.error
    assert seen.newest is not None
    last = snapshot(seen.newest, session.signals(seen.newest.time_ns), clock="replay")
    assert replayed(file) == json.loads(json.dumps(last))


def replayed(file: Path) -> dict[str, Any]:
    """What `tokenyard replay --json` prints of a recording's end."""
    done = tokenyard("replay", str(file), "--json")
    assert done.returncode == 0, done.stderr
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


def contains(quantile: Quantile, values: Sequence[float], q: float, overhead_s: float, *, whole: bool = True) -> None:
    """Whether the server's interval holds the client's quantile of `values`.

    A client's TTFT or duration has the server's inside it (`whole`), so it is never below the interval; above it only by what the way to the server and
    back takes. The two ends of a gap are both late by that at most, so a gap may be off on either side.
    """
    if quantile.state is State.TOO_FEW:
        assert not enough(len(values), q)
        return
    client = nearest_rank(values, q)
    assert quantile.state in (State.OK, State.OVER_RANGE), quantile
    assert quantile.low is not None
    assert client > quantile.low - (0.0 if whole else overhead_s), (client, quantile, overhead_s)
    assert quantile.high is None or client <= quantile.high + overhead_s, (client, quantile, overhead_s)
