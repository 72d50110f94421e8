"""The driver of a recording: shows what was seen, at any speed and from any moment.

A recording without Frames (format 1) is run through a session first; what it makes then is what is played.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Final, Literal

from tui.marks import Bookmarks
from tui.memory import Late
from tui.player import Player
from tui.urgency import Urgency

if TYPE_CHECKING:
    from pathlib import Path

    from collectors.model.frame import Frame
    from collectors.recording.reader import Reader
    from collectors.session.detail import Detail
    from tui.along import Along
    from tui.driver import History, Post

YIELD_EVERY: Final = 8
"""Ticks between two looks at the event loop while a session runs."""
REDRAW_S: Final = 0.1
"""Real time between two looks at where the replay is."""
WORK_S: Final = 0.03
"""Real time at a stretch for what is only made when somebody looks at it."""
ASKED_S: Final = 2.0
"""So long after somebody looked it goes on being made."""
GROWN_S: Final = 1.0
"""Real time between two looks at whether the file has grown."""


class ReplayDriver:
    """Plays from `at_s` seconds after the beginning (infinity: shows the end)."""

    clock: Literal["replay"] = "replay"

    def __init__(self, file: Path, at_s: float, speed: float = 1.0) -> None:
        self._file = file
        self._at_s = at_s
        self._wake = asyncio.Event()
        self.player = Player(0, 0, 0.0, speed)
        self.history = Late()
        self._along: Along | None = None
        self._reader: Reader | None = None
        self._asked = -math.inf
        self._shown_ns = 0
        self.urgency = Urgency()
        self.bookmarks = Bookmarks(file)
        self.title = file.name

    def delivery(self, time_ns: int, direction: int) -> int | None:
        from collectors.recording.stepping import tick_of_delivery

        return None if self._reader is None else tick_of_delivery(self._reader, time_ns, direction)

    def next_profile(self, after: str) -> str:
        """What was seen was judged then."""
        return ""

    def hold(self, held: bool, at_ns: int | None = None) -> None:
        """Time stands still while the view is held, and goes on from what is shown, of which there is no detail until it is made."""
        self._shown_ns = self._shown_ns if at_ns is None else at_ns
        if held:
            self.player.playing = False
            self.player.position_ns = self.player.position_ns if at_ns is None else at_ns
        else:
            self.player.go(at_ns)
        self._wake.set()

    def lead(self, at_ns: int) -> None:
        """To that moment, whether or not it plays."""
        self.player.position_ns = at_ns
        self._wake.set()

    @property
    def detail(self) -> Detail | None:
        """Single deliveries and requests as of what is shown; made only while somebody looks at them. None until they are."""
        if not self._looked_into:
            self._asked = time.monotonic()
            self._wake.set()
        self._asked = time.monotonic()
        return self._along.detail if self._along is not None and self._along.at_ns >= self._shown_ns else None

    async def save(self, path: Path) -> tuple[str, str]:
        return f"this is a recording already: {self._file}", ""

    async def run(self, post: Post) -> None:
        from tui.along import Along
        from tui.recorded import opened

        with opened(self._file) as reader:
            self._reader, torn = reader, reader.torn
            self.history.behind = history = await _history(reader)
            span = history.span()
            if span is None:
                return
            self.bookmarks.load()
            self.player.stops = sorted(self.bookmarks.stops)
            self.player.first_ns, self.player.last_ns = span
            self.player.position_ns = min(span[0] + self._at_s * 1e9, span[1])
            self._along = Along(reader)
            await self._play(history, post, reader, torn)

    async def _play(self, history: History, post: Post, reader: Reader, torn: str | None) -> None:
        """`torn`: what was known to be missing when it was opened."""
        grows = reader.info().closed_utc is None
        shown: tuple[Frame | None, bool] = None, True
        last = looked = time.monotonic()
        while True:
            now = time.monotonic()
            self.player.advance(now - last)
            last = now
            frame = history.at(round(self.player.position_ns))
            if reader.torn != torn and reader.torn is not None:
                # Something here cannot be drawn: whoever goes on knows it.
                torn = self.player.trouble = reader.torn
                self.player.playing, shown = False, (None, True)
            there = frame is None or self._there(frame)
            if frame is not None and (frame is not shown[0] or there is not shown[1]):
                shown = frame, there
                post(frame)
            if grows and now - looked > GROWN_S and (span := history.span()) is not None:
                looked, self.player.last_ns = now, span[1]
            self._wake.clear()
            if not there:
                await asyncio.sleep(0)
                continue
            idle = not self.player.playing or self.player.ended
            try:
                async with asyncio.timeout(GROWN_S if idle and grows else None if idle else REDRAW_S):
                    await self._wake.wait()
                last = time.monotonic()
            except TimeoutError:
                pass

    def _there(self, frame: Frame) -> bool:
        """A slice of the work on what is asked for about a Frame; whether that is all."""
        self._shown_ns = frame.time_ns
        return self._along is None or not self._looked_into or self._along.work(frame.time_ns, WORK_S)

    @property
    def _looked_into(self) -> bool:
        return self._along is not None and time.monotonic() - self._asked < ASKED_S


async def _history(reader: Reader) -> History:
    from collectors.model.batch import Tick
    from collectors.recording.history import History
    from collectors.recording.playback import Playback
    from collectors.session.session import Session

    played = Playback(reader)
    if played.span() is not None:
        return played
    history, session = History(), Session(reader.info().clock)
    for number, item in enumerate(reader.items()):
        if isinstance(item, Tick):
            history.append(session.tick(item.time_ns, item.utc_s))
        else:
            session.feed(item)
        if number % YIELD_EVERY == 0:
            await asyncio.sleep(0)
    return history
