"""What is packed beside a dashboard waits for who is busy there, but not for ever."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from collectors.model.frame import Frame
from collectors.recording import spool as spooling
from collectors.recording.chunks import CHUNK_FRAMES, Chunk
from collectors.recording.frames import pack_frames, unpack_frames
from collectors.recording.spool import Spool
from tui.headless import demo_frames


class Chunks:
    def __init__(self) -> None:
        self.all: list[Chunk] = []

    def chunk(self, chunk: Chunk) -> None:
        self.all.append(chunk)

    def emulated(self) -> None: ...
    def commit(self) -> None: ...
    def close(self) -> None: ...
    def fail(self, reason: str) -> None:
        raise AssertionError(reason)


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    made: list[Frame] = []
    asyncio.run(demo_frames("default", 3, 2.0, None, made.append))
    return made[:CHUNK_FRAMES]


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_waits_for_who_is_busy(frames: list[Frame]) -> None:
    sink, asked, free = Chunks(), list[bool](), threading.Event()

    def busy() -> bool:
        asked.append(free.is_set())
        return not free.is_set()

    with pytest.MonkeyPatch.context() as patch, closing(Spool([sink], busy)) as spool:
        patch.setattr(spooling, "PATIENCE_S", 60.0)
        for frame in frames:
            spool.frame(frame)
        until(lambda: len(asked) > 3)
        assert not sink.all
        free.set()
        until(lambda: bool(sink.all))
    assert unpack_frames(sink.all[0].blob) == frames


def test_each_frame_is_packed_when_it_comes(frames: list[Frame]) -> None:
    """And not four of them at the end of a second."""
    sink, asked = Chunks(), list[int]()

    def busy() -> bool:
        asked.append(len(sink.all))
        return False

    with closing(Spool([sink], busy)) as spool:
        for number, frame in enumerate(frames[:-1]):
            before = len(asked)
            spool.frame(frame)
            until(lambda before=before: len(asked) > before)  # type: ignore[misc]
            assert not sink.all, f"there are {number + 1}"
        spool.frame(frames[-1])
        until(lambda: bool(sink.all))
    assert sink.all[0].blob == pack_frames(frames)


def test_it_does_not_wait_for_ever(frames: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "PATIENCE_S", 0.05)
    sink = Chunks()
    with closing(Spool([sink], lambda: True)) as spool:
        for frame in frames:
            spool.frame(frame)
        until(lambda: bool(sink.all))
    assert unpack_frames(sink.all[0].blob) == frames


def test_at_the_end_it_does_not_wait(frames: list[Frame], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "PATIENCE_S", 60.0)
    sink = Chunks()
    spool = Spool([sink], lambda: True)
    for frame in frames:
        spool.frame(frame)
    spool.close()
    assert unpack_frames(sink.all[0].blob) == frames
