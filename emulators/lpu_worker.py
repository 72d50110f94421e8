"""An LPU engine that decodes: pipeline slots, SRAM as a hard limit, KV that comes from the worker that ingested the prompt.

A request is admitted, first come first served, when a slot is free and SRAM can hold its prompt and all it may generate; then its KV is moved, then it
takes the next pass of its slot through the pipeline and yields a token with every pass. KV of finished requests stays until its room is needed, so a
session's next request moves only what is new. Tokens are worked out in runs, when somebody asks.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emulators import phases
from emulators.blocks import BLOCK_TOKENS, blocks_for
from emulators.gpu_worker import GpuWorker
from emulators.intake import Intake
from emulators.journal import Journal, tier_code
from emulators.kv import Pool
from emulators.loop import Loop
from emulators.lpu import DeviceClock
from emulators.observed import Observed
from emulators.request import Request
from emulators.stats import Ints


@dataclass(slots=True)
class _Running:
    """A request in a slot. `beat_ns`: when its first pass begins, then when each pass ends, with the next token from token `first` on."""

    request: Request
    slot: int
    beat_ns: Ints
    opens_ns: list[int]
    """When each of its blocks is opened, beyond the first `came` blocks, of `context` tokens, that came with it."""
    first: int
    context: int
    came: int
    delivered: int = 0


class LpuWorker:
    """One group of chips with one compiled model. `gap_ns` gives the time of a pass for the context that a request may reach, `slots` is how many
    requests are in the pipeline at most, `reads` the bytes of weights and of KV that so many passes read from a context on."""

    def __init__(
        self,
        slot: int,
        *,
        loop: Loop,
        journal: Journal,
        gap_ns: Callable[[int], int],
        slots: int,
        clock: DeviceClock,
        pool: Pool,
        observed: Observed,
        on_finished: Callable[[Request], None],
        reads: Callable[[int, int], tuple[int, int]],
    ) -> None:
        self.slot, self.pool, self.observed, self.slots, self._gap_ns = slot, pool, observed, slots, gap_ns
        self._loop, self._journal, self._clock = loop, journal, clock
        self._reads = reads
        self._tier_code = tier_code(pool.tier)
        self._intake = Intake(
            slot,
            loop=loop,
            journal=journal,
            pool=pool,
            places=slots,
            observed=observed,
            busy=lambda: bool(self._running),
            start=self._start,
            ended=on_finished,
        )
        self._running: dict[int, _Running] = {}

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def waiting(self) -> int:
        return self._intake.waiting

    @property
    def deferred(self) -> int:
        """Of those that wait, whose KV is under way."""
        return self._intake.arriving

    def submit(self, request: Request, source: GpuWorker) -> None:
        """Takes a request whose prompt `source` has computed."""
        self._intake.submit(request, source)

    def emit(self, until_ns: int) -> None:
        """Writes all tokens that are delivered, and all blocks that are opened, before `until_ns`."""
        self.pool.settle(until_ns)
        for running in self._running.values():
            self._emit(running, until_ns)

    def next_token_ns(self, request: Request) -> int | None:
        """When the next token of a request comes that decodes here, of those after the last `emit`; None for others."""
        for running in self._running.values():
            if running.request is request and running.delivered + 1 < len(running.beat_ns):
                return int(running.beat_ns[running.delivered + 1])
        return None

    def _start(self, request: Request, slot: int) -> None:
        now = self._loop.now_ns
        self.observed.phases.enter(now, phases.DECODE)
        gap = self._gap_ns(request.prompt + request.limit)
        begin = self._clock.next_in_phase(now, slot * gap // self.slots, gap)
        beat = self._clock.times_ns(np.arange(begin, begin + (request.output - request.produced + 1) * gap, gap))
        context, came = request.computed, blocks_for(request.computed)
        # The pass that samples token k computes the KV of token k − 1, at position prompt + k − 1.
        opens = beat[-context % BLOCK_TOKENS : -1 : BLOCK_TOKENS].tolist()
        running = self._running[slot] = _Running(request, slot, beat, opens, request.produced, context, came)
        request.decoding_ns = int(beat[0])
        self.pool.open_later(self._loop, request.context.runs(came, came + len(opens)), opens)
        self._loop.at(int(beat[-1]), self._finish, running)

    def _finish(self, running: _Running) -> None:
        if self._running.get(running.slot) is running and running.beat_ns[-1] == self._loop.now_ns:
            self._end(running, blocks_for(running.request.final_tokens))

    def _end(self, running: _Running, held: int) -> None:
        """Ends a request that holds its first `held` blocks, of which those that are full stay."""
        full = self._take_off(running, self._loop.now_ns + 1)
        self._intake.leave(running.request, running.slot, held, full)

    def _take_off(self, running: _Running, until_ns: int) -> int:
        """Takes a request out of its slot, with the tokens that come before `until_ns`; how many of its blocks are full."""
        request = running.request
        self._emit(running, until_ns)
        del self._running[running.slot]
        self._journal.phase(request.id, "decode", self.slot, self.pool.tier, request.decoding_ns, self._loop.now_ns)
        return request.full_blocks(request.prompt + request.produced - 1)

    def recall(self, request: Request, then: Callable[[Request], None]) -> bool:
        """Takes a request that decodes off the worker; `then` gets it when it holds nothing any more. False if it does not decode here."""
        for running in self._running.values():
            if running.request is request:
                self._part(running)
                then(request)
                return True
        return False

    def halt(self) -> list[Request]:
        """Its process ends. All requests that were here; that its KV is lost is for others to say."""
        gone = self._intake.clear()
        for running in list(self._running.values()):
            self._part(running)
            gone.append(running.request)
        return gone

    def orphans(self, source: GpuWorker) -> list[Request]:
        """Takes out those whose KV was to come from a worker that has lost it."""
        return self._intake.orphans(source)

    def decoding(self) -> list[Request]:
        """The requests that decode here."""
        return [running.request for running in self._running.values()]

    def _part(self, running: _Running) -> None:
        now = self._loop.now_ns
        self._stop_opening(running)
        held = running.came + bisect_right(running.opens_ns, now)
        full = self._take_off(running, now)
        self._intake.part(running.request, running.slot, held, min(full, held))

    def abort(self, request: Request) -> bool:
        """Ends a request that nobody waits for any more: at once, or when its KV has come. False if it is not here."""
        for running in self._running.values():
            if running.request is request:
                self._stop_opening(running)
                self._end(running, running.came + bisect_right(running.opens_ns, self._loop.now_ns))
                return True
        return self._intake.abort(request)

    def stall(self, by_ns: int) -> None:
        """All streams wait so long, now: chips that pass tokens to each other without buffers wait for the last of them."""
        now = self._loop.now_ns
        self._clock.slip(now, by_ns)
        for running in self._running.values():
            self._emit(running, now)
            beat = running.beat_ns
            running.beat_ns = beat = np.where(beat >= now, beat + by_ns, beat)
            running.request.decoding_ns = int(beat[0])
            self._stop_opening(running)
            opened = bisect_right(running.opens_ns, now)
            late = [at + by_ns for at in running.opens_ns[opened:]]
            running.opens_ns[opened:] = late
            first = running.came + opened
            self.pool.open_later(self._loop, running.request.context.runs(first, first + len(late)), late)
            self._loop.at(int(beat[-1]), self._finish, running)

    def _stop_opening(self, running: _Running) -> None:
        came = running.came
        self.pool.open_no_more(running.request.context.runs(came, came + len(running.opens_ns)))

    def _emit(self, running: _Running, until_ns: int) -> None:
        at, beat, request = running.delivered, running.beat_ns, running.request
        end = int(beat.searchsorted(until_ns)) - 1
        if end <= at:
            return
        starts, times = beat[at:end], beat[at + 1 : end + 1]
        self._journal.deliver_run(self.slot, self._tier_code, times, starts, request.stream, running.first + at)
        # A pass starts when the one before it ends, but for the first, which waited for the transfer and its slot.
        gaps = times - starts
        if not at:
            gaps[0] = int(times[0]) - request.last_ns
        self.observed.gaps.extend(gaps)
        self.observed.stats.generation_tokens += end - at
        self.observed.reads.add(*self._reads(running.context + at, end - at))
        running.delivered = end
        request.produced = running.first + end
        request.last_ns = int(times[-1])
