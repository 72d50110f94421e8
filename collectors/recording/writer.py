"""A recording from its first batch to its last: a file at the end of a spool. Nothing that happens to the file ever reaches the caller but as `error`."""

from pathlib import Path

from collectors.model.batch import Batch
from collectors.model.frame import Frame
from collectors.recording.file import File
from collectors.recording.spool import Spool


class Writer:
    """A new recording at `path`, as `File`, which raises what cannot be made. After that nothing raises: when the file cannot be written any more, recording
    stops and `error` says why. To be used from one thread.
    """

    def __init__(
        self, path: Path, *, clock: str, version: str, emulated: bool = False, redaction: str = "none"
    ) -> None:
        self._file = File(path, clock=clock, version=version, emulated=emulated, redaction=redaction)
        self._spool = Spool([self._file])

    @property
    def error(self) -> str | None:
        return self._file.error

    def batch(self, batch: Batch) -> None:
        self._spool.batch(batch)

    def tick(self, time_ns: int, utc_s: float | None = None) -> None:
        self._spool.tick(time_ns, utc_s)

    def frame(self, frame: Frame) -> None:
        self._spool.frame(frame)

    def close(self) -> None:
        self._spool.close()
