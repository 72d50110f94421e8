"""What a session saw, into chunks, in a thread of its own, and from there to whoever keeps them: a file, the memory of a dashboard.

Whoever fails is left out from then on, and says so itself; the others go on, and nothing ever reaches the caller.
"""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from collectors.model.batch import Batch, Inventory, Tick
from collectors.model.frame import Frame
from collectors.recording.chunks import Chunk, Chunker, weight

COMMIT_S: Final = 0.9
"""After so long all is handed on: with the time that the disk takes for it, a second at most is lost when the process is killed."""
MAX_WAITING_BYTES: Final = 64 << 20
"""Of batches that wait for the thread."""
CLOSE_S: Final = 10.0
BREATH_S: Final = 0.002
PATIENCE_S: Final = 0.2
"""With each item at most so long is waited for others, and never longer than until all is handed on."""
_FRAME_BYTES: Final = 65_536
"""Rough size of a Frame."""

Entry = tuple[Batch | Tick | Frame, int]


class Sink(Protocol):
    """Called from the spool's thread, but for `fail`, which may come from the caller's. What `chunk`, `emulated` or `commit` raise is the end for the sink: `fail`, then `close`."""

    def chunk(self, chunk: Chunk) -> None: ...
    def emulated(self) -> None:
        """Something of what comes is simulated."""

    def commit(self) -> None: ...
    def close(self) -> None:
        """Nothing more comes."""

    def fail(self, reason: str) -> None:
        """Nothing more comes, and something is missing, or will be."""


class Spool:
    """Takes batches, ticks and Frames in order, from one thread."""

    def __init__(self, sinks: Sequence[Sink], busy: Callable[[], bool] = lambda: False) -> None:
        """While somebody is `busy` with what is not to wait, what takes long here waits for a while."""
        self._sinks = list(sinks)
        self._busy = busy
        self._patient_until = 0.0
        self._chunker = Chunker(self._breathe)
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._offered_bytes = 0
        self._taken_bytes = 0
        self._closed = False
        self._emulated = False
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def batch(self, batch: Batch) -> None:
        self._offer(batch, weight(batch))

    def tick(self, time_ns: int, utc_s: float | None = None) -> None:
        tick = Tick(time_ns, utc_s)
        self._offer(tick, weight(tick))

    def frame(self, frame: Frame) -> None:
        """What was made of it at the newest tick."""
        self._offer(frame, _FRAME_BYTES)

    def close(self) -> None:
        """Hand on what is waiting. Waits for the disk, but not for ever."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            self._fail(f"the disk did not take the rest within {CLOSE_S:g} s; the end is missing")

    def _offer(self, item: Batch | Tick | Frame, size: int) -> None:
        if self._closed:
            return
        if self._offered_bytes - self._taken_bytes > MAX_WAITING_BYTES:
            self._closed = True
            self._fail(f"recording stopped, the disk is too slow ({MAX_WAITING_BYTES >> 20} MiB were waiting)")
            self._queue.put(None)
            return
        self._offered_bytes += size
        self._queue.put((item, size))

    def _fail(self, reason: str) -> None:
        for sink in self._sinks:
            sink.fail(reason)

    def _run(self) -> None:
        try:
            self._take_all()
        except Exception as error:  # noqa: BLE001 (the thread's boundary: whatever it was, keeping ends and says so)
            self._fail(f"recording stopped, {error}")
        finally:
            self._closed = True
            while not self._queue.empty():
                self._queue.get()
            for sink in self._sinks:
                sink.close()

    def _breathe(self) -> None:
        """Python runs one thread at a time: what others begin ends twice as late while this one goes on."""
        while not self._closed and time.monotonic() < self._patient_until and self._busy():
            time.sleep(BREATH_S)

    def _take_all(self) -> None:
        due: float | None = None
        while True:
            try:
                waiting = self._queue.get(timeout=None if due is None else max(due - time.monotonic(), 0.0))
            except Empty:
                waiting = None
            else:
                if waiting is None:
                    break
                self._taken_bytes += waiting[1]
                patient_until = time.monotonic() + PATIENCE_S
                self._patient_until = patient_until if due is None else min(patient_until, due)
                self._add(*waiting)
                if due is None:
                    due = time.monotonic() + COMMIT_S
            if due is not None and time.monotonic() >= due:
                self._patient_until = 0.0
                self._hand_on(self._chunker.flush())
                self._each(lambda sink: sink.commit())
                due = None
        self._hand_on(self._chunker.flush())

    def _add(self, item: Batch | Tick | Frame, size: int) -> None:
        if isinstance(item, Frame):
            self._hand_on(self._chunker.frame(item))
            return
        if isinstance(item, Batch) and not self._emulated:
            self._emulated = any(isinstance(part, Inventory) and part.emulated for part in item.parts)
            if self._emulated:
                self._each(lambda sink: sink.emulated())
        self._hand_on(self._chunker.item(item, size))

    def _hand_on(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self._each(partial(_take, chunk))

    def _each(self, do: Callable[[Sink], None]) -> None:
        for sink in tuple(self._sinks):
            try:
                do(sink)
            except Exception as error:  # noqa: BLE001 (a sink's own failure must not reach the others)
                sink.fail(f"recording stopped, {error}")
                self._sinks.remove(sink)
                sink.close()


def _take(chunk: Chunk, sink: Sink) -> None:
    sink.chunk(chunk)
