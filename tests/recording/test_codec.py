import contextlib
import tracemalloc
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.batch import DELIVERY, DTYPES, EXTRA, Batch, Deliveries, Received, Requests, Samples, Tick
from collectors.recording.codec import MAX_RAW_BYTES, Item, compress, pack, unpack
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
    for blob in (raw, zlib.compress(raw)):
        with contextlib.suppress(DamagedError):
            unpack(blob)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_is_items_or_damage(at: int, value: int) -> None:
    raw = bytearray(pack([Batch("s", 7, PARTS)]))
    raw[at % len(raw)] = value
    with contextlib.suppress(DamagedError):
        unpack(zlib.compress(bytes(raw)))


def test_a_bomb_is_not_unpacked() -> None:
    bomb = zlib.compress(bytes(4 * MAX_RAW_BYTES), 9)
    tracemalloc.start()
    with pytest.raises(DamagedError, match="more than 64 MiB"):
        unpack(bomb)
    assert tracemalloc.get_traced_memory()[1] < 3 * MAX_RAW_BYTES
    tracemalloc.stop()


def test_a_short_blob_ends_early() -> None:
    with pytest.raises(DamagedError, match="ends early"):
        unpack(compress(pack([Tick(1)] * 50))[:-3])


def ext(code: int, data: bytes) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, data)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "samples", "values": ext(0, bytes(40))},
        {"type": "samples", "values": ext(len(DTYPES), bytes(8))},
        {"type": "samples", "values": ext(4, bytes(7))},
        {"type": "samples", "values": 5},
        {"type": "blocks", "rows": ext(4, bytes(8))},
        {"type": "sampled", "values": ext(4, bytes(8))},
        {"type": "status", "url": "u", "backend": "b", "status": "fine"},
    ],
)
def test_parts_that_are_none_are_refused(part: object) -> None:
    raw = msgspec.msgpack.encode([{"type": "batch", "source": "s", "time_ns": 1, "parts": [part]}])
    with pytest.raises(DamagedError):
        unpack(zlib.compress(raw))


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
