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
    """A request in a slot. `beat_ns`: when its first pass begins, then when each pass (from 1 on) ends, with the token of that index."""

    request: Request
    slot: int
    beat_ns: Ints
    opens_ns: list[int]
    """When each of its blocks is opened, beyond those of the prompt."""
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

    def _start(self, request: Request, slot: int) -> None:
        now = self._loop.now_ns
        self.observed.phases.enter(now, phases.DECODE)
        gap = self._gap_ns(request.prompt + request.limit)
        begin = self._clock.next_in_phase(now, slot * gap // self.slots, gap)
        beat = self._clock.times_ns(np.arange(begin, begin + request.output * gap, gap))
        # The pass that samples token k computes the KV of token k − 1, at position prompt + k − 1.
        opens = beat[-request.prompt % BLOCK_TOKENS : -1 : BLOCK_TOKENS].tolist()
        running = self._running[slot] = _Running(request, slot, beat, opens)
        request.decoding_ns = int(beat[0])
        first = blocks_for(request.prompt)
        self.pool.open_later(self._loop, request.context.runs(first, first + len(opens)), opens)
        self._loop.at(int(beat[-1]), self._finish, running)

    def _finish(self, running: _Running) -> None:
        if not running.request.aborted:
            self._end(running, blocks_for(running.request.final_tokens))

    def _end(self, running: _Running, held: int) -> None:
        """Ends a request that holds its first `held` blocks, of which those that are full stay."""
        now, request = self._loop.now_ns, running.request
        self._emit(running, now + 1)
        del self._running[running.slot]
        full = (request.prompt + request.produced - 1) // BLOCK_TOKENS
        self._journal.phase(request.id, "decode", self.slot, self.pool.tier, request.decoding_ns, now)
        self._intake.leave(request, running.slot, held, full)

    def abort(self, request: Request) -> bool:
        """Ends a request that nobody waits for any more: at once, or when its KV has come. False if it is not here."""
        for running in self._running.values():
            if running.request is request:
                first = blocks_for(request.prompt)
                self.pool.open_no_more(request.context.runs(first, first + len(running.opens_ns)))
                self._end(running, first + bisect_right(running.opens_ns, self._loop.now_ns))
                return True
        return self._intake.abort(request)

    def _emit(self, running: _Running, until_ns: int) -> None:
        at, beat, request = running.delivered, running.beat_ns, running.request
        end = int(beat.searchsorted(until_ns)) - 1
        if end <= at:
            return
        starts, times = beat[at:end], beat[at + 1 : end + 1]
        self._journal.deliver_run(self.slot, self._tier_code, times, starts, request.stream, at + 1)
        # A pass starts when the one before it ends, but for the first, which waited for the transfer and its slot.
        gaps = times - starts
        if not at:
            gaps[0] = int(times[0]) - request.last_ns
        self.observed.gaps.extend(gaps)
        self.observed.stats.generation_tokens += end - at
        self.observed.reads.add(*self._reads(request.prompt + at, end - at))
        running.delivered = end
        request.produced = end + 1
        request.last_ns = int(times[-1])
