"""`demo --attach`: a presenter's second terminal. Plain text, drawn when something changed; looks for the show again when it is gone."""

from __future__ import annotations

import asyncio
import shutil
import stat
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tui import format as fmt
from tui.plain import printable
from tui.show.notes import PREFIX, folder, ours

if TYPE_CHECKING:
    from pathlib import Path

LOOK_S: Final = 1.0
MAX_LINE: Final = 64 * 1024
CLEAR: Final = "\x1b[H\x1b[2J"


def sockets() -> list[Path]:
    """Of this user's shows, the newest first."""
    found = []
    for path in folder().glob(f"{PREFIX}*.sock"):
        try:
            about = path.lstat()
        except OSError:
            continue
        if stat.S_ISSOCK(about.st_mode) and ours(path.parent) and ours(path):
            found.append((about.st_mtime, path))
    return [path for _, path in sorted(found, reverse=True)]


def page(told: dict[str, Any], width: int) -> str:
    """What the second terminal shows. Whatever comes is printable or left out."""
    one: dict[str, Any] = {key: printable(value) if isinstance(value, str) else value for key, value in told.items()}
    next_s = one.get("next_s")

    def filled(text: str) -> list[str]:
        return textwrap.wrap(text, max(width - 2, 20)) or ["–"]

    after = [f"NEXT, in {fmt.clock(next_s)}", *filled(one["next"])] if next_s is not None else ["NEXT", "the end"]
    lines = [
        f"{one['title']}   {one['state']} {one['pace']}".rstrip(),
        f"chapter {one['number']}/{one['of']}   at {fmt.clock(one['at_s'])}   {fmt.clock(one['left_s'])} left",
        "",
        one["chapter"],
        *filled(one["caption"]),
        "",
        "NOTES",
        *filled(one["note"]),
        "",
        *after,
    ]
    return "\n".join(lines)


async def follow(show: Any = None) -> None:
    """Until it is ended by ctrl+c. `show` is called with each page."""
    show = show or _print
    waiting = False
    while True:
        for path in sockets():
            if await _read(path, show):
                waiting = False
                break
        else:
            if not waiting:
                waiting = True
                show("no show is on: start one with `tokenyard demo`; this waits for it (ctrl+c ends)")
        await asyncio.sleep(LOOK_S)


async def _read(path: Path, show: Any) -> bool:
    """Shows what is told there until nobody tells any more; False where nobody does."""
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=MAX_LINE)
    except OSError:
        return False
    heard = False
    try:
        while line := await reader.readline():
            show(page(msgspec.json.decode(line, type=dict[str, Any]), shutil.get_terminal_size().columns))
            heard = True
    except (OSError, ValueError, KeyError, TypeError, msgspec.DecodeError):
        pass
    finally:
        writer.close()
    return heard


def _print(text: str) -> None:
    sys.stdout.write((CLEAR if sys.stdout.isatty() else "") + text + "\n")
    sys.stdout.flush()
