"""GPU engines under a closed loop of clients: the event loop, scheduler and step times of the emulator, with nobody watching.

What is left out is only what a benchmark of one engine does not see: names of blocks (no prompt shares a prefix), rows and histograms. KV blocks are counted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from emulators.blocks import BLOCK_TOKENS, Context, Run, blocks_for, length
from emulators.catalogue import Engine, Link
from emulators.channel import Channel
from emulators.gpu import StepModel, StepNoise
from emulators.gpu_worker import GpuLimits, GpuWorker, Hooks
from emulators.journal import Journal
from emulators.kv import Pool
from emulators.loop import Loop
from emulators.observed import Observed
from emulators.randomness import generator
from emulators.request import Request
from emulators.samples import Samples
from emulators.stats import Ints

SEED = 7
_CONTEXT = Context(0)
"""That of every request, as nobody asks for names."""


@dataclass(frozen=True, slots=True)
class Load:
    """`requests` from `clients`, each of which sends the next when its last one has ended.

    Lengths are uniform from `range_ratio` of `prompt` and `output` to all of them. Benchmarks draw them so; equal ones would keep all clients in step, so
    that every round would begin with the burst of the first.
    """

    prompt: int
    output: int
    clients: int
    requests: int
    range_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class Engines:
    """So many equal engines: their steps, and the bytes of KV that each may hold."""

    model: StepModel
    kv_bytes: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Timed:
    """Means over all requests, seconds. `tpot_s` is None if no request has a second token; `preemptions` in all."""

    ttft_s: float
    tpot_s: float | None
    preemptions: int


class DoesNotFitError(ValueError):
    """A request is longer than what the KV pool holds."""


def run(engine: Engine, load: Load, decode: Engines, prefill: Engines | None, link: Link) -> Timed:
    """Plays the load to its end, requests dealt to the engines in turn. With `prefill`, those engines compute prompts and sample first tokens, KV
    is sent over a `link` for each of their chips, one transfer after the other for each engine, and `decode` goes on. DoesNotFitError if the longest request does not fit."""
    return _ClosedLoop(engine, load, decode, prefill, link).play()


class _ClosedLoop:
    def __init__(self, engine: Engine, load: Load, decode: Engines, prefill: Engines | None, link: Link) -> None:
        self._load = load
        self._loop = Loop()
        self._sent = 0
        self._ttft_ns = 0
        self._tpot_ns = 0.0
        self._timed = 0
        rng = generator(SEED, "lengths")
        self._lengths = [_lengths(rng, most, load) for most in (load.prompt, load.output)]
        self._front_end_ns = round(engine.front_end_s.value * 1e9)
        self._decode = [self._worker(engine, decode, f"decode-{n}", arrived=bool(prefill)) for n in range(decode.count)]
        self._prefill: list[GpuWorker] = []
        self._links: list[Channel] = []
        self._kv_bytes = decode.model.kv_bytes_per_token
        if prefill:
            self._prefill = [self._worker(engine, prefill, f"prefill-{n}") for n in range(prefill.count)]
            self._links = [Channel.of(link, prefill.model.chips) for _ in self._prefill]

    def play(self) -> Timed:
        load = self._load
        for _ in range(min(load.clients, load.requests)):
            self._send()
        loop = self._loop
        while (due := loop.next_ns()) is not None:
            loop.run(due + 1, _nothing)
        return Timed(
            self._ttft_ns / load.requests / 1e9,
            self._tpot_ns / self._timed / 1e9 if self._timed else None,
            sum(worker.observed.stats.preemptions for worker in (*self._decode, *self._prefill)),
        )

    def _worker(self, engine: Engine, engines: Engines, name: str, *, arrived: bool = False) -> GpuWorker:
        block_bytes = engines.model.kv_bytes_per_token * BLOCK_TOKENS
        capacity = engines.kv_bytes // block_bytes
        longest = blocks_for(self._load.prompt + self._load.output)
        if capacity < longest:
            raise DoesNotFitError(f"{longest} blocks of KV do not fit into a pool of {capacity}")
        journal = _Unwritten()
        return GpuWorker(
            0,
            "aggregated",
            loop=self._loop,
            journal=journal,
            model=engines.model,
            noise=StepNoise(generator(SEED, "noise", name), engine),
            limits=GpuLimits(int(engine.chunk_tokens.value), int(engine.max_sequences.value), engine.prefill_first),
            front_end_ns=self._front_end_ns,
            pool=_Counted(capacity, block_bytes, journal, arrived=arrived),
            sources=lambda request: (),
            egress=Channel(1.0, 0),
            observed=_Unobserved(),
            hooks=Hooks(first_token=self._first, prefilled=_never, finished=self._finished),
        )

    def _send(self) -> None:
        now, number = self._loop.now_ns, self._sent
        prompt, output = (lengths[number] for lengths in self._lengths)
        self._sent += 1
        if self._prefill:
            request = _request(number, now, prompt, 1)
            at = number % len(self._prefill)
            request.answered = partial(self._hand_on, at, number, prompt, output, now)
            worker = self._prefill[at]
        else:
            request = _request(number, now, prompt, output)
            worker = self._decode[number % len(self._decode)]
        self._loop.at(now + self._front_end_ns, worker.submit, request)

    def _hand_on(self, at: int, number: int, prompt: int, output: int, received_ns: int) -> None:
        now = self._loop.now_ns
        if output == 1:
            self._ended()
            return
        # The last token of the prompt stands for the one sampled already: it is computed upon, and yields the second.
        request = _request(number, received_ns, prompt + 1, output - 1)
        request.admitted_ns = now
        arrival = self._links[at].book(now, prompt * self._kv_bytes)
        self._loop.at(arrival, self._decode[number % len(self._decode)].submit, request)
        request.answered = partial(self._time, now, output - 1)

    def _first(self, request: Request) -> None:
        """Also told of the token that ends a prefill after a preemption, which is no first one."""
        if not request.produced and (not self._prefill or request.output == 1):
            self._ttft_ns += self._loop.now_ns - request.received_ns

    def _finished(self, request: Request) -> None:
        if self._prefill:
            request.answered()
        else:
            self._time(request.first_ns, request.output - 1)

    def _time(self, first_ns: int, gaps: int) -> None:
        if gaps:
            self._tpot_ns += (self._loop.now_ns - first_ns) / gaps
            self._timed += 1
        self._ended()

    def _ended(self) -> None:
        if self._sent < self._load.requests:
            self._send()


def _request(number: int, received_ns: int, prompt: int, output: int) -> Request:
    return Request("", number % 65_536, received_ns, prompt, output, output, _CONTEXT, ())


def _lengths(rng: np.random.Generator, most: int, load: Load) -> list[int]:
    least = max(1, math.floor(most * load.range_ratio))
    return list(map(int, rng.integers(least, most, load.requests, endpoint=True)))


class _Counted(Pool):
    """A pool whose blocks have no names worth knowing: no two requests share any. `arrived`: prompts come with their KV."""

    __slots__ = ("_arrived", "_claimed")

    def __init__(self, capacity: int, block_bytes: int, journal: Journal, *, arrived: bool) -> None:
        super().__init__(0, "HBM", "calibration", 0, capacity, block_bytes, journal)
        self._arrived = arrived
        self._claimed = 0

    @property
    def room(self) -> int:
        return self.capacity - self._claimed

    def stretch(self, run: Run) -> int:
        return run[2] - run[1] if self._arrived else run[1] - run[2]

    def fits(self, runs: Sequence[Run], reserve: int = 0) -> bool:
        return length(runs) <= self.room

    def claim(self, now_ns: int, runs: Sequence[Run], reserve: int = 0) -> bool:
        count = length(runs)
        fits = count <= self.room
        if fits:
            self._claimed += count
        return fits

    def release(self, now_ns: int, runs: Sequence[Run], full: int, reserved: int = 0) -> None:
        self._claimed -= length(runs)


class _Unwritten(Journal):
    """A journal that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = _Dropped()

    def deliver_steps(self, worker: int, tier: int, times_ns: Ints, starts_ns: Ints, tokens: Ints) -> None:
        pass

    def deliver_one(self, worker: int, tier: int, time_ns: int, start_ns: int, stream: int, first_token: int) -> None:
        pass

    def phase(self, request: str, phase: str, worker: int, tier: str, start_ns: int, end_ns: int, **more: int) -> None:
        pass


class _Dropped(list[dict[str, Any]]):
    def append(self, row: dict[str, Any]) -> None:
        pass


class _Unkept(Samples):
    def extend(self, values: Ints) -> None:
        pass

    def append(self, value: int) -> None:
        pass


class _Unobserved(Observed):
    """Counters only."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(fast_gaps=False, keep=False)
        self.gaps = self.ttft = _Unkept(self.gaps._histogram, keep=False)

    def steps(self, tokens: int, count: int) -> None:
        self.stats.steps += count

    def finished(self, now_ns: int, request: Request) -> None:
        pass

    def first_token(self, now_ns: int, request: Request) -> None:
        pass

    def queued(self, duration_ns: int) -> None:
        pass


def _nothing() -> None:
    pass


def _never(request: Request, worker: GpuWorker) -> None:
    raise RuntimeError("an aggregated engine hands nothing on")
