"""The line in which a filter is typed, in the place of the keys; imported when it is first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

from tui.filter import MAX_LENGTH
from tui.widgets.typed import TypedLine

if TYPE_CHECKING:
    from tui.places import Box


class FilterLine(TypedLine):
    def __init__(self, after: int) -> None:
        super().__init__(
            compact=True,
            select_on_focus=False,
            max_length=MAX_LENGTH,
            placeholder="field:text !field:text field>number word",
        )

        self._after = after
        """Cells of what stands before it."""

    def begin(self, text: str) -> None:
        """Show it with a filter that is on already."""
        with self.prevent(Input.Changed):
            self.value = text
        self.cursor_position = len(text)
        self.display = True

    def place(self, footer: Box) -> None:
        self.styles.offset = (footer.x + self._after, footer.y)
        self.styles.width = footer.width // 2
