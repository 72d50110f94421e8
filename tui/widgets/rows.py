"""A panel with a title, rows that may not all fit, a note that says so, and a cursor that stays with its row.

The frame, the note and the cursor are drawn here; subclasses say what their title and their rows are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from tui.filter import Field, FilterError, Term, matches, ordered, parsed
from tui.glyphs import SELECTED
from tui.line import Line, Pen, changed, framed, titled
from tui.places import ALL
from tui.plain import printable
from tui.table import Head, Order, shed_note
from tui.theme import UNDER_CURSOR, Ink
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from tui.view import View


Row = TypeVar("Row")


class Spot(NamedTuple):
    """Where a row stands in a body: `lines` of them from `y` on, `width` cells from `x` on."""

    y: int
    lines: int = 1
    x: int = 0
    width: int = ALL


def stacked(count: int, *, head: int = 0, each: int = 1) -> list[Spot]:
    """Spots of `count` rows one below the other, of `each` lines, below `head` lines of heading."""
    return [Spot(head + index * each, each) for index in range(count)]


@dataclass(frozen=True)
class Body:
    """What is inside the frame: `shown` rows from `first` on, of `total`; `columns` more that found no room.

    `keys` are those of all rows, in their order: what a row is known by, whatever place it has. `spots` are the places of the shown ones. Without them there is no
    cursor, and the arrow keys scroll.
    """

    lines: list[Line]
    first: int
    shown: int
    total: int
    columns: int = 0
    keys: Sequence[Hashable] = ()
    spots: Sequence[Spot] = ()
    heads: Sequence[Head] = ()
    """Of columns, by which rows can be sorted."""
    head: int = 0
    """The line in which those stand."""


class RowsPanel(Panel):
    focusable = True
    linked = False
    """Another panel has the focus, and its cursor is on a row that is here too."""
    last_first = 0
    """The largest `scroll_rows` that shows anything new."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.cursor: Hashable = None
        """Key of the row that was last gone to; None: whichever is the first."""
        self.order: Order | None = None
        self.filter_text = ""
        """As it is typed; `filtered_by` is the last of it that says anything."""
        self.filtered_by = ""
        self.problem = ""
        """Why what is typed says nothing."""
        self._terms: tuple[Term, ...] = ()
        self.picked_before = ""
        """Where rows are of an earlier moment than what is told of them: which, in words."""
        self._all = 0
        """Rows there were to pick from."""
        self.head_labels: Mapping[str, str] = {}
        self.row_labels: Mapping[Hashable, str] = {}
        self._index = 0
        self._follow = False
        self._body = Body([], 0, 0, 0)

    def body(self, view: View, width: int, height: int) -> Body:
        """Lines to fit into `width` × `height`, from row `self.scroll_rows` on."""
        raise NotImplementedError

    def title(self, view: View) -> tuple[str, str]:
        """Title and subtitle."""
        raise NotImplementedError

    def fields(self, view: View) -> Sequence[Field[Any]]:
        """By what its rows can be filtered and sorted; none: they cannot."""
        return ()

    def pick(self, rows: Sequence[Row], fields: Callable[[], Sequence[Field[Row]]]) -> Sequence[Row]:
        """Those of `rows` that are to be shown, in the order in which they are."""
        self._all = len(rows)
        if not self._terms and self.order is None:
            return rows
        known = {field.name: field for field in fields()}
        if all(term.field is None or term.field in known for term in self._terms):
            rows = [row for row in rows if matches(self._terms, row, known)]
        if self.order is not None and self.order.field in known:
            rows = ordered(rows, known[self.order.field], descending=self.order.descending)
        return rows

    @property
    def picking(self) -> bool:
        """Whether a filter is on."""
        return bool(self._terms)

    def filter_by(self, text: str, view: View) -> None:
        self.filter_text = text
        try:
            self._terms = parsed(text, self.fields(view))
        except FilterError as error:
            self.problem = str(error)
        else:
            self.problem, self.filtered_by = "", text

    def sort_by(self, field: str) -> None:
        """By a field, the largest first; the same one again: the smallest first; once more: as they come."""
        if self.order is None or self.order.field != field:
            self.order = Order(field, descending=True)
        else:
            self.order = Order(field, descending=False) if self.order.descending else None

    def sort_next(self, view: View) -> None:
        """By the next field; after the last one as they come."""
        stops = [None, *(field.name for field in self.fields(view))]
        at = stops.index(self.order.field) if self.order is not None and self.order.field in stops else 0
        field = stops[(at + 1) % len(stops)]
        self.order = None if field is None else Order(field, descending=True)

    def head_at(self, x: int, y: int) -> str:
        """Field of the column of which the name stands at a cell of the panel."""
        heads = self._body.heads if y == 1 + self._body.head else ()
        x -= self._left
        return next((head.field for head in heads if head.x <= x < head.x + head.width), "")

    @property
    def head_fields(self) -> list[str]:
        """Fields of the columns in sight."""
        return [head.field for head in self._body.heads if head.field]

    @property
    def rows_in_sight(self) -> Sequence[Hashable]:
        body = self._body
        return body.keys[body.first : body.first + len(body.spots)]

    @property
    def jump_rows(self) -> Sequence[Hashable]:
        """Those that get a letter to go to them by."""
        return self.rows_in_sight

    @property
    def row_text(self) -> str:
        """The row under the cursor as it is drawn; empty where there is none in sight."""
        index = self._locate(self._body.keys) - self._body.first
        if not 0 <= index < len(self._body.spots):
            return ""
        spot = self._body.spots[index]
        lines = self._body.lines[spot.y : spot.y + spot.lines]
        texts = ["".join(text for text, _ in line)[spot.x : spot.x + spot.width] for line in lines]
        return " ".join(" ".join(texts).split())

    @property
    def current(self) -> Hashable:
        """Key of the row under the cursor; None where there is no row."""
        keys = self._body.keys
        return keys[self._locate(keys)] if keys else None

    def move(self, rows: int) -> None:
        """The cursor so many rows down (negative: up), not beyond the ends."""
        body = self._body
        if not body.keys:
            self.scroll(rows)
            return
        self._index = max(0, min(self._locate(body.keys) + rows, len(body.keys) - 1))
        self.cursor = body.keys[self._index] if self._index else None
        self._follow = True

    def move_page(self, pages: int) -> None:
        self.move(pages * max(self._body.shown - 1, 1))

    def go_to(self, key: Hashable) -> bool:
        """The cursor onto the row of that key; False where there is none."""
        if key not in self._body.keys:
            return False
        self.cursor, self._follow = key, True
        return True

    def scroll(self, rows: int) -> None:
        """Other rows, the cursor stays with its own."""
        self.scroll_rows = max(0, min(self.scroll_rows + rows, self.last_first))
        self._follow = False

    def row_at(self, x: int, y: int) -> Hashable:
        """Key of the row at a cell of the panel; None beside all of them."""
        body = self._body
        x, y = x - self._left, y - 1
        for index, spot in enumerate(body.spots):
            if spot.y <= y < spot.y + spot.lines and spot.x <= x < spot.x + spot.width:
                return body.keys[body.first + index]
        return None

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        inner = (width - 4, height - 2) if self.boxed else (width - 2, height - 1)
        body = self._body = self._with_cursor_in_sight(view, *inner)
        self.last_first = body.total - body.shown
        self.scroll_rows = min(self.scroll_rows, self.last_first)
        note = shed_note(body.first, body.shown, body.total, body.columns, zoomed=self.zoomed, arrows=self.focused)
        title, subtitle = self.title(view)
        if self.picking:
            subtitle = f"/{printable(self.filtered_by)} · {len(body.keys)} of {self._all}"
            if not body.keys:
                body = Body([Pen(inner[0]).put("no row is like that; esc shows all", Ink.DIM).line()], 0, 0, 0)
        if self.picked_before:
            subtitle = f"{self.picked_before} · {subtitle}"
        top = titled(
            width,
            title,
            subtitle,
            note,
            corners="╭╮" if self.boxed else "",
            mark=self.label or (SELECTED if self.focused else " "),
        )
        lines = framed(body.lines, width, height, top, box=self.boxed)
        if self.focused or self.linked:
            self._mark(lines, body, width)
        if self.row_labels or self.head_labels:
            self._label(lines, body)
        return lines

    @property
    def _left(self) -> int:
        """Cells before the body."""
        return 2 if self.boxed else 1

    def _locate(self, keys: Sequence[Hashable]) -> int:
        """Index of the row under the cursor; of a row that has gone, the place where it was."""
        if self.cursor is None or not keys:
            self._index = 0
        else:
            self._index = min(self._index, len(keys) - 1)
            if keys[self._index] != self.cursor and self.cursor in keys:
                self._index = keys.index(self.cursor)
        return self._index

    def _with_cursor_in_sight(self, view: View, width: int, height: int) -> Body:
        """The body, scrolled so far that the row is seen that the cursor has moved to."""
        body = self.body(view, width, height)
        for _ in range(3):
            index = self._locate(body.keys)
            if not (self._follow and body.spots) or body.first <= index < body.first + body.shown:
                break
            self.scroll_rows = index if index < body.first else self.scroll_rows + index - body.first - body.shown + 1
            body = self.body(view, width, height)
        return body

    def _mark(self, lines: list[Line], body: Body, width: int) -> None:
        """The row under the cursor: a sign before it, and another ground."""
        index = self._locate(body.keys) - body.first
        if not 0 <= index < len(body.spots):
            return
        spot = body.spots[index]
        start = self._left + spot.x
        size = min(spot.width, width - start - (2 if self.boxed else 0))
        for y in range(spot.y + 1, min(spot.y + 1 + spot.lines, len(lines))):
            sign = SELECTED if y == spot.y + 1 else " "
            signed = changed(lines[y], start - 1, 1, partial(_signed, sign))
            lines[y] = changed(signed, start, size, grounded)

    def _label(self, lines: list[Line], body: Body) -> None:
        """Letters before the columns' names and the rows that can be gone to."""
        y = 1 + body.head
        for head in body.heads:
            if head.field in self.head_labels and len(lines) > y:
                at, letter = self._left + head.x - 1, self.head_labels[head.field]
                lines[y] = changed(lines[y], at, 1, partial(_signed, letter, ink=Ink.CURSOR))
        for spot, key in zip(body.spots, self.rows_in_sight, strict=True):
            if letter := self.row_labels.get(key, ""):
                y, at = spot.y + 1, self._left + spot.x - 1
                lines[y] = changed(lines[y], at, 1, partial(_signed, letter, ink=Ink.CURSOR))


def _signed(sign: str, _: Line, ink: int = Ink.ACCENT) -> Line:
    return ((sign, ink),)


def grounded(runs: Line) -> Line:
    """The same on the ground of the row under the cursor."""
    return tuple((text, ink + UNDER_CURSOR) for text, ink in runs)
