"""The memory of a dashboard that was not asked to record: the newest chunks as a recording would have them, inside a byte budget, and how to write them to a file."""

import sqlite3
from collections import deque
from pathlib import Path
from threading import Lock
from typing import Final

from collectors.model.batch import Layout
from collectors.recording.chunks import Chunk, beginning
from collectors.recording.errors import RecordingError
from collectors.recording.file import File
from collectors.recording.history import History
from collectors.recording.schema import FRAMES, KEY

ITEM_BYTES: Final = 32 << 20
"""With the Frames (`history.DETAIL_BYTES`) 48 MiB of full detail."""


class Memory:
    """A `Sink`. `history` has the Frames; they are appended to it when they are made, and their chunks come from the spool."""

    def __init__(self, max_bytes: int = ITEM_BYTES) -> None:
        self.history = History(spooled=True)
        self.lost: str | None = None
        """Why it does not go on, None while it does."""
        self._max_bytes = max_bytes
        self._bytes = 0
        self._chunks: deque[Chunk] = deque()
        self._layouts: dict[str, Layout] = {}
        """Those of what is gone, which still hold."""
        self._cut = False
        self._simulated = False
        self._lock = Lock()

    def chunk(self, chunk: Chunk) -> None:
        if chunk.kind == FRAMES:
            self.history.add(chunk)
            return
        with self._lock:
            self._chunks.append(chunk)
            self._bytes += len(chunk.blob)
            while self._bytes > self._max_bytes and len(self._chunks) > 1:
                oldest = self._chunks.popleft()
                self._bytes -= len(oldest.blob)
                self._layouts.update(oldest.layouts)
                self._cut = True

    def emulated(self) -> None:
        self._simulated = True

    def commit(self) -> None:
        pass

    def close(self) -> None:
        pass

    def fail(self, reason: str) -> None:
        self.lost = reason

    def since_ns(self) -> int | None:
        """From when on a file written now would have everything."""
        with self._lock:
            kept, _ = self._whole()
            return kept[0].t0_ns if kept else None

    @property
    def held_bytes(self) -> int:
        return self._bytes + self.history.held_bytes

    def save(self, path: Path, *, clock: str, version: str, redaction: str = "none") -> float:
        """Write what is there to a new recording: how many seconds of session time that is. Raises `RecordingError`."""
        with self._lock:
            kept, layouts = self._whole()
        begin = beginning(layouts, kept[0]) if kept and kept[0].kind == KEY else kept[:1]
        frames = self.history.stored(kept[0].t0_ns) if kept else []
        file = File(path, clock=clock, version=version, emulated=self._simulated, redaction=redaction)
        try:
            for chunk in sorted([*begin, *kept[1:], *frames], key=lambda one: one.t1_ns):
                file.chunk(chunk)
            file.commit()
        except sqlite3.Error as error:
            file.fail(f"cannot be written: {error}")
        file.close()
        if file.error is not None:
            raise RecordingError(file.error)
        return (kept[-1].t1_ns - kept[0].t0_ns) / 1e9 if kept else 0.0

    def _whole(self) -> tuple[list[Chunk], dict[str, Layout]]:
        """The chunks from the first on at which a reader can begin, and the layouts that hold there."""
        chunks, layouts = list(self._chunks), dict(self._layouts)
        if self._cut:
            while chunks and chunks[0].kind != KEY:
                layouts.update(chunks.pop(0).layouts)
        return chunks, layouts
