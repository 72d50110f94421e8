"""The Frames of a recording as they were shown, at any moment: read when they are asked for, a second's at a time."""

from bisect import bisect_left, bisect_right
from typing import Final

import msgspec

from collectors.model.frame import Frame
from collectors.recording.reader import Reader

_SECOND_NS: Final = 1_000_000_000
_LATEST: Final = 2**63 - 1


class Playback:
    """Times are session time in nanoseconds. Bounded memory, whatever the file's size. A recording that is still being written grows while it is looked at."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._near: list[Frame] = []
        self._newest: Frame | None = None

    def at(self, time_ns: int) -> Frame | None:
        """The newest Frame that is not later than `time_ns`; the oldest if all are later; None when empty."""
        near = self._near
        if not near or not near[0].time_ns <= time_ns <= near[-1].time_ns:
            near = self._near = self._reader.frames_at(time_ns) or near
        if not near:
            return None
        return near[max(bisect_right(near, time_ns, key=lambda frame: frame.time_ns) - 1, 0)]

    def step(self, time_ns: int, direction: int) -> Frame | None:
        """The Frame after (`direction` > 0) or before the one at `time_ns`, None where there is none."""
        if direction < 0:
            before = self.at(time_ns - 1)
            return before if before is not None and before.time_ns < time_ns else None
        self.at(time_ns)
        if not self._near or self._near[-1].time_ns <= time_ns:
            after = self._reader.frames_after(self._near[0].time_ns if self._near else -_LATEST)
            if not after:
                return None
            self._near = after
        return self._near[bisect_left(self._near, time_ns + 1, key=lambda frame: frame.time_ns)]

    def span(self) -> tuple[int, int] | None:
        """Session times of the oldest and the newest Frame, None when empty."""
        first, last = self._reader.frames_at(-_LATEST), self._reader.frames_at(_LATEST)
        return (first[0].time_ns, last[-1].time_ns) if first and last else None

    def newest(self) -> Frame | None:
        """The last one, with a timeline of the whole recording."""
        last = self.at(_LATEST)
        if last is not None and (self._newest is None or self._newest.time_ns != last.time_ns):
            self._newest = msgspec.structs.replace(last, timeline=self._timeline(last))
        return self._newest

    def _timeline(self, last: Frame) -> bytes:
        parts, frame, first = [last.timeline], last, self.at(-_LATEST)
        while first is not None and frame.timeline:
            end_ns = frame.time_ns - len(frame.timeline) * _SECOND_NS
            before = self.at(end_ns) if end_ns >= first.time_ns else None
            if before is None:
                break
            parts.append(before.timeline)
            frame = before
        return b"".join(reversed(parts))
