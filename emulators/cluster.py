"""The simulated cluster: workload, router, workers and memory on one virtual clock, deterministic by seed.

The same scenario and seed give the same events, byte for byte, in any process and however the advances are split. No sockets and no real time here.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np

from emulators.asking import Asked
from emulators.blocks import BLOCK_TOKENS
from emulators.cost import per_hour
from emulators.events import OCCUPANCY, Events, Row, Rows
from emulators.faults.site import Site
from emulators.faults.timetable import Timetable
from emulators.fleet import Fleet, Worker
from emulators.gpu_worker import GpuWorker, Hooks
from emulators.journal import Journal
from emulators.loop import Loop
from emulators.lpu_worker import LpuWorker
from emulators.mover import Mover
from emulators.process import Process
from emulators.request import Request
from emulators.requested import Requested
from emulators.round_worker import RoundWorker
from emulators.router import Router, labels
from emulators.specs import Scenario
from emulators.streams import Streams
from emulators.traces.replay import Replay
from emulators.truth import truth
from emulators.workload import Session, Workload


class Cluster:
    """A scenario at work. `workers` are in order of slots, each with its counters in `stats`, which are as of `now_ns`. `faults` begin and end as it goes on.

    `keep_gaps`: keep every gap and every TTFT, 8 bytes each, so that `truth` can give exact quantiles; without, it gives null there. At most
    4,194,304 of each are kept per worker; when there are more, all are dropped and `truth` says null from then on.
    """

    def __init__(self, scenario: Scenario, seed: int, *, keep_gaps: bool = True) -> None:
        self.scenario = scenario
        self._loop = Loop()
        self._journal = Journal()
        hooks = Hooks(first_token=self._first_token, prefilled=self._prefilled, finished=self._finished)
        fleet = Fleet(scenario, seed, self._loop, self._journal, hooks, keep_gaps=keep_gaps)
        self.workers: tuple[Worker, ...] = tuple(fleet.workers)
        self._pools = fleet.pools
        self._told_pools = [pool for pool in fleet.pools if pool.capacity]
        """All but those of workers that hold no KV."""
        engines = {worker.slot: worker.engine for worker in fleet.workers}
        self._gpus = {slot: engine for slot, engine in engines.items() if isinstance(engine, GpuWorker)}
        self._decoders = {
            slot: engine for slot, engine in engines.items() if isinstance(engine, LpuWorker | RoundWorker)
        }
        self._router = Router(fleet.places, scenario.rules, scenario.weights)
        self._streams = Streams()
        self._live: dict[str, Row] = {}
        self._received = 0
        self._finished_count = 0
        self._requested = Requested()
        self.workload = Workload(self._loop, seed, scenario.load, self._receive)
        self._replay = Replay(self._loop, seed, scenario.trace, self._receive_asked) if scenario.trace else None
        self._mover = Mover(
            self._loop,
            self._router,
            self.workers,
            self._decoders,
            scenario.migration_limit,
            self._send,
            lambda request: self._end(request, request.reason),
        )
        self.router_process = Process()
        site = Site.of(
            self._loop, self._router, self._mover, self.workers, fleet.links, fleet.pools, self.router_process
        )
        self.faults = Timetable(site, scenario.faults)

    @property
    def now_ns(self) -> int:
        """Virtual time: everything before it has happened."""
        return self._loop.now_ns

    def next_event_ns(self) -> int | None:
        """When something next happens of which the simulation knows already; tokens and blocks of an LPU may come before it."""
        return self._loop.next_ns()

    def due_ns(self, asked: Iterable[Asked]) -> int | None:
        """When the first of these has its next token; as long as that is not known of all, no later than anything happens."""
        times = [self._next_token_ns(one.request) for one in asked]
        known = [time for time in times if time is not None]
        if len(known) < len(times) and (event := self._loop.next_ns()) is not None:
            known.append(event)
        return min(known, default=None)

    def _next_token_ns(self, request: Request | None) -> int | None:
        engine = None if request is None else self.workers[request.generate].engine
        return engine.next_token_ns(request) if request and isinstance(engine, GpuWorker | LpuWorker) else None

    def advance(self, until_ns: int) -> Events:
        """Runs to `until_ns` and gives everything with a time from the last advance's end on and before it.

        Deliveries are in order of time, then worker, then stream; the other rows in order of the time at which they happened. A stream's number
        may be given to another request within the same advance, after the first has finished. ValueError if `until_ns` is in the past.
        """
        if until_ns < self.now_ns:
            raise ValueError(f"cannot go back from {self.now_ns} ns to {until_ns} ns")
        self._loop.run(until_ns, self._report_pools)
        for worker in self.workers:
            worker.engine.emit(until_ns)
        for worker in self.workers:
            self._count(worker)
        return self._journal.take()

    def ask(self, at_ns: int, asked: Asked) -> None:
        """Will receive a request that is not of the workload, at a time that is not in the past."""
        self._loop.at(at_ns, self._receive_asked, asked)

    def give_up(self, at_ns: int, asked: Asked) -> None:
        """Will abort a request that was asked for, unless it has ended by then."""
        self._loop.at(at_ns, self._abort, asked)

    def hello(self) -> Row:
        """The `hello` message without what the server adds (producer, clock)."""
        return {
            "type": "hello",
            "version": 1,
            "emulated": True,
            "block_tokens": BLOCK_TOKENS,
            "workers": [
                {
                    "slot": worker.slot,
                    "id": worker.id,
                    "role": worker.role,
                    "device": worker.device,
                    "chip": worker.chip,
                    "chips": worker.chips,
                    "model": worker.model,
                }
                for worker in self.workers
            ],
            "pools": [
                {
                    "slot": pool.slot,
                    "tier": pool.tier,
                    "owner": pool.owner,
                    "worker": pool.worker,
                    "capacity_bytes": pool.capacity * pool.block_bytes,
                }
                for pool in self._told_pools
            ],
        }

    def live_requests(self) -> list[Row]:
        """The `received` rows of the requests that are alive, in the order in which they came."""
        return list(self._live.values())

    def occupancy(self) -> Rows:
        """A row for every pool, as of now."""
        rows = [
            (self.now_ns, pool.slot, pool.used * pool.block_bytes, pool.active * pool.block_bytes)
            for pool in self._told_pools
        ]
        return np.array(rows, OCCUPANCY)

    def residents(self) -> dict[int, list[int]]:
        """The names of all blocks that each pool holds now, by slot."""
        return {pool.slot: list(pool.residents()) for pool in self._told_pools}

    def requested(self) -> Row:
        """The newest requests as columns; see `emulators.requested`."""
        return self._requested.columns()

    def truth(self) -> Row:
        """What has really happened before `now_ns`, ready for JSON; see `emulators.truth`."""
        return truth(
            self.now_ns,
            [(worker.id, worker.engine.pool.tier, worker.engine.observed) for worker in self.workers],
            self._told_pools,
            self._router,
            {"received": self._received, "finished": self._finished_count, "live": len(self._live)},
            [worker.account(self.now_ns) for worker in self.workers],
            per_hour((worker.chip, worker.chips) for worker in self.workers),
            [
                {"worker": worker.id, **worker.engine.account()}
                for worker in self.workers
                if isinstance(worker.engine, RoundWorker) and worker.engine.assistant is not None
            ],
        ) | {"faults": self.faults.rows(), "migrations": self._mover.account()}

    def _receive(self, session: Session) -> None:
        now, turn, archetype = self._loop.now_ns, session.turn, session.archetype
        prompt = session.tokens + turn.added
        request = Request(
            id=f"r-{self._received + 1}",
            stream=self._streams.take(),
            received_ns=now,
            prompt=prompt,
            output=turn.output,
            limit=archetype.limit,
            context=session.context,
            labels=labels(archetype.kind, prompt, archetype.limit) + archetype.labels,
            workflow=session.workflow,
            target_ttft_s=archetype.target_ttft_s,
            workload=archetype.name,
            parents=session.parents if session.workflow else (),
            intended_ns=session.intended_ns,
            answered=partial(self.workload.answered, session),
        )
        session.asked = request.id
        self._begin(request)

    def _receive_asked(self, asked: Asked) -> None:
        asked.request = Request(
            id=asked.id,
            stream=self._streams.take(),
            received_ns=self._loop.now_ns,
            prompt=asked.prompt,
            output=asked.output,
            limit=asked.limit,
            context=asked.context,
            labels=labels(asked.kind, asked.prompt, asked.limit),
            findable=asked.findable,
            workflow=asked.workflow,
            target_ttft_s=asked.target_ttft_s,
            workload=asked.workload,
            parents=asked.parents,
            intended_ns=self._loop.now_ns if asked.intended_ns is None else asked.intended_ns,
            answered=asked.end,
        )
        self._begin(asked.request)

    def _abort(self, asked: Asked) -> None:
        request = asked.request
        if request is None or asked.ended:
            return
        request.aborted = True
        decoder = self._decoders.get(request.generate)
        if decoder is None or not decoder.abort(request):
            self._gpus[request.ingest].abort(request)

    def _begin(self, request: Request) -> None:
        now = self._loop.now_ns
        self._received += 1
        row = {
            "event": "received",
            "time_ns": now,
            "request": request.id,
            "stream": request.stream,
            "model": self.scenario.model,
            "prompt_tokens": request.prompt,
            "labels": list(request.labels),
        }
        if request.workflow is not None:
            row["workflow"] = request.workflow
        self._journal.requests.append(row)
        self._requested.add(request)
        self._live[request.id] = row
        if not self._send(request):
            self._end(request, "error")
            return
        request.named = request.ingest, request.generate
        row["model"] = self.workers[request.generate].model

    def _send(self, request: Request) -> bool:
        """To whom the router chooses; False if it can choose nobody."""
        card = self._router.decide(self._loop.now_ns, request)
        if card is None:
            return False
        if request.moves:
            card["attempt"] = request.moves + 1
        self._journal.decisions.append(card)
        self._loop.at(self._loop.now_ns + self._gpus[request.ingest].front_end_ns, self._reach, request)
        return True

    def _reach(self, request: Request) -> None:
        if self._mover.up(request.ingest):
            self._gpus[request.ingest].submit(request)
        else:
            self._mover.lost(request)

    def _first_token(self, request: Request) -> None:
        self._router.first_token(request)

    def _prefilled(self, request: Request, source: GpuWorker) -> None:
        if self._mover.up(request.generate):
            self._decoders[request.generate].submit(request, source)
        else:
            source.let_go(request)
            self._mover.lost(request)

    def _finished(self, request: Request) -> None:
        self._router.finished(request)
        self._end(request, request.reason)

    def _end(self, request: Request, reason: str) -> None:
        self._finished_count += 1
        self._journal.requests.append(
            {
                "event": "finished",
                "time_ns": self._loop.now_ns,
                "request": request.id,
                "reason": reason,
                "output_tokens": request.produced,
            }
        )
        self._streams.give_back(request.stream)
        del self._live[request.id]
        request.answered()

    def _report_pools(self) -> None:
        touched = self._journal.touched
        if touched:
            if len(touched) > 1:
                touched.sort()
            for slot in touched:
                self._pools[slot].report(self._loop.now_ns)
            touched.clear()

    def _count(self, worker: Worker) -> None:
        engine, stats = worker.engine, worker.stats
        engine.observed.flush()
        stats.running, stats.waiting, stats.deferred = engine.running, engine.waiting, engine.deferred
        spill = engine.pool.spill
        if spill is not None:
            stats.moved.stored_bytes = spill.channel.bytes_sent
            stats.moved.stored_s = spill.channel.bytes_sent / spill.channel.rated_bytes_per_s
        stats.kv_used_blocks, stats.kv_active_blocks = engine.pool.used, engine.pool.active
        stats.kv_total_blocks = engine.pool.capacity
