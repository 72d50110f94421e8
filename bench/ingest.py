"""Statistics of deliveries in process: rows in, per-worker figures out. CPU time of this process; references are timed in it too."""

import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from bench.result import Result
from collectors.model.batch import DELIVERY, EXTRA, Deliveries, Inventory, Phases, Rows, Span, WorkerInfo
from collectors.model.vocabulary import Phase
from collectors.stats.deliveries import DeliveryStats
from collectors.stats.histograms import QUANTILES, Histograms
from collectors.stats.sketch import bins

STREAMS = 1_000
TICK_NS = 250_000_000
LIFE = 500
"""Deliveries of a request: a stream then has another one."""
Measure = Callable[[], object]


def traffic(streams: int, rounds: int, workers: int, gap_ns: float, extras: int = 0, tokens: int = 1) -> Rows:
    """`rounds` deliveries of each stream in order of time: 2 % noise, and one gap in a thousand from a Pareto tail."""
    random = np.random.default_rng(7)
    shape = rounds, streams
    gaps = gap_ns * random.normal(1, 0.02, shape)
    gaps *= np.where(random.random(shape) < 1e-3, 1 + 5 * random.pareto(1.5, shape), 1)
    rows = np.zeros(shape, DELIVERY)
    rows["time_ns"] = np.cumsum(gaps, axis=0) + random.integers(0, int(gap_ns), streams)
    rows["stream"] = np.arange(streams)
    rows["first_token"] = (np.arange(rounds)[:, None] + random.integers(0, LIFE, streams)) % LIFE * tokens
    rows["tokens"], rows["extra"] = tokens, extras
    rows["worker"] = np.arange(streams) % workers
    rows["tier"], rows["stage"] = 2, 4 if extras else 2
    flat = rows.reshape(-1)
    return flat[np.argsort(flat["time_ns"], kind="stable")]


def parts(rows: Rows, size: int) -> list[Deliveries]:
    made = []
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        extras = np.zeros(int(some["extra"].sum()), EXTRA)
        extras["worker"], extras["tier"], extras["stage"] = 1, 2, 3
        made.append(Deliveries(rows=some, extras=extras))
    return made


def watching(workers: int) -> DeliveryStats:
    stats = DeliveryStats()
    stats.inventory(Inventory(workers=tuple(WorkerInfo(slot=i, id=f"w-{i}") for i in range(workers))), 0)
    return stats


def seconds(work: Measure) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def deliveries_a_second(size: int, extras: int = 0, tokens: int = 1) -> float:
    """Rows a CPU second in arrays of `size`, after a warm-up of a quarter; median of three. What a tick costs is measured apart."""
    made = parts(traffic(STREAMS, 1_000, 8, 2.5e6, extras, tokens), size)
    warm = len(made) // 4

    def feed(stats: DeliveryStats, some: list[Deliveries]) -> None:
        for part in some:
            stats.deliveries(part, int(part.rows["time_ns"][-1]))
        stats.flush()

    found = []
    for _ in range(3):
        stats = watching(8)
        feed(stats, made[:warm])
        found.append(seconds(partial(feed, stats, made[warm:])))
    return sum(len(part.rows) for part in made[warm:]) / sorted(found)[1]


class LoopSketch:
    """One value at a time in Python, step by step what DataDog/sketches-py 3.0.1 does in `DDSketch.add`, `key` and `DenseStore.add` (measured beside it: 460 ns)."""

    def __init__(self, accuracy: float = 1e-3) -> None:
        self._multiplier = 1 / math.log2((1 + accuracy) / (1 - accuracy))
        self._offset = self._first = 0
        self._bins = [0.0] * 32_768
        self._stored = self._count = self._sum = self._zeros = 0.0
        self._min, self._max = math.inf, -math.inf

    def _log_gamma(self, value: float) -> float:
        return math.log(value, 2) * self._multiplier

    def _key(self, value: float) -> int:
        return int(math.ceil(self._log_gamma(value)) + self._offset)

    def _index(self, key: int) -> int:
        if key < self._first or key >= self._first + len(self._bins):
            raise ValueError(f"bin {key} is out of range")
        return key - self._first

    def _store(self, key: int, weight: float = 1.0) -> None:
        self._bins[self._index(key)] += weight
        self._stored += weight

    def add(self, value: float, weight: float = 1.0) -> None:
        if weight <= 0.0:
            raise ValueError(f"weight {weight} is not positive")
        if value > 1e-9:
            self._store(self._key(value), weight)
        else:
            self._zeros += weight
        self._count += weight
        self._sum += value * weight
        if value < self._min:
            self._min = value
        if value > self._max:
            self._max = value


def sketch_ns(samples: int = 100_000) -> tuple[float, float]:
    """Nanoseconds a sample, ours in arrays of 10,000 of one worker, and one at a time in Python."""
    values = (2e7 * np.random.default_rng(1).lognormal(0, 0.3, samples)).astype(np.int64)
    histograms, loop = Histograms(1, busy=True), LoopSketch()
    zero, length = np.zeros(1, np.int64), np.array([10_000])

    def ours() -> None:
        for start in range(0, samples, 10_000):
            some = values[start : start + 10_000]
            histograms.add_groups(zero, zero, length, some, bins(some))

    def one_by_one() -> None:
        for value in values.tolist():
            loop.add(value)

    def median_ns(work: Measure) -> float:
        return sorted(seconds(work) for _ in range(5))[2] / samples * 1e9

    return median_ns(ours), median_ns(one_by_one)


def tick_ms(workers: int) -> tuple[float, float]:
    """Milliseconds of a tick with a full window behind it, median and worst of 16; of each only what is the tick's, not the rows'."""
    stats = watching(workers)
    streams = max(STREAMS, workers * 10)
    rows = traffic(streams, 330, workers, 2e8)
    edges = np.searchsorted(rows["time_ns"], np.arange(260) * TICK_NS)
    taken = []
    for tick in range(1, 260):
        now_ns = tick * TICK_NS
        stats.deliveries(Deliveries(rows[edges[tick - 1] : edges[tick]], np.zeros(0, EXTRA)), now_ns)
        waits = [Span("r", Phase.QUEUE, now_ns - 10**7, 10**5 * (1 + i * 7 % 90), worker=i) for i in range(workers)]
        stats.phases(Phases(tuple(waits)), now_ns)
        stats.flush()
        taken.append(seconds(partial(stats.tick, now_ns)))
    late = sorted(taken[-16:])
    return late[8] * 1e3, late[-1] * 1e3


def quantiles_us(workers: int = 8) -> float:
    """Microseconds for nine quantiles out of three windows of all workers."""
    histograms = Histograms(workers, busy=True)
    random = np.random.default_rng(1)
    row = random.integers(0, workers, 1_000_000)
    histograms.add(np.zeros(len(row), np.int64), row, (2e7 * random.lognormal(0, 0.3, len(row))).astype(np.int64))
    histograms.quantiles()
    asked = workers * len(QUANTILES)
    return sorted(seconds(histograms.quantiles) for _ in range(50))[25] / asked * 9 * 1e6


def run() -> list[Result]:
    results = []
    for size, extras, tokens, goal in ((8_192, 0, 1, 15.0), (1_000, 0, 1, None), (10, 1, 3, None)):
        rate = deliveries_a_second(size, extras, tokens) / 1e6
        results.append(
            Result(
                f"delivery statistics, arrays of {size}" + (", 2 stages, 3 tokens" if extras else ""),
                "" if goal is None else f">= {goal:g} M/s",
                f"{rate:.1f} M/s ({1e3 / rate:.0f} ns)",
                None if goal is None else rate >= goal,
            )
        )
    ours, loop = sketch_ns()
    results.append(Result("sketch, a sample", "<= 15 ns", f"{ours:.1f} ns", ours <= 15))
    results.append(
        Result(
            "sketch, against one value at a time in Python", ">= 50x cheaper", f"{loop / ours:.0f}x", loop / ours >= 50
        )
    )
    nine = quantiles_us()
    results.append(Result("sketch, nine quantiles", "<= 50 us", f"{nine:.0f} us", nine <= 50))
    for workers, most in ((8, 1.5), (300, 10.0)):
        median, worst = tick_ms(workers)
        results.append(
            Result(
                f"delivery statistics, a tick with {workers} workers",
                f"<= {most:g} ms",
                f"{median:.2f} ms (worst of 16: {worst:.2f})",
                median <= most,
            )
        )
    return results
