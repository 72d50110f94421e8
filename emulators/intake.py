"""Requests that go on where another worker has computed their prompt: first come first served, admitted when a place is free and memory can hold the prompt and all that may be
generated; then their KV is moved. So nobody who has been admitted is ever preempted.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush

from emulators import phases
from emulators.blocks import BLOCK_TOKENS, blocks_for
from emulators.gpu_worker import GpuWorker
from emulators.journal import Journal
from emulators.kv import Pool
from emulators.loop import Loop
from emulators.observed import Observed
from emulators.request import Request
from emulators.stats import PEER


class Intake:
    """One worker's queue and places. `slot` and `pool`: whose memory the KV is moved into; `beside`: a pool that must hold the same blocks, which nobody moves there.

    `busy` says whether anything runs; `start` is called with a request whose KV has come, and its place; `ended` with one that has ended.
    """

    def __init__(
        self,
        slot: int,
        *,
        loop: Loop,
        journal: Journal,
        pool: Pool,
        places: int,
        observed: Observed,
        busy: Callable[[], bool],
        start: Callable[[Request, int], None],
        ended: Callable[[Request], None],
        beside: Pool | None = None,
    ) -> None:
        self._slot, self._loop, self._journal, self._observed = slot, loop, journal, observed
        self._pools = (pool,) if beside is None else (pool, beside)
        self._busy, self._start, self._ended = busy, start, ended
        self._waiting: deque[tuple[Request, GpuWorker]] = deque()
        self._arriving: set[Request] = set()
        self._free = list(range(places))

    @property
    def waiting(self) -> int:
        return len(self._waiting) + len(self._arriving)

    @property
    def arriving(self) -> int:
        """Of those that wait, whose KV is under way."""
        return len(self._arriving)

    def submit(self, request: Request, source: GpuWorker) -> None:
        """Takes a request whose prompt `source` has computed."""
        request.queued_ns = self._loop.now_ns
        self._waiting.append((request, source))
        self._admit()

    def leave(self, request: Request, place: int, held: int, full: int) -> None:
        """Ends a request that holds its first `held` blocks, of which the first `full` stay: its place is another's."""
        now = self._loop.now_ns
        for pool in self._pools:
            pool.release(now, request.context.runs(0, held), full, request.most_blocks - held)
        self._free_place(now, request, place)

    def abort(self, request: Request) -> bool:
        """Ends a request that has not started: at once, or when its KV has come. False if it is not here."""
        for waiting, source in self._waiting:
            if waiting is request:
                self._waiting.remove((waiting, source))
                source.let_go(request)
                self._observed.finished(self._loop.now_ns, request)
                self._ended(request)
                self._admit()
                return True
        return request in self._arriving

    def _admit(self) -> None:
        now, pool = self._loop.now_ns, self._pools[0]
        while self._waiting and self._free:
            request, source = self._waiting[0]
            held = blocks_for(request.prompt)
            runs, reserve = request.context.runs(0, held), request.most_blocks - held
            missing = pool.missing(runs)
            if any(not other.fits(runs, reserve) for other in self._pools[1:]) or not pool.claim(now, runs, reserve):
                return
            for other in self._pools[1:]:
                other.claim(now, runs, reserve)
            self._waiting.popleft()
            self._observed.queued(now - request.queued_ns)
            self._journal.phase(request.id, "queue", self._slot, pool.tier, request.queued_ns, now)
            size = missing * pool.block_bytes
            self._arriving.add(request)
            if not self._busy():
                self._observed.phases.enter(now, phases.TRANSFER)
            arrived = partial(self._arrived, request, source, heappop(self._free), now, size)
            if size:
                source.egress.send(self._loop, size, arrived)
            else:
                self._loop.at(now, arrived)

    def _arrived(self, request: Request, source: GpuWorker, place: int, start: int, size: int) -> None:
        now = self._loop.now_ns
        if size:
            self._journal.phase(request.id, "transfer", self._slot, self._pools[0].tier, start, now, bytes=size)
            self._observed.stats.moved.fetched(PEER, size, now - start)
        source.let_go(request)
        self._arriving.remove(request)
        if request.aborted:
            self.leave(request, place, blocks_for(request.prompt), request.prompt // BLOCK_TOKENS)
            return
        self._start(request, place)

    def _free_place(self, now: int, request: Request, place: int) -> None:
        heappush(self._free, place)
        self._observed.finished(now, request)
        if not self._busy():
            self._observed.phases.enter(now, phases.TRANSFER if self._arriving else phases.IDLE)
        self._ended(request)
        self._admit()
