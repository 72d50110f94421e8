"""Each file of a rotated recording can be read alone, together they have everything, and old ones go."""

import itertools
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collectors.model.batch import Batch, Deliveries, Inventory, Received, Requests, WorkerInfo
from collectors.recording import chunks as chunking
from collectors.recording.codec import Item, pack
from collectors.recording.reader import Reader
from collectors.recording.rotation import Rotating
from collectors.recording.spool import Spool
from tests.recording.material import SECOND, deliveries


def items(seconds: int) -> list[Item]:
    first = Batch("s", 0, (Inventory((WorkerInfo(0, "w"),), emulated=True), Requests((Received(0, "r", 1),))))
    return [first, *(Batch("s", second * SECOND, (deliveries(2_000, second),)) for second in range(1, seconds))]


def record(path: Path, wanted: list[Item], **limits: Any) -> Rotating:
    files = Rotating(path, clock="live", version="test", **limits)
    with closing(Spool([files])) as spool:
        for item in wanted:
            assert isinstance(item, Batch)
            spool.batch(item)
    return files


def read(path: Path) -> list[Item]:
    with Reader(path) as reader:
        assert reader.info().emulated
        assert reader.torn is None
        return list(reader.items())


def test_files_follow_each_other_without_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "KEY_NS", 2 * SECOND)
    wanted = items(30)
    files = record(tmp_path / "a.tyard", wanted, file_bytes=400_000)
    assert files.error is None
    assert len(files.paths) > 3
    assert [path.name for path in files.paths[:3]] == ["a.tyard", "a-0002.tyard", "a-0003.tyard"]
    parts = [read(path) for path in files.paths]
    for part in parts[1:]:
        opening = part.pop(0)
        assert isinstance(opening, Batch)
        assert [type(one) for one in opening.parts] == [Inventory, Requests]
        assert isinstance(part[0], Batch)
        assert isinstance(part[0].parts[0], Deliveries)
    assert pack(list(itertools.chain(*parts))) == pack(wanted)


def test_the_oldest_go_when_all_take_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "KEY_NS", 2 * SECOND)
    (tmp_path / "a-0099.tyard").write_text("of somebody else")
    files = record(tmp_path / "a.tyard", items(40), file_bytes=400_000, max_disk_bytes=1_200_000)
    assert files.error is None
    there = sorted(path for path in tmp_path.iterdir() if path.name != "a-0099.tyard")
    assert there == sorted(files.paths)
    assert "a.tyard" not in {path.name for path in there}
    assert sum(path.stat().st_size for path in there) < 1_200_000 + 800_000


def test_a_file_that_is_there_stops_it_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "KEY_NS", 2 * SECOND)
    (tmp_path / "a-0002.tyard").write_text("of somebody else")
    files = record(tmp_path / "a.tyard", items(30), file_bytes=400_000)
    assert files.error is not None
    assert "there already" in files.error
    assert (tmp_path / "a-0002.tyard").read_text() == "of somebody else"
    with Reader(tmp_path / "a.tyard") as reader:
        assert len(list(reader.items())) > 2
