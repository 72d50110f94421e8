"""What stands alone on a terminal that is smaller than the smallest layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.line import Line, Pen, blank, cells
from tui.places import MIN_HEIGHT, MIN_WIDTH, Box
from tui.theme import Ink
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from tui.view import View


def too_small(view: View, width: int, height: int) -> list[Line]:
    emulated = view.frame is not None and view.frame.emulated
    texts = [
        ("tokenyard", Ink.HEADING),
        (f"needs {MIN_WIDTH} × {MIN_HEIGHT} cells", Ink.STRONG),
        (f"has {width} × {height}", Ink.DIM),
        (" EMULATED ", Ink.BADGE) if emulated else ("", Ink.TEXT),
        ("q quit", Ink.ACCENT),
    ]
    above = max((height - len(texts)) // 2, 0)
    lines = [blank(width)] * above
    lines += [Pen(width).gap(max((width - cells(text)) // 2, 0)).put(text, ink).line() for text, ink in texts]
    return lines[:height]


class TooSmall(Panel):
    def fill(self, size: tuple[int, int] | None) -> None:
        """Cover the screen, or go away."""
        self.place(None if size is None else Box(0, 0, *size))

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        return too_small(view, width, height)
