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
        self._arriving: dict[Request, tuple[GpuWorker, int, int]] = {}
        """Whose KV is under way: from where, to which place, since when."""
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
        self._give_back(request, place, held, full)
        self._observed.finished(self._loop.now_ns, request)
        self._settle()
        self._ended(request)
        self._admit()

    def part(self, request: Request, place: int, held: int, full: int) -> None:
        """The same, but that it has not ended: it goes on elsewhere."""
        self._give_back(request, place, held, full)
        self._settle()
        self._admit()

    def clear(self) -> list[Request]:
        """Takes out all that have not started, also those whose KV is under way, which then comes for nobody."""
        gone = [request for request, _ in self._waiting]
        for request, source in self._waiting:
            source.let_go(request)
        self._waiting.clear()
        for request, (source, _, _) in self._arriving.items():
            source.let_go(request)
        return gone + self._drop(list(self._arriving))

    def orphans(self, source: GpuWorker) -> list[Request]:
        """The same, of those alone whose KV was to come from a worker that has lost it."""
        gone = [request for request, its in self._waiting if its is source]
        self._waiting = deque((request, its) for request, its in self._waiting if its is not source)
        gone += self._drop([request for request, (its, _, _) in self._arriving.items() if its is source])
        self._settle()
        self._admit()
        return gone

    def _drop(self, requests: list[Request]) -> list[Request]:
        """Those whose KV is under way: of what came of it nothing is kept."""
        for request in requests:
            _, place, _ = self._arriving.pop(request)
            self._give_back(request, place, blocks_for(request.computed), 0)
        return requests

    def _give_back(self, request: Request, place: int, held: int, full: int) -> None:
        for pool in self._pools:
            pool.release(self._loop.now_ns, request.context.runs(0, held), full, request.most_blocks - held)
        heappush(self._free, place)

    def _settle(self) -> None:
        if not self._busy():
            self._observed.phases.enter(self._loop.now_ns, phases.TRANSFER if self._arriving else phases.IDLE)

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
            held = blocks_for(request.computed)
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
            way = self._arriving[request] = source, heappop(self._free), now
            if not self._busy():
                self._observed.phases.enter(now, phases.TRANSFER)
            tokens = request.computed - (held - missing) * BLOCK_TOKENS
            arrived = partial(self._arrived, request, way, size, tokens)
            if size:
                source.egress.send(self._loop, size, arrived)
            else:
                self._loop.at(now, arrived)

    def _arrived(self, request: Request, way: tuple[GpuWorker, int, int], size: int, tokens: int) -> None:
        if self._arriving.get(request) is not way:
            return
        now, (source, place, start) = self._loop.now_ns, way
        if size:
            tier = self._pools[0].tier
            self._journal.phase(request.id, "transfer", self._slot, tier, start, now, tokens=tokens, bytes=size)
            self._observed.stats.moved.fetched(PEER, size, now - start)
        source.let_go(request)
        del self._arriving[request]
        if request.aborted:
            self.leave(request, place, blocks_for(request.computed), request.computed // BLOCK_TOKENS)
            return
        self._start(request, place)
