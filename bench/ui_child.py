"""The child of `bench.ui`: an App on the terminal that it is given, saying on a pipe when it has measured.

`start bare|tokenyard` ends with the first frame; `play WORKERS HZ FRAMES PAGE` plays constructed Frames on a page, `detail KEYS FRAMES` a
loaded session on the page that the keys go to. Imports are inside, as they are part of what is measured.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tui.marks import Bookmarks

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

    async def save(self, path: Path) -> tuple[str, str]:
        return "", ""

    def hold(self, held: bool, at_ns: int | None = None) -> None:
        pass

    async def run(self, post: "Post") -> None:
        pass


def play(workers: int, hz: int, count: int, page: str) -> None:
    import asyncio

    from tests.tui import frames
    from tests.tui.histories import complete
    from tui.app import TokenyardApp

    fleet = frames.DEFAULT if workers == len(frames.DEFAULT) else frames.big_fleet(workers)
    made = [complete(frames.emulated(3600 + tick, fleet)) for tick in range(WARM_UP + count)]

    class Playing(Silent):
        async def run(self, post: "Post") -> None:
            cpu = wall = 0.0
            due = time.monotonic()
            for index, frame in enumerate(made):
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


def detailed(keys: str, count: int) -> None:
    """A page of single deliveries or requests beside a loaded session: `ui_s` is CPU without what the session itself took. `e` among the keys is enter."""
    import asyncio

    from bench.detail import STREAMS, TOKENS_PER_S, WORKERS
    from bench.loaded import batches
    from collectors.session.clock import TICK_NS
    from collectors.session.detail import Detail
    from collectors.session.session import Session
    from tui.app import TokenyardApp

    before = 24
    work = list(batches(WORKERS, TOKENS_PER_S, STREAMS, before + WARM_UP + count))

    class Loaded(Silent):
        async def run(self, post: "Post") -> None:
            self.detail = Detail()
            session = Session("virtual", detail=self.detail)
            taken = cpu = wall = 0.0
            due = time.monotonic()
            for tick, some in enumerate(work):
                begin = time.process_time()
                for batch in some:
                    session.feed(batch)
                frame = session.tick((tick + 1) * TICK_NS)
                taken += time.process_time() - begin
                if tick < before:
                    continue
                if tick == before + WARM_UP:
                    mark("begin")
                    cpu, wall, taken = time.process_time(), time.monotonic(), 0.0
                post(frame)
                if tick == before:
                    await asyncio.sleep(0.5)
                    for key in keys:
                        app.simulate_key("enter" if key == "e" else key)
                        await asyncio.sleep(0.2)
                    due = time.monotonic()
                due += 0.25
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            mark("end", ui_s=time.process_time() - cpu - taken, wall_s=time.monotonic() - wall)
            app.exit()

    app = TokenyardApp(Loaded())
    app.run()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["start", "bare"]:
            start_bare()
        case ["start", "tokenyard"]:
            start_tokenyard()
        case ["detail", keys, frames]:
            detailed(keys, int(frames))
        case ["play", workers, hz, frames, page]:
            play(int(workers), int(hz), int(frames), page)
        case other:
            raise SystemExit(f"start bare|tokenyard, play WORKERS HZ FRAMES PAGE, or detail KEYS FRAMES; not {other}")
