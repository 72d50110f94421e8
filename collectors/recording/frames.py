"""Frames to the bytes of a chunk and back, exactly. Pure; believes nothing in the bytes.

From tick to tick most rows of a Frame are the same: a chunk has each once. `docs/recording.md` describes the form.
"""

import gc
import re
import typing
import zlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from collectors.model.frame import Frame
from collectors.recording.codec import MAX_RAW_BYTES, MAX_TEXT, harmless, inflated
from collectors.recording.errors import DamagedError

FRAMES_CODEC: Final = "rows+zlib"
LEVEL: Final = 6
_PLACE: Final = np.dtype("<u4")
_ROW_TYPES: Final[dict[str, Any]] = {
    name: kind for name, kind in typing.get_type_hints(Frame).items() if typing.get_origin(kind) is tuple
}
"""The fields of a Frame that hold rows."""
_NO_ROWS: Final[dict[str, Any]] = dict.fromkeys(_ROW_TYPES, ())
_ESCAPED: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\[bfnrtu]")
"""A control character in JSON."""
_ASCII: Final = bytes(range(0x7F))


class _Rows(msgspec.Struct, array_like=True):
    """Distinct rows of some Frames, and which of them each Frame has: `counts` of them, by their `places`, as u32."""

    rows: msgspec.Raw
    counts: list[int]
    places: bytes


class _Chunk(msgspec.Struct, array_like=True):
    frames: list[Frame]
    rows: dict[str, _Rows]


def pack_frames(frames: Sequence[Frame]) -> bytes:
    """A chunk of Frames in order of time."""
    bare = [msgspec.structs.replace(frame, **_NO_ROWS) for frame in frames]
    return zlib.compress(
        _encode(_Chunk(bare, {name: _once([getattr(frame, name) for frame in frames]) for name in _ROW_TYPES})), LEVEL
    )


def unpack_frames(blob: bytes) -> list[Frame]:
    """The Frames of a chunk. Raises `DamagedError`."""
    raw = inflated(blob, MAX_RAW_BYTES)
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


def _once(tuples: Sequence[tuple[object, ...]]) -> _Rows:
    place_of_object: dict[int, int] = {}
    place_of_bytes: dict[bytes, int] = {}
    places: list[int] = []
    for rows in tuples:
        for row in rows:
            place = place_of_object.get(id(row))
            if place is None:
                place = place_of_bytes.setdefault(_encode(row), len(place_of_bytes))
                place_of_object[id(row)] = place
            places.append(place)
    return _Rows(
        msgspec.Raw(_encode([msgspec.Raw(row) for row in place_of_bytes])),
        [len(rows) for rows in tuples],
        np.array(places, _PLACE).tobytes(),
    )


def _each(it: _Rows, name: str, frames: int) -> list[tuple[Any, ...]]:
    rows = _decoders[name].decode(it.rows)
    _check(msgspec.json.encode(rows))
    if len(it.counts) != frames or min(it.counts, default=0) < 0 or 4 * sum(it.counts) != len(it.places):
        raise msgspec.DecodeError(f"its {name} are not those of its frames")
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
_decoders: Final = {name: msgspec.msgpack.Decoder(kind) for name, kind in _ROW_TYPES.items()}
