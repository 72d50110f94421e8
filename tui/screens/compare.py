"""Compare: two recordings, or two parts of one, beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.places import Ask, Box, shared
from tui.screens.page import Page
from tui.widgets.compare import AsTold, Differences, Overlaid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tui.view import View
    from tui.widgets.panel import Panel

HEAD = 3
"""Lines above the first row of differences."""


class ComparePage(Page):
    def contents(self) -> Sequence[Panel]:
        return Differences("differences"), Overlaid("gaps"), AsTold("told")

    def wants(self, view: View) -> tuple[int, int, int]:
        it = view.comparison
        return (0, 0, 0) if it is None else (len(it.rows) + len(it.unlike), len(it.spreads), len(it.plain))

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        if view.comparison is None:
            return {"differences": body}
        rows, spreads, plain = self.wants(view)
        differences = Ask("differences", (HEAD + 4, HEAD + min(rows, 8), HEAD + min(rows, 16), HEAD + rows))
        gaps = Ask("gaps", (4, *(max(spreads, 1) * each + 1 for each in (3, 4, 5))))
        told = Ask("told", (3, 6, min(plain, 12) + 1, plain + 1))
        return shared(body, boxed, [[differences], [gaps], [told]])
