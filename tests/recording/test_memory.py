"""What a dashboard remembers can be written to a file afterwards: equal to what was seen, from where it begins on."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from collectors.model.batch import Batch, Deliveries, Layout, Received, Requests, Samples, Tick
from collectors.model.frame import Frame
from collectors.recording import chunks as chunking
from collectors.recording.codec import Item, pack
from collectors.recording.errors import RecordingExistsError
from collectors.recording.memory import Memory
from collectors.recording.reader import Reader
from collectors.recording.spool import Spool
from collectors.session.session import Session
from tests.recording.material import SECOND
from tui.headless import demo_frames


class Seen:
    """A demo of 40 s: what a recorder was given."""

    def __init__(self, path: Path) -> None:
        self.frames: list[Frame] = []
        asyncio.run(demo_frames("default", 3, 20.0, path, self.frames.append))
        with Reader(path) as reader:
            self.items = list(reader.items())


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seen") / "demo.tyard"


@pytest.fixture(scope="module")
def seen(path: Path) -> Seen:
    return Seen(path)


def remember(memory: Memory, seen: Seen) -> None:
    frames = iter(seen.frames)
    with closing(Spool([memory])) as spool:
        for item in seen.items:
            if isinstance(item, Tick):
                spool.tick(item.time_ns, item.utc_s)
                frame = next(frames)
                memory.history.append(frame)
                spool.frame(frame)
            else:
                spool.batch(item)


def walked(reader: Reader) -> Iterator[Frame]:
    frames = reader.frames_after(-1)
    while frames:
        yield from frames
        frames = reader.frames_after(frames[-1].time_ns)


def test_a_recording_has_every_frame(path: Path, seen: Seen) -> None:
    with Reader(path) as reader:
        assert list(walked(reader)) == seen.frames
        for frame in seen.frames[::7]:
            assert frame in reader.frames_at(frame.time_ns)
        assert reader.frames_at(0)[0] == seen.frames[0]
        assert reader.frames_before(seen.frames[20].time_ns)[-1].time_ns < seen.frames[20].time_ns


def test_frames_are_those_that_the_items_make(path: Path, seen: Seen) -> None:
    session = Session("virtual")
    made = []
    for item in seen.items:
        if isinstance(item, Tick):
            made.append(session.tick(item.time_ns, item.utc_s))
        else:
            session.feed(item)
    assert made == seen.frames


def test_all_that_is_remembered_is_all_that_was_recorded(tmp_path: Path, seen: Seen) -> None:
    memory = Memory()
    remember(memory, seen)
    assert memory.save(tmp_path / "b.tyard", clock="virtual", version="test 1") == pytest.approx(20.0, abs=0.3)
    with Reader(tmp_path / "b.tyard") as reader:
        assert reader.info().emulated
        assert pack(list(reader.items())) == pack(seen.items)
        assert list(walked(reader)) == seen.frames
        assert reader.torn is None
    with pytest.raises(RecordingExistsError):
        memory.save(tmp_path / "b.tyard", clock="virtual", version="test 1")


def test_what_is_left_can_be_understood(tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """The beginning is gone: what held at the first key stands before what came after it, layouts and living requests too."""
    monkeypatch.setattr(chunking, "KEY_NS", 3 * SECOND)
    memory = Memory(max_bytes=300_000)
    remember(memory, seen)
    saved = memory.save(tmp_path / "b.tyard", clock="virtual", version="test 1")
    with Reader(tmp_path / "b.tyard") as reader:
        items = list(reader.items())
        frames = list(walked(reader))
    begin = memory.since_ns()
    assert begin is not None
    assert 3 * SECOND < begin < 20 * SECOND
    assert saved == pytest.approx(20.0 - begin / 1e9, abs=0.3)
    after = [item for item in seen.items if item.time_ns >= begin]
    opening, rest = items[: len(items) - len(after)], items[len(items) - len(after) :]
    assert pack(rest) == pack(after)
    assert frames == [frame for frame in seen.frames if frame.time_ns >= frames[0].time_ns]
    assert all(isinstance(item, Batch) and item.time_ns == begin for item in opening)
    assert_understood(items)


def test_a_reader_may_begin_in_the_middle(tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "KEY_NS", 3 * SECOND)
    memory = Memory()
    remember(memory, seen)
    memory.save(tmp_path / "b.tyard", clock="virtual", version="test 1")
    with Reader(tmp_path / "b.tyard") as reader:
        items = list(reader.since_key(10 * SECOND, 12 * SECOND))
        assert 6 * SECOND < items[0].time_ns <= 10 * SECOND
        assert items[-1].time_ns < 12 * SECOND
        assert_understood([item for item in items if not has(item, Samples)])
        assert pack(list(reader.since_key(0, SECOND))) == pack(list(reader.items(None, SECOND)))
        assert reader.torn is None


def has(item: Item, kind: type) -> bool:
    return isinstance(item, Batch) and any(isinstance(part, kind) for part in item.parts)


def assert_understood(items: list[Item]) -> None:
    """Every delivery belongs to a request that was heard of, every sample has its layout."""
    streams: set[tuple[str, int]] = set()
    layouts: dict[str, int] = {}
    for item in items:
        if not isinstance(item, Batch):
            continue
        for part in item.parts:
            if isinstance(part, Requests):
                streams |= {(item.source, row.stream) for row in part.rows if isinstance(row, Received)}
            elif isinstance(part, Deliveries):
                assert {(item.source, int(stream)) for stream in part.rows["stream"]} <= streams
            elif isinstance(part, Layout):
                layouts[item.source] = len(part.series)
            elif isinstance(part, Samples):
                assert layouts[item.source] == len(part.values)
