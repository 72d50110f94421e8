"""Tables of figures: which columns fit, how wide they are, and what to do with those that do not. Pure.

A figure's cell takes the widest form that fits (`tui.format`); text cells are clipped. Columns that find no room are left out by rank, or folded onto further lines.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from tui.filter import Field
from tui.format import Forms, pick
from tui.glyphs import FALLING, RISING
from tui.line import Line, Pen, Run, cells, clip
from tui.theme import Ink
from tui.told import Told, number_of

if TYPE_CHECKING:
    from collectors.model.figure import Figure

Row = TypeVar("Row")
Look = TypeVar("Look")
Cell = tuple[Forms, int]
"""The forms of a cell's text and its ink. A text that may be clipped has one form."""
_TEXT: Final = int(Ink.TEXT)
MAX_GAP: Final = 3
MIN_TEXT: Final = 6
MAX_DRAWN: Final = 1_000
"""Rows of which lines are kept: some screens full."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    """`rank` 0 stays; the highest goes first. A `text` column stands left and grows to `most`; a figure stands right."""

    name: str
    width: int
    cell: Callable[[Row], Cell]
    rank: int = 0
    text: bool = False
    most: int = 0
    shorten: Callable[[str, int], str] = clip
    told: Callable[[Row], Told] | None = None
    """The figure that its cells show."""
    figure: Callable[[Row], Figure] | None = None
    """The same without what is known of it, where many are asked for."""
    field: str = ""
    """What it is called where rows are filtered and sorted, if not by its name."""
    least: int = MIN_TEXT
    """Cells that a text keeps where there is no room."""


class Order(NamedTuple):
    """By which field rows are sorted."""

    field: str
    descending: bool

    @property
    def sign(self) -> str:
        return FALLING if self.descending else RISING


@dataclass(frozen=True)
class Grid(Generic[Row]):
    """Columns with their widths and the blanks between them, for each line of a row."""

    lines: tuple[tuple[tuple[Column[Row], int], ...], ...]
    gap: int
    left_out: tuple[str, ...]
    indent: int

    @property
    def shape(self) -> Hashable:
        """What the look of a row depends on, whoever made its columns."""
        return self.gap, tuple(tuple((column.name, size) for column, size in line) for line in self.lines)


class Drawn(Generic[Row, Look]):
    """What rows were last drawn as (a line, or several): a row that is the same object, to be drawn in the same way, is not drawn again."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Row, Hashable, Look]] = {}

    def of(self, key: Hashable, row: Row, how: Hashable, draw: Callable[[], Look]) -> Look:
        """The look of `row`, which is known as `key`. `how` is everything else that it depends on."""
        known = self._known.get(key)
        if known is not None and known[0] is row and known[1] == how:
            return known[2]
        if len(self._known) >= MAX_DRAWN:
            self._known.clear()
        look = draw()
        self._known[key] = row, how, look
        return look


def grid(
    columns: Sequence[Column[Row]], width: int, needs: Sequence[int], *, fold: bool = False, indent: int = 2
) -> Grid[Row]:
    """Choose columns for `width` cells. `needs` is the widest text of each column (ignored for figures). With `fold`, the rest goes onto further lines."""
    need = {id(column): max(column.width, min(column.most, want)) for column, want in zip(columns, needs, strict=True)}
    freed: dict[int, list[int]] = {}
    for column in columns:
        freed.setdefault(column.rank, []).append(column.width + 1)
    spare, left, kept = _room(columns, width), len(columns), max(freed, default=0)
    while spare < 0 and left > 1 and kept:
        spare, left = spare + sum(freed[kept]), left - len(freed.pop(kept))
        kept = max(freed, default=0)
    first = [column for column in columns if column.rank <= kept]
    rest = [column for column in columns if column.rank > kept]
    widths = {id(column): column.width for column in columns}
    for column in first if spare < 0 else ():
        if column.text:  # a text may be clipped, a figure may not
            less = min(-spare, max(widths[id(column)] - column.least, 0))
            widths[id(column)] -= less
            spare += less
    for column in first:
        if column.text:
            more = min(spare, need[id(column)] - column.width)
            widths[id(column)] += max(more, 0)
            spare -= max(more, 0)
    gap = 1 + max(0, min(MAX_GAP - 1, spare // max(len(first) - 1, 1)))
    lines = [tuple((column, widths[id(column)]) for column in first)]
    if fold:
        lines += _folded(rest, width - indent, gap)
    return Grid(tuple(lines), gap, () if fold else tuple(column.name for column in rest), indent)


def told_of(columns: Iterable[Column[Row]], row: Row) -> list[Told]:
    """The figures of a row, from left to right."""
    return [column.told(row) for column in columns if column.told is not None]


class Head(NamedTuple):
    """Where the name of a column stands in the first line of a heading, and the field that it is."""

    x: int
    width: int
    field: str


def heads(it: Grid[Row]) -> list[Head]:
    found, x = [], 0
    for column, size in it.lines[0]:
        found.append(Head(x, size, field_name(column)))
        x += size + it.gap
    return found


def heading(it: Grid[Row], width: int, order: Order | None = None) -> list[Line]:
    """The names of the columns, with a sign before the one that rows are sorted by."""
    lines = tuple(
        tuple((column.name, size, field_name(column), column.text) for column, size in line) for line in it.lines
    )
    return list(_heading(lines, it.gap, it.indent, width, order))


@lru_cache(64)
def _heading(
    lines: tuple[tuple[tuple[str, int, str, bool], ...], ...], gap: int, indent: int, width: int, order: Order | None
) -> list[Line]:
    """Of each column its name, width and field, and whether it is one of texts."""
    out = []
    for number, line in enumerate(lines):
        pen = Pen(width).gap(indent if number else 0)
        for index, (name, size, field, text) in enumerate(line):
            if index == 0:
                pen.cell(*signed(name, size, field, order), right=not text)
            elif order is not None and order.field == field:
                shown = name if text else name[:size].rjust(size)
                pen.gap(gap - 1).put(order.sign, Ink.ACCENT).cell(shown, size, Ink.ACCENT)
            else:
                pen.gap(gap).cell(name, size, Ink.DIM, right=not text)
        out.append(pen.line())
    return out


def signed(name: str, size: int, field: str, order: Order | None) -> tuple[str, int, int]:
    """The name of a column that has no blank before it, its width, and its ink: with the sign behind it where rows are sorted by its field."""
    if order is None or order.field != field:
        return name, size, Ink.DIM
    return f"{name[: size - 1]}{order.sign}", size, Ink.ACCENT


def field_name(column: Column[Row]) -> str:
    """What a column is called where rows are filtered and sorted: `gap.p99`; empty for one that is not asked for."""
    return column.field or ("" if column.name in ("", "n") else column.name.casefold().replace(" ", "."))


def fields_of(columns: Iterable[Column[Row]]) -> list[Field[Row]]:
    """Figures by their number, texts as they are shown in full."""
    return [_field(column) for column in columns if field_name(column)]


def _field(column: Column[Row]) -> Field[Row]:
    told, figure = column.told, column.figure
    if figure is not None:
        return Field(field_name(column), lambda row: number_of(figure(row)), number=True)
    if told is None:
        return Field(field_name(column), lambda row: column.cell(row)[0][0].strip())
    return Field(field_name(column), lambda row: told(row).number, number=True)


def row_lines(it: Grid[Row], row: Row, width: int) -> list[Line]:
    return [_row_line(it, at, row, width) for at in range(len(it.lines))]


def _row_line(it: Grid[Row], at: int, row: Row, width: int) -> Line:
    """Neighbours of one ink in one run, as a `Pen` does it; blanks are in that of what is before them."""
    runs: list[Run] = []
    blanks = it.indent if at else 0
    run, now, left = "", _TEXT, width
    for text, ink, taken, before, behind in _cells(it.lines[at], row):
        run += " " * (blanks + before)
        if ink != now and taken:
            if run:
                runs.append((run, now))
            run, now = "", ink
        run += text + " " * behind
        left -= blanks + before + taken + behind
        blanks = it.gap
    if left < 0:
        return _cut_line(it, at, row, width)
    run += " " * left
    return (*runs, (run, now)) if run else tuple(runs)


def _cut_line(it: Grid[Row], at: int, row: Row, width: int) -> Line:
    """The same where there is not even room for what stays: only the cell that finds none is cut."""
    pen, blanks = Pen(width), it.indent if at else 0
    for text, ink, taken, before, behind in _cells(it.lines[at], row):
        pen.gap(blanks + before).put(text, ink, taken).gap(behind)
        blanks = it.gap
    return pen.line()


def _cells(line: Iterable[tuple[Column[Row], int]], row: Row) -> Iterator[tuple[str, int, int, int, int]]:
    """For each column a text and its ink, how many cells it takes, and how many are blank before and behind it."""
    for column, size in line:
        forms, ink = column.cell(row)
        if not column.text:
            text = pick(forms, size)
            taken = len(text) if text.isascii() else cells(text)
            yield text, ink, taken, size - taken, 0
            continue
        text = column.shorten(forms[0], size)
        taken = cells(text)
        if taken > size:
            text = clip(text, size)
            taken = cells(text)
        yield text if taken else "", ink, taken, 0, size - taken


def shed_note(
    first: int, shown: int, total: int, columns: int = 0, *, zoomed: bool = False, arrows: bool = True
) -> str:
    """What does not fit, and the keys that show it (`arrows`: also ↑ and ↓); empty where everything fits."""
    parts = []
    if shown < total:
        rows = f"{first + 1}–{first + shown} of {total}" if shown else f"{total} rows"
        parts.append(f"{rows} ↑↓" if arrows or zoomed else rows)
    if columns:
        parts.append(f"{columns} column{'s' * (columns != 1)} more")
    if zoomed:
        return " · ".join([*parts, "esc back"])
    return " · ".join([*parts, "z"]) if parts else ""


def _room(columns: Sequence[Column[Row]], width: int) -> int:
    return width - sum(column.width for column in columns) - (len(columns) - 1)


def _folded(columns: Sequence[Column[Row]], width: int, gap: int) -> list[tuple[tuple[Column[Row], int], ...]]:
    lines: list[tuple[tuple[Column[Row], int], ...]] = []
    line: list[tuple[Column[Row], int]] = []
    used = 0
    for column in columns:
        size = column.width + (gap if line else 0)
        if line and used + size > width:
            lines.append(tuple(line))
            line, used, size = [], 0, column.width
        line.append((column, column.width))
        used += size
    return [*lines, tuple(line)] if line else lines
