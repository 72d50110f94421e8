"""The stage (`z` in a show): big digits and one message above the river."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.places import Box, chrome
from tui.screens.page import Page
from tui.widgets.river import River
from tui.widgets.stage import StageBoard

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tui.view import View
    from tui.widgets.panel import Panel

BOARD: Final = "board"
RIVER: Final = "river"
BOARD_ROWS: Final = 14
"""Two rows of figures, and the message."""


class StagePage(Page):
    tells_caption = True

    def contents(self) -> Sequence[Panel]:
        self.river = River(RIVER)
        return StageBoard(BOARD), self.river

    def wants(self, view: View) -> Hashable:
        return len(view.frame.river) if view.frame is not None else 0

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        """The river has what the board leaves, and goes where that is less than a row of each."""
        rows = len(view.frame.river) if view.frame is not None else 0
        left = body.height - BOARD_ROWS - chrome(boxed)
        if left < 1:
            return {BOARD: body}
        self.river.lines_each = max(1, min(left // max(rows, 1), 3))
        board, river = body.without_foot(left + chrome(boxed))
        return {BOARD: board, RIVER: river}
