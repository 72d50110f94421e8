import contextlib
import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.model.batch import DTYPES, Batch, Deliveries, Inventory, Tick
from collectors.recording import chunks as chunking
from collectors.recording import spool
from collectors.recording.codec import CODEC, Item, compress, pack
from collectors.recording.errors import (
    NewerRecordingError,
    NotARecordingError,
    RecordingError,
    RecordingExistsError,
)
from collectors.recording.reader import Reader
from collectors.recording.schema import INDEX, TABLES, ChunkRow
from collectors.recording.writer import Writer
from tests.recording.material import PARTS, SECOND, batches, deliveries, steps


def write(path: Path, items: list[Item], **more: Any) -> Writer:
    writer = Writer(path, clock="virtual", version="test 1", **more)
    for item in items:
        if isinstance(item, Tick):
            writer.tick(item.time_ns, item.utc_s)
        else:
            writer.batch(item)
    writer.close()
    return writer


def read(path: Path, t0: int | None = None, t1: int | None = None) -> tuple[list[Item], str | None]:
    with Reader(path) as reader:
        items = list(reader.items(t0, t1))
        return items, reader.torn


def chunks(path: Path) -> list[ChunkRow]:
    with sqlite3.connect(path) as database:
        return [ChunkRow(*row) for row in database.execute("SELECT * FROM chunk ORDER BY id")]


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """For a while not the superuser, to whom no place is read-only."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_everything_comes_back_in_order(tmp_path: Path) -> None:
    items: list[Item] = [Batch(f"source-{i}", i * SECOND // 3, PARTS) for i in range(20)]
    items[5:5] = [Tick(5 * SECOND // 3, 1_795_438_618.25), Tick(5 * SECOND // 3)]
    assert write(tmp_path / "a.tyard", items).error is None
    back, torn = read(tmp_path / "a.tyard")
    assert torn is None
    assert pack(back) == pack(items)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tyard"]


def test_says_what_it_is(tmp_path: Path) -> None:
    write(tmp_path / "a.tyard", [Tick(3 * SECOND), Tick(5 * SECOND)])
    with Reader(tmp_path / "a.tyard") as reader:
        info = reader.info()
    assert (info.schema_version, info.writer, info.clock, info.redaction) == (2, "test 1", "virtual", "none")
    assert (info.t0_ns, info.t1_ns, info.chunks, info.emulated) == (3 * SECOND, 5 * SECOND, 2, False)
    assert info.created_utc.endswith("+00:00")
    assert info.closed_utc is not None


def test_emulated_cannot_be_lost(tmp_path: Path) -> None:
    write(
        tmp_path / "a.tyard", [Tick(0), Batch("s", 1, (Inventory((), emulated=True),)), Batch("s", 2, (Inventory(()),))]
    )
    write(tmp_path / "b.tyard", [], emulated=True)
    for name in ("a", "b"):
        with Reader(tmp_path / f"{name}.tyard") as reader:
            assert reader.info().emulated


def test_an_empty_recording_is_one(tmp_path: Path) -> None:
    write(tmp_path / "a.tyard", [])
    assert read(tmp_path / "a.tyard") == ([], None)


def test_nobody_sees_half_of_a_new_file(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.tyard" for number in range(40)]
    done = threading.Event()

    def look_on() -> set[str]:
        said = set()
        while not done.is_set():
            for path in paths:
                try:
                    Reader(path).close()
                except RecordingError as error:
                    said.add(str(error))
        return said

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look_on)
        for path in paths:
            write(path, [])
        done.set()
        assert not [said for said in looking.result() if "tables" in said or "malformed" in said]


def test_a_chunk_is_a_second_or_a_number_of_deliveries(tmp_path: Path) -> None:
    write(tmp_path / "a.tyard", [Tick(i * SECOND // 4) for i in range(10)])
    assert [(row.t0_ns, row.t1_ns, row.n) for row in chunks(tmp_path / "a.tyard")] == [
        (0, 3 * SECOND // 4, 4),
        (SECOND, 7 * SECOND // 4, 4),
        (2 * SECOND, 9 * SECOND // 4, 2),
    ]
    write(tmp_path / "b.tyard", [Batch("s", i, (deliveries(4_096),)) for i in range(10)])
    assert [row.n for row in chunks(tmp_path / "b.tyard")] == [4, 4, 2]


moments = st.lists(st.integers(0, 20), min_size=1, max_size=40).map(sorted)


@settings(max_examples=15)
@given(moments, st.integers(-1, 21), st.integers(-1, 21))
def test_a_stretch_is_exactly_what_lies_in_it(
    tmp_path_factory: pytest.TempPathFactory, moments: list[int], begin: int, end: int
) -> None:
    path = tmp_path_factory.mktemp("stretch") / "a.tyard"
    items: list[Item] = [
        Batch("s", t * SECOND // 4, (deliveries(t),)) if t % 3 else Tick(t * SECOND // 4) for t in moments
    ]
    write(path, items)
    t0, t1 = begin * SECOND // 4, end * SECOND // 4
    assert pack(read(path, t0, t1)[0]) == pack([item for item in items if t0 <= item.time_ns < t1])
    assert pack(read(path, t0)[0]) == pack([item for item in items if t0 <= item.time_ns])
    assert pack(read(path, None, t1)[0]) == pack([item for item in items if item.time_ns < t1])


def test_is_private_and_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    old = os.umask(0)
    try:
        writer = Writer(path, clock="live", version="test 1")
        assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
        writer.close()
    finally:
        os.umask(old)
    before = path.read_bytes()
    with pytest.raises(RecordingExistsError, match="choose another name"):
        Writer(path, clock="live", version="test 1")
    assert path.read_bytes() == before
    (tmp_path / "link.tyard").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordingExistsError):
        Writer(tmp_path / "link.tyard", clock="live", version="test 1")
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "b.tyard-wal").write_bytes(b"x")
    with pytest.raises(RecordingExistsError, match="left over"):
        Writer(tmp_path / "b.tyard", clock="live", version="test 1")
    with pytest.raises(RecordingError, match="No such file"):
        Writer(tmp_path / "no" / "b.tyard", clock="live", version="test 1")


def test_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    writer = Writer(path, clock="live", version="test 1")
    with Reader(path) as reader:
        assert reader.torn is not None
        assert "not closed" in reader.torn
        writer.batch(Batch("s", 1, PARTS))
        writer.close()
        assert len(list(reader.items())) == 1
    assert writer.error is None
    back, torn = read(path)
    assert (len(back), torn) == (1, None)


def test_what_is_no_recording_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("hello " * 1_000)
    (tmp_path / "noise").write_bytes(b"SQLite format 3\0" + os.urandom(8_000))
    with sqlite3.connect(tmp_path / "other") as database:
        database.execute("CREATE TABLE meta (key TEXT)")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
    for path in (*sorted(tmp_path.iterdir()), tmp_path, Path("/dev/zero")):
        with pytest.raises(NotARecordingError, match="recording"):
            Reader(path)
    with pytest.raises(RecordingError, match="No such file"):
        Reader(tmp_path / "nothing")


def test_a_later_version_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.tyard", [Tick(1)])
    with sqlite3.connect(tmp_path / "a.tyard") as database:
        database.execute("PRAGMA user_version = 3")
    with pytest.raises(NewerRecordingError, match=r"format 3; this one knows 2\): update"):
        Reader(tmp_path / "a.tyard")


def test_an_older_version_is_read(tmp_path: Path) -> None:
    items: list[Item] = [Batch("s", 7, PARTS), Tick(8, 1.5)]
    plain = msgspec.msgpack.encode(
        items, enc_hook=lambda rows: msgspec.msgpack.Ext(DTYPES.index(rows.dtype), rows.tobytes())
    )
    blob = zlib.compress(plain)
    write(tmp_path / "a.tyard", [])
    with sqlite3.connect(tmp_path / "a.tyard") as database:
        database.execute("PRAGMA user_version = 1")
        database.execute("DROP INDEX chunk_time")
        row = (1, 7, 8, 2, "items", "msgpack+zlib", zlib.crc32(blob), blob)
        database.execute("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    with Reader(tmp_path / "a.tyard") as reader:
        assert reader.info().schema_version == 1
        assert pack(list(reader.items())) == pack(items)


@pytest.mark.parametrize(
    "statements",
    [
        (
            "DROP TABLE chunk",
            "CREATE VIEW chunk AS WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x FROM c) SELECT x FROM c",
        ),
        ("CREATE TABLE more (x)",),
        ("CREATE TRIGGER t AFTER INSERT ON chunk BEGIN DELETE FROM meta; END",),
    ],
)
def test_tables_of_its_own_making_are_refused(tmp_path: Path, statements: tuple[str, ...]) -> None:
    write(tmp_path / "a.tyard", [Tick(1)])
    with sqlite3.connect(tmp_path / "a.tyard") as database:
        for statement in statements:
            database.execute(statement)
    with pytest.raises(NotARecordingError, match="tables"):
        Reader(tmp_path / "a.tyard")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE chunk SET crc32 = crc32 + 1 WHERE id = 2", "chunk 2 does not have its checksum"),
        ("UPDATE chunk SET blob = substr(blob, 1, 9) WHERE id = 2", "checksum"),
        ("UPDATE chunk SET kind = 'other' WHERE id = 2", "does not know"),
        ("UPDATE chunk SET codec = 'zstd' WHERE id = 2", "does not know"),
        ("UPDATE chunk SET n = 7 WHERE id = 2", "instead of 7"),
        ("UPDATE chunk SET n = 'x' WHERE id = 2", "not what it should be"),
        ("UPDATE chunk SET blob = zeroblob(70000000) WHERE id = 2", "too big"),
    ],
)
def test_nothing_is_read_from_a_damaged_chunk_on(tmp_path: Path, change: str, says: str) -> None:
    write(tmp_path / "a.tyard", [Tick(i * SECOND) for i in range(4)])
    with sqlite3.connect(tmp_path / "a.tyard") as database:
        database.execute(change)
    with Reader(tmp_path / "a.tyard") as reader:
        assert list(reader.items()) == [Tick(0)]
        assert reader.torn is not None
        assert says in reader.torn


def test_a_hostile_chunk_with_a_right_checksum_is_still_bounded(tmp_path: Path) -> None:
    write(tmp_path / "a.tyard", [Tick(0)])
    bomb = compress(bytes(100 << 20))
    with sqlite3.connect(tmp_path / "a.tyard") as database:
        database.execute("INSERT INTO chunk VALUES (2, 1, 1, 1, 'items', ?, ?, ?)", (CODEC, zlib.crc32(bomb), bomb))
    items, torn = read(tmp_path / "a.tyard")
    assert items == [Tick(0)]
    assert torn is not None
    assert "64 MiB" in torn


def test_a_file_that_was_cut_short_is_read_up_to_its_last_whole_chunk(tmp_path: Path) -> None:
    """At any byte: all chunks that lie whole before it, bar those of the last few pages, and never anything else."""
    path = tmp_path / "a.tyard"
    items: list[Item] = [Batch("s", i * SECOND, (deliveries(7 + 61 * i % 500, i),)) for i in range(300)]
    write(path, items)
    packed = [pack([item]) for item in items]
    size = path.stat().st_size
    whole = 0
    for cut in (*range(size - 1, 0, -size // 60), 20_000, 8_192, 8_191, 4_096):
        short = tmp_path / "short.tyard"
        shutil.copy(path, short)
        os.truncate(short, cut)
        try:
            with Reader(short) as reader:
                back = [pack([item]) for item in reader.items()]
                torn, last = reader.torn, reader.info().t1_ns
        except NotARecordingError:
            assert cut < 8_192
            continue
        assert torn is not None
        assert "cut short" in torn
        assert back == packed[: len(back)]
        assert last == (len(back) - 1) * SECOND or not back
        assert len(back) >= 300 * cut / size - 20
        whole += len(back)
    assert whole > 300 * 60 / 3


def test_changed_bytes_never_change_what_is_read(tmp_path: Path) -> None:
    """Anywhere in the file: what is read is what was written, up to a place that is named, or the file is refused."""
    path = tmp_path / "a.tyard"
    items: list[Item] = [Batch("s", i * SECOND, (deliveries(7 + 61 * i % 200, i),)) for i in range(60)]
    write(path, items)
    packed = [pack([item]) for item in items]
    good = path.read_bytes()
    rng = np.random.default_rng(3)
    pages = len(good) // 4_096
    for i in range(150):
        bad = bytearray(good)
        page, within = int(rng.integers(pages)), int(rng.integers(4_096 if i % 2 else 60))
        bad[page * 4_096 + within] ^= 1 << int(rng.integers(8))
        (tmp_path / "b.tyard").write_bytes(bad)
        try:
            with Reader(tmp_path / "b.tyard") as reader:
                back = [pack([item]) for item in reader.items()]
                torn = reader.torn
        except RecordingError:
            continue
        assert back == packed[: len(back)]
        assert torn is not None or len(back) == len(packed)


def test_a_lost_log_leaves_what_was_in_the_file(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.tyard", tmp_path / "b.tyard"
    writer = Writer(path, clock="live", version="test 1")
    writer.batch(Batch("s", 1, PARTS))
    shutil.copy(path, copy)
    writer.close()
    items, torn = read(copy)
    assert items == []
    assert torn is not None
    assert "not closed" in torn
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.tyard", "b.tyard"]


def test_a_torn_recording_can_be_read_from_a_read_only_place(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.tyard", tmp_path / "b.tyard"
    writer = Writer(path, clock="live", version="test 1")
    shutil.copy(path, copy)
    shutil.copy(f"{path}-wal", f"{copy}-wal")
    writer.close()
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        for one in (copy, Path(f"{copy}-wal")):
            shutil.copy(one, place)
            (place / one.name).chmod(0o444)
        place.chmod(0o555)
        with unprivileged():
            assert read(place / "b.tyard")[0] == []
    finally:
        place.chmod(0o700)
        shutil.rmtree(place)


def test_a_disk_that_is_too_slow_stops_the_recording_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(spool, "MAX_WAITING_BYTES", 100_000)
    monkeypatch.setattr(chunking, "compress", lambda raw: (gate.wait(30), compress(raw))[1])
    writer = Writer(tmp_path / "a.tyard", clock="live", version="test 1")
    for i in range(100):
        writer.batch(Batch("s", i * SECOND, (deliveries(100),)))
    assert writer.error is not None
    assert "too slow" in writer.error
    gate.set()
    writer.close()
    items, torn = read(tmp_path / "a.tyard")
    assert 0 < len(items) < 100
    assert torn is not None


def test_what_cannot_be_recorded_stops_the_recording_only(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.tyard", clock="live", version="test 1")
    writer.tick(0)
    writer.batch(Batch("s", SECOND, (Deliveries(np.zeros(1, np.float32), np.zeros(0)),)))
    writer.tick(3 * SECOND)
    writer.close()
    assert writer.error is not None
    assert "recording stopped" in writer.error
    writer.tick(4 * SECOND)


def test_a_batch_that_is_too_large_is_split_off_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "MAX_RAW_BYTES", 10_000)
    items: list[Item] = [Batch("s", i, (deliveries(100, i),)) for i in range(5)]
    writer = write(tmp_path / "a.tyard", items)
    assert writer.error is None
    assert pack(read(tmp_path / "a.tyard")[0]) == pack(items)
    assert len(chunks(tmp_path / "a.tyard")) > 1
    large = write(tmp_path / "b.tyard", [Batch("s", 1, (deliveries(1_000),))])
    assert large.error is not None
    assert "one batch" in large.error


def test_the_document_shows_how_to_read_one(tmp_path: Path) -> None:
    write(tmp_path / "a.tyard", [*(Batch("s", i * SECOND, PARTS) for i in range(3)), Tick(3 * SECOND)])
    text = (Path(__file__).parents[2] / "docs" / "recording.md").read_text()
    program = text.split("```python\n")[1].split("```")[0]
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.tyard")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert said == "15\n"


def test_the_document_shows_the_tables() -> None:
    text = (Path(__file__).parents[2] / "docs" / "recording.md").read_text()
    for statement in (*TABLES.values(), *INDEX.values()):
        assert statement in text
    for code, dtype in enumerate(DTYPES):
        assert any(line.startswith(f"| {code} |") and f"{dtype.itemsize} bytes" in line for line in text.splitlines())


def test_a_fleet_takes_few_bytes_a_delivery(tmp_path: Path) -> None:
    rows = steps(5)
    items = batches(rows)
    assert write(tmp_path / "a.tyard", items).error is None
    assert pack(read(tmp_path / "a.tyard")[0]) == pack(items)
    assert (tmp_path / "a.tyard").stat().st_size / len(rows) < 4
