"""Drivers that play constructed Frames."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from collectors.model.frame import Frame
from collectors.recording.history import History
from collectors.session.detail import Detail
from tui.driver import Clock, Post
from tui.marks import Bookmarks
from tui.player import Player
from tui.urgency import Urgency


class Played:
    """Posts Frames when it is told to, and remembers them as a session does."""

    def __init__(
        self,
        frames: Sequence[Frame] = (),
        *,
        title: str = "default/seed 7",
        clock: Clock = "live",
        error: Exception | None = None,
    ) -> None:
        self.title = title
        self.player: Player | None = None
        self.clock: Clock = clock
        self.history = History()
        self.detail: Detail | None = None
        self.bookmarks = Bookmarks(None)
        self.held = False
        self.profile = ""
        self.cancelled = False
        self.done = asyncio.Event()
        self.urgency = Urgency()
        self._frames = frames
        self._error = error
        self._post: Post | None = None

    def delivery(self, time_ns: int, direction: int) -> int | None:
        return None

    def next_profile(self, after: str) -> str:
        self.profile = f"after {after}"
        return self.profile

    async def run(self, post: Post) -> None:
        self._post = post
        for frame in self._frames:
            self.post(frame)
        if self._error is not None:
            raise self._error
        try:
            await self.done.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    def post(self, frame: Frame) -> None:
        assert self._post is not None
        self.history.append(frame)
        self._post(frame)

    async def save(self, path: Path) -> tuple[str, str]:
        return "", f"saved to {path.name}"

    def hold(self, held: bool, at_ns: int | None = None) -> None:
        self.held = held
