"""The statistics of deliveries row by row in plain Python: what the columns are compared with, and a maker of random traffic."""

from bisect import insort
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from collectors.model.batch import DELIVERY, Rows
from collectors.stats.medians import ENOUGH, MIDDLE_NS, coarse_bins
from collectors.stats.sketch import bins
from collectors.stats.stalls import Rule

TICK_NS = 250_000_000


@dataclass
class Stream:
    next_token: int | None = None
    last_ns: int = 0
    first_ns: int | None = None
    gaps: list[float] = field(default_factory=list)


@dataclass
class Reference:
    """Feed with rows in order; every time is session time (offset 0)."""

    rule: Rule = field(default_factory=Rule)
    streams: defaultdict[int, Stream] = field(default_factory=lambda: defaultdict(Stream))
    gaps: list[tuple[int, int]] = field(default_factory=list)
    stalls: list[tuple[int, int, int, float, int]] = field(default_factory=list)
    tokens: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    beside: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    river: Counter[tuple[int, int]] = field(default_factory=Counter)
    late: Counter[tuple[int, int]] = field(default_factory=Counter)
    holes: int = 0
    disorder: int = 0

    def feed(self, rows: Rows, extras: Rows | None = None) -> None:
        others = iter(() if extras is None else extras)
        for row in rows:
            self._row(row)
            for _ in range(int(row["extra"])):
                extra = next(others)
                self.beside[int(extra["worker"]), int(extra["tier"]), int(extra["stage"])] += int(row["tokens"])

    def _row(self, row: np.void) -> None:
        time_ns, worker, tokens = int(row["time_ns"]), int(row["worker"]), int(row["tokens"])
        first = int(row["first_token"])
        tick = time_ns // TICK_NS
        self.tokens[worker, int(row["tier"]), int(row["stage"])] += tokens
        self.river[tick, worker] += tokens
        if first == 0:
            self.streams[int(row["stream"])] = Stream(first_ns=time_ns)
        stream = self.streams[int(row["stream"])]
        if first and first == stream.next_token:
            gap = time_ns - stream.last_ns
            if gap < 0:
                self.disorder += 1
            else:
                self._gap(int(row["stream"]), stream, gap, time_ns, worker)
        elif first and stream.next_token is not None:
            self.holes += 1
        stream.next_token, stream.last_ns = first + tokens, time_ns

    def _gap(self, number: int, stream: Stream, gap: int, time_ns: int, worker: int) -> None:
        self.gaps.append((worker, gap))
        n = len(stream.gaps)
        if n >= ENOUGH:
            median = (stream.gaps[(n - 1) // 2] + stream.gaps[n // 2]) / 2
            code = 1 + (gap >= 1.5 * median) + (gap >= 3 * median)
            if gap > max(self.rule.factor * median, self.rule.floor_ns):
                code = 4
                self.stalls.append((time_ns, number, gap, median, worker))
            cell = time_ns // TICK_NS, worker
            self.late[cell] = max(self.late[cell], code)
        insort(stream.gaps, float(MIDDLE_NS[coarse_bins(bins(np.array([gap])))[0]]))


def traffic(
    seed: int,
    streams: int,
    deliveries: int,
    workers: int = 3,
    spread: float = 0.3,
    mean_ns: float = 5e6,
    faults: float = 0.02,
    life: int = 40,
) -> Rows:
    """Deliveries in order of time: log-normal gaps, a tail of stalls, changes of worker, requests that follow each other on a stream, and producers' faults."""
    random = np.random.default_rng(seed)
    rows = np.zeros(streams * deliveries, DELIVERY)
    shape = streams, deliveries
    gaps = mean_ns * np.exp(random.normal(0, spread, shape))
    gaps = np.where(random.random(shape) < 0.03, gaps * random.pareto(1.5, shape) * 10, gaps)
    gaps = np.where(random.random(shape) < faults, -gaps * 0.1, gaps)
    gaps = np.where(random.random(shape) < 0.02, 0, gaps)
    tokens = random.integers(1, 5, shape)
    first = np.zeros(shape, np.int64)
    for stream in range(streams):
        at = int(random.integers(0, 3))
        for i in range(deliveries):
            if random.random() < 1 / life:
                at = 0
            elif random.random() < faults:
                at += 1
            first[stream, i] = at
            at += tokens[stream, i]
    rows["time_ns"] = (np.cumsum(gaps, axis=1) + 1e9).astype(np.int64).ravel()
    rows["stream"] = np.repeat(np.arange(streams) * 7, deliveries)
    rows["first_token"] = first.ravel()
    rows["tokens"] = tokens.ravel()
    rows["worker"] = np.where(
        random.random(rows.shape) < 0.1, random.integers(0, workers, rows.shape), rows["stream"] % workers
    )
    rows["tier"] = random.integers(1, 3, rows.shape)
    rows["stage"] = random.choice([2, 4, 6], rows.shape)
    rows["extra"] = random.integers(0, 3, rows.shape)
    # Each stream in its own order; between streams nearly in order of time, as batches of several workers come.
    steps = np.maximum.accumulate(rows["time_ns"].reshape(shape), axis=1).ravel() // 20_000_000
    return rows[np.argsort(steps, kind="stable")]
