"""The token river: a row for each worker, a column for each tick, as high as the tokens made in it and as bright as they were late."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

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
ROLE_LETTERS: Final = {
    Role.PREFILL: "P", Role.DECODE: "D", Role.AGGREGATED: "A", Role.ATTENTION: "T",
    Role.FFN: "F", Role.DRAFT: "S", Role.VERIFY: "V", Role.ROUTER: "R", Role.UNKNOWN: "–",
}  # fmt: skip
TOPS: Final = (1, 1.5, 2, 3, 4, 6, 8, 10)
GAP: Final = 5
"""Class of a column that was not observed, after the lateness classes 0 … 4."""


@lru_cache(1_024)
def top(highest: int) -> int:
    """Tokens a tick that fill a row: its highest, rounded up to one of few numbers so that the scale seldom moves."""
    power = 1
    while highest > 10 * power:
        power *= 10
    return next(
        int(factor * power)
        for factor in TOPS
        if highest <= factor * power and (power > 1 or factor in (1, 2, 3, 4, 6, 8, 10))
    )


@lru_cache(64)
def glyphs_by_height(lines: int, glyphs: str) -> tuple[str, ...]:
    """Of a column of so many cells, the highest first: the glyph of each by the height of the column, in steps."""
    floors = [STEPS * (lines - 1 - line) for line in range(lines)]
    full = STEPS * lines
    return tuple("".join(glyphs[min(max(height - floor, 0), STEPS)] for height in range(full + 1)) for floor in floors)


class Drawn(NamedTuple):
    """A row: its lines, the highest first, and tokens a tick that fill it."""

    lines: list[Line]
    scale: int


def drawn(rows: Sequence[RiverRow], columns: int, lines: int) -> list[Drawn]:
    """Of each row the newest `columns` ticks, `lines` cells high."""
    import numpy as np  # not loaded before the first frame

    length = max(1, *(len(row.late) for row in rows))
    width = max(1, min(columns, length))
    tokens = np.frombuffer(b"".join([row.tokens[-2 * length :].rjust(2 * length, b"\0") for row in rows]), "<u2")
    late = np.frombuffer(b"".join([row.late.rjust(length, b"\0") for row in rows]), np.uint8)
    missed = (tokens == NOT_OBSERVED).reshape(-1, length)
    counted = np.where(missed, 0, tokens.reshape(-1, length)).astype(np.int64)
    scales = [top(highest) for highest in counted.max(axis=1).tolist()]
    high = -(-counted[:, -width:] * (STEPS * lines) // np.array(scales)[:, None])
    classes = np.where(missed, GAP, np.minimum(late.reshape(-1, length), STALLED))[:, -width:]
    begins = np.ones(classes.shape, np.bool_)
    begins[:, 1:] = classes[:, 1:] != classes[:, :-1]
    at_row, at = begins.nonzero()
    runs: list[list[tuple[int, int]]] = [[] for _ in rows]
    for row, start, kind in zip(at_row.tolist(), at.tolist(), classes[begins].tolist(), strict=True):
        runs[row].append((start, kind))
    texts = [
        np.array(list(glyphs))[high].view(f"U{width}").ravel().tolist() for glyphs in glyphs_by_height(lines, HEIGHTS)
    ]
    return [
        Drawn([_line(texts[line][at], it, columns, _inks(row.device), line, lines) for line in range(lines)], scale)
        for at, (row, it, scale) in enumerate(zip(rows, runs, scales, strict=True))
    ]


def _line(
    cells: str, runs: Sequence[tuple[int, int]], columns: int, inks: Sequence[int], line: int, lines: int
) -> Line:
    """Line number `line` of a row; `runs` of one class each: where they begin, and the class."""
    pen = Pen(columns).gap(columns - len(cells))
    for (start, kind), (end, _) in pairwise((*runs, (len(cells), 0))):
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
    return pen.line()


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
    some = river[first : first + shown]
    for row, it in zip(some, drawn(some, columns, lines) if some else (), strict=True):
        name = clip_middle(view.name(row.worker), label)
        out.append((*_label(name, row.role, row.device, label), *it.lines[0], *_tail(it.scale)))
        out += [(*bare, *body, *tail) for body in it.lines[1:]]
    return Body(out, first, shown, len(river), keys=[row.worker for row in river], spots=stacked(shown, each=lines))


class River(RowsPanel):
    lines_each = 1

    def body(self, view: View, width: int, height: int) -> Body:
        return rows(view, width, height, self.scroll_rows, self.lines_each)

    def title(self, view: View) -> tuple[str, str]:
        return "Token river", f"a column is 250 ms, its height tokens · {STALL} stall"
