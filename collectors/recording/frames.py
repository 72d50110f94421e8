"""Frames to the bytes of a chunk and back, exactly. Pure; believes nothing in the bytes.

From tick to tick most rows of a Frame are the same: a chunk has each once. `docs/recording.md` describes the form.
"""

import gc
import re
import typing
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

import msgspec
import numpy as np

from collectors.model.frame import Frame
from collectors.recording.codec import (
    MAX_RAW_BYTES,
    MAX_TEXT,
    compress,
    decompressed,
    harmless,
    inflated,
    unpacked_bytes,
)
from collectors.recording.errors import DamagedError

FRAMES_CODEC: Final = "rows+zstd"
OLDER_FRAMES_CODEC: Final = "rows+zlib"
AT_ONCE: Final = 100
"""Rows that are packed before others may have their turn."""
_PLACE: Final = np.dtype("<u4")
_ROW_TYPES: Final[dict[str, Any]] = {
    name: kind for name, kind in typing.get_type_hints(Frame).items() if typing.get_origin(kind) is tuple
}
"""The fields of a Frame that hold rows."""
_NO_ROWS: Final[dict[str, Any]] = dict.fromkeys(_ROW_TYPES, ())
_ESCAPED: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\[bfnrtu]")
"""A control character in JSON."""
_PAIR: Final = b"\x92"
_TRIPLE: Final = b"\x93"
_ARRAY: Final = b"\xdd"
_MAP: Final = b"\xde"
"""Heads in MessagePack: of arrays of two, of three, and of as many as the next four bytes say; of a map of as many as the next two say."""
_ASCII: Final = bytes(range(0x7F))


class _Rows(msgspec.Struct, array_like=True):
    """Distinct rows of some Frames, and which of them each Frame has: `counts` of them, by their `places`, as u32."""

    rows: msgspec.Raw
    counts: list[int]
    places: bytes


class _Chunk(msgspec.Struct, array_like=True):
    frames: list[Frame]
    rows: dict[str, _Rows]


class _RawRows(msgspec.Struct, array_like=True):
    rows: list[msgspec.Raw]
    counts: list[int]
    places: bytes


class _RawChunk(msgspec.Struct, array_like=True):
    frames: list[msgspec.Raw]
    rows: dict[str, _RawRows]


class _Time(msgspec.Struct):
    time_ns: int


def nobody() -> None:
    """Waits for nobody."""


class Packing:
    """A chunk of Frames in order of time, each packed when it comes."""

    def __init__(self, breathe: Callable[[], None] = nobody) -> None:
        """`breathe` is called every millisecond or so, and may wait for others."""
        self._breathe = breathe
        self.frames: list[Frame] = []
        self._bare: list[msgspec.Raw] = []
        self._rows = {name: _Once() for name in _ROW_TYPES}

    def add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._bare.append(msgspec.Raw(_encode(msgspec.structs.replace(frame, **_NO_ROWS))))
        for name, once in self._rows.items():
            once.add(getattr(frame, name), _encode, self._breathe)

    def packed(self) -> bytes:
        return _compressed(self._bare, {name: once.rows() for name, once in self._rows.items()})


def pack_frames(frames: Sequence[Frame]) -> bytes:
    packing = Packing()
    for frame in frames:
        packing.add(frame)
    return packing.packed()


def let_go(frames: list[Frame]) -> None:
    """Empties it, and gives back the memory of those that nobody else has, a little at a time: in one go others stand still for as long as there are thousands of rows."""
    rows = list(chain.from_iterable(getattr(frame, name) for frame in frames for name in _ROW_TYPES))
    frames.clear()
    while rows:
        del rows[-AT_ONCE:]


def thinned(blobs: Sequence[bytes], step_ns: int) -> tuple[list[int], bytes]:
    """One chunk of those Frames of some chunks of our own of which the time is a multiple of `step_ns`, and their times. Nothing in a row is looked at."""
    frames: list[msgspec.Raw] = []
    times: list[int] = []
    rows: dict[str, list[Sequence[object]]] = {name: [] for name in _ROW_TYPES}
    for blob in blobs:
        chunk = _decode_raw(decompressed(blob, unpacked_bytes(blob)))
        told = [_decode_time(frame).time_ns for frame in chunk.frames]
        kept = [at for at, time_ns in enumerate(told) if time_ns % step_ns == 0]
        times += [told[at] for at in kept]
        frames += [chunk.frames[at] for at in kept]
        for name, some in rows.items():
            each = _placed(chunk.rows[name], chunk.rows[name].rows)
            some += [each[at] for at in kept]
    return times, _compressed(frames, {name: _once(some) for name, some in rows.items()})


def unpack_frames(blob: bytes, codec: str = FRAMES_CODEC) -> list[Frame]:
    """The Frames of a chunk. Raises `DamagedError`; never takes more memory than the limits allow."""
    raw = inflated(blob, MAX_RAW_BYTES) if codec == OLDER_FRAMES_CODEC else decompressed(blob, MAX_RAW_BYTES)
    collecting = gc.isenabled()
    # Nothing made here can be garbage yet, and looking for it takes ten times as long as making it.
    gc.disable()
    try:
        return _unpacked(raw)
    finally:
        if collecting:
            gc.enable()


def _unpacked(raw: bytes) -> list[Frame]:
    try:
        chunk = _decode(raw)
        rows = {name: _each(chunk.rows[name], name, len(chunk.frames)) for name in _ROW_TYPES if name in chunk.rows}
        frames = [
            msgspec.structs.replace(frame, **{name: some[at] for name, some in rows.items()})
            for at, frame in enumerate(chunk.frames)
        ]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError) as error:
        raise DamagedError(f"does not hold frames ({error})") from error
    _check(msgspec.json.encode(chunk.frames))
    return frames


def _compressed(frames: Sequence[msgspec.Raw], rows: dict[str, _Rows]) -> bytes:
    """A `_Chunk`, piece by piece: nobody else has the interpreter while a whole one of megabytes is copied together."""
    pieces = [
        _PAIR,
        _ARRAY + len(frames).to_bytes(4, "big"),
        *map(_encode, frames),
        _MAP + len(rows).to_bytes(2, "big"),
    ]
    for name, it in rows.items():
        pieces += _encode(name), _TRIPLE, bytes(it.rows), _encode(it.counts), _encode(it.places)
    return compress(*pieces)


class _Once:
    """Distinct rows of tuples that come one after the other. Most are other objects than before, and so are told apart by what they are as bytes."""

    def __init__(self) -> None:
        self._place_of_bytes: dict[bytes, int] = {}
        self._place_of_id: dict[int, int] = {}
        self._places: list[int] = []
        self._counts: list[int] = []

    def add(self, rows: Sequence[object], encode: Callable[[Any], bytes], breathe: Callable[[], None] = nobody) -> None:
        """`rows` have to be kept until all have come: an object is known by where it is."""
        ids, known, places = list(map(id, rows)), self._place_of_id, self._place_of_bytes
        new = [(one, row) for one, row in zip(ids, rows, strict=True) if one not in known]
        for at in range(0, len(new), AT_ONCE):
            for one, row in new[at : at + AT_ONCE]:
                known[one] = places.setdefault(encode(row), len(places))
            breathe()
        self._places += map(known.__getitem__, ids)
        self._counts.append(len(rows))

    def rows(self) -> _Rows:
        head = _ARRAY + len(self._place_of_bytes).to_bytes(4, "big")
        return _Rows(
            msgspec.Raw(b"".join((head, *self._place_of_bytes))),
            self._counts,
            np.array(self._places, _PLACE).tobytes(),
        )


def _once(tuples: Sequence[Sequence[Any]]) -> _Rows:
    once = _Once()
    for some in tuples:
        once.add(some, bytes)
    return once.rows()


def _each(it: _Rows, name: str, frames: int) -> list[tuple[Any, ...]]:
    rows = _decoders[name].decode(it.rows)
    _check(msgspec.json.encode(rows))
    if len(it.counts) != frames or min(it.counts, default=0) < 0 or 4 * sum(it.counts) != len(it.places):
        raise msgspec.DecodeError(f"its {name} are not those of its frames")
    return _placed(it, rows)


def _placed(it: _Rows | _RawRows, rows: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Those that each Frame has."""
    places = np.frombuffer(it.places, _PLACE).tolist()
    out, at = [], 0
    for count in it.counts:
        out.append(tuple(rows[place] for place in places[at : at + count]))
        at += count
    return out


def _check(text: bytes) -> None:
    """That no text of a JSON document holds what a writer never lets in."""
    if b"\\" in text and _ESCAPED.search(text):
        raise DamagedError("has a text with control characters")
    if not harmless(text.translate(None, _ASCII).decode()):
        raise DamagedError("has a text with control characters")
    quotes = np.flatnonzero(np.frombuffer(text, np.uint8) == ord('"'))
    if np.diff(quotes).max(initial=0) > 4 * MAX_TEXT:
        raise DamagedError("has a text that is too long")


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Chunk).decode
_decode_raw: Final = msgspec.msgpack.Decoder(_RawChunk).decode
_decode_time: Final = msgspec.msgpack.Decoder(_Time).decode
_decoders: Final = {name: msgspec.msgpack.Decoder(kind) for name, kind in _ROW_TYPES.items()}
