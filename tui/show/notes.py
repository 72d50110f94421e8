"""What a running show tells a second terminal of its presenter: one JSON line a change, over a socket that only its owner can open. It reads nothing from whoever asks.

A line: `title`, `number`, `of`, `chapter`, `caption`, `note`, `next`, `at_s`, `left_s` (of the show), `next_s` (until the next chapter; null: none), `state`, `pace`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import warnings
from typing import TYPE_CHECKING, Any, Final

from tui.plain import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tui.show.driver import ShowDriver

LOOK_S: Final = 0.25
MOST_READERS: Final = 8
PREFIX: Final = "demo-"


def folder() -> Path:
    """Of the sockets of this user's shows."""
    import platformdirs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is none, and another takes its place, is nothing to tell a screen
        return platformdirs.user_runtime_path("tokenyard")


def ours(path: Path) -> bool:
    """Whether nobody else could have put it there, or change what is in it."""
    try:
        about = path.lstat()
    except OSError:
        return False
    return about.st_uid == os.getuid() and not about.st_mode & 0o022 and not stat.S_ISLNK(about.st_mode)


def told(show: ShowDriver) -> dict[str, Any]:
    """What there is to say now, made safe to print."""
    script, at_ns = show.script, show.position_ns
    number, after = script.number(at_ns), script.after(at_ns)
    chapter = script.chapters[number] if number >= 0 else None
    following = script.chapters[number + 1] if after is not None else None
    waits = not show.player.playing and at_ns in show.player.stops
    state = (
        "running ahead"
        if show.ahead_ns is not None
        else "over"
        if show.player.ended
        else "waits for you"
        if waits
        else "goes on"
        if show.player.playing
        else "paused"
    )
    return {
        "title": printable(show.title),
        "number": number + 1,
        "of": len(script.chapters),
        "chapter": printable(chapter.title) if chapter is not None else "",
        "caption": printable(chapter.caption) if chapter is not None else "",
        "note": printable(chapter.note) if chapter is not None else "",
        "next": printable(f"{following.title}: {following.caption}") if following is not None else "",
        "at_s": at_ns // 1_000_000_000,
        "left_s": max(script.length_ns - at_ns, 0) // 1_000_000_000,
        "next_s": (after - at_ns) // 1_000_000_000 if after is not None else None,
        "state": state,
        "pace": show.player.pace,
    }


@contextlib.asynccontextmanager
async def telling(show: ShowDriver) -> AsyncIterator[None]:
    """While the context lasts. A show goes on where there can be no socket."""
    import msgspec

    readers, over = 0, asyncio.Event()

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal readers
        readers += 1
        try:
            said: dict[str, Any] = {}
            while readers <= MOST_READERS and not over.is_set():
                now = told(show)
                if now != said:
                    said = now
                    writer.write(msgspec.json.encode(now) + b"\n")
                    await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await over.wait()
        except ConnectionError:
            pass
        finally:
            readers -= 1
            writer.close()

    path = folder() / f"{PREFIX}{os.getpid()}.sock"
    server = None
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if ours(path.parent.parent) and ours(path.parent):
            path.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                server = await asyncio.start_unix_server(tell, path)
            finally:
                os.umask(before)
    try:
        yield
    finally:
        over.set()
        if server is not None:
            server.close()
            path.unlink(missing_ok=True)
