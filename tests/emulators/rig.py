"""Single engines on a loop of their own, and whole clusters played to the end of an interval, for the tests of the simulation."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from emulators import catalogue
from emulators.blocks import Context
from emulators.channel import Channel
from emulators.cluster import Cluster
from emulators.events import Events, Row
from emulators.fetching import Source
from emulators.gpu import StepModel, StepNoise
from emulators.gpu_worker import GpuLimits, GpuWorker, Hooks
from emulators.journal import Journal
from emulators.kv import Pool
from emulators.loop import Loop
from emulators.lpu import DeviceClock, context_bucket
from emulators.lpu_worker import LpuWorker
from emulators.observed import Observed
from emulators.phases import grown
from emulators.randomness import generator
from emulators.request import Request

BLOCK = 2 << 20
GAP_NS = 1_344_400
MODEL = catalogue.models()["llama-3.1-8b"]
ENGINE = catalogue.engines()["vllm-2025"]
H100 = catalogue.gpu("H100-SXM")
STEPS = StepModel.of(H100, 1, MODEL, ENGINE, bytes_per_weight=2, bytes_per_kv_value=2)


def request(number: int, prompt: int, output: int, limit: int | None = None) -> Request:
    """A request with the context of that number."""
    own = context(number)
    own.grow(prompt + output)
    return Request(f"r-{number}", number, 0, prompt, output, limit or output, own, ("interactive",))


WEIGHTS, KV = 8_030_261_248, 131_072
"""Bytes that a pass of the LPU reads of weights, and of KV for each token of context."""


@cache
def context(number: int) -> Context:
    """The same for the same number."""
    return Context(number)


@dataclass
class Rig:
    """One GPU engine and, if it hands requests on, one LPU engine. `finished` and `first` are ids in order."""

    role: str = "aggregated"
    blocks: int = 10_000
    sram_blocks: int = 3_000
    slots: int = 16
    realign_ns: int = 1_000
    prefill_first: bool = False
    programs: bool = False
    """Whether the LPU has a program for each context bucket; else one, of `GAP_NS`."""
    loop: Loop = field(default_factory=Loop)
    journal: Journal = field(default_factory=Journal)
    sources: tuple[Source, ...] = ()
    finished: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hbm = Pool(0, "HBM", "gpu", 0, self.blocks, BLOCK, self.journal)
        self.sram = Pool(1, "SRAM", "lpu", 1, self.sram_blocks, BLOCK, self.journal)
        hooks = Hooks(
            first_token=lambda request: self.first.append(request.id),
            prefilled=lambda request, source: self.lpu.submit(request, source),
            finished=lambda request: self.finished.append(request.id),
        )
        self.gpu = GpuWorker(
            0,
            self.role,
            loop=self.loop,
            journal=self.journal,
            model=STEPS,
            noise=StepNoise(generator(1, "noise"), ENGINE),
            limits=GpuLimits(8192, 256, self.prefill_first),
            front_end_ns=0,
            pool=self.hbm,
            sources=lambda request: self.sources,
            egress=Channel(36e9, 1_000_000),
            observed=Observed(fast_gaps=False, keep=True),
            hooks=hooks,
        )
        self.lpu = LpuWorker(
            1,
            loop=self.loop,
            journal=self.journal,
            gap_ns=lambda tokens: GAP_NS + (context_bucket(tokens, 4_096) if self.programs else 0),
            slots=self.slots,
            clock=DeviceClock(generator(1, "realign"), period_ns=100_000_000, most_ns=self.realign_ns),
            pool=self.sram,
            observed=Observed(fast_gaps=True, keep=True),
            on_finished=hooks.finished,
            reads=lambda context, passes: (WEIGHTS * passes, KV * grown(context, passes)),
        )

    def submit(self, time_ns: int, request: Request) -> Request:
        self.loop.at(time_ns, self.gpu.submit, request)
        return request

    def run(self, until_ns: int = 10**13) -> Events:
        """Runs until `until_ns`, or until nothing more happens."""

        def check() -> None:
            for pool in (self.hbm, self.sram):
                assert pool.reserved >= 0
                assert pool.active + pool.reserved <= pool.capacity
                assert pool.used <= pool.capacity
                pool.report(self.loop.now_ns)

        self.loop.run(until_ns, check)
        self.gpu.emit(until_ns)
        self.lpu.emit(until_ns)
        self.gpu.observed.flush()
        self.lpu.observed.flush()
        return self.journal.take()


@dataclass
class Played:
    """Everything that a cluster said, joined."""

    cluster: Cluster
    events: Events

    @property
    def received(self) -> dict[str, Row]:
        return {row["request"]: row for row in self.events.requests if row["event"] == "received"}

    @property
    def finished(self) -> dict[str, Row]:
        return {row["request"]: row for row in self.events.requests if row["event"] == "finished"}

    def rows(self, event: str) -> list[Row]:
        return [row for row in self.events.requests if row["event"] == event]


def play(cluster: Cluster, ends_s: list[float]) -> Played:
    """Advances to each of `ends_s`; what an advance gives must lie in it."""
    parts = []
    for end_s in ends_s:
        begin, end = cluster.now_ns, round(end_s * 1e9)
        events = cluster.advance(end)
        for times in (events.deliveries["time_ns"], events.blocks["time_ns"], events.occupancy["time_ns"]):
            assert np.all(times[1:] >= times[:-1])
            assert not len(times) or (begin <= times[0] and times[-1] < end)
        parts.append(events)
    return Played(cluster, joined(parts))


def joined(parts: list[Events]) -> Events:
    return replace(
        parts[0],
        deliveries=np.concatenate([part.deliveries for part in parts]),
        extras=np.concatenate([part.extras for part in parts]),
        blocks=np.concatenate([part.blocks for part in parts]),
        occupancy=np.concatenate([part.occupancy for part in parts]),
        requests=[row for part in parts for row in part.requests],
        decisions=[row for part in parts for row in part.decisions],
        phases=[row for part in parts for row in part.phases],
    )


def digest(events: Events) -> str:
    """Of every byte of it."""
    sha = hashlib.sha256()
    for rows in (events.deliveries, events.extras, events.blocks, events.occupancy):
        sha.update(rows.tobytes())
    sha.update(json.dumps([events.requests, events.decisions, events.phases]).encode())
    return sha.hexdigest()
