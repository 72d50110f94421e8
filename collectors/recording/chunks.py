"""Items and Frames, in order, into the chunks of a recording. Plain state; no file, no thread.

A chunk of `items` is a second or less. A `key` lets a reader begin in the middle: it says what had been said before and still holds (`opening`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from collectors.model.batch import (
    Batch,
    Blocks,
    Decisions,
    Deliveries,
    Layout,
    Occupancy,
    Phases,
    Requests,
    Samples,
    Tick,
)
from collectors.model.frame import Frame
from collectors.recording.codec import CODEC, MAX_RAW_BYTES, Item, compress, pack, unpack
from collectors.recording.errors import RecordingError
from collectors.recording.frames import FRAMES_CODEC, Packing, nobody, pack_frames, thinned
from collectors.recording.opening import Opening
from collectors.recording.schema import FRAMES, ITEMS, KEY

CHUNK_NS: Final = 1_000_000_000
CHUNK_DELIVERIES: Final = 16_384
CHUNK_BYTES: Final = 4 << 20
"""A chunk of items is closed when it spans, or holds, as much as this."""
CHUNK_FRAMES: Final = 4
"""A second of ticks."""
KEY_NS: Final = 30 * CHUNK_NS
"""Session time between two keys."""

_ROW_BYTES: Final = 256
"""Rough size of a row that is not in an array."""


class Chunk(NamedTuple):
    """`n` items or Frames of session times t0 … t1 (both included)."""

    t0_ns: int
    t1_ns: int
    n: int
    kind: str
    codec: str
    blob: bytes
    layouts: tuple[tuple[str, Layout], ...] = ()
    """The layouts in it, by source: they hold until the next ones, so what begins after it needs them."""


class Chunker:
    """What is given to it comes out again in chunks; `flush` gives what is left."""

    def __init__(self, breathe: Callable[[], None] = nobody) -> None:
        """`breathe` is called again and again while much is packed, and may wait for others."""
        self._breathe = breathe
        self.opening = Opening()
        self._items: list[Item] = []
        self._packing = Packing(breathe)
        self._item_bytes = 0
        self._deliveries = 0
        self._key_ns: int | None = None

    def item(self, item: Item, size: int) -> list[Chunk]:
        """`size` is its `weight`."""
        chunks = self.flush_items() if self._items and item.time_ns - self._items[0].time_ns >= CHUNK_NS else []
        self._items.append(item)
        self._item_bytes += size
        if isinstance(item, Batch):
            self._deliveries += sum(len(part.rows) for part in item.parts if isinstance(part, Deliveries))
        if self._deliveries >= CHUNK_DELIVERIES or self._item_bytes >= CHUNK_BYTES:
            chunks += self.flush_items()
        return chunks

    def frame(self, frame: Frame) -> list[Chunk]:
        self._packing.add(frame)
        return self.flush_frames() if len(self._packing.frames) >= CHUNK_FRAMES else []

    def flush(self) -> list[Chunk]:
        return self.flush_items() + self.flush_frames()

    def flush_items(self) -> list[Chunk]:
        items, self._items = self._items, []
        self._item_bytes = self._deliveries = 0
        if not items:
            return []
        chunks = self._key(items[0].time_ns) + item_chunks(items)
        for item in items:
            if isinstance(item, Batch):
                self.opening.feed(item)
        return chunks

    def flush_frames(self) -> list[Chunk]:
        packing, self._packing = self._packing, Packing(self._breathe)
        return [_chunk(packing.frames, packing.packed())] if packing.frames else []

    def _key(self, time_ns: int) -> list[Chunk]:
        if self._key_ns is None:
            self._key_ns = time_ns
        if time_ns - self._key_ns < KEY_NS:
            return []
        self._key_ns = time_ns
        return item_chunks(self.opening.batches(time_ns), KEY)


def item_chunks(items: Sequence[Item], kind: str = ITEMS) -> list[Chunk]:
    """One chunk, or more where one would be too large. Raises `RecordingError` for a single batch that is."""
    if not items:
        return []
    raw = pack(items)
    if len(raw) <= MAX_RAW_BYTES:
        times = [item.time_ns for item in items]
        return [Chunk(min(times), max(times), len(items), kind, CODEC, compress(raw), _layouts(items))]
    if len(items) == 1:
        raise RecordingError(f"one batch has {len(raw) >> 20} MiB")
    return item_chunks(items[: len(items) // 2], kind) + item_chunks(items[len(items) // 2 :], kind)


def frames_chunk(frames: Sequence[Frame]) -> Chunk:
    """Of at least one Frame, in order of time."""
    return _chunk(frames, pack_frames(frames))


def _chunk(frames: Sequence[Frame], packed: bytes) -> Chunk:
    return Chunk(frames[0].time_ns, frames[-1].time_ns, len(frames), FRAMES, FRAMES_CODEC, packed)


def thinned_chunk(chunks: Sequence[Chunk], step_ns: int) -> Chunk | None:
    """One of those of the Frames in `chunks`, as `frames_chunk` made them, of which the time is a multiple of `step_ns`; None where there is none."""
    times, blob = thinned([chunk.blob for chunk in chunks], step_ns)
    return Chunk(times[0], times[-1], len(times), FRAMES, FRAMES_CODEC, blob) if times else None


def beginning(layouts: Mapping[str, Layout], key: Chunk) -> list[Chunk]:
    """What a recording that begins at `key` has to have first."""
    batches = [Batch(source, key.t0_ns, (layout,)) for source, layout in layouts.items()]
    return item_chunks([*unpack(key.blob), *batches])


def _layouts(items: Sequence[Item]) -> tuple[tuple[str, Layout], ...]:
    return tuple(
        (item.source, part)
        for item in items
        if isinstance(item, Batch)
        for part in item.parts
        if isinstance(part, Layout)
    )


def weight(item: Item) -> int:
    """Roughly what an item takes in memory and in a chunk, in bytes."""
    if isinstance(item, Tick):
        return 32
    size = _ROW_BYTES
    for part in item.parts:
        match part:
            case Deliveries():
                size += part.rows.nbytes + part.extras.nbytes
            case Blocks() | Occupancy():
                size += part.rows.nbytes
            case Samples():
                size += part.values.nbytes
            case Requests() | Decisions() | Phases():
                size += _ROW_BYTES * len(part.rows)
            case Layout():
                size += _ROW_BYTES * len(part.series)
            case _:
                size += _ROW_BYTES
    return size
