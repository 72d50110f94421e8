"""A demo of which every word is hostile, as a recording may hold them, which no ingest has made safe; and what a terminal is told meanwhile."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import msgspec
from textual.drivers.headless_driver import HeadlessDriver
from textual.pilot import Pilot

from collectors.model.batch import Tick
from collectors.model.frame import Frame
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer
from collectors.session.detail import Detail
from collectors.session.session import Session
from tests.tui.demo import Demo
from tests.tui.screen import at_rest
from tui.app import TokenyardApp
from tui.headless import demo_frames

MARK: Final = "31;66"
"""Of sequences that nobody else sends."""
CONTROLS: Final = (
    f"\x1b[{MARK}m",
    "\x1b]8;;http://evil.example\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    f"\x9b{MARK}m",
    "\x9d8;;http://evil.example\x9c",
    "\x1bP+q31\x1b\\",
    "\u202e\u2066\u200b\ufeff",
    "\x00\x07\b\r\n\t",
)
"""Words that no recording may hold."""
PLAIN: Final = (
    "[b",
    "[/]",
    "[bold red]",
    "<script>alert(1)</script>&amp;",
    "|`*_]( ",
    "日本語e\u0301\u0301",
    "w" * 200,
)
WORDS: Final = (*CONTROLS, *PLAIN)
KEPT: Final = frozenset({"clock", "unit", "of", "what", "state", "tag"})
"""Fields of which the word is one of ours."""


def hostile(text: str, words: Sequence[str] = WORDS) -> str:
    """The same for the same: what is joined by names stays joined."""
    return words[crc32(text.encode()) % len(words)] + text if text else text


def marked_up(text: str) -> str:
    """With what a recording may hold."""
    return hostile(text, PLAIN)


def spoiled(it: Any, word: Callable[[str], str] = hostile) -> Any:
    """The same with all its words made hostile."""
    if isinstance(it, str) and not isinstance(it, Enum):
        return word(it)
    if isinstance(it, msgspec.Struct):
        names = [name for name in it.__struct_fields__ if name not in KEPT]
        return msgspec.structs.replace(it, **{name: spoiled(getattr(it, name), word) for name in names})
    if isinstance(it, dict):
        return {spoiled(key, word): spoiled(value, word) for key, value in it.items()}
    if isinstance(it, tuple | list):
        parts = [spoiled(one, word) for one in it]
        return type(it)(*parts) if hasattr(it, "_fields") else type(it)(parts)
    return it


async def record(path: Path, word: Callable[[str], str], seconds: float) -> Demo:
    """A demo with other words: its Frames, its detail, and a recording of it at `path`."""
    plain = path.with_suffix(".plain")
    frames: list[Frame] = []
    await demo_frames("default", 7, seconds, plain, frames.append)
    detail = Detail()
    session = Session("virtual", detail=detail)
    waiting, made = iter(frames), list[Frame]()
    with Reader(plain) as reader:
        writer = Writer(path, clock="virtual", version="test")
        for item in reader.items():
            if isinstance(item, Tick):
                session.tick(item.time_ns, item.utc_s)
                made.append(spoiled(next(waiting), word))
                writer.tick(item.time_ns, item.utc_s)
                writer.frame(made[-1])
            else:
                batch = spoiled(item, word)
                session.feed(batch)
                writer.batch(batch)
        writer.close()
    return Demo(made, detail)


def recorded_as(path: Path, word: Callable[[str], str] = hostile, seconds: float = 10.0) -> Demo:
    return asyncio.run(record(path, word, seconds))


class Wire(HeadlessDriver):
    """A terminal that keeps what it is told."""

    told = ""

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        data.encode()
        Wire.told += data


@asynccontextmanager
async def listened(app: TokenyardApp, size: tuple[int, int] = (120, 36)) -> AsyncIterator[Pilot[None]]:
    """The App on such a terminal; at the end nothing was told that is not ours."""
    app.driver_class, Wire.told = Wire, ""
    async with app.run_test(headless=False, size=size, notifications=True) as pilot:
        await at_rest(pilot)
        yield pilot
        await at_rest(pilot)
    assert len(Wire.told) > 1_000
    found = odd(Wire.told)
    assert not found, found[:5]


_OURS: Final = re.compile(
    r"\x1b\[[0-9;]*[mHJ]|\x1b\[\?\d+[hlu]|\x1b\[[<>=]\d*u|\x1b\]22;[a-z-]*\x07|\x1b\]52;c;[A-Za-z0-9+/=]*\x07|\x07(?!\x08)"
)
"""The bell is what Textual says to more letters than a line takes; theirs comes before a backspace."""


def odd(told: str) -> list[str]:
    """What is in it beside text, colours, moves, and copies to the clipboard."""
    if f"\x1b[{MARK}m" in told or f"\x9b{MARK}m" in told:
        return ["a colour of theirs"]
    if "ZXZpbA==" in told.replace("\ufffd]52;c;ZXZpbA==", ""):
        return ["a copy of theirs"]
    rest = _OURS.sub("", told)
    return [
        rest[max(at - 30, 0) : at + 30]
        for at, one in enumerate(rest)
        if unicodedata.category(one)[0] == "C" and one != "\n"
    ]
