"""The base of everything that is redrawn each tick: lines are drawn by a pure function, compared with those on the screen, and only changed rows repainted.

`render_lines` is overridden, so Textual's style cache and line filters are passed by: no CSS border, padding or text selection here, and NO_COLOR is honoured by
the styles that the theme builds. A place is given by the screen's plan; a tick never asks for a layout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.glyph_sets import ALL_GLYPHS, BRAILLE, GlyphSet
from tui.line import blank

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    from rich.style import Style

    from tui.line import Line
    from tui.places import Box
    from tui.told import Told
    from tui.view import View


class Panel(Widget):
    """Subclasses override `draw`. Lines are as wide as the panel."""

    ALLOW_SELECT = False
    can_focus = False
    focusable = False
    """Whether keys may go to it. A page knows which of its panels has the focus; Textual's own is not used."""
    follows_newest = False
    """It tells of the newest Frame too, while an earlier one is shown."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.display = False
        self.key = name
        self.box: Box | None = None
        self.boxed = False
        self.focused = False
        self.zoomed = False
        self.label = ""
        """The letter that goes to it, while letters are shown."""
        self.scroll_rows = 0
        """Rows of content that are above the top."""
        self.inks: Sequence[Style] = ()
        """The style of each ink."""
        self._table: Mapping[int, str] | None = None
        self.dots = BRAILLE
        """What charts are drawn with."""
        self._lines: list[Line] = []
        self._strips: list[Strip | None] = []

    @property
    def lines(self) -> list[Line]:
        """What is drawn."""
        return self._lines

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        """The panel's lines, `height` of them and each `width` cells wide."""
        raise NotImplementedError

    def action_at(self, x: int, y: int) -> str | None:
        """What a click on a cell of the panel does, as an action; None: what a click does everywhere."""
        return None

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        """The figures of a row (None: of the panel), from left to right, for whoever asks what they are."""
        return ()

    def place(self, box: Box | None, *, boxed: bool = False) -> None:
        """Take a region of the screen; None hides the panel. Costs a layout if it moves."""
        self.boxed = boxed
        if box == self.box:
            return
        self.box = box
        self.display = box is not None and box.height > 0
        self._lines, self._strips = [], []
        if box is not None:
            self.styles.offset = (box.x, box.y)
            self.styles.width, self.styles.height = box.width, box.height

    def paint_with(self, inks: Sequence[Style], glyphs: GlyphSet = ALL_GLYPHS) -> None:
        """Take these styles and glyphs: where they are others every row is built again from its lines, and charts are drawn in other dots from the next view on."""
        if inks is self.inks and glyphs.table is self._table and glyphs.dots == self.dots:
            return
        self.inks, self._table, self.dots = inks, glyphs.table, glyphs.dots
        self._strips = [None] * len(self._lines)
        self.refresh()

    def show(self, view: View) -> int:
        """Draw `view`, and have the changed rows repainted; returns how many there are."""
        rows = self.changed(view)
        self.refresh_rows(rows)
        return len(rows)

    def changed(self, view: View) -> Sequence[int]:
        """Draw `view`; returns the rows that are to be repainted, ascending."""
        box = self.box
        if box is None or not box.height:
            return ()
        lines = self.draw(view, box.width, box.height)[: box.height]
        lines += [blank(box.width)] * (box.height - len(lines))
        old = self._lines
        if len(old) != len(lines):
            self._lines, self._strips = lines, [None] * len(lines)
            return range(len(lines))
        dirty = [y for y, line in enumerate(lines) if line != old[y]]
        for y in dirty:
            self._strips[y] = None
        self._lines = lines
        return dirty

    def written(self, rows: Sequence[int]) -> Iterator[tuple[int, int, Line]]:
        """Where each of `rows` begins on the screen, and what it is in the glyphs that the terminal has."""
        if (box := self.box) is not None:
            for y in rows:
                yield box.x, box.y + y, self._inked(y)

    def refresh_rows(self, rows: Sequence[int]) -> None:
        """Ask for a repaint of `rows` (ascending), neighbours together."""
        if self.box is None:
            return
        width = self.box.width
        regions: list[Region] = []
        for y in rows:
            if regions and regions[-1].bottom == y:
                last = regions[-1]
                regions[-1] = Region(0, last.y, width, last.height + 1)
            else:
                regions.append(Region(0, y, width, 1))
        if regions:
            self.refresh(*regions)

    def render_lines(self, crop: Region) -> list[Strip]:
        strips = [self._strip(y) for y in range(crop.y, crop.bottom)]
        if crop.x == 0 and self.box is not None and crop.width == self.box.width:
            return strips
        return [strip.crop(crop.x, crop.right) for strip in strips]

    def _strip(self, y: int) -> Strip:
        width = self.box.width if self.box is not None else self.size.width
        if y >= len(self._lines):
            return Strip.blank(width)
        strip = self._strips[y]
        if strip is None:
            strip = self._strips[y] = Strip([Segment(text, self.inks[ink]) for text, ink in self._inked(y)], width)
        return strip

    def _inked(self, y: int) -> Line:
        line, table = self._lines[y], self._table
        return line if table is None else tuple((text.translate(table), ink) for text, ink in line)
