"""For the last row: key figures in big digits, or the two sides of a show beside each other, and one message. The same figures as in the strip of the overview, with the same words of what is not known."""

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
from tui.widgets.sides import ASKED
from tui.widgets.sides import figures as figures_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from tui.show.script import Side
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
    spare = height - MESSAGE_LINES - 1
    opposed = view.showing.script.sides if view.showing is not None else ()
    lines = _opposed(view, opposed, width, spare) if opposed else _headline(view, width, spare)
    text, ink = message(view, width)
    lines.append(blank(width))
    lines += [Pen(width).gap().put(part, ink).line() for part in wrap(text, width - 2, MESSAGE_LINES)]
    return lines


def _headline(view: View, width: int, spare: int) -> list[Line]:
    columns = max(1, min(2, width // CELL))
    size = width // columns
    made = [_figure(one, size) for one in figures(view)]
    lines: list[Line] = []
    for start in range(0, len(made), columns):
        row = made[start : start + columns]
        if len(lines) + len(row[0]) + 1 > spare:
            break
        lines += [blank(width), *_beside(row, width, size)]
    return lines


def _opposed(view: View, opposed: Sequence[Side], width: int, spare: int) -> list[Line]:
    """A column each; figures that find no room in big digits are in small ones."""
    size = width // len(opposed)
    halves = []
    for side in opposed:
        half = [Pen(size).gap().put(printable(side.title), Ink.ACCENT).line()]
        for at, one in enumerate(figures_of(view, side)):
            big_one = _figure(one, size)
            later = len(ASKED) - at - 1
            if len(half) + len(big_one) + later <= spare:
                half += big_one
            elif len(half) < spare:
                name = fmt.pick((one.name, *one.short), size - 4 - cells(one.forms[0]))
                half.append(Pen(size).gap().put(name, Ink.DIM).gap(2).put(fmt.pick(one.forms, size), one.ink).line())
        halves.append(half)
    return list(_beside(halves, width, size))


def _beside(columns: Sequence[Sequence[Line]], width: int, size: int) -> Iterator[Line]:
    """Columns of equally many lines of `size` cells as lines of `width`."""
    left = width - size * len(columns)
    for parts in zip(*columns, strict=True):
        yield (*(run for part in parts for run in part), *((((" " * left), Ink.TEXT),) if left else ()))


class StageBoard(Panel):
    focusable = True

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        return stage(view, width, height)

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        opposed = view.showing.script.sides if view.showing is not None else ()
        made = [one for side in opposed for one in figures_of(view, side)] if opposed else figures(view)
        return [one.told for one in made if one.told is not None]
