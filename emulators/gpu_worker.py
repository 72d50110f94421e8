"""A GPU engine: iteration-level continuous batching with chunked prefill, over its own KV pool (the scheduling of Orca and Sarathi, as vLLM does it).

Each step decodes one token of every running sequence, and fills what is left of the chunk budget with prompts, first come first served; told to put
prefill first, a step with prompts decodes nothing. Steps that only decode are planned in runs, with room claimed ahead, which an arrival cuts short after the step that
it falls in: one event for many steps. When the pool is exhausted, the request admitted last is preempted and computed again later. A worker of role `prefill` hands a request on after its first token, and
holds its KV until that has been moved. How long a step takes is `emulators.gpu`'s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from emulators import phases
from emulators.admission import Admission
from emulators.batch import Batch
from emulators.blocks import blocks_for
from emulators.channel import Channel
from emulators.fetching import Source
from emulators.gpu import Noise, StepModel
from emulators.journal import Journal, tier_code
from emulators.kv import Pool
from emulators.loop import Loop
from emulators.observed import Observed
from emulators.request import Request
from emulators.stats import Ints

PREFILL: Final = "prefill"
RUN_STEPS: Final = 32
"""Most steps in a run: a sequence holds up to two blocks more than it has filled."""


@dataclass(frozen=True, slots=True)
class GpuLimits:
    """Tokens in a step, prefill and decode together; requests running at once; whether prompts stop the decoding."""

    chunk_tokens: int
    max_sequences: int
    prefill_first: bool = False


@dataclass(frozen=True, slots=True)
class Hooks:
    """Whom a worker tells: of the token that ends a request's prefill, of one that another worker is to go on with, of one that has ended."""

    first_token: Callable[[Request], None]
    prefilled: Callable[[Request, "GpuWorker"], None]
    finished: Callable[[Request], None]


class GpuWorker:
    """One engine. `sources` are where blocks that its pool lacks may be fetched from, the fastest first; `front_end_ns` is what
    lies between a request's arrival and `submit`."""

    def __init__(
        self,
        slot: int,
        role: str,
        *,
        loop: Loop,
        journal: Journal,
        model: StepModel,
        noise: Noise,
        limits: GpuLimits,
        front_end_ns: int,
        pool: Pool,
        sources: Callable[[Request], Sequence[Source]],
        egress: Channel,
        observed: Observed,
        hooks: Hooks,
    ) -> None:
        self.slot, self.role, self.pool, self.egress, self.observed, self.model = (
            slot,
            role,
            pool,
            egress,
            observed,
            model,
        )
        self._loop, self._journal = loop, journal
        self.noise, self._limits = noise, limits
        self._hooks = hooks
        self.front_end_ns = front_end_ns
        self._tier_code = tier_code(pool.tier)
        self._admission = Admission(slot, loop, journal, pool, sources, limits.max_sequences, observed, self._wake)
        self._running: list[Request] = []
        """In order of admission: the last is the first to be preempted."""
        self._prefilling: list[Request] = []
        self._batch = Batch()
        self._chunks: list[tuple[Request, int]] = []
        self._chunk_reads = (0, 0)
        self._leaving: dict[Request, Callable[[Request], None]] = {}
        """Those that are to end, or to go on elsewhere, and have not left, with whom to tell: what is in a step stays until its end."""
        self._stepping = False
        self._decoding = False
        self._bounds: Ints = np.zeros(1, np.int64)
        """When the run starts, and when its steps end; the first `_settled` of them have been accounted for."""
        self._settled = 0
        self._planned = 0

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return self._admission.waiting

    @property
    def deferred(self) -> int:
        """Of those that wait, whose KV is under way."""
        return self._admission.fetching

    def submit(self, request: Request) -> None:
        """Takes a request into the queue."""
        self._admission.submit(request)
        self._wake()

    def let_go(self, request: Request) -> None:
        """Gives up the KV of a request that has been handed on and moved."""
        self._release(request)
        self._wake()

    def abort(self, request: Request) -> None:
        """Ends a request that nobody waits for any more, before the next step."""
        self._leaving[request] = self._hooks.finished
        self._wake()

    def recall(self, request: Request, then: Callable[[Request], None]) -> bool:
        """Takes a request that decodes off the worker, before the next step; `then` gets it when it holds nothing any more. False if it does not decode here."""
        if request.decoding_ns < 0 or request not in self._running:
            return False
        self._leaving[request] = then
        self._wake()
        return True

    def halt(self) -> list[Request]:
        """Its process ends: what is in a step is not delivered. All requests that were here, but for those that wait to be moved to another worker; that its KV is lost is for others to say."""
        now = self._loop.now_ns
        self.emit(now)
        gone = self._admission.clear()
        for request in list(self._running):
            self._take_off(now, request)
            gone.append(request)
        self._leaving.clear()
        self._chunks.clear()
        self._stepping = self._decoding = False
        self._planned += 1
        self.observed.phases.enter(now, phases.IDLE)
        return gone

    def decoding(self) -> list[Request]:
        """The requests that decode here."""
        return [request for request in self._running if request.decoding_ns >= 0]

    def retime(self, model: StepModel, noise: Noise) -> None:
        """From the next step on they take another time."""
        self.model, self.noise = model, noise
        self._wake()

    # One step

    def _wake(self) -> None:
        if not self._stepping:
            # What is admitted steps at once, so one that does not step runs nothing, but for those that wait to be moved.
            if self._admission.ready:
                self._start_step()
        elif len(self._bounds) > 2:
            self._plan_end(max(1, int(self._bounds.searchsorted(self._loop.now_ns))))

    def _start_step(self) -> None:
        now = self._loop.now_ns
        if self._leaving:
            self._let_leave(now)
        preemptions = self.observed.stats.preemptions
        prefill_first = self._limits.prefill_first
        budget = self._limits.chunk_tokens
        if not prefill_first:
            self._make_room_to_decode(now)
            budget -= self._batch.size
        chunks: list[tuple[Request, int]] = []
        for request in list(self._prefilling):
            tokens = min(budget, request.goal - request.computed)
            if tokens > 0 and request in self._prefilling and self._extend(now, request, tokens):
                chunks.append((request, tokens))
                budget -= tokens
        while budget > 0 and self.observed.stats.preemptions == preemptions:
            admitted = self._admission.next(now, len(self._running))
            if admitted is None:
                break
            self._running.append(admitted)
            self._prefilling.append(admitted)
            tokens = min(budget, admitted.goal - admitted.computed)
            self._extend(now, admitted, tokens)
            chunks.append((admitted, tokens))
            budget -= tokens
        # A request preempted after its chunk was planned computes nothing.
        self._chunks = [(request, tokens) for request, tokens in chunks if request in self._prefilling]
        if prefill_first and not self._chunks:
            self._make_room_to_decode(now)
        self._decoding = self._batch.size > 0 and not (prefill_first and self._chunks)
        self._stepping = self._decoding or bool(self._chunks)
        if self._stepping:
            self._settled = 0
            self._bounds = self._step_bounds(now)
            self._plan_end(len(self._bounds) - 1)
        self.observed.phases.enter(now, self._phase())

    def _phase(self) -> str:
        if self._stepping:
            return phases.PREFILL if self._chunks else phases.DECODE
        return phases.TRANSFER if self._admission.fetching else phases.IDLE

    def _step_bounds(self, now: int) -> Ints:
        """When the steps that are planned now begin and end: one with prompts in it, or a run of those that only decode."""
        if self._chunks:
            decoding = self._batch.size if self._decoding else 0
            attended = self.model.attended(self._batch.kv) if decoding else 0.0
            chunks = [(tokens, request.computed) for request, tokens in self._chunks]
            computed = decoding + sum(tokens for tokens, _ in chunks)
            read = attended + sum(self.model.seen(prefix) for _, prefix in chunks)
            self._chunk_reads = self.model.reads(computed, read)
            seconds = self.model.seconds(decoding, attended, chunks) * float(self.noise.peek(1)[0])
            return np.array((now, now + round(seconds * 1e9)))
        steps = self._hold(now, min(RUN_STEPS, self._batch.least_left()))
        times = self.model.run_seconds(self._batch.kv, steps)
        times *= self.noise.peek(steps)
        times *= 1e9
        bounds: Ints = np.empty(steps + 1, np.int64)
        bounds[0] = now
        np.rint(times, out=bounds[1:], casting="unsafe")
        return bounds.cumsum()

    def _plan_end(self, steps: int) -> None:
        """Lets the run end after so many of its steps."""
        self._bounds = self._bounds[: steps + 1]
        self._planned += 1
        self._loop.at(int(self._bounds[steps]), self._end_step, self._planned)

    def next_token_ns(self, request: Request) -> int | None:
        """When the next token of a request comes that decodes here, of those after the last `emit`; None for others."""
        if request.decoding_ns < 0 or not self._stepping or self._chunks:
            return None
        return int(self._bounds[self._settled + 1])

    def emit(self, until_ns: int) -> None:
        """Accounts for all steps of the run that end before `until_ns`."""
        if self._stepping and not self._chunks:
            self._settle(int(self._bounds.searchsorted(until_ns)) - 1)

    def _settle(self, steps: int) -> None:
        """Writes the tokens of the run's first `steps` steps, as far as that has not been done."""
        at, batch, observed = self._settled, self._batch, self.observed
        if steps <= at:
            return
        starts, ends = self._bounds[at:steps], self._bounds[at + 1 : steps + 1]
        self._journal.deliver_steps(self.slot, self._tier_code, ends, starts, batch.tokens)
        gaps, last = ends - starts, batch.last_ns
        if isinstance(last, int):
            gaps[0] = int(ends[0]) - last
        else:
            observed.gaps.extend(ends[0] - last)
            gaps = gaps[1:]
        if len(gaps):
            observed.gaps.extend(gaps if batch.size == 1 else gaps.repeat(batch.size))
        observed.stats.generation_tokens += batch.size * len(ends)
        if not self._chunks:
            observed.steps(batch.size, len(ends))
            observed.reads.add(*self.model.run_reads(batch.kv, len(ends)))
        batch.advance(len(ends), int(ends[-1]))
        self._settled = steps

    def _end_step(self, planned: int) -> None:
        if planned != self._planned:
            return
        now, start, steps = self._loop.now_ns, int(self._bounds[0]), len(self._bounds) - 1
        observed, batch = self.observed, self._batch
        self.noise.skip(steps)
        decoded = batch.size if self._decoding else 0
        finished: list[Request] = []
        if decoded:
            self._settle(steps)
            finished = batch.take_finished()
        if self._chunks:
            prefilled = 0
            for request, tokens in self._chunks:
                prefilled += tokens
                self._journal.phase(request.id, PREFILL, self.slot, self.pool.tier, start, now, tokens=tokens)
                request.computed += tokens
                if request.computed == request.goal:
                    self._prefilling.remove(request)
                    self._sample_first(now, start, request)
            observed.prefilled_tokens += prefilled
            observed.steps(decoded + prefilled, 1)
            observed.reads.add(*self._chunk_reads)
            self._chunks = []
        for request in finished:
            self._finish(now, request)
        self._start_step()

    def _sample_first(self, now: int, start: int, request: Request) -> None:
        """The token that ends a prefill: a request's first, or the next one after a preemption."""
        self._journal.deliver_one(self.slot, self._tier_code, now, start, request.stream, request.produced)
        self.observed.stats.generation_tokens += 1
        self._hooks.first_token(request)
        if request.produced == 0:
            request.first_ns = now
            self.observed.first_token(now, request)
        else:
            self.observed.gaps.append(now - request.last_ns)
        request.produced += 1
        request.last_ns = now
        if request.produced == request.output or request.aborted:
            self._finish(now, request)
        elif self.role == PREFILL:
            self._running.remove(request)
            self._hooks.prefilled(request, self)
        else:
            request.decoding_ns = now
            self._batch.join(request)

    def _let_leave(self, now: int) -> None:
        for request, then in list(self._leaving.items()):
            if not request.aborted:
                if request in self._running:
                    self._take_off(now, request)
                elif not self._admission.drop(request):
                    continue
                del self._leaving[request]
                then(request)
                continue
            if self._admission.drop(request):
                self._running.append(request)
            elif request in self._prefilling:
                self._prefilling.remove(request)
            elif request in self._running:
                self._batch.leave(request)
            else:
                continue  # it has not come yet, or its KV has not
            self._finish(now, request)

    def _finish(self, now: int, request: Request) -> None:
        self._leaving.pop(request, None)
        self._running.remove(request)
        self._release(request)
        if request.decoding_ns >= 0:
            self._journal.phase(request.id, "decode", self.slot, self.pool.tier, request.decoding_ns, now)
        self.observed.finished(now, request)
        self._hooks.finished(request)

    # KV

    def _make_room_to_decode(self, now: int) -> None:
        """Blocks for the next token of each sequence, by preemption if need be."""
        for request, held, at in self._batch.short(1):
            while request.decoding_ns >= 0:
                if self.pool.claim(now, request.context.runs(request.held, held)):
                    self._batch.hold(request, held, at)
                    break
                self._preempt(now, self._running[-1])

    def _hold(self, now: int, steps: int) -> int:
        """Blocks for the next tokens of each sequence; for how many there is room: the next `steps`, or half as often as need be, at least one."""
        while steps > 1:
            short = self._batch.short(steps)
            if sum([held - request.held for request, held, _ in short]) <= self.pool.room:
                for request, held, at in short:
                    self.pool.claim(now, request.context.runs(request.held, held))
                    self._batch.hold(request, held, at)
                self._batch.covered(steps)
                break
            steps //= 2
        return steps

    def _extend(self, now: int, request: Request, tokens: int) -> bool:
        """Blocks for the next `tokens` of a prompt; preempts whoever came later to get them, or the request itself."""
        held = blocks_for(request.computed + tokens)
        while not self.pool.claim(now, request.context.runs(request.held, held)):
            victim = self._running[-1]
            self._preempt(now, victim)
            if victim is request:
                return False
        request.held = held
        return True

    def _preempt(self, now: int, request: Request) -> None:
        """Sends a running request back to the head of the queue, to be computed again."""
        self._take_off(now, request)
        self._admission.again(now, request)

    def _take_off(self, now: int, request: Request) -> None:
        """Takes a running request and all that it holds away."""
        self._running.remove(request)
        if request in self._prefilling:
            self._prefilling.remove(request)
        else:
            self._batch.leave(request)
            self._journal.phase(request.id, "decode", self.slot, self.pool.tier, request.decoding_ns, now)
            request.decoding_ns = -1
        self._release(request)

    def _release(self, request: Request) -> None:
        full = request.full_blocks(request.computed)
        self.pool.release(self._loop.now_ns, request.context.runs(0, request.held), full)
        request.held = 0
