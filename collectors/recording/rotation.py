"""A recording that goes on in a new file when one is large or old enough, and removes its own oldest files when all of them take too much."""

import os
import time
from functools import partial
from pathlib import Path

from collectors.model.batch import Layout
from collectors.recording.chunks import Chunk, beginning
from collectors.recording.errors import RecordingError
from collectors.recording.file import File
from collectors.recording.schema import KEY


class Rotating:
    """A `Sink`: `NAME.tyard`, then `NAME-0002.tyard`, … Each begins with what held then, so it can be read alone. A file is changed for the next at a key, so
    some 30 s late at most. Raises as `File` does, for the first one.

    Limits are bytes and seconds of real time; None: without. `max_disk_bytes` holds for the files of this recording, the current one is never removed.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: str,
        version: str,
        redaction: str = "none",
        file_bytes: int | None = None,
        file_s: float | None = None,
        max_disk_bytes: int | None = None,
    ) -> None:
        self._path = path
        self._made = partial(File, clock=clock, version=version, redaction=redaction)
        self._file_bytes = file_bytes
        self._file_s = file_s
        self._max_disk_bytes = max_disk_bytes
        self._layouts: dict[str, Layout] = {}
        self._simulated = False
        self._file = self._made(path)
        self._written = 0
        self._since = time.monotonic()
        self.paths = [path]
        """The files that there are, the newest last."""

    @property
    def error(self) -> str | None:
        return self._file.error

    def chunk(self, chunk: Chunk) -> None:
        if chunk.kind == KEY and self._is_full():
            self._next()
            for first in beginning(self._layouts, chunk):
                self._put(first)
            return
        self._put(chunk)
        self._layouts.update(chunk.layouts)

    def emulated(self) -> None:
        self._simulated = True
        self._file.emulated()

    def commit(self) -> None:
        self._file.commit()

    def fail(self, reason: str) -> None:
        self._file.fail(reason)

    def close(self) -> None:
        self._file.close()

    def _put(self, chunk: Chunk) -> None:
        self._file.chunk(chunk)
        self._written += len(chunk.blob)

    def _is_full(self) -> bool:
        too_large = self._file_bytes is not None and self._written >= self._file_bytes
        return too_large or (self._file_s is not None and time.monotonic() - self._since >= self._file_s)

    def _next(self) -> None:
        number = int(self.paths[-1].stem.rpartition("-")[2]) + 1 if len(self.paths) > 1 else 2
        path = self._path.with_name(f"{self._path.stem}-{number:04}{self._path.suffix}")
        following = self._made(path, emulated=self._simulated)
        self._file.close()
        if self._file.error is not None:
            raise RecordingError(self._file.error)
        self._file, self._written, self._since = following, 0, time.monotonic()
        self.paths.append(path)
        self._make_room()

    def _make_room(self) -> None:
        if self._max_disk_bytes is None:
            return
        sizes = {path: path.stat().st_size for path in self.paths if path.exists()}
        while len(self.paths) > 1 and sum(sizes.values()) > self._max_disk_bytes:
            oldest = self.paths.pop(0)
            if sizes.pop(oldest, None) is not None:
                os.unlink(oldest)
