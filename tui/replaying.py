"""The driver of a recording: the same session, fed from a file at the speed at which it was recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Literal

from tui.memory import Late

if TYPE_CHECKING:
    from pathlib import Path

    from collectors.session.detail import Detail
    from collectors.session.session import Session
    from tui.driver import Post

YIELD_EVERY: Final = 8
"""Ticks between two looks at the event loop while running ahead to the start."""


class ReplayDriver:
    """Plays from `at_s` seconds after the beginning (infinity: shows the end); what is before it is there to step back to."""

    clock: Literal["replay"] = "replay"

    def __init__(self, file: Path, at_s: float) -> None:
        self._file = file
        self._at_ns = at_s * 1e9
        self._going = asyncio.Event()
        self._going.set()
        self.history = Late()
        self.detail: Detail | None = None
        self._session: Session | None = None
        self.title = file.name

    def judge(self, profile: str) -> bool:
        if self._session is None:
            return False
        self._session.judge(profile)
        return True

    def hold(self, held: bool) -> None:
        """Time stands still while the view is held."""
        if held:
            self._going.clear()
        else:
            self._going.set()

    async def run(self, post: Post) -> None:
        from collectors.model.batch import Tick
        from collectors.recording.history import History
        from collectors.session.detail import Detail
        from collectors.session.session import Session
        from tui.recorded import opened

        self.history.behind = history = History()
        with opened(self._file) as reader:
            self.detail = Detail()
            self._session = session = Session(reader.info().clock, detail=self.detail)
            before_ns: int | None = None
            frame = None
            for number, item in enumerate(reader.items()):
                if not isinstance(item, Tick):
                    session.feed(item)
                    continue
                frame = session.tick(item.time_ns, item.utc_s)
                history.append(frame)
                if item.time_ns < self._at_ns:
                    if number % YIELD_EVERY == 0:
                        await asyncio.sleep(0)
                    continue
                if before_ns is not None:
                    await asyncio.sleep((item.time_ns - before_ns) / 1e9)
                await self._going.wait()
                before_ns = item.time_ns
                post(frame)
            if frame is not None:
                post(frame)
