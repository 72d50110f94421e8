"""Frames of a file that is broken, hostile, or changed while it is looked at: what is intact is shown, and nothing else."""

import asyncio
import os
import shutil
import sqlite3
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zstandard

from collectors.model.frame import Frame
from collectors.recording import reader as reading
from collectors.recording.errors import DamagedError
from collectors.recording.frames import FRAMES_CODEC, OLDER_FRAMES_CODEC, pack_frames, unpack_frames
from collectors.recording.playback import Playback
from collectors.recording.reader import Reader
from collectors.recording.schema import FRAMES
from tests.recording.material import SECOND
from tui.headless import demo_frames

SECONDS = 14


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Frame]]:
    path, frames = tmp_path_factory.mktemp("frames") / "demo.tyard", list[Frame]()
    asyncio.run(demo_frames("default", 3, SECONDS, path, frames.append))
    return path, frames


@pytest.fixture
def path(original: tuple[Path, list[Frame]], tmp_path: Path) -> Path:
    """A copy to be broken."""
    return Path(shutil.copy(original[0], tmp_path / "a.tyard"))


def test_frames_of_an_older_recording_are_read(path: Path, original: tuple[Path, list[Frame]]) -> None:
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT id, blob FROM chunk WHERE kind = ?", (FRAMES,)).fetchall()
    database.close()
    for number, blob in found:
        older = zlib.compress(zstandard.decompress(blob))
        values = (OLDER_FRAMES_CODEC, older, zlib.crc32(older), number)
        change(path, "UPDATE chunk SET codec = ?, blob = ?, crc32 = ? WHERE id = ?", *values)
    with Reader(path) as reader:
        assert walked(Playback(reader), -1, 1) == original[1]


def change(path: Path, sql: str, *values: object) -> None:
    with sqlite3.connect(path) as database:
        assert database.execute(sql, values).rowcount > 0
    database.close()


def chunks(path: Path) -> list[tuple[int, int, int]]:
    """Ids and times of the chunks of Frames."""
    with sqlite3.connect(path) as database:
        found = database.execute("SELECT id, t0_ns, t1_ns FROM chunk WHERE kind = ? ORDER BY id", (FRAMES,)).fetchall()
    database.close()
    return found


def walked(playback: Playback, begin_ns: int, direction: int) -> list[Frame]:
    found, now = [], begin_ns
    while (frame := playback.step(now, direction)) is not None:
        found.append(frame)
        now = frame.time_ns
    return found


def test_a_chunk_that_ends_at_any_byte_is_damaged(original: tuple[Path, list[Frame]]) -> None:
    blob = pack_frames(original[1][-2:])
    assert unpack_frames(blob) == original[1][-2:]
    for end in range(len(blob)):
        with pytest.raises(DamagedError):
            unpack_frames(blob[:end])


def test_any_flipped_bit_is_frames_or_damage(original: tuple[Path, list[Frame]]) -> None:
    """Also of what is inside, with a checksum that is right."""
    blob = pack_frames(original[1][-2:])
    rng = np.random.default_rng(1)
    damaged = 0
    for raw, wrap in ((blob, bytes), (zstandard.decompress(blob), zstandard.compress)):
        for at in rng.integers(len(raw), size=400).tolist():
            bad = bytearray(raw)
            bad[at] ^= 1 << int(rng.integers(8))
            try:
                found = unpack_frames(wrap(bytes(bad)))
            except DamagedError:
                damaged += 1
            else:
                assert all(isinstance(frame, Frame) for frame in found)
    assert damaged > 400


@pytest.mark.parametrize(
    ("counts", "places"),
    [
        ([10**9], b"\0\0\0\0"),
        ([1], b"\xff\xff\xff\xff"),
        ([-1], b""),
        ([1, 1], b"\0\0\0\0"),
        ([2**62], b"\0\0\0\0"),
        ([1], b"\0\0\0"),
    ],
)
def test_rows_that_are_only_declared_take_no_memory(
    original: tuple[Path, list[Frame]], counts: list[int], places: bytes
) -> None:
    frame = original[1][-1]
    frames, rows = msgspec.msgpack.decode(zstandard.decompress(pack_frames([frame])))
    rows["workers"][1:] = [counts, places]
    blob = zstandard.compress(msgspec.msgpack.encode([frames, rows]))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedError):
            unpack_frames(blob)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_more_than_the_frames_is_damage(original: tuple[Path, list[Frame]]) -> None:
    with pytest.raises(DamagedError, match=r"extra|unused"):
        unpack_frames(pack_frames(original[1][-1:]) + b"more")


def unsized(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(raw)


@pytest.mark.parametrize("squeeze", [zstandard.compress, unsized])
def test_a_bomb_is_not_unpacked(path: Path, squeeze: Callable[[bytes], bytes]) -> None:
    bomb = squeeze(bytes(200 << 20))
    number, begin_ns, _ = chunks(path)[5]
    change(path, "UPDATE chunk SET blob = ?, crc32 = ? WHERE id = ?", bomb, zlib.crc32(bomb), number)
    with Reader(path) as reader:
        frame = Playback(reader).at(begin_ns)
        assert frame is not None
        assert frame.time_ns < begin_ns
        assert reader.torn is not None
        assert "64 MiB" in reader.torn


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE chunk SET crc32 = crc32 + 1 WHERE id = ?",
        "UPDATE chunk SET codec = 'later' WHERE id = ?",
        "UPDATE chunk SET n = n + 1 WHERE id = ?",
        "UPDATE chunk SET t1_ns = 4000000000000000000 WHERE id = ?",
    ],
)
def test_only_the_frames_of_a_damaged_chunk_are_missing(
    path: Path, original: tuple[Path, list[Frame]], sql: str
) -> None:
    number, begin_ns, end_ns = chunks(path)[6]
    left = [frame for frame in original[1] if not begin_ns <= frame.time_ns <= end_ns]
    change(path, sql, number)
    with Reader(path) as reader:
        playback = Playback(reader)
        assert walked(playback, -1, 1) == left
        assert walked(playback, 2**62, -1) == left[::-1]
        assert reader.torn is not None
        assert f"chunk {number} " in reader.torn
    with Reader(path) as reader:
        shown = Playback(reader).at((begin_ns + end_ns) // 2)
        assert shown == max((frame for frame in left if frame.time_ns < begin_ns), key=lambda frame: frame.time_ns)


def test_it_is_given_up_after_so_many(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_DAMAGED", 4)
    gone = chunks(path)[1:5]
    for number, _, _ in gone:
        change(path, "UPDATE chunk SET crc32 = crc32 + 1 WHERE id = ?", number)
    with Reader(path) as reader:
        assert reader.frames_after(0)
        assert reader.frames_after(gone[0][1] - 1) == []


def test_absurd_times_are_a_place_like_any_other(path: Path, original: tuple[Path, list[Frame]]) -> None:
    for time_ns in (2**62, -(2**62)):
        blob = pack_frames([msgspec.structs.replace(original[1][-1], time_ns=time_ns)])
        row = (time_ns, time_ns, 1, FRAMES, FRAMES_CODEC, zlib.crc32(blob), blob)
        change(path, "INSERT INTO chunk (t0_ns, t1_ns, n, kind, codec, crc32, blob) VALUES (?, ?, ?, ?, ?, ?, ?)", *row)
    with Reader(path) as reader:
        playback = Playback(reader)
        assert playback.span() == (-(2**62), 2**62)
        assert playback.newest() is not None
        for frame in original[1][::7]:
            assert playback.at(frame.time_ns) == frame


def test_a_file_that_is_replaced_while_it_is_open_stays_what_it_was(
    path: Path, original: tuple[Path, list[Frame]]
) -> None:
    other = path.with_name("b.tyard")
    asyncio.run(demo_frames("default", 4, 2.0, other, lambda _: None))
    with Reader(path) as reader:
        playback = Playback(reader)
        assert playback.at(SECOND) == next(frame for frame in original[1] if frame.time_ns == SECOND)
        other.replace(path)
        assert walked(playback, -1, 1) == original[1]


@pytest.mark.parametrize("torn", [False, True])
def test_a_file_that_is_cut_short_while_it_is_open_ends_there(
    path: Path, original: tuple[Path, list[Frame]], torn: bool
) -> None:
    """A mapped file would end the whole process."""
    if torn:
        os.truncate(path, path.stat().st_size * 2 // 3)
    with Reader(path) as reader:
        items = reader.items()
        next(items)
        os.truncate(path, 8_192)
        assert sum(1 for _ in items) < 200
        assert reader.torn is not None
        assert Playback(reader).at(SECOND) in (None, *original[1])
