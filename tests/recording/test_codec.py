import contextlib
import tracemalloc
import zlib

import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.batch import DELIVERY, DTYPES, EXTRA, Batch, Deliveries, Received, Requests, Samples, Tick
from collectors.recording.codec import CODEC, MAX_RAW_BYTES, ZLIB_CODEC, Item, compress, pack, unpack
from collectors.recording.columns import pack_arrays, unpack_arrays
from collectors.recording.errors import DamagedError
from tests.recording.material import PARTS


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_every_part_comes_back_as_it_was(part: object) -> None:
    items: list[Item] = [Batch("s", 7, (part,)), Tick(8, 1.5), Tick(9)]  # type: ignore[arg-type]
    back = unpack(compress(pack(items)))
    assert pack(back) == pack(items)
    assert isinstance(back[0], Batch)
    assert type(back[0].parts[0]) is type(part)


def test_arrays_are_equal_and_cannot_be_changed() -> None:
    values = np.array([1.5, np.nan, np.inf])
    (back,) = unpack(compress(pack([Batch("s", 7, (Samples(values),))])))
    assert isinstance(back, Batch)
    assert isinstance(back.parts[0], Samples)
    np.testing.assert_array_equal(back.parts[0].values, values)
    with pytest.raises(ValueError, match="read-only"):
        back.parts[0].values[0] = 0


@given(st.binary(max_size=300))
def test_any_bytes_are_items_or_damage(raw: bytes) -> None:
    for blob, codec in ((raw, CODEC), (compress(raw), CODEC), (raw, ZLIB_CODEC), (zlib.compress(raw), ZLIB_CODEC)):
        with contextlib.suppress(DamagedError):
            unpack(blob, codec)


def test_items_that_zlib_compressed_are_read() -> None:
    items: list[Item] = [Batch("s", 7, PARTS), Tick(8, 1.5)]
    assert pack(unpack(zlib.compress(pack(items)), ZLIB_CODEC)) == pack(items)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_is_items_or_damage(at: int, value: int) -> None:
    raw = bytearray(pack([Batch("s", 7, PARTS)]))
    raw[at % len(raw)] = value
    with contextlib.suppress(DamagedError):
        unpack(compress(bytes(raw)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(seed=st.integers(0, 2**32), counts=st.lists(st.integers(0, 40), max_size=5), names=st.integers(1, 9))
def test_columns_hold_any_values(dtype: np.dtype, seed: int, counts: list[int], names: int) -> None:
    """Random bytes, so sums and differences that overflow; few streams, pools and hashes, so that rows stand in another order."""
    rng = np.random.default_rng(seed)
    arrays = [np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy() for count in counts]
    for rows in arrays:
        for name in ("stream", "pool", "hash"):
            if name in (dtype.names or ()):
                rows[name] = rng.integers(0, names, len(rows))
    packed = pack_arrays([arrays if one == dtype else [] for one in DTYPES])
    back = unpack_arrays(packed, 0)[DTYPES.index(dtype)]
    assert back.tobytes() == b"".join(rows.tobytes() for rows in arrays)
    with pytest.raises(DamagedError):
        unpack_arrays(packed[:-1], 0)


@given(st.binary(max_size=300))
def test_any_bytes_are_columns_or_damage(data: bytes) -> None:
    with contextlib.suppress(DamagedError):
        unpack_arrays(data, 0)


def test_a_declared_number_of_rows_takes_no_memory() -> None:
    tracemalloc.start()
    for code in range(len(DTYPES)):
        with pytest.raises(DamagedError, match="fewer columns"):
            unpack_arrays(bytes(4 * code) + (10**9).to_bytes(4, "little") + bytes(1_000), 0)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def squeezed(raw: bytes, codec: str) -> bytes:
    return compress(raw) if codec == CODEC else zlib.compress(raw)


@pytest.mark.parametrize("codec", [CODEC, ZLIB_CODEC])
def test_a_bomb_is_not_unpacked(codec: str) -> None:
    bomb = squeezed(bytes(4 * MAX_RAW_BYTES), codec)
    tracemalloc.start()
    with pytest.raises(DamagedError, match="more than 64 MiB"):
        unpack(bomb, codec)
    assert tracemalloc.get_traced_memory()[1] < 3 * MAX_RAW_BYTES
    tracemalloc.stop()


@pytest.mark.parametrize(("codec", "says"), [(CODEC, "cannot be decompressed"), (ZLIB_CODEC, "ends early")])
def test_a_short_blob_is_not_believed(codec: str, says: str) -> None:
    with pytest.raises(DamagedError, match=says):
        unpack(squeezed(pack([Tick(1)] * 50), codec)[:-3], codec)


def test_a_blob_that_does_not_say_its_length_is_not_unpacked() -> None:
    with pytest.raises(DamagedError, match="does not say"):
        unpack(zstandard.ZstdCompressor(write_content_size=False).compress(pack([Tick(1)])))


def ext(code: int, rows: int) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, rows.to_bytes(4, "little"))


def blob(part: object, arrays: dict[int, np.ndarray]) -> bytes:
    plain = msgspec.msgpack.encode([{"type": "batch", "source": "s", "time_ns": 1, "parts": [part]}])
    columns = pack_arrays([[arrays[code]] if code in arrays else [] for code in range(len(DTYPES))])
    return compress(len(plain).to_bytes(4, "little") + plain + columns)


def test_a_part_takes_its_rows() -> None:
    (back,) = unpack(blob({"type": "samples", "values": ext(4, 2)}, {4: np.array([1.0, 2.0])}))
    assert isinstance(back, Batch)
    assert isinstance(back.parts[0], Samples)
    assert back.parts[0].values.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("part", "arrays"),
    [
        ({"type": "samples", "values": ext(0, 1)}, {0: np.zeros(1, DELIVERY)}),
        ({"type": "samples", "values": ext(len(DTYPES), 1)}, {}),
        ({"type": "samples", "values": ext(4, 3)}, {4: np.zeros(2)}),
        ({"type": "samples", "values": ext(4, 1)}, {4: np.zeros(2)}),
        ({"type": "samples", "values": msgspec.msgpack.Ext(4, bytes(3))}, {}),
        ({"type": "samples", "values": 5}, {}),
        ({"type": "blocks", "rows": ext(4, 1)}, {4: np.zeros(1)}),
        ({"type": "sampled", "values": ext(4, 1)}, {4: np.zeros(1)}),
        ({"type": "status", "url": "u", "backend": "b", "status": "fine"}, {}),
    ],
)
def test_parts_that_are_none_are_refused(part: object, arrays: dict[int, np.ndarray]) -> None:
    with pytest.raises(DamagedError):
        unpack(blob(part, arrays))


def test_deliveries_must_fit_their_further_stages() -> None:
    rows = np.zeros(2, DELIVERY)
    rows["extra"] = 2
    with pytest.raises(DamagedError, match="further stages"):
        unpack(compress(pack([Batch("s", 1, (Deliveries(rows, np.zeros(3, EXTRA)),))])))


@pytest.mark.parametrize("text", ["\x1b[31m", "a\u202eb", "a\u200bb", "x" * 5_000, "a\nb", "\x9b1m"])
def test_texts_that_no_writer_lets_in_are_refused(text: str) -> None:
    for batch in (Batch(text, 1, ()), Batch("s", 1, (Requests((Received(1, "r", 1, labels=(text,)),)),))):
        with pytest.raises(DamagedError, match="text"):
            unpack(compress(pack([batch])))


def test_texts_of_the_world_are_fine() -> None:
    batch = Batch("日本\u00a0…é", 1, ())
    assert unpack(compress(pack([batch]))) == [batch]


@pytest.mark.parametrize("time_ns", [2**63, 2**64 - 1])
def test_times_that_no_clock_shows_are_refused(time_ns: int) -> None:
    with pytest.raises(DamagedError, match="time"):
        unpack(compress(pack([Tick(time_ns)])))
