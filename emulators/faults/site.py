"""What faults find in a cluster: its workers, links and pools by name, and what several faults on one thing come to together."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from emulators.afd import Afd
from emulators.channel import Channel
from emulators.faults.fault import FaultError
from emulators.faults.kinds import ROUTER
from emulators.fleet import Worker
from emulators.gpu import Noise, Slowed, StepModel
from emulators.gpu_worker import GpuWorker
from emulators.kv import Pool
from emulators.loop import Loop
from emulators.lpu_worker import LpuWorker
from emulators.mover import Mover
from emulators.process import Process
from emulators.round_worker import Assistant, RoundWorker
from emulators.router import Router
from emulators.speculation import Speculation
from emulators.stepping import Stepping

Undo = Callable[[], None]
T = TypeVar("T")
CUT_NS: Final = 50_000_000
"""Until a pool that could not be cut is tried again."""


class Dial:
    """Something that several faults turn down or up at once: their factors are multiplied."""

    def __init__(self, turn: Callable[[float], None]) -> None:
        self._turn = turn
        self._factors: list[tuple[float]] = []

    def by(self, factor: float) -> Undo:
        """By this factor from now on, until what is given back is called."""
        own = (factor,)
        self._factors.append(own)
        self._apply()

        def back() -> None:
            self._factors = [one for one in self._factors if one is not own]
            self._apply()

        return back

    def _apply(self) -> None:
        product = 1.0
        for (factor,) in self._factors:
            product *= factor
        self._turn(product)


class Steps:
    """The steps of one engine. `factor`: all of them; `clock`: what the chips compute in them."""

    def __init__(self, engine: GpuWorker | RoundWorker) -> None:
        self._engine = engine
        of = engine if isinstance(engine, GpuWorker) else engine.deployment
        assert isinstance(of, GpuWorker | Stepping | Afd | Speculation)
        self._model: StepModel = of.model if isinstance(of, GpuWorker) else of.steps
        self._noise: Noise = of.noise
        self._now = (1.0, 1.0)
        self.factor = Dial(lambda factor: self._retime(factor, self._now[1]))
        self.clock = Dial(lambda clock: self._retime(self._now[0], clock))

    def _retime(self, factor: float, clock: float) -> None:
        self._now = (factor, clock)
        model, noise, engine = self._model, self._noise, self._engine
        if clock != 1:
            model = replace(model, flops_per_s=model.flops_per_s * clock, sequence_s=model.sequence_s / clock)
        if factor != 1:
            noise = Slowed(noise, factor)
        if isinstance(engine, GpuWorker):
            engine.retime(model, noise)
            return
        assert isinstance(engine.deployment, Stepping | Afd | Speculation)
        engine.deployment = replace(engine.deployment, steps=model, noise=noise)


class _Room:
    """Cuts a pool, again and again until nothing in use stands in the way."""

    def __init__(self, loop: Loop, pool: Pool) -> None:
        self._loop, self._pool, self._whole = loop, pool, pool.capacity
        self._wanted, self._trying = pool.capacity, False

    def leave(self, share: float) -> None:
        self._wanted = max(round(self._whole * share), 1)
        if not self._trying:
            self._cut()

    def _cut(self) -> None:
        self._trying = not self._pool.resize(self._loop.now_ns, self._wanted)
        if self._trying:
            self._loop.ahead(self._loop.now_ns + CUT_NS, self._cut)


@dataclass(slots=True)
class Site:
    """`links` by `WHOSE.WHAT`; pools by the worker whose they are, or `OWNER.TIER`."""

    loop: Loop
    router: Router
    mover: Mover
    workers: Mapping[str, Worker]
    links: Mapping[str, Channel]
    pools: Mapping[str, Pool]
    router_process: Process
    _steps: dict[int, Steps] = field(default_factory=dict)
    _rates: dict[str, Dial] = field(default_factory=dict)
    _rooms: dict[str, Dial] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        loop: Loop,
        router: Router,
        mover: Mover,
        workers: Iterable[Worker],
        links: Mapping[str, Channel],
        pools: Iterable[Pool],
        router_process: Process,
    ) -> "Site":
        named = {
            pool.owner if pool.worker is not None else f"{pool.owner}.{pool.tier}": pool
            for pool in pools
            if pool.capacity
        }
        return cls(loop, router, mover, {worker.id: worker for worker in workers}, links, named, router_process)

    def worker(self, name: str) -> Worker:
        return _known(self.workers, name, "worker")

    def link(self, name: str) -> Channel:
        return _known(self.links, name, "link")

    def pool(self, name: str) -> Pool:
        return _known(self.pools, name, "pool")

    def process(self, name: str) -> Process:
        """A worker's, or the router's."""
        return self.router_process if name == ROUTER else self.worker(name).process

    @property
    def cut_pools(self) -> bool:
        return bool(self._rooms)

    def room(self, name: str) -> Dial:
        """The share of a pool's room that is there, as soon as requests let go of the rest."""
        pool = self.pool(name)
        if name not in self._rooms:
            self._rooms[name] = Dial(_Room(self.loop, pool).leave)
        return self._rooms[name]

    def rate(self, name: str) -> Dial:
        """The share of a link's bandwidth that is there."""
        link = self.link(name)
        if name not in self._rates:
            self._rates[name] = Dial(lambda share: link.carry(self.loop, share))
        return self._rates[name]

    def steps(self, name: str) -> Steps:
        """Those of the engine that works on a worker's chips step by step. FaultError where there are none."""
        worker = self.worker(name)
        engine = self._rounds(worker) if isinstance(worker.engine, Assistant) else worker.engine
        if isinstance(engine, LpuWorker) or worker.device in ("LPU", "WSE"):
            raise FaultError(f"{name} is of {worker.device}s: a compiled program, without steps that could take longer")
        if id(engine) not in self._steps:
            self._steps[id(engine)] = Steps(engine)
        return self._steps[id(engine)]

    def lanes(self, name: str) -> LpuWorker | RoundWorker:
        """The engine that works on a group of LPUs. FaultError where there are none."""
        worker = self.worker(name)
        if worker.device != "LPU":
            raise FaultError(f"{name} is of {worker.device}s: only LPUs pass tokens from chip to chip without buffers")
        engine = self._rounds(worker) if isinstance(worker.engine, Assistant) else worker.engine
        assert not isinstance(engine, GpuWorker)
        return engine

    def _rounds(self, worker: Worker) -> RoundWorker:
        """The engine that an assistant has its part in."""
        return next(
            other.engine
            for other in self.workers.values()
            if isinstance(other.engine, RoundWorker) and other.engine.assistant is worker.engine
        )


def _known(known: Mapping[str, T], name: str, what: str) -> T:
    if name not in known:
        raise FaultError(f"no {what} {name!r} here; there are {', '.join(known)}")
    return known[name]
