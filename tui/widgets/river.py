"""The token river: a row for each worker, a column for each tick, as high as the tokens made in it and as bright as they were late."""

from __future__ import annotations

import re
import sys
from array import array
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Device, Role
from tui import format as fmt
from tui.glyphs import HEIGHTS, STALL, UNOBSERVED
from tui.line import Line, Pen, clip_middle
from tui.theme import Ink, device_ink
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.model.frame import RiverRow
    from tui.view import View

TICKS_PER_S: Final = 4
NOT_OBSERVED: Final = 0xFFFF
STALLED: Final = 4
STEPS: Final = 8
"""Heights in one cell."""
TABLED: Final = 10_000
"""Heights of so many tokens are looked up."""
ROLE_LETTERS: Final = {
    Role.PREFILL: "P", Role.DECODE: "D", Role.AGGREGATED: "A", Role.ATTENTION: "T",
    Role.FFN: "F", Role.DRAFT: "S", Role.VERIFY: "V", Role.ROUTER: "R", Role.UNKNOWN: "–",
}  # fmt: skip
RUNS: Final = re.compile(rb"(.)\1*", re.DOTALL)
"""Of equal bytes."""
CAPPED: Final = bytes(min(late, STALLED) for late in range(256))
"""For `bytes.translate`: lateness classes as they are drawn."""
TOPS: Final = (1, 1.5, 2, 3, 4, 6, 8, 10)
GAP: Final = 5
"""Class of a column that was not observed, after the lateness classes 0 … 4."""


def counts(tokens: bytes) -> array[int]:
    """Tokens of each tick of a row, oldest first."""
    values = array("H")
    values.frombytes(tokens)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def top(values: Sequence[int]) -> int:
    """Tokens a tick that fill a row: the row's highest, rounded up to one of few numbers so that the scale seldom moves."""
    highest = max(values, default=0)
    if highest == NOT_OBSERVED:
        highest = max((value for value in values if value != NOT_OBSERVED), default=0)
    power = 1
    while highest > 10 * power:
        power *= 10
    return next(
        int(factor * power)
        for factor in TOPS
        if highest <= factor * power and (power > 1 or factor in (1, 2, 3, 4, 6, 8, 10))
    )


@lru_cache(1_024)
def scale_of(tokens: bytes) -> int:
    """Tokens a tick that fill a row."""
    return top(counts(tokens))


@lru_cache(64)
def glyphs_by_height(lines: int, glyphs: str) -> tuple[str, ...]:
    """Of a column of so many cells, the highest first: the glyph of each by the height of the column, in steps."""
    floors = [STEPS * (lines - 1 - line) for line in range(lines)]
    full = STEPS * lines
    return tuple("".join(glyphs[min(max(height - floor, 0), STEPS)] for height in range(full + 1)) for floor in floors)


@lru_cache(64)
def by_height(lines: int, glyphs: str) -> tuple[dict[int, str], ...]:
    """The same for `str.translate`."""
    return tuple(dict(enumerate(some)) for some in glyphs_by_height(lines, glyphs))


@lru_cache(64)
def _table(scale: int, full: int) -> bytes:
    return bytes(-(-tokens * full // scale) for tokens in range(scale + 1))


def heights(values: Sequence[int], scale: int, lines: int) -> str:
    """The height of each column, in steps, as a character of that number; `scale` tokens fill `lines` cells."""
    full = STEPS * lines
    if scale <= TABLED:
        height_of = _table(scale, full)
        return bytes([height_of[value] for value in values]).decode("latin-1")
    return bytes([-(-value * full // scale) for value in values]).decode("latin-1")


def river_lines(row: RiverRow, columns: int, lines: int) -> list[Line]:
    """The newest `columns` ticks, `lines` cells high, the highest line first."""
    values = counts(row.tokens[-2 * columns :])
    classes = bytearray(row.late[-columns:].translate(CAPPED))
    if NOT_OBSERVED in values:
        for at, value in enumerate(values):
            if value == NOT_OBSERVED:
                values[at], classes[at] = 0, GAP
    high = heights(values, scale_of(row.tokens), lines)
    runs = [(match.start(), match.end(), match[0][0]) for match in RUNS.finditer(classes)]
    inks = _inks(row.device)
    out = []
    for line, glyphs in enumerate(by_height(lines, HEIGHTS)):
        cells = high.translate(glyphs)
        pen = Pen(columns).gap(columns - len(values))
        for start, end, kind in runs:
            if kind == GAP:
                text = (UNOBSERVED if line == lines - 1 else " ") * (end - start)
            elif kind == STALLED and line == 0:
                text = STALL * (end - start)
            else:
                text = cells[start:end]
            if text.isspace():
                pen.gap(end - start)
            else:
                pen.put(text, inks[kind], end - start)
        out.append(pen.line())
    return out


@cache
def _inks(device: Device) -> tuple[int, ...]:
    """By class of lateness."""
    return (*(device_ink(device, step) for step in range(STALLED)), Ink.STALL, Ink.FAINT)


@lru_cache(1_024)
def _label(name: str, role: Role, device: Device, label: int) -> Line:
    return Pen(label + 3).cell(name, label, Ink.STRONG).gap().put(ROLE_LETTERS[role], device_ink(device, 2)).line()


@lru_cache(1_024)
def _tail(scale: int) -> Line:
    return Pen(7).gap().cell(f"{fmt.scale(scale * TICKS_PER_S)}/s", 6, Ink.DIM, right=True).line()


def rows(view: View, width: int, height: int, first: int, lines: int) -> Body:
    frame = view.frame
    river = frame.river if frame is not None else ()
    if not river:
        text = "no source tells single ticks" if frame is not None else "–"
        return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
    shown = min(height // lines, len(river))
    first = min(first, len(river) - shown)
    names = view.names
    label = max(6, min(max([len(names.get(row.worker) or view.name(row.worker)) for row in river]), 16))
    columns = width - label - 10
    tail, bare = Pen(7).line(), Pen(label + 3).line()
    out: list[Line] = []
    for row in river[first : first + shown]:
        bodies = river_lines(row, columns, lines)
        name = clip_middle(view.name(row.worker), label)
        out.append((*_label(name, row.role, row.device, label), *bodies[0], *_tail(scale_of(row.tokens))))
        out += [(*bare, *body, *tail) for body in bodies[1:]]
    return Body(out, first, shown, len(river), keys=[row.worker for row in river], spots=stacked(shown, each=lines))


class River(RowsPanel):
    lines_each = 1

    def body(self, view: View, width: int, height: int) -> Body:
        return rows(view, width, height, self.scroll_rows, self.lines_each)

    def title(self, view: View) -> tuple[str, str]:
        return "Token river", f"a column is 250 ms, its height tokens · {STALL} stall"
