"""Routing: what was chosen by label, worker and rule, and what the router knew of what its workers hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from tui.commands import Command
from tui.places import Ask, shared
from tui.screens.page import Page
from tui.screens.requests import Labelled
from tui.widgets.routing import MEASURES, Labels, Rules, Waterfall, labels_of, steps

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tui.places import Box
    from tui.view import View
    from tui.widgets.panel import Panel
    from tui.widgets.rows import RowsPanel

BESIDE: Final = 150
"""From this width on the waterfall stands beside the rules."""


class RoutingPage(Page):
    KEYS: ClassVar[tuple[Command, ...]] = (
        Command("m", "screen.measure", "m", "Next measure", "Choices, or times by label and worker.", "measure", 6),
    )

    def contents(self) -> Sequence[Panel]:
        return Labels("labels"), Waterfall("reuse"), Rules("rules")

    def wants(self, view: View) -> tuple[int, int, int]:
        """Labels, lines of the waterfall, rules."""
        frame = view.frame
        if frame is None:
            return 0, 0, 0
        return len(labels_of(frame)), len(steps(frame)), len(frame.routing.rules) if frame.routing is not None else 0

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        labels, waterfall, rules = self.wants(view)
        matrix = Ask("labels", (3, min(labels, 8) + 1, labels + 1))
        reuse, ruled = Ask("reuse", (2, 4, waterfall)), Ask("rules", (2, min(rules, 3) + 1, rules + 1))
        if body.width >= BESIDE:
            return shared(body, boxed, [[matrix], [reuse, ruled]])
        return shared(body, boxed, [[matrix], [reuse], [ruled]])

    def open_row(self, panel: RowsPanel, row: Hashable) -> None:
        """The requests that have the label."""
        if isinstance(panel, Labels) and isinstance(row, str):
            self.yard.open_page("requests", "requests", Labelled(row))
        else:
            super().open_row(panel, row)

    def action_measure(self) -> None:
        panel = self.own["labels"]
        assert isinstance(panel, Labels)
        panel.measure = MEASURES[(MEASURES.index(panel.measure) + 1) % len(MEASURES)]
        self.redraw()
