"""The token river: a row for each worker, a column for each tick, as high as the tokens made in it and as bright as they were late."""

from __future__ import annotations

import re
import sys
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Role
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


def counts(tokens: bytes) -> Sequence[int]:
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


def river_lines(row: RiverRow, columns: int, lines: int) -> list[Line]:
    """The newest `columns` ticks, `lines` cells high, the highest line first."""
    scale = scale_of(row.tokens)
    values = counts(row.tokens)[-columns:]
    full = STEPS * lines
    height_of = {value: min(full, -(-value * full // scale)) for value in set(values)}
    classes = bytearray(row.late[-columns:].translate(CAPPED))
    if NOT_OBSERVED in height_of:
        height_of[NOT_OBSERVED] = 0
        for at, value in enumerate(values):
            if value == NOT_OBSERVED:
                classes[at] = GAP
    runs = [(match.start(), match.end(), match[0][0]) for match in RUNS.finditer(classes)]
    inks = (*(device_ink(row.device, step) for step in range(STALLED)), Ink.STALL, Ink.FAINT)
    out = []
    heights = [height_of[value] for value in values]
    for line, glyphs in enumerate(glyphs_by_height(lines, HEIGHTS)):
        cells = "".join([glyphs[height] for height in heights])
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


def rows(view: View, width: int, height: int, first: int, lines: int) -> Body:
    frame = view.frame
    river = frame.river if frame is not None else ()
    if not river:
        text = "no source tells single ticks" if frame is not None else "–"
        return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
    shown = min(height // lines, len(river))
    first = min(first, len(river) - shown)
    label = max(6, min(max(len(view.name(row.worker)) for row in river), 16))
    columns = width - label - 10
    out: list[Line] = []
    for row in river[first : first + shown]:
        scale = f"{fmt.scale(scale_of(row.tokens) * TICKS_PER_S)}/s"
        for number, body in enumerate(river_lines(row, columns, lines)):
            pen = Pen(label + 3)
            if number == 0:
                pen.cell(clip_middle(view.name(row.worker), label), label, Ink.STRONG).gap().put(
                    ROLE_LETTERS[row.role], device_ink(row.device, 2)
                )
            tail = Pen(7).gap().cell(scale if number == 0 else "", 6, Ink.DIM, right=True)
            out.append((*pen.line(), *body, *tail.line()))
    return Body(out, first, shown, len(river), keys=[row.worker for row in river], spots=stacked(shown, each=lines))


class River(RowsPanel):
    lines_each = 1

    def body(self, view: View, width: int, height: int) -> Body:
        return rows(view, width, height, self.scroll_rows, self.lines_each)

    def title(self, view: View) -> tuple[str, str]:
        return "Token river", f"a column is 250 ms, its height tokens · {STALL} stall"
