"""Items of a recording to the bytes of a chunk and back. Pure; what bounds a reader's memory is here.

Not here: the file (`writer`, `reader`). The format is described in `docs/recording.md`.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import zstandard

from collectors.model.batch import (
    BLOCK,
    DELIVERY,
    DTYPES,
    EXTRA,
    OCCUPANCY,
    Batch,
    Blocks,
    Deliveries,
    Occupancy,
    Part,
    Samples,
    Tick,
)
from collectors.recording.columns import pack_arrays, unpack_arrays
from collectors.recording.errors import DamagedError

Item = Batch | Tick

CODEC: Final = "columns+zstd"
ZLIB_CODEC: Final = "columns+zlib"
OLDER_CODEC: Final = "msgpack+zlib"
"""Of format 1: each array as it was, in its place."""
CODECS: Final = (CODEC, ZLIB_CODEC, OLDER_CODEC)
LEVEL: Final = 3
"""Of Zstandard, whose window spans some Frames of hundreds of workers: less than zlib leaves of deliveries, and half of what it leaves of Frames, in a fifth and a tenth of its time."""
MAX_RAW_BYTES: Final = 64 << 20
"""Of one chunk, decompressed. A writer never makes a larger one, a reader never unpacks one."""
MAX_TEXT: Final = 4_096
"""Characters of one text: more than any that was made safe where it came in."""

_FLOATS: Final = np.dtype("<f8")
_PLACES: Final[dict[type, dict[str, np.dtype[Any]]]] = {
    Deliveries: {"rows": DELIVERY, "extras": EXTRA},
    Blocks: {"rows": BLOCK},
    Occupancy: {"rows": OCCUPANCY},
    Samples: {"values": _FLOATS},
}
"""The array type of each field that holds an array: msgpack says only that there is one."""
_CODE_OF: Final = {id(dtype): code for code, dtype in enumerate(DTYPES)}
"""By identity, which most arrays share: two types of many fields are slow to compare."""


def pack(items: Sequence[Item]) -> bytes:
    """`items` in order, before compression: their plain values, then all their arrays as columns."""
    arrays: list[list[np.ndarray]] = [[] for _ in DTYPES]

    def put(value: Any) -> msgspec.msgpack.Ext:
        if not isinstance(value, np.ndarray) or value.ndim != 1:
            raise TypeError(f"a batch cannot hold a {type(value).__name__} here")
        code = _CODE_OF.get(id(value.dtype), -1)
        if code < 0:
            code = DTYPES.index(value.dtype)
        arrays[code].append(value)
        return msgspec.msgpack.Ext(code, len(value).to_bytes(4, "little"))

    plain = msgspec.msgpack.Encoder(enc_hook=put).encode(items)
    return b"".join((len(plain).to_bytes(4, "little"), plain, pack_arrays(arrays)))


def compress(*pieces: bytes) -> bytes:
    """All of them, as one frame of Zstandard that says how long they are. Joined anew: what a compressor gives is the beginning of a larger buffer."""
    into = zstandard.ZstdCompressor(LEVEL).compressobj(sum(map(len, pieces)))
    return b"".join([*map(into.compress, pieces), into.flush()])


def unpacked_bytes(blob: bytes) -> int:
    """How long a frame of Zstandard says it is unpacked; 0 if it does not."""
    return max(zstandard.frame_content_size(blob), 0)


def decompressed(blob: bytes, limit: int) -> bytes:
    """All that a whole frame of Zstandard holds. Raises `DamagedError`, also where that is more than `limit` bytes, or how many it does not say."""
    try:
        if not 0 <= zstandard.frame_content_size(blob) <= limit:
            raise DamagedError(f"unpacks to more than {limit >> 20} MiB, or does not say to how much")
        return zstandard.ZstdDecompressor().decompress(blob, limit, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DamagedError(f"cannot be decompressed ({error})") from error


def inflated(blob: bytes, limit: int) -> bytes:
    """All that a whole zlib stream holds. Raises `DamagedError`, also where that is more than `limit` bytes."""
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(blob, limit + 1)
    except zlib.error as error:
        raise DamagedError(f"cannot be decompressed ({error})") from error
    if len(raw) > limit:
        raise DamagedError(f"unpacks to more than {limit >> 20} MiB")
    if not stream.eof:
        raise DamagedError("ends early")
    return raw


def unpack(blob: bytes, codec: str = CODEC) -> list[Item]:
    """The items of a chunk. Raises `DamagedError`; never takes more memory than the limits allow."""
    raw = decompressed(blob, MAX_RAW_BYTES) if codec == CODEC else inflated(blob, MAX_RAW_BYTES)
    items = _decoded(raw, _ext_to_array) if codec == OLDER_CODEC else _with_columns(raw)
    texts: list[str] = []
    for item in items:
        if not -(2**63) <= item.time_ns < 2**63:
            raise DamagedError("has a time that no clock shows")
        if isinstance(item, Batch):
            texts.append(item.source)
            for part in item.parts:
                if type(part) in _PLACES:
                    _check_arrays(part)
                else:
                    _collect_texts(part, texts)
    _check_texts(texts)
    return items


def _with_columns(raw: bytes) -> list[Item]:
    end = 4 + int.from_bytes(raw[:4], "little")
    if end > len(raw):
        raise DamagedError("ends early")
    arrays = unpack_arrays(raw, end)
    taken = [0] * len(arrays)

    def take(code: int, data: memoryview) -> np.ndarray:
        if not 0 <= code < len(arrays) or len(data) != 4:
            raise msgspec.ValidationError(f"array type {code} is not known")
        begin = taken[code]
        taken[code] += int.from_bytes(data, "little")
        if taken[code] > len(arrays[code]):
            raise msgspec.ValidationError("there are fewer rows than its parts have")
        # A copy: a view would keep the whole chunk alive.
        rows = arrays[code][begin : taken[code]].copy()
        rows.flags.writeable = False
        return rows

    items = _decoded(raw[4:end], take)
    if taken != [len(rows) for rows in arrays]:
        raise DamagedError("has more rows than its parts have")
    return items


def _decoded(plain: bytes, hook: Callable[[int, memoryview], np.ndarray]) -> list[Item]:
    try:
        return msgspec.msgpack.Decoder(list[Item], ext_hook=hook).decode(plain)
    # msgspec lets the error of a text that is not UTF-8 through.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(f"does not hold batches and ticks ({error})") from error


def _ext_to_array(code: int, data: memoryview) -> np.ndarray:
    if not 0 <= code < len(DTYPES):
        raise msgspec.ValidationError(f"array type {code} is not known")
    dtype = DTYPES[code]
    if len(data) % dtype.itemsize:
        raise msgspec.ValidationError(f"{len(data)} bytes are no array of type {code}")
    # A copy: a view would keep the whole chunk alive.
    return np.frombuffer(bytes(data), dtype)


def _check_arrays(part: Part) -> None:
    for field, dtype in _PLACES[type(part)].items():
        if getattr(part, field).dtype != dtype:
            raise DamagedError(f"has an array of another type in {type(part).__name__.lower()}")
    if isinstance(part, Deliveries) and int(part.rows["extra"].sum(dtype=np.int64)) != len(part.extras):
        raise DamagedError("has deliveries that do not fit their further stages")


def _collect_texts(value: object, texts: list[str]) -> None:
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, tuple):
        for one in value:
            _collect_texts(one, texts)
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            _collect_texts(getattr(value, field), texts)
    elif isinstance(value, dict):
        texts.extend(value)


def _check_texts(texts: list[str]) -> None:
    """That no text holds what a writer never lets in: a recording may come from anywhere."""
    if max(map(len, texts), default=0) > MAX_TEXT:
        raise DamagedError(f"has a text of more than {MAX_TEXT} characters")
    if not harmless("".join(texts)):
        raise DamagedError("has a text with control characters")


def harmless(text: str) -> bool:
    """Whether it has no control, bidirectional or invisible characters. No-break and wide spaces are not "printable" but harmless."""
    if text.isascii() and text.isprintable():
        return True
    return all(
        char.isprintable() or (char.isspace() and char > "\x9f" and char not in "\u2028\u2029") for char in set(text)
    )
