"""The always-on memory of a session: Frames, compressed by the second, inside a byte budget. The oldest go first."""

import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import chain, count
from typing import Final, Generic, TypeVar

import msgspec

from collectors.model.frame import Frame, JitterRow, PlacementRow, TargetRow, WorkerRow
from collectors.model.memory import TierRow

Row = TypeVar("Row")


class _Rows(msgspec.Struct, Generic[Row], array_like=True, frozen=True):
    """Rows of several Frames, each object once, and which of them each Frame has."""

    rows: tuple[Row, ...]
    places: tuple[tuple[int, ...], ...]


class _Chunk(msgspec.Struct, array_like=True, frozen=True):
    """Frames without the rows of what there are hundreds of in a large fleet: most of them are the same objects from tick to tick."""

    frames: tuple[Frame, ...]
    targets: _Rows[TargetRow]
    workers: _Rows[WorkerRow]
    tiers: _Rows[TierRow]
    placements: _Rows[PlacementRow]
    jitter: _Rows[JitterRow]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Chunk).decode


def _pack(frames: Sequence[Frame]) -> bytes:
    bare = [
        msgspec.structs.replace(frame, targets=(), workers=(), tiers=(), placements=(), jitter=()) for frame in frames
    ]
    return _encode(
        _Chunk(
            tuple(bare),
            _once([frame.targets for frame in frames]),
            _once([frame.workers for frame in frames]),
            _once([frame.tiers for frame in frames]),
            _once([frame.placements for frame in frames]),
            _once([frame.jitter for frame in frames]),
        )
    )


def _unpack(data: bytes) -> tuple[Frame, ...]:
    it = _decode(data)
    every = zip(
        it.frames, *(_each(one) for one in (it.targets, it.workers, it.tiers, it.placements, it.jitter)), strict=True
    )
    return tuple(
        msgspec.structs.replace(
            frame, targets=targets, workers=workers, tiers=tiers, placements=placements, jitter=jitter
        )
        for frame, targets, workers, tiers, placements, jitter in every
    )


def _once(tuples: Sequence[tuple[Row, ...]]) -> _Rows[Row]:
    marks = [list(map(id, rows)) for rows in tuples]
    known = dict(zip(chain.from_iterable(marks), chain.from_iterable(tuples), strict=True))
    place_of = dict(zip(known, count(), strict=False)).__getitem__
    return _Rows(tuple(known.values()), tuple(tuple(map(place_of, some)) for some in marks))


def _each(it: _Rows[Row]) -> list[tuple[Row, ...]]:
    return [tuple(it.rows[place] for place in places) for places in it.places]


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
        chunk = zlib.compress(_pack(self._open), 1)
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
            self._last = (chunk, _unpack(zlib.decompress(chunk)))
        return self._last[1]
