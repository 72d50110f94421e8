import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.model.batch import Batch
from collectors.recording import file, spool
from collectors.recording.codec import Item
from collectors.recording.reader import Reader
from collectors.recording.spool import COMMIT_S
from collectors.recording.writer import Writer

ROOT = Path(__file__).parents[2]


def start(path: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.recording.recorder", str(path), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def recorded(path: Path) -> list[Batch]:
    with Reader(path) as reader:
        items = list(reader.items())
        assert reader.torn is not None
        assert "not closed" in reader.torn
    batches = [item for item in items if isinstance(item, Batch)]
    assert [int(one.source) for one in batches] == list(range(len(batches)))
    return batches


class Slow:
    """A clock that stands still but for `LATE_S` with each item that the writer's thread takes, and a database that says at which item it was committed to."""

    LATE_S = 0.25

    def __init__(self, create: Callable[..., sqlite3.Connection]) -> None:
        self.taken = 0
        self.commits: list[int] = []
        self._create = create

    def monotonic(self) -> float:
        return self.taken * self.LATE_S

    def __call__(self, *arguments: object) -> "Slow":
        self._database = self._create(*arguments)
        return self

    def __getattr__(self, name: str) -> object:
        return getattr(self._database, name)

    def commit(self) -> None:
        self._database.commit()
        self.commits.append(self.taken)


def test_what_is_taken_is_committed_within_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of the writer's thread, exactly. With the next test this is what a killed writer loses: how late a busy machine runs that thread comes on top."""
    slow = Slow(file._create)
    add = spool.Spool._add

    def late(self: spool.Spool, item: Item, size: int) -> None:
        slow.taken += 1
        add(self, item, size)

    monkeypatch.setattr(spool, "time", slow)
    monkeypatch.setattr(file, "_create", slow)
    monkeypatch.setattr(spool.Spool, "_add", late)
    writer = Writer(tmp_path / "a.tyard", clock="live", version="test 1")
    for i in range(23):
        writer.tick(i)
    writer.close()
    assert writer.error is None
    # The first item is there at 0.25 s, so what is there at 1.25 s goes with it; then the same again from the next item on.
    each = round(COMMIT_S / slow.LATE_S) + 1
    assert slow.commits == [*range(each, 23, each), 23]


def test_what_a_reader_has_seen_outlives_the_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    with start(path) as child:
        assert child.stdout is not None
        seen: list[Batch] = []
        deadline = time.monotonic() + 30
        for _ in child.stdout:
            if path.exists() and (seen := recorded(path)):
                break
            assert time.monotonic() < deadline
        child.kill()
    assert len(recorded(path)) >= len(seen) > 0


def test_a_full_disk_stops_the_recording_and_not_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    with start(path, "20000", "600000") as child:
        said = child.communicate(timeout=60)[0]
    assert child.returncode == 0
    assert "recording stopped" in said
    assert recorded(path)


def test_neither_arguments_nor_environment_are_recorded(tmp_path: Path) -> None:
    path = tmp_path / "a.tyard"
    with start(path, "300", "0", "argument-canary-17", TOKEN="environment-canary-17") as child:
        assert child.communicate(timeout=60)[0].splitlines()[-1] == "None"
    whole = path.read_bytes()
    assert b"canary" not in whole
    with Reader(path) as reader:
        assert "canary" not in repr(list(reader.items()))
