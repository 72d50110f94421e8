"""A recording made of a recording: the whole has the same content, a part what lies in it."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from collectors.export.excerpt import excerpt
from collectors.export.frames import frames
from collectors.export.span import ALL, Part
from collectors.model.batch import Batch, Deliveries, Tick
from collectors.model.frame import Frame
from collectors.recording.codec import Item
from collectors.recording.reader import Reader
from tests.recording.material import SECOND
from tui.headless import demo_frames


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("excerpt") / "demo.tyard"
    asyncio.run(demo_frames("default", 7, 45.0, path, lambda _: None))
    return path


def content(path: Path, of: Part = ALL) -> tuple[list[object], list[Frame]]:
    """All that a recording holds, in a form that can be compared."""
    with Reader(path) as reader:
        return [_plain(item) for item in reader.items()], list(frames(reader, of))


def _plain(item: Item) -> object:
    if isinstance(item, Tick):
        return item
    parts = [msgspec.structs.asdict(part) for part in item.parts]
    return item.source, item.time_ns, [{name: _value(value) for name, value in part.items()} for part in parts]


def _value(value: object) -> object:
    return value.tobytes() if hasattr(value, "tobytes") else value


def test_record_replay_record_gives_the_same_content(recording: Path, tmp_path: Path) -> None:
    again, third = tmp_path / "again.tyard", tmp_path / "third.tyard"
    with Reader(recording) as reader:
        excerpt(reader, ALL, again)
        info = reader.info()
    with Reader(again) as reader:
        excerpt(reader, ALL, third)
        assert (reader.info().clock, reader.info().emulated, reader.info().writer) == (
            info.clock,
            info.emulated,
            info.writer,
        )
    first = content(recording)
    assert len(first[0]) > 1_000
    assert len(first[1]) == 180
    assert content(again) == first
    assert content(third) == first


def test_a_part_has_all_frames_of_it_and_what_they_are_made_of(recording: Path, tmp_path: Path) -> None:
    of = Part(33 * SECOND, 36 * SECOND)
    with Reader(recording) as reader:
        wanted = list(frames(reader, of))
        whole = [item for item in reader.items() if isinstance(item, Batch)]
        excerpt(reader, of, tmp_path / "part.tyard")
    items, found = content(tmp_path / "part.tyard")
    assert found == wanted
    assert len(found) == 12
    with Reader(tmp_path / "part.tyard") as reader:
        kept = [item for item in reader.items() if isinstance(item, Batch)]
        assert 0 < (reader.info().t0_ns or 0) <= of.begin_ns
    begin = min(item.time_ns for item in kept)

    def deliveries(batches: list[Batch]) -> int:
        return sum(len(part.rows) for item in batches for part in item.parts if isinstance(part, Deliveries))

    assert deliveries(kept) == deliveries([item for item in whole if begin <= item.time_ns < of.end_ns]) > 0
    assert len(items) > len(kept)
