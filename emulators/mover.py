"""Requests that leave a worker before they have ended, as it goes down or is emptied, and what becomes of them: sent to another, to compute again what is not found in any memory, or failed.

Nothing is decided of when: `emulators.faults` does. Like a front end that sends a prompt once more together with the tokens that have come (Dynamo's migration), up to `limit` times a request.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from emulators.events import Row
from emulators.fleet import Worker
from emulators.gpu_worker import GpuWorker
from emulators.loop import Loop
from emulators.lpu_worker import LpuWorker
from emulators.request import Request
from emulators.round_worker import Assistant, RoundWorker
from emulators.router import Router

Decoder = LpuWorker | RoundWorker


class Mover:
    """`send` gives a request to whom the router chooses, False if it can choose nobody; `fail` ends one. `moved`: by whether any token had come, as Dynamo's front end counts them."""

    def __init__(
        self,
        loop: Loop,
        router: Router,
        workers: Sequence[Worker],
        decoders: Mapping[int, Decoder],
        limit: int,
        send: Callable[[Request], bool],
        fail: Callable[[Request], None],
    ) -> None:
        self._loop, self._router, self._workers, self._decoders = loop, router, workers, decoders
        self._limit, self._send, self._fail = limit, send, fail
        self.moved: Counter[str] = Counter({"ongoing_request": 0, "new_request": 0})
        self.failed = 0

    def up(self, slot: int) -> bool:
        """Whether the processes are there that work at this worker's tokens."""
        engine = self._workers[slot].engine
        beside = engine.assistant if isinstance(engine, RoundWorker) else None
        return self._workers[slot].process.up and (beside is None or self._workers[beside.slot].process.up)

    def kill(self, slot: int) -> Callable[[], None]:
        """The process of a worker ends: its KV is lost, and what was in flight there is sent elsewhere, or fails. What is given back starts it again, with nothing."""
        worker, now = self._workers[slot], self._loop.now_ns
        engine = self._pair(slot)
        opened = [self._router.shut(one) for one in {slot, engine.slot}]
        worker.process.end()
        gone = engine.halt()
        if isinstance(engine, GpuWorker):
            for decoder in self._decoders.values():
                gone += decoder.orphans(engine)
        worker.engine.pool.lose(now)
        for request in gone:
            self.lost(request)

        def start() -> None:
            worker.process.restart(self._loop.now_ns, worker.counted(self._loop.now_ns))
            for open_again in opened:
                open_again()

        return start

    def lost(self, request: Request) -> None:
        """The worker of a request is gone, and nothing of it is left there."""
        self._router.finished(request)
        if request.aborted or request.moves >= self._limit:
            self._give_up(request)
            return
        self._again(request)

    def empty(self, slot: int, share: float) -> None:
        """Has this share of the requests that decode at a worker go on elsewhere, those that came first."""
        engine = self._pair(slot)
        decoding = sorted(engine.decoding(), key=lambda one: (one.received_ns, one.stream))
        for request in decoding[: math.ceil(round(len(decoding) * share, 6))]:
            engine.recall(request, self._left)

    def _left(self, request: Request) -> None:
        """It is to go on elsewhere, or, where there is nowhere else, where it was."""
        self._router.finished(request)
        open_again = self._router.shut(request.generate)
        self._again(request, open_again)

    def _again(self, request: Request, before_second_try: Callable[[], None] | None = None) -> None:
        self.moved["ongoing_request" if request.produced else "new_request"] += 1
        request.moves += 1
        request.computed = request.held = request.fetches = 0
        request.decoding_ns = request.preempted_ns = -1
        sent = self._send(request)
        if before_second_try is not None:
            before_second_try()
            sent = sent or self._send(request)
        if not sent:
            self._give_up(request)

    def _give_up(self, request: Request) -> None:
        request.failed = not request.aborted
        self.failed += request.failed
        self._fail(request)

    def _pair(self, slot: int) -> GpuWorker | Decoder:
        """The engine that a worker's chips work for."""
        engine = self._workers[slot].engine
        if not isinstance(engine, Assistant):
            return engine
        return next(one for one in self._decoders.values() if isinstance(one, RoundWorker) and one.assistant is engine)

    def account(self) -> Row:
        return {"moved": dict(self.moved), "failed": self.failed}
