"""A panel with a title, rows that may not all fit, and a note that says so: what Fleet, Tiers, River and Stalls have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tui.layout import SCROLLED_TOGETHER
from tui.line import Line, framed, titled
from tui.table import shed_note
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from tui.layout import Section
    from tui.view import View


@dataclass(frozen=True)
class Body:
    """What is inside the frame: `shown` rows from `first` on, of `total`; `columns` more that found no room."""

    lines: list[Line]
    first: int
    shown: int
    total: int
    columns: int = 0


class RowsPanel(Panel):
    """Subclasses say what their title and their body are; the frame and the note are drawn here."""

    section: ClassVar[Section]
    zoomed = False
    last_first = 0
    """The largest `scroll_rows` that shows anything new."""

    def body(self, view: View, width: int, height: int) -> Body:
        """Lines to fit into `width` × `height`."""
        raise NotImplementedError

    def title(self, view: View) -> tuple[str, str]:
        """Title and subtitle."""
        raise NotImplementedError

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        boxed = self.plan is not None and self.plan.boxed
        inner = (width - 4, height - 2) if boxed else (width - 2, height - 1)
        body = self.body(view, *inner)
        self.last_first = body.total - body.shown
        self.scroll_rows = min(self.scroll_rows, self.last_first)
        arrows = self.section in SCROLLED_TOGETHER
        note = shed_note(body.first, body.shown, body.total, body.columns, zoomed=self.zoomed, arrows=arrows)
        top = titled(width, *self.title(view), note, corners="╭╮" if boxed else "")
        return framed(body.lines, width, height, top, box=boxed)
