"""Targets listed in files (Prometheus' `file_sd`): looked at every few seconds, read when one has changed.

A file that cannot be read, or only half of it, leaves its targets as they were; one that is no longer there takes them with it.
"""

import asyncio
import glob
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from collectors.model.batch import Batch, Status
from collectors.model.vocabulary import Listing, TargetStatus
from collectors.sources.source import Emit
from collectors.targets import documents, sd
from collectors.targets.documents import DocumentError
from collectors.targets.spec import TargetSpec
from collectors.wire.safe import safe_text

LOOK_S: Final = 2.0
MAX_FILES: Final = 256
MAX_REASON: Final = 200


class _Read(NamedTuple):
    stamp: tuple[int, int, int]
    listed: sd.Listed
    fault: str


class FileSd:
    """`pattern` is a path whose last part may have wildcards; its targets are watched like `like`, with `labels` where they have none of that name."""

    every_s = LOOK_S

    def __init__(self, pattern: str, like: TargetSpec, labels: Mapping[str, str] | None = None) -> None:
        self.name = safe_text(f"file_sd {pattern}", 120)
        self._pattern = pattern
        self._like = like
        self._labels = labels or {}
        self._files: dict[str, _Read] = {}

    async def look(self, now_ns: int, emit: Emit) -> tuple[TargetSpec, ...] | None:
        await asyncio.to_thread(self._read_all)
        faults = [f"{Path(path).name}: {one.fault}" for path, one in self._files.items() if one.fault]
        left_out = tuple(why for one in self._files.values() for why in one.listed.left_out)
        warning = "; ".join(filter(None, [*faults, sd.summary(left_out)]))
        if not self._files:
            warning = "there is no such file (yet)"
        url = safe_text(self._pattern)
        said = Status(url, Listing.FILE_SD, TargetStatus.UP, warning=safe_text(warning, MAX_REASON))
        emit(Batch(self.name, now_ns, (said,)))
        return tuple(spec for one in self._files.values() for spec in one.listed.specs)

    def _read_all(self) -> None:
        paths = sorted(glob.glob(self._pattern))[:MAX_FILES]
        files = {path: read for path in paths if (read := self._read(path)) is not None}
        self._files = files

    def _read(self, path: str) -> _Read | None:
        """None where there is no file any more."""
        known = self._files.get(path)
        try:
            status = Path(path).stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if known is not None and known.stamp == stamp:
                return known
            groups = [
                sd.Group(group.targets, {**self._labels, **(group.labels or {})})
                for group in sd.groups(documents.read(Path(path)))
            ]
            return _Read(stamp, sd.listed(groups, self._like), "")
        except FileNotFoundError:
            return None
        except (OSError, DocumentError) as error:
            why = str(error) if isinstance(error, DocumentError) else error.strerror or "cannot be read"
            stamp = stamp if not isinstance(error, OSError) else (0, 0, 0)
            before = known.listed if known is not None else sd.Listed((), ())
            return _Read(stamp, before, safe_text(f"{why}; its targets are as before", MAX_REASON))
