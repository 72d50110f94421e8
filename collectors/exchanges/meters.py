"""The tap's own `/metrics`. Buckets of time are a factor of 1.25 apart from 50 µs on: a median in one is known within ±12 %.

What each delivery adds to is plain numbers, made metrics when the page is asked for.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate, repeat
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BUCKETS: Final = tuple(
    float(f"{bound:.3g}") for bound in accumulate(repeat(1.25, 61), lambda a, b: a * b, initial=5e-5)
)
"""Seconds: 50 µs … 41 s."""
_BOUNDS: Final = (*map(str, BUCKETS), "+Inf")


class Meters:
    """Each with a label for what tells its values apart. `worker` is empty where nobody is named."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        registry = self.registry
        self._workers: dict[str, WorkerMeters] = {}
        registry.register(_Deliveries(self._workers))
        self.ttft = Histogram(
            "tokenyard_tap_ttft_seconds",
            "From a request's head until its first content was read",
            ["worker"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.server_seconds = Histogram(
            "tokenyard_tap_server_seconds",
            "Phases as the server reports them",
            ["phase"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.requests = Counter("tokenyard_tap_requests", "Completions that ended", ["outcome"], registry=registry)
        self.in_flight = Gauge("tokenyard_tap_requests_in_flight", "Completions that have not ended", registry=registry)
        self.emulated = Gauge("tokenyard_tap_emulated", "1: the upstream says that it is simulated", registry=registry)
        self.passed = Counter("tokenyard_tap_passed", "Other requests that were passed on", registry=registry)
        self.not_understood = Counter(
            "tokenyard_tap_not_understood_events", "Events that are no chunk", registry=registry
        )
        self.errors_inside = Counter(
            "tokenyard_tap_errors_inside_streams", "Errors in events of a success", registry=registry
        )
        self.upstream_errors = Counter(
            "tokenyard_tap_upstream_errors",
            "Upstream not reached, or gone in mid-response",
            ["what"],
            registry=registry,
        )
        self.unmeasured = Counter(
            "tokenyard_tap_unmeasured_requests",
            "Completions passed on without being measured",
            ["why"],
            registry=registry,
        )
        self.readers = Gauge("tokenyard_tap_stream_readers", "Readers of the placement stream", registry=registry)
        self.readers_cut = Counter("tokenyard_tap_stream_readers_cut", "Readers that were too slow", registry=registry)

    def of(self, worker: str) -> "WorkerMeters":
        found = self._workers.get(worker)
        if found is None:
            found = self._workers[worker] = WorkerMeters(self.ttft.labels(worker))
        return found

    def page(self) -> bytes:
        """May be made in another thread than all else is done in: a figure may then count what the one before it does not yet."""
        return generate_latest(self.registry)


class WorkerMeters:
    """Those of one worker, found once: sums of its deliveries, and gaps by bucket, the last beyond all bounds."""

    __slots__ = ("coalesced", "created_s", "deliveries", "gap_sum_ns", "gaps", "tokens", "ttft", "uncounted")

    def __init__(self, ttft: Histogram) -> None:
        self.ttft = ttft
        self.created_s = time.time()
        self.deliveries = self.tokens = self.uncounted = self.coalesced = self.gap_sum_ns = 0
        self.gaps = [0] * (len(BUCKETS) + 1)

    def delivered(self, events: int, tokens: int, uncounted: int, gap_ns: int | None = None) -> None:
        """`gap_ns`: since the sequence's last delivery, if it had one."""
        self.deliveries += 1
        self.tokens += tokens - uncounted
        self.uncounted += uncounted
        if events > 1:
            self.coalesced += 1
        if gap_ns is not None:
            self.gap_sum_ns += gap_ns
            self.gaps[bisect_left(BUCKETS, gap_ns / 1e9)] += 1


_COUNTERS: Final[dict[str, tuple[str, Callable[[WorkerMeters], int]]]] = {
    "deliveries": ("Reads that brought content of a sequence", lambda meters: meters.deliveries),
    "tokens": ("Output tokens that the server counted", lambda meters: meters.tokens),
    "uncounted_events": ("Events with content whose tokens the server did not count", lambda meters: meters.uncounted),
    "coalesced_deliveries": ("Deliveries of several events in one read", lambda meters: meters.coalesced),
}
"""By worker: what it says, and where it is counted."""


class _Deliveries(Collector):
    """What `delivered` added up, by worker."""

    def __init__(self, workers: dict[str, WorkerMeters]) -> None:
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        gaps = HistogramMetricFamily("tokenyard_tap_gap_seconds", "Between deliveries of a sequence", labels=["worker"])
        workers = list(self._workers.items())
        for worker, meters in workers:
            counts = zip(_BOUNDS, accumulate(list(meters.gaps)), strict=True)
            gaps.add_metric([worker], list(counts), meters.gap_sum_ns / 1e9)
            gaps.add_sample("tokenyard_tap_gap_seconds_created", {"worker": worker}, meters.created_s)
        yield gaps
        for name, (meaning, count) in _COUNTERS.items():
            counter = CounterMetricFamily(f"tokenyard_tap_{name}", meaning, labels=["worker"])
            for worker, meters in workers:
                counter.add_metric([worker], count(meters), meters.created_s)
            yield counter
