"""What this installation and this terminal can do, for `doctor`: facts from the environment, and the width of glyphs and the speed asked of the terminal itself.

Never loads Textual. Nothing is changed.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from importlib import metadata
from platform import python_version
from typing import Any, Final

import msgspec

from tui.asking import Ask, asking
from tui.glyphs import ACTIVE, DOWN, EVICTABLE, HEIGHTS, LIVE
from tui.places import MIN_HEIGHT, MIN_WIDTH
from tui.speed import ANSWER_S, Speed, drawn_hz, measured

NAME: Final = "tokenyard"
GLYPHS: Final = f"{HEIGHTS[1:]}{ACTIVE}{EVICTABLE}{LIVE}{DOWN}"
"""Of those that the dashboard draws with: blocks and marks."""
BRAILLE: Final = "⣀⣤⣶⣿"
_REQUIREMENT: Final = re.compile(r"""([A-Za-z0-9._-]+)(?:.*extra\s*==\s*["']([A-Za-z0-9._-]+)["'])?""")
_DEV: Final = "dev"


class Terminal(msgspec.Struct, frozen=True):
    """`colours` is how many it shows, 0 for none or not wanted. Widths in cells; None, as `speed`: it was not asked, or did not say, `silent` says why. `drawn_hz`: frames a second at
    which the dashboard will be drawn there, about."""

    term: str
    tty: bool
    columns: int
    rows: int
    colours: int
    encoding: str
    locale: str
    tmux: bool
    ssh: bool
    no_color: bool
    glyph_width: float | None = None
    braille_width: float | None = None
    speed: Speed | None = None
    silent: str = ""
    drawn_hz: float | None = None


def terminal() -> Terminal:
    size = shutil.get_terminal_size()
    tty = sys.stdout.isatty()
    one = terminal_of(os.environ, tty=tty, size=(size.columns, size.lines), encoding=sys.stdout.encoding)
    silent = "" if tty and sys.stdin.isatty() else "input and output are not both a terminal"
    speed: Speed | None = None
    widths: tuple[float | None, float | None] = None, None
    if not silent:
        with asking() as ask:
            answers = ask(b"", ANSWER_S) is not None
            if answers and unicode_fits(sys.stdout.encoding):
                widths = width_of(ask, GLYPHS), width_of(ask, BRAILLE)
            speed = measured(ask) if answers else None  # last, as its answer may come too late
        silent = "" if speed is not None else f"it did not say within {ANSWER_S:g} s where its cursor is"
    hz = drawn_hz(one.columns, one.rows, speed, ssh=one.ssh) if tty else None
    return msgspec.structs.replace(
        one, glyph_width=widths[0], braille_width=widths[1], speed=speed, silent=silent, drawn_hz=hz
    )


def terminal_of(
    environment: Mapping[str, str],
    *,
    tty: bool,
    size: tuple[int, int],
    encoding: str,
) -> Terminal:
    term = environment.get("TERM", "")
    return Terminal(
        term=term,
        tty=tty,
        columns=size[0],
        rows=size[1],
        colours=_colours(environment),
        encoding=encoding,
        locale=environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG", ""),
        tmux=bool(environment.get("TMUX")) or term.startswith(("tmux", "screen")),
        ssh=bool(environment.get("SSH_CONNECTION") or environment.get("SSH_TTY")),
        no_color=bool(environment.get("NO_COLOR")),
    )


def advice(one: Terminal) -> list[str]:
    """What to do about what the terminal lacks."""
    says = []
    if not unicode_fits(one.encoding):
        says.append(f"LANG=C.UTF-8: its encoding {one.encoding} has none of the glyphs that the dashboard draws with")
    if not one.tty:
        return says
    if one.term in ("", "dumb"):
        says.append("TERM=xterm-256color, if it is a terminal: TERM says that it cannot place a cursor")
    elif one.colours < 256 and not one.no_color:
        says.append(
            "TERM=tmux-256color in tmux"
            if one.tmux
            else "TERM=xterm-256color, if it can: fewer colours tell less apart"
        )
    if one.columns < MIN_WIDTH or one.rows < MIN_HEIGHT:
        says.append(f"{MIN_WIDTH}×{MIN_HEIGHT} cells at least, it has {one.columns}×{one.rows}")
    if any(width not in (None, 1.0) for width in (one.glyph_width, one.braille_width)):
        says.append(
            "ambiguous characters as narrow (a setting of the terminal): it draws some glyphs wider or narrower than one cell"
        )
    return says


def unicode_fits(encoding: str) -> bool:
    try:
        (GLYPHS + BRAILLE).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def packages() -> dict[str, Any]:
    """Python, the packages that we need with their versions, and which extras are there: versions by package, None where missing."""
    needs: dict[str, str | None] = {}
    extras: dict[str, dict[str, str | None]] = {}
    for line in metadata.requires(NAME) or ():
        if match := _REQUIREMENT.match(line):
            name, extra = match.groups()
            if extra != _DEV:
                (extras.setdefault(extra, {}) if extra else needs)[name] = version_of(name)
    return {"python": python_version(), "tokenyard": version_of(NAME), "packages": needs, "extras": extras}


def version_of(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def width_of(ask: Ask, sample: str) -> float | None:
    """Cells that the terminal gives to each character of `sample`, by where its cursor stands afterwards; None if it does not say."""
    answer = ask(b"\r" + sample.encode(sys.stdout.encoding), ANSWER_S)
    return None if answer is None else answer.column / len(sample)


def _colours(environment: Mapping[str, str]) -> int:
    term = environment.get("TERM", "")
    if environment.get("NO_COLOR") or term in ("", "dumb"):
        return 0
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return 1 << 24
    return 256 if "256color" in term or "kitty" in term else 16
