"""Typing a filter for the rows of a panel, in the place of the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.glyphs import DOWN
from tui.places import FOOTER
from tui.theme import Ink
from tui.widgets.rows import RowsPanel

if TYPE_CHECKING:
    from tui.screens.page import Page
    from tui.widgets.filter_line import FilterLine

PROMPT = " /"


class Prompt:
    """`panel` is the one of which the filter is being typed; None: nothing is."""

    def __init__(self, page: Page) -> None:
        self.panel: RowsPanel | None = None
        self._page = page
        self._line: FilterLine | None = None

    async def open(self) -> None:
        page, panel = self._page, self._page.focused_panel
        if not isinstance(panel, RowsPanel) or not panel.fields(page.view) or FOOTER not in page.boxes:
            page.yard.say("nothing to filter by in this panel")
            return
        if self._line is None:
            from tui.widgets.filter_line import FilterLine

            self._line = FilterLine(len(PROMPT))
            await page.mount(self._line)
        self.panel = panel
        self.place()
        self._line.begin(panel.filter_text)
        self._line.focus()
        page.redraw()

    def changed(self, text: str) -> None:
        if self.panel is not None:
            self.panel.filter_by(text, self._page.view)
            self._page.redraw()

    def close(self, *, keep: bool) -> None:
        """Back to the keys, with the last filter that said anything, or with none."""
        if self.panel is not None:
            self.panel.filter_by(self.panel.filtered_by if keep else "", self._page.view)
        self.panel = None
        if self._line is not None:
            self._line.display = False
        self._page.set_focus(None)
        self._page.redraw()

    def place(self) -> None:
        if self._line is not None and FOOTER in self._page.boxes:
            self._line.place(self._page.boxes[FOOTER])

    def asking(self) -> tuple[str, str, int] | None:
        """What the footer says meanwhile."""
        if self.panel is None:
            return None
        if self.panel.problem:
            return PROMPT, f"{DOWN} {self.panel.problem}", Ink.BAD
        return PROMPT, "enter keep · esc all rows", Ink.DIM
