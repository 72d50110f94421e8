"""Moments worth going to: stalls in what is remembered, and bookmarks. Times are session time in nanoseconds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.plain import printable
from tui.playhead import TICK_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.model.frame import Frame
    from tui.driver import History

WINDOW_NS: Final = 60_000_000_000
"""A Frame tells of the stalls of so long, the newest of them if there are many."""
MOST_STALLS: Final = 64
SUFFIX: Final = ".bookmarks.json"
"""Of the file beside a recording, which is itself never changed."""
MAX_FILE_BYTES: Final = 1 << 20
FORMAT: Final = "tokenyard.bookmarks/1"


class Bookmarks:
    """Named moments in order of time, kept beside `path` where there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path.with_name(path.name + SUFFIX) if path is not None else None
        self.notes: dict[int, str] = {}
        self.stops: set[int] = set()
        """Those at which a replay pauses by itself."""
        self._unread: str | None = None
        """Why the file that is there cannot be read: then it is left as it is."""

    @property
    def times(self) -> list[int]:
        return sorted(self.notes)

    def load(self) -> str | None:
        """What is kept; why it cannot be read, if so."""
        import msgspec

        if self._path is None or not self._path.exists():
            return None
        try:
            if self._path.stat().st_size > MAX_FILE_BYTES:
                raise ValueError(f"more than {MAX_FILE_BYTES >> 20} MiB of bookmarks")
            kept = msgspec.json.decode(self._path.read_bytes(), type=dict)
            for one in kept["bookmarks"]:
                at_ns = round(float(one["at_s"]) * 1e9)
                self.notes[at_ns] = printable(str(one.get("note", "")))[:200]
                if one.get("stop") is True:
                    self.stops.add(at_ns)
        except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            self._unread = f"{self._path}: {printable(str(error))}"
        return self._unread

    def add(self, at_ns: int, note: str = "", *, stop: bool = False) -> str | None:
        """Why it is not kept, if so: it is there until the dashboard is closed."""
        self.notes[at_ns] = note
        (self.stops.add if stop else self.stops.discard)(at_ns)
        return self._keep()

    def remove(self, at_ns: int) -> str | None:
        self.notes.pop(at_ns, None)
        self.stops.discard(at_ns)
        return self._keep()

    def _keep(self) -> str | None:
        import msgspec

        if self._path is None or self._unread is not None:
            return self._unread
        rows = [{"at_s": at_ns / 1e9, "note": self.notes[at_ns], "stop": at_ns in self.stops} for at_ns in self.times]
        text = msgspec.json.format(msgspec.json.encode({"format": FORMAT, "bookmarks": rows}))
        beside = self._path.with_name(self._path.name + ".new")
        try:
            handle = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(text)
            beside.replace(self._path)
        except OSError as error:
            return f"{self._path}: {error.strerror}"
        return None


def beside(history: History, marks: Sequence[int], time_ns: int, direction: int) -> int | None:
    """The next (+1) or the last (−1) bookmark or stall after or before a moment; a stall is where the first Frame is that can tell of it."""
    if direction > 0:
        moments = [*(mark for mark in marks if mark > time_ns)][:1]
        if (stall := _stall_after(history, time_ns)) is not None:
            moments.append(stall)
        return min(moments, default=None)
    moments = [*(mark for mark in marks if mark < time_ns)][-1:]
    if (stall := _stall_before(history, time_ns)) is not None:
        moments.append(stall)
    return max(moments, default=None)


def _stall_before(history: History, time_ns: int) -> int | None:
    look, span = time_ns, history.span()
    while span is not None and (frame := history.at(look)) is not None:
        if found := [tick for tick in _ticks(frame) if tick < time_ns]:
            return max(found)
        if frame.time_ns <= span[0]:
            return None
        look = min(frame.time_ns, look) - WINDOW_NS
    return None


def _stall_after(history: History, time_ns: int) -> int | None:
    look, window, span = time_ns, WINDOW_NS, history.span()
    while span is not None and look < span[1] and (frame := history.at(min(look + window, span[1]))) is not None:
        found = [tick for tick in _ticks(frame) if tick > time_ns]
        if len(frame.stalls) >= MOST_STALLS and window > TICK_NS:
            # Earlier ones than it tells of may be among them.
            window //= 2
            continue
        if found:
            return min(found)
        look, window = max(frame.time_ns, look + TICK_NS), WINDOW_NS
    return None


def _ticks(frame: Frame) -> list[int]:
    return [-(-round(stall.at * 1e9) // TICK_NS) * TICK_NS for stall in frame.stalls]
