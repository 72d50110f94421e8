"""Going anywhere with two keys: every panel, column and row in sight gets a letter."""

from __future__ import annotations

from functools import partial
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Final

from tui.theme import Ink
from tui.widgets.rows import RowsPanel

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tui.screens.page import Page

LETTERS: Final = ascii_lowercase + ascii_uppercase


class Jump:
    """`on`: the next key is a letter of these."""

    def __init__(self, page: Page) -> None:
        self.on = False
        self._page = page
        self._goals: dict[str, Callable[[], None]] = {}

    def begin(self) -> None:
        """Panels get letters first, then columns and rows of the one with the focus, then rows of the others, as far as letters go."""
        page = self._page
        self._goals = {}
        panels = [panel for key, panel in page.own.items() if panel.focusable and key in page.boxes]
        panels.sort(key=lambda panel: not panel.focused)
        letters = iter(LETTERS)
        for panel in panels:
            panel.label = next(letters, "")
            self._goals[panel.label] = partial(page.put_cursor, panel.key)
        for panel in panels:
            if not isinstance(panel, RowsPanel):
                continue
            panel.head_labels, panel.row_labels = {}, {}
            if panel.focused:
                for field in panel.head_fields:
                    panel.head_labels[field] = letter = next(letters, "")
                    self._goals[letter] = partial(self._sort, panel, field)
            for row in panel.jump_rows:
                panel.row_labels[row] = letter = next(letters, "")
                self._goals[letter] = partial(self._go, panel, row)
        self._goals.pop("", None)
        self.on = True
        page.redraw()

    def pressed(self, key: str) -> None:
        """Go where the letter stands; any other key: stay."""
        self.on = False
        for panel in self._page.own.values():
            panel.label = ""
            if isinstance(panel, RowsPanel):
                panel.head_labels, panel.row_labels = {}, {}
        self._goals.get(key, self._page.redraw)()

    def asking(self) -> tuple[str, str, int] | None:
        return ("", "a letter goes there, a heading sorts · esc stay", Ink.DIM) if self.on else None

    def _sort(self, panel: RowsPanel, field: str) -> None:
        panel.sort_by(field)
        self._page.redraw()

    def _go(self, panel: RowsPanel, row: Hashable) -> None:
        self._page.put_cursor(panel.key, row)
