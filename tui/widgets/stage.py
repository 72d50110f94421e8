"""For the last row: key figures in big digits, and one message. The same figures as in the strip of the overview, with the same words of what is not known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tui import format as fmt
from tui.big import big
from tui.glyphs import VERDICT
from tui.line import Line, Pen, blank, cells, wrap
from tui.plain import printable
from tui.theme import Ink
from tui.verdicts import told
from tui.widgets.kpi import Kpi, kpis
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from tui.told import Told
    from tui.view import View

MOST: Final = 4
CELL: Final = 36
"""Cells that a figure in big digits may take."""
MESSAGE_LINES: Final = 3
_NUMBER: Final = re.compile(r"(\D*?)(\d[\d.]*(?:(?:–|, )\d[\d.]*)?)(.*)")
"""What stands before a number (a bound, an age), itself, and its unit."""


def figures(view: View) -> list[Kpi]:
    """Fleet rate, time to first token, then the worst jitter of both kinds that there are, one beside the other."""
    known = kpis(view)
    wanted = [*known[:3], *(one for one in known[3:] if one.name.endswith(" jitter"))]
    return wanted[:MOST]


def message(view: View, width: int) -> tuple[str, int]:
    """The caption of the chapter; without a show the verdict."""
    if view.showing is not None and view.showing.now is not None:
        return printable(view.showing.now.caption), Ink.STRONG
    said = told(view, width - 4, MESSAGE_LINES)
    return (f"{VERDICT} {said}", Ink.WARN) if said else ("", Ink.TEXT)


def _figure(one: Kpi, width: int) -> list[Line]:
    text = fmt.pick(one.forms, width)
    match = _NUMBER.fullmatch(text)
    before, number, unit = match.groups() if match is not None else ("", "", "")
    drawn = big(number)
    if not number or cells(before + drawn[0] + unit) + 4 > width:
        before, drawn, unit = "", ("", "", text), ""
    name = f"{one.name}  {printable(one.who)}" if one.who else one.name
    lines = [Pen(width).gap().put(name, Ink.DIM).line()]
    for index, row in enumerate(drawn):
        last = index == len(drawn) - 1
        pen = Pen(width).gap().put(before if last else " " * cells(before), one.ink).put(row, one.ink)
        lines.append(pen.put(unit, one.ink).line() if last else pen.line())
    return lines


def stage(view: View, width: int, height: int) -> list[Line]:
    columns = max(1, min(2, width // CELL))
    size = width // columns
    made = [_figure(one, size) for one in figures(view)]
    lines: list[Line] = []
    spare = height - MESSAGE_LINES - 1
    for start in range(0, len(made), columns):
        row = made[start : start + columns]
        if len(lines) + len(row[0]) + 1 > spare:
            break
        lines.append(blank(width))
        for parts in zip(*row, strict=True):
            left = width - size * len(parts)
            lines.append((*(run for part in parts for run in part), *((((" " * left), Ink.TEXT),) if left else ())))
    text, ink = message(view, width)
    lines.append(blank(width))
    lines += [Pen(width).gap().put(part, ink).line() for part in wrap(text, width - 2, MESSAGE_LINES)]
    return lines


class StageBoard(Panel):
    focusable = True

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        return stage(view, width, height)

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        return [one.told for one in figures(view) if one.told is not None]
