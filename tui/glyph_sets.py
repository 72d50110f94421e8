"""Glyphs for terminals and fonts that have fewer of them: one character for one, so that nothing moves; charts are drawn in the dots that there are. Pure.

`braille` is all that there are, `block` is without braille, `ascii` without anything else, whoever wrote it: what has no sign of its own there is a `?`.
"""

from __future__ import annotations

import locale
import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from rich.cells import cell_len

from tui.glyphs import AREA, BUCKET_HEIGHTS, HEIGHTS, PAST_HEIGHTS

SETS: Final = ("braille", "block", "ascii")
_DOTS: Final = {chr(0x2800 + dots): dots.bit_count() for dots in range(1, 256)}
"""Braille by the number of its dots."""
_BLOCK: Final = (
    {one: "░░▒▒▓▓██"[dots - 1] for one, dots in _DOTS.items()}
    | dict(zip(PAST_HEIGHTS[1:], "╷╷╷╷╎╎╎╎", strict=True))
    | dict(zip(BUCKET_HEIGHTS[2:], "░░▒▒▓▓▓", strict=True))
)
_ASCII: Final = {
    **{one: str(dots) for one, dots in _DOTS.items()},
    **dict(zip(HEIGHTS[1:], "_.-:=+*#", strict=True)),
    **dict(zip(PAST_HEIGHTS[1:], "ccccddee", strict=True)),
    **dict(zip(BUCKET_HEIGHTS[2:], "2345678", strict=True)),
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼╔╗╚╝╠╣╬", "+"),
    **dict.fromkeys("─━═╌╴╶–—−‐", "-"),
    **dict.fromkeys("│┃║╷╎┊╵", "|"),
    **dict.fromkeys("▸▶►→⇥›»", ">"),
    **dict.fromkeys("◀◂←‹«", "<"),
    **dict.fromkeys("▲△↑", "^"),
    **dict.fromkeys("▼▽↓", "v"),
    **dict.fromkeys("●◆■◉", "*"),
    **dict.fromkeys("○◇□◌", "o"),
    **dict.fromkeys("×✗✕", "x"),
    **dict.fromkeys("░▒", ":"),
    "▓": "%", "█": "#", "·": ".", "•": "*", "…": "~", "‖": "=", "≈": "&", "≥": "]", "≤": "[", "≠": "$", "±": "~", "µ": "u", "μ": "u",
    "↻": "R", "✓": "y", "÷": "/", "’": "'", "‘": "'", "“": '"', "”": '"',
}  # fmt: skip


class _Ascii(dict[int, str]):
    """For `str.translate`: whatever is not ASCII becomes something that is, as wide as it was."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        made = self[code] = character if code < 0x80 else "?" * cell_len(character)
        return made


class Dots(NamedTuple):
    """How the dots of a cell of a chart are drawn: `glyphs` by a number whose bit `place[y][x]` is that dot's."""

    across: int
    down: int
    place: tuple[tuple[int, ...], ...]
    glyphs: str

    @property
    def full(self) -> str:
        return self.glyphs[-1]

    @property
    def thinned(self) -> str:
        """A cell of which every other dot is drawn."""
        kept = (
            bit for y, row in enumerate(self.place) for x, bit in enumerate(row) if (self.down - 1 - y) % 2 == x % 2
        )
        return self.glyphs[sum(1 << bit for bit in kept)]


BRAILLE: Final = Dots(
    2, 4, ((0, 3), (1, 4), (2, 5), (6, 7)), " " + "".join(chr(0x2800 + bits) for bits in range(1, 256))
)
BLOCK: Final = Dots(2, 2, ((0, 1), (2, 3)), " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█")
ASCII: Final = Dots(1, 2, ((0,), (1,)), " '.:")


class GlyphSet(NamedTuple):
    """`table`: what stands for what (for `str.translate`), None where all there is can be drawn; `dots`: of charts."""

    table: Mapping[int, str] | None
    dots: Dots


ALL_GLYPHS: Final = GlyphSet(None, BRAILLE)
GLYPHS: Final[Mapping[str, GlyphSet]] = {
    "braille": ALL_GLYPHS,
    "block": GlyphSet({ord(one): other for one, other in _BLOCK.items()}, BLOCK),
    "ascii": GlyphSet(_Ascii({ord(one): other for one, other in _ASCII.items()}), ASCII),
}


def found(environment: Mapping[str, str] = os.environ, encoding: str | None = None) -> str:
    """The set that the locale and the terminal have: the Linux console's fonts have no braille."""
    encoding = encoding or locale.getpreferredencoding(False)
    try:
        (HEIGHTS + BUCKET_HEIGHTS).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return "ascii"
    if environment.get("TERM", "") in ("linux", "vt100", "vt220"):
        return "block"
    return "braille"


def shown(text: str, glyphs: str) -> str:
    table, dots = GLYPHS[glyphs]
    return text if table is None else text.replace(AREA, f"{dots.full} {dots.thinned}").translate(table)
