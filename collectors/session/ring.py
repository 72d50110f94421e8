"""The always-on memory of a session: Frames, compressed by the second, inside a byte budget. The oldest go first."""

import zlib
from bisect import bisect_right
from collections import deque
from typing import Final

import msgspec

from collectors.model.frame import Frame

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[Frame, ...]).decode

CHUNK_FRAMES: Final = 4
"""Frames compressed together: one second of ticks, which differ little from each other."""


class Ring:
    """Frames in order of time, as many as fit into `max_bytes` of compressed chunks."""

    def __init__(self, max_bytes: int = 48 << 20) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._open: list[Frame] = []
        self._last: tuple[bytes, tuple[Frame, ...]] | None = None

    def append(self, frame: Frame) -> None:
        self._open.append(frame)
        if len(self._open) < CHUNK_FRAMES:
            return
        chunk = zlib.compress(_encode(self._open), 1)
        self._chunks.append((self._open[0].time_ns, chunk))
        self._open = []
        self.bytes += len(chunk)
        while self.bytes > self.max_bytes and len(self._chunks) > 1:
            self.bytes -= len(self._chunks.popleft()[1])

    def span(self) -> tuple[int, int] | None:
        """Session times of the oldest and the newest Frame, None when empty."""
        if self._open:
            newest = self._open[-1].time_ns
        elif self._chunks:
            newest = self._frames(len(self._chunks) - 1)[-1].time_ns
        else:
            return None
        return (self._chunks[0][0] if self._chunks else self._open[0].time_ns), newest

    def at(self, time_ns: int) -> Frame | None:
        """The newest Frame that is not later than `time_ns`; the oldest if all are later; None when empty."""
        if self._open and (time_ns >= self._open[0].time_ns or not self._chunks):
            frames: tuple[Frame, ...] = tuple(self._open)
        elif self._chunks:
            index = bisect_right(self._chunks, time_ns, key=lambda chunk: chunk[0]) - 1
            frames = self._frames(max(index, 0))
        else:
            return None
        index = bisect_right(frames, time_ns, key=lambda frame: frame.time_ns) - 1
        return frames[max(index, 0)]

    def step(self, time_ns: int, direction: int) -> Frame | None:
        """The Frame after (`direction` > 0) or before the one at `time_ns`, None where there is none."""
        times = self._times_around(time_ns)
        if direction > 0:
            later = [t for t in times if t > time_ns]
            return self.at(later[0]) if later else None
        earlier = [t for t in times if t < time_ns]
        return self.at(earlier[-1]) if earlier else None

    def _times_around(self, time_ns: int) -> list[int]:
        """Times of the Frames in the chunk at `time_ns` and in its neighbours, in order."""
        index = bisect_right(self._chunks, time_ns, key=lambda chunk: chunk[0]) - 1
        near = range(max(index - 1, 0), min(index + 2, len(self._chunks)))
        times = [frame.time_ns for i in near for frame in self._frames(i)]
        if index >= len(self._chunks) - 2:
            times += [frame.time_ns for frame in self._open]
        return times

    def _frames(self, index: int) -> tuple[Frame, ...]:
        chunk = self._chunks[index][1]
        if self._last is None or self._last[0] is not chunk:
            self._last = (chunk, _decode(zlib.decompress(chunk)))
        return self._last[1]
