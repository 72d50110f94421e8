"""An engine that decodes in rounds what another has ingested: each round every running sequence yields one delivery. One device makes the tokens; another may have its part in them.

What a round takes, and how many tokens it yields, is the deployment's (`emulators.afd`, `emulators.speculation`, `emulators.stepping`). Requests join between rounds; their KV comes from the worker that
ingested the prompt, and memory for all that they may generate is promised before they start (`emulators.intake`).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from emulators import phases
from emulators.batch import Batch
from emulators.blocks import blocks_for
from emulators.events import Row
from emulators.gpu_worker import GpuWorker
from emulators.intake import Intake
from emulators.journal import Journal, place, tier_code
from emulators.kv import Pool
from emulators.loop import Loop
from emulators.observed import Observed
from emulators.request import Request
from emulators.stats import Ints


@dataclass(slots=True)
class Assistant:
    """The other device: a worker that samples nothing. `busy`: how many requests it has a part in."""

    slot: int
    pool: Pool
    observed: Observed
    busy: Callable[[], int] = int
    waiting: int = 0
    deferred: int = 0
    taken: bool = False
    """Whether a worker that samples has it."""

    @property
    def running(self) -> int:
        return self.busy()

    def emit(self, until_ns: int) -> None:
        """All that happens is told by the worker that samples."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round, in nanoseconds: how long it takes; how long its primary stage, which ends with it; when the other begins, and how long it takes. `tokens`: of each sequence.

    `reads`, `beside_reads`: bytes of weights and of KV that the two devices read. `counts`: what of it is summed up for `/truth`.
    """

    duration_ns: int
    primary_ns: int
    tokens: Ints
    reads: tuple[int, int]
    beside_after_ns: int = 0
    beside_ns: int = 0
    beside_reads: tuple[int, int] = (0, 0)
    counts: Mapping[str, int] = field(default_factory=dict)

    def later(self, by_ns: int) -> "Round":
        """The same after so long a wait."""
        return replace(self, duration_ns=self.duration_ns + by_ns, beside_after_ns=self.beside_after_ns + by_ns)


class Deployment(Protocol):
    """What happens in a round."""

    def plan(self, contexts: Ints, left: Ints) -> Round:
        """`contexts`: tokens that each sequence attends to; `left`: tokens that each has yet to yield. Called once a round."""


class RoundWorker:
    """The device that samples, in `stage`. With an `assistant`, `beside` names that one's stage. KV lies in `kv`, which is the pool of one of the two; with `draft_kv` the assistant keeps its own beside it.

    `turns`: the devices work one after the other in a round, the assistant first, and wait in between; else both are at work throughout. `counts`: what rounds count, before the first.
    """

    def __init__(
        self,
        slot: int,
        *,
        loop: Loop,
        journal: Journal,
        deployment: Deployment,
        stage: str,
        beside: str = "",
        assistant: Assistant | None = None,
        places: int,
        pool: Pool,
        kv: Pool,
        draft_kv: Pool | None = None,
        turns: bool = False,
        counts: Mapping[str, int] = {},
        observed: Observed,
        on_finished: Callable[[Request], None],
    ) -> None:
        self.slot, self.pool, self.kv, self.observed, self.deployment = slot, pool, kv, observed, deployment
        self._loop, self._journal, self._turns = loop, journal, turns
        self.assistant = assistant
        self._pools = (kv,) if draft_kv is None else (kv, draft_kv)
        self._place = place(slot, tier_code(pool.tier), stage, extra=assistant is not None)
        observed.stage = stage
        keeper = slot
        if assistant is not None:
            self._beside = place(assistant.slot, tier_code(assistant.pool.tier), beside) >> 16
            assistant.observed.stage = beside
            assistant.busy = lambda: self._batch.size
            keeper = slot if kv is pool else assistant.slot
        self._intake = Intake(
            keeper,
            loop=loop,
            journal=journal,
            pool=kv,
            beside=draft_kv,
            places=places,
            observed=observed,
            busy=lambda: bool(self._batch.size or self._joining),
            start=self._start,
            ended=on_finished,
        )
        self._batch = Batch()
        self._joining: list[Request] = []
        self._places: dict[Request, int] = {}
        self._recalled: dict[Request, Callable[[Request], None]] = {}
        self._counts: Counter[str] = Counter({"rounds": 0, "turns": 0, "tokens": 0, **counts})
        observed.stats.rounds = self._counts
        self._round: Round | None = None
        self._late_ns = 0
        """By how much the next round begins later than it would."""
        self._begin_ns = 0

    @property
    def running(self) -> int:
        return self._batch.size + len(self._joining)

    @property
    def waiting(self) -> int:
        return self._intake.waiting

    @property
    def deferred(self) -> int:
        """Of those that wait, whose KV is under way."""
        return self._intake.arriving

    def account(self) -> Row:
        """Exact counts of the rounds that have ended. `turns`: rounds of each sequence, one by one. `beside`: the assistant's stage, null without one."""
        beside = None if self.assistant is None else self.assistant.observed.stage
        return {"stage": self.observed.stage, "beside": beside, **self._counts}

    def submit(self, request: Request, source: GpuWorker) -> None:
        """Takes a request whose prompt `source` has computed."""
        self._intake.submit(request, source)

    def abort(self, request: Request) -> bool:
        """Ends a request that nobody waits for any more: after the round, or when its KV has come. False if it is not here."""
        return request in self._places or self._intake.abort(request)

    def stall(self, by_ns: int) -> None:
        """All that is in rounds waits so long: before the next one, if there is one now."""
        if self._round is not None:
            self._late_ns += by_ns

    def recall(self, request: Request, then: Callable[[Request], None]) -> bool:
        """Takes a request that decodes off the worker, after the round; `then` gets it when it holds nothing any more. False if it does not decode here."""
        if request not in self._places:
            return False
        self._recalled[request] = then
        return True

    def halt(self) -> list[Request]:
        """A process of it ends: what is in a round is not delivered. All requests that were here; whose KV is lost is for others to say."""
        now, gone = self._loop.now_ns, self._intake.clear()
        self._round, self._late_ns = None, 0
        self._recalled.clear()
        for request in list(self._places):
            self._take_off(now, request)
            gone.append(request)
        for seen in (self.observed, *(() if self.assistant is None else (self.assistant.observed,))):
            seen.phases.enter(now, phases.IDLE)
        return gone

    def orphans(self, source: GpuWorker) -> list[Request]:
        """Takes out those whose KV was to come from a worker that has lost it."""
        return self._intake.orphans(source)

    def decoding(self) -> list[Request]:
        """The requests that decode here."""
        return list(self._places)

    def _take_off(self, now: int, request: Request) -> None:
        """Takes a request that decodes, and all that it holds, away."""
        if request in self._joining:
            self._joining.remove(request)
        else:
            self._batch.leave(request)
        self._journal.phase(request.id, "decode", self.slot, self.pool.tier, request.decoding_ns, now)
        self._intake.part(request, self._places.pop(request), request.held, request.full_blocks(request.computed))

    def emit(self, until_ns: int) -> None:
        """Everything is written when a round ends."""

    def _start(self, request: Request, at: int) -> None:
        self._places[request] = at
        request.held = blocks_for(request.computed)
        request.decoding_ns = self._loop.now_ns
        self._joining.append(request)
        if self._round is None:
            self._begin()

    def _begin(self) -> None:
        now, batch = self._loop.now_ns, self._batch
        for request in self._joining:
            batch.join(request)
        self._joining.clear()
        if not batch.size:
            return
        planned = self.deployment.plan(batch.kv, batch.left)
        if self._late_ns:
            planned, self._late_ns = planned.later(self._late_ns), 0
        self._round = planned
        self._begin_ns = now
        self._be_in(self.observed, planned.duration_ns - planned.primary_ns, planned.primary_ns, planned)
        if self.assistant is not None:
            self._be_in(self.assistant.observed, planned.beside_after_ns, planned.beside_ns, planned)
        self._loop.at(now + planned.duration_ns, self._end, planned)

    def _be_in(self, seen: Observed, after_ns: int, time_ns: int, planned: Round) -> None:
        """Notes when in the round that begins now a device decodes."""
        now, loop = self._loop.now_ns, self._loop
        if not self._turns:
            seen.phases.enter(now, phases.DECODE)
            return
        seen.phases.enter(now, phases.IDLE)
        loop.at(now + after_ns, self._enter, planned, seen, phases.DECODE)
        if after_ns + time_ns < planned.duration_ns:
            loop.at(now + after_ns + time_ns, self._enter, planned, seen, phases.IDLE)

    def _enter(self, planned: Round, seen: Observed, phase: str) -> None:
        if self._round is planned:
            seen.phases.enter(self._loop.now_ns, phase)

    def _end(self, done: Round) -> None:
        if self._round is not done:
            return
        now, batch = self._loop.now_ns, self._batch
        self._round = None
        self._deliver(now, done)
        made = int(done.tokens.sum())
        self._counts.update({"rounds": 1, "turns": batch.size, "tokens": made})
        self._counts.update(done.counts)
        self.observed.gaps.extend(np.full(batch.size, now, np.int64) - batch.last_ns)
        self.observed.stats.generation_tokens += made
        self.observed.steps(made, 1)
        self.observed.reads.add(*done.reads)
        if self.assistant is not None:
            self.assistant.observed.beside_tokens += made
            self.assistant.observed.reads.add(*done.beside_reads)
        batch.grow(done.tokens, now)
        for request, held, at in batch.short(0):
            for run in request.context.runs(request.held, held):
                for pool in self._pools:
                    pool.claim_reserved(now, run)
            batch.hold(request, held, at)
        for request in batch.take_finished():
            self._finish(now, request)
        for request in [one for one in self._places if one.aborted]:
            if request in self._joining:
                self._joining.remove(request)
            else:
                batch.leave(request)
            self._finish(now, request)
        for request in [one for one in self._recalled if one in self._places]:
            self._take_off(now, request)
            self._recalled[request](request)
        self._recalled.clear()
        self._begin()
        if self.assistant is not None and not batch.size:
            self.assistant.observed.phases.enter(now, phases.IDLE)

    def _deliver(self, now: int, done: Round) -> None:
        batch, start = self._batch, now - done.primary_ns
        span = None
        if self.assistant is not None:
            span = self._begin_ns + done.beside_after_ns, done.beside_ns, self._beside
        self._journal.deliver_round(self._place, now, start, batch.tokens, done.tokens, span)

    def _finish(self, now: int, request: Request) -> None:
        self._journal.phase(request.id, "decode", self.slot, self.pool.tier, request.decoding_ns, now)
        full = request.full_blocks(request.computed)
        self._intake.leave(request, self._places.pop(request), request.held, full)
