"""The child of `bench.ui`: an App on the terminal that it is given, saying on a pipe when it has measured.

`start bare|tokenyard` ends with the first frame; `play WORKERS HZ FRAMES PAGE` plays constructed Frames on a page. Imports are inside, as they are part of what is measured.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tui.marks import Bookmarks
from tui.urgency import Urgency

if TYPE_CHECKING:
    from collectors.model.frame import Frame
    from collectors.session.detail import Detail
    from tui.driver import History, Post

WARM_UP = 10
"""Frames before the measurement."""


def mark(name: str, **values: float) -> None:
    os.write(int(os.environ["BENCH_MARKS"]), json.dumps({"mark": name, **values}).encode() + b"\n")


def start_bare() -> None:
    from textual.app import App

    class Bare(App[None]):
        def post_display_hook(self) -> None:
            mark("end")
            self.exit()

    Bare().run()


def start_tokenyard() -> None:
    from tui.app import TokenyardApp

    class Started(TokenyardApp):
        def post_display_hook(self) -> None:
            mark("end")
            self.exit()

    Started(Silent()).run()


class Silent:
    """A driver that has nothing to say."""

    title = "start"
    clock: Literal["live"] = "live"
    detail: "Detail | None" = None

    @property
    def history(self) -> "History":
        return self

    def at(self, time_ns: int) -> "Frame | None":
        return None

    def step(self, time_ns: int, direction: int) -> "Frame | None":
        return None

    def newest(self) -> "Frame | None":
        return None

    def span(self) -> tuple[int, int] | None:
        return None

    def delivery(self, time_ns: int, direction: int) -> int | None:
        return None

    def next_profile(self, after: str) -> str:
        return ""

    player = None
    bookmarks = Bookmarks(None)
    urgency = Urgency()

    async def save(self, path: Path) -> tuple[str, str]:
        return "", ""

    def hold(self, held: bool, at_ns: int | None = None) -> None:
        pass

    async def run(self, post: "Post") -> None:
        pass


def made(workers: int, count: int) -> "list[Frame]":
    """So many Frames with all that the pages of tiers and of jitter show, after a quarter of an hour."""
    from tests.tui import frames
    from tests.tui.histories import complete

    fleet = frames.DEFAULT if workers == len(frames.DEFAULT) else frames.big_fleet(workers)
    return [complete(frames.emulated(3600 + tick, fleet)) for tick in range(count)]


def play(workers: int, hz: int, count: int, page: str) -> None:
    import asyncio

    from tui.app import TokenyardApp

    shown = made(workers, WARM_UP + count)

    class Playing(Silent):
        async def run(self, post: "Post") -> None:
            cpu = wall = 0.0
            due = time.monotonic()
            for index, frame in enumerate(shown):
                if index == WARM_UP:
                    mark("begin")
                    cpu, wall = time.process_time(), time.monotonic()
                post(frame)
                if index == 1 and page != app.page.name:
                    app.open_page(page)
                due += 1 / hz
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            mark("end", cpu_s=time.process_time() - cpu, wall_s=time.monotonic() - wall)
            app.exit()

    app = TokenyardApp(Playing())
    app.run()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["start", "bare"]:
            start_bare()
        case ["start", "tokenyard"]:
            start_tokenyard()
        case ["play", workers, hz, frames, page]:
            play(int(workers), int(hz), int(frames), page)
        case other:
            raise SystemExit(f"start bare|tokenyard or play WORKERS HZ FRAMES PAGE; not {other}")
