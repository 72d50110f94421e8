"""The Frames of a session, always on, inside a byte budget: each tick for as long as that lasts, then one a second, one in 10 s, one a minute.

Used from two threads: who shows Frames appends and looks; the spool's thread may hand over the chunks that it made of them.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import takewhile
from threading import RLock
from typing import Final, NamedTuple

from collectors.model.frame import Frame
from collectors.recording.chunks import CHUNK_FRAMES, Chunk, frames_chunk, thinned_chunk
from collectors.recording.codec import unpacked_bytes
from collectors.recording.frames import let_go, unpack_frames

SECOND_NS: Final = 1_000_000_000
SUMMARY_FRAMES: Final = 20
SUMMARY_BYTES: Final = 8 << 20
"""Frames of one chunk of a summary, or how long it is unpacked: so many small ones become one. All of it is unpacked for one of its Frames."""
DETAIL_BYTES: Final = 16 << 20


class Summary(NamedTuple):
    """A Frame each `step_ns` for `span_ns` after the finer ones, or less when it takes more than `max_bytes`."""

    step_ns: int
    span_ns: int
    max_bytes: int


SUMMARIES: Final = (
    Summary(SECOND_NS, 3_600 * SECOND_NS, 12 << 20),
    Summary(10 * SECOND_NS, 6 * 3_600 * SECOND_NS, 8 << 20),
    Summary(60 * SECOND_NS, 24 * 3_600 * SECOND_NS, 4 << 20),
)


class _Level:
    """Chunks in order of time, then, at full detail, the Frames that are not in one yet."""

    def __init__(self, step_ns: int, span_ns: int | None, max_bytes: int) -> None:
        self.step_ns = step_ns
        self.span_ns = span_ns
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self.chunks: deque[Chunk] = deque()
        self.open: deque[Frame] = deque()

    def add(self, chunk: Chunk) -> Iterator[Chunk]:
        """The chunks that it has no room for any more, the oldest first."""
        self.chunks.append(chunk)
        self.held_bytes += len(chunk.blob)
        while len(self.chunks) > 1 and (
            self.held_bytes > self.max_bytes
            or (self.span_ns is not None and chunk.t1_ns - self.chunks[0].t1_ns > self.span_ns)
        ):
            oldest = self.chunks.popleft()
            self.held_bytes -= len(oldest.blob)
            yield oldest

    def small(self) -> list[Chunk]:
        """The last chunks, of few Frames each, if they are enough for a whole one."""
        some = list(takewhile(lambda chunk: not _whole(chunk), reversed(self.chunks)))[::-1]
        return some if len(some) > 1 and _whole(*some) else []

    def join(self, small: Sequence[Chunk], whole: Chunk) -> None:
        """`whole` in place of the last ones."""
        for chunk in small:
            self.chunks.pop()
            self.held_bytes -= len(chunk.blob)
        self.chunks.append(whole)
        self.held_bytes += len(whole.blob)

    @property
    def first_ns(self) -> int | None:
        return self.chunks[0].t0_ns if self.chunks else self.open[0].time_ns if self.open else None

    @property
    def last_ns(self) -> int | None:
        return self.open[-1].time_ns if self.open else self.chunks[-1].t1_ns if self.chunks else None


def _whole(*chunks: Chunk) -> bool:
    frames, size = sum(one.n for one in chunks), sum(unpacked_bytes(one.blob) for one in chunks)
    return frames >= SUMMARY_FRAMES or size >= SUMMARY_BYTES


class History:
    """Frames in order of time. Unless `spooled`, it makes its chunks itself."""

    def __init__(
        self, max_bytes: int = DETAIL_BYTES, summaries: Sequence[Summary] = SUMMARIES, *, spooled: bool = False
    ) -> None:
        self._levels = [_Level(0, None, max_bytes), *(_Level(*summary) for summary in summaries)]
        self._spooled = spooled
        self._lock = RLock()
        self._last: tuple[bytes, list[Frame]] | None = None

    @property
    def held_bytes(self) -> int:
        return sum(level.held_bytes for level in self._levels)

    def append(self, frame: Frame) -> None:
        newest = self._levels[0].open
        with self._lock:
            newest.append(frame)
        if not self._spooled and len(newest) >= CHUNK_FRAMES:
            self.add(frames_chunk(newest))

    def add(self, chunk: Chunk) -> None:
        """A chunk of the oldest Frames that were appended and are in none."""
        done = list[Frame]()
        with self._lock:
            newest = self._levels[0].open
            while newest and newest[0].time_ns <= chunk.t1_ns:
                done.append(newest.popleft())
            gone = list(self._levels[0].add(chunk))
        for stored in gone:
            self._thin(stored, 1)
        let_go(done)

    def stored(self, since_ns: int) -> list[Chunk]:
        """The chunks at full detail that begin at `since_ns` or later."""
        with self._lock:
            return [chunk for chunk in self._levels[0].chunks if chunk.t0_ns >= since_ns]

    def span(self) -> tuple[int, int] | None:
        """Session times of the oldest and the newest Frame, None when empty."""
        with self._lock:
            first = next((t for level in reversed(self._levels) if (t := level.first_ns) is not None), None)
            last = next((t for level in self._levels if (t := level.last_ns) is not None), None)
        return None if first is None or last is None else (first, last)

    def newest(self) -> Frame | None:
        return self.at(2**63 - 1)

    def detail_ns(self) -> int | None:
        """From when on there is every Frame."""
        return self._levels[0].first_ns

    def at(self, time_ns: int) -> Frame | None:
        """The newest Frame that is not later than `time_ns`; the oldest if all are later; None when empty."""
        with self._lock:
            held = [level for level in self._levels if level.first_ns is not None]
            if not held:
                return None
            level = next((one for one in held if (one.first_ns or 0) <= time_ns), held[-1])
            if level.open and (not level.chunks or time_ns >= level.open[0].time_ns):
                frames: Sequence[Frame] = tuple(level.open)
            else:
                index = bisect_right(level.chunks, time_ns, key=lambda chunk: chunk.t0_ns) - 1
                frames = self._frames(level.chunks[max(index, 0)].blob)
        index = bisect_right(frames, time_ns, key=lambda frame: frame.time_ns) - 1
        return frames[max(index, 0)]

    def step(self, time_ns: int, direction: int) -> Frame | None:
        """The Frame after (`direction` > 0) or before the one at `time_ns`, None where there is none."""
        if direction > 0:
            return self._after(time_ns)
        before = self.at(time_ns - 1)
        return before if before is not None and before.time_ns < time_ns else None

    def _after(self, time_ns: int) -> Frame | None:
        with self._lock:
            level = next((one for one in reversed(self._levels) if (one.last_ns or 0) > time_ns), None)
            if level is None:
                return None
            index = bisect_right(level.chunks, time_ns, key=lambda chunk: chunk.t1_ns)
            frames = self._frames(level.chunks[index].blob) if index < len(level.chunks) else tuple(level.open)
        return frames[bisect_left(frames, time_ns + 1, key=lambda frame: frame.time_ns)]

    def _thin(self, stored: Chunk, to: int) -> None:
        """Into the level `to`, a Frame for each of its steps."""
        if to == len(self._levels):
            return
        level = self._levels[to]
        chunk = thinned_chunk([stored], level.step_ns)
        if chunk is None:
            return
        with self._lock:
            gone = list(level.add(chunk))
            small = level.small()
        if small and (whole := thinned_chunk(small, level.step_ns)):
            with self._lock:
                level.join(small, whole)
        for older in gone:
            self._thin(older, to + 1)

    def _frames(self, blob: bytes) -> list[Frame]:
        if self._last is None or self._last[0] is not blob:
            self._last = (blob, unpack_frames(blob))
        return self._last[1]
