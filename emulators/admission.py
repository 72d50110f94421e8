"""Who computes next on a GPU engine: the queue, what of a prompt is held already, and the fetching of what lies elsewhere.

First come first served. A request whose blocks are being fetched lets the next one pass; once its blocks are there it goes before the queue. Room for what is still to be computed
is claimed step by step, by `emulators.gpu_worker`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from emulators.blocks import BLOCK_TOKENS, Run, blocks_for, length
from emulators.fetching import Source, locate
from emulators.journal import Journal
from emulators.kv import Pool
from emulators.loop import Loop
from emulators.observed import Observed
from emulators.request import Request
from emulators.stats import PEER


class Admission:
    """One engine's queue. `sources` are where blocks that `pool` lacks may be fetched from, the fastest first; at most `most` requests run at once;
    `ready` is called when the blocks of a request have come."""

    def __init__(
        self,
        slot: int,
        loop: Loop,
        journal: Journal,
        pool: Pool,
        sources: Callable[[Request], Sequence[Source]],
        most: int,
        observed: Observed,
        ready: Callable[[], None],
    ) -> None:
        self._slot, self._loop, self._journal, self._pool = slot, loop, journal, pool
        self._sources, self._most, self._observed, self._tell = sources, most, observed, ready
        self._waiting: deque[Request] = deque()
        self._fetching: dict[Request, None] = {}
        self._fetched: deque[Request] = deque()
        self._cleared_ns = -1

    @property
    def waiting(self) -> int:
        return len(self._waiting) + len(self._fetching) + len(self._fetched)

    @property
    def ready(self) -> bool:
        """Whether any request could be `next`."""
        return bool(self._waiting or self._fetched)

    @property
    def fetching(self) -> int:
        """Requests that cannot begin without KV that is under way."""
        return len(self._fetching)

    def submit(self, request: Request) -> None:
        """Takes a request into the queue that is new here."""
        request.queued_ns = self._loop.now_ns
        request.goal = request.prompt + request.produced
        self._waiting.append(request)

    def again(self, now: int, request: Request) -> None:
        """Puts a request that was preempted, and holds nothing any more, at the head of the queue."""
        request.computed = 0
        request.goal = request.prompt + request.produced
        request.preempted_ns = now
        request.preemptions += 1
        self._observed.stats.preemptions += 1
        self._waiting.appendleft(request)

    def drop(self, request: Request) -> bool:
        """Takes a request out of the queue. False if it is not there, or its KV is under way."""
        for queue in (self._waiting, self._fetched):
            if request in queue:
                queue.remove(request)
                return True
        return False

    def clear(self) -> list[Request]:
        """Takes everybody out of the queue, also those whose KV is under way, which then comes for nobody."""
        gone = [*self._waiting, *self._fetching, *self._fetched]
        for queue in (self._waiting, self._fetching, self._fetched):
            queue.clear()
        for request in gone:
            request.fetches = 0
        self._cleared_ns = self._loop.now_ns
        return gone

    def next(self, now: int, running: int) -> Request | None:
        """The next request that can compute now: one whose fetch is over, or the head of the queue. None if there is no room beside the `running` ones."""
        if self._fetched:
            return self._fetched.popleft()
        while self._waiting:
            full = running + len(self._fetching) >= self._most
            if full or not self._admit(now, self._waiting[0]):
                return None
            request = self._waiting.popleft()
            if not request.fetches:
                return request
        return None

    def _admit(self, now: int, request: Request) -> bool:
        """Claims the blocks of a prompt that are there already, and has those fetched that are elsewhere. False if the rest would not fit."""
        if not self._pool.fits(request.context.runs(0, blocks_for(request.goal))):
            return False
        prompt = request.context.runs(0, (request.goal - 1) // BLOCK_TOKENS)
        sources = self._sources(request)
        count, found = locate(prompt, self._pool, sources)
        short = [source for source, runs in zip(sources, found, strict=True) if runs and not source.pool.fits(runs)]
        if short:
            sources = [source for source in sources if source not in short]
            count, found = locate(prompt, self._pool, sources)
        lent = [(source, runs) for source, runs in zip(sources, found, strict=True) if runs]
        # Lenders first: making room here may push blocks down to them, and others out.
        for source, runs in lent:
            source.pool.claim(now, runs)
        self._pool.claim(now, request.context.runs(0, count))
        request.held = count
        request.computed = count * BLOCK_TOKENS
        hits: list[tuple[Pool, int]] = []
        here = count
        for source, runs in lent:
            blocks = length(runs)
            here -= blocks
            hits.append((source.pool, blocks * BLOCK_TOKENS))
            request.fetches += 1
            source.send(self._loop, blocks, partial(self._arrived, request, source, runs, now))
        if here:
            hits.insert(0, (self._pool, here * BLOCK_TOKENS))
        if request.fetches:
            self._fetching[request] = None
        self._say_admitted(now, request, hits)
        return True

    def _say_admitted(self, now: int, request: Request, hits: list[tuple[Pool, int]]) -> None:
        computed = request.goal - sum(tokens for _, tokens in hits)
        row = {
            "event": "admitted",
            "time_ns": now,
            "request": request.id,
            "worker": self._slot,
            "computed_tokens": computed,
            "hits": [[pool.slot, tokens] for pool, tokens in hits],
        }
        if request.admitted_ns >= 0:
            row["again"] = True
            self._observed.stats.recomputed_tokens += computed
            moved = request.preempted_ns < 0
            phase, since = ("queue", request.queued_ns) if moved else ("preempted", request.preempted_ns)
            self._journal.phase(request.id, phase, self._slot, self._pool.tier, since, now)
        else:
            request.admitted_ns = now
            request.computed_prompt = computed
            self._observed.admitted(now, request, hits)
            self._journal.phase(request.id, "queue", self._slot, self._pool.tier, request.queued_ns, now)
        self._journal.requests.append(row)

    def _arrived(self, request: Request, source: Source, runs: list[Run], start: int) -> None:
        now, pool = self._loop.now_ns, source.pool
        blocks = length(runs)
        lost = start < pool.lost_ns
        if not lost:
            pool.release(now, runs, blocks)
        if start < self._cleared_ns:
            return
        if lost:
            self._miss(now, request, runs[0][1])
        else:
            size = blocks * pool.block_bytes
            tokens = blocks * BLOCK_TOKENS
            self._journal.phase(request.id, "fetch", self._slot, pool.tier, start, now, tokens=tokens, bytes=size)
            self._observed.stats.moved.fetched(pool.tier if pool.worker is None else PEER, size, now - start)
        request.fetches -= 1
        if not request.fetches:
            del self._fetching[request]
            self._fetched.append(request)
            self._tell()

    def _miss(self, now: int, request: Request, first: int) -> None:
        """Blocks from `first` on, which were found, were lost before they came: they are to be computed after all."""
        if first < request.held:
            self._pool.release(now, request.context.runs(first, request.held), 0)
            self._observed.stats.recomputed_tokens += request.computed - first * BLOCK_TOKENS
            request.held, request.computed = first, first * BLOCK_TOKENS
