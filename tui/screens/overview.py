"""The Overview: fleet, tiers, river and the newest stalls on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.layout import Plan, Section, Wants, alone, plan
from tui.screens.page import Page
from tui.widgets.fleet import Fleet, ailing
from tui.widgets.river import River
from tui.widgets.rows import RowsPanel
from tui.widgets.stalls import StallKey, Stalls
from tui.widgets.tiers import Tiers

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tui.places import Box
    from tui.view import View
    from tui.widgets.panel import Panel


class Overview(Page):
    together = (Section.FLEET, Section.RIVER)
    kpi = True

    def contents(self) -> Sequence[Panel]:
        self.tiers = Tiers(Section.TIERS)
        self.river = River(Section.RIVER)
        return Fleet(Section.FLEET), self.tiers, self.river, Stalls(Section.STALLS)

    def wants(self, view: View) -> Wants:
        """Rows that there are to show."""
        frame = view.frame
        if frame is None:
            return Wants()
        fleet = len(ailing(frame)) + len(frame.probes) + len(frame.workers)
        return Wants(fleet, len(frame.tiers), len(frame.river))

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        return self._taken(plan(body, boxed, self.wants(view)))

    def places_alone(self, view: View, panel: Panel, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        return self._taken(alone(Section(panel.key), body, boxed, self.wants(view).rivers))

    def open_row(self, panel: RowsPanel, row: Hashable) -> None:
        if isinstance(row, StallKey):
            self.yard.open_page("requests", "requests", row.request)
        elif panel is self.tiers:
            self.yard.open_page("tiers", "tiers", row)
        elif panel.key in (Section.FLEET, Section.RIVER) and self._works(row):
            self.yard.open_page("placement", "river", row)
        else:
            super().open_row(panel, row)

    def _works(self, row: Hashable) -> bool:
        frame = self.view.frame
        return frame is not None and any(worker.id == row for worker in frame.workers)

    def _taken(self, it: Plan) -> Mapping[str, Box]:
        self.tiers.in_a_line, self.river.lines_each = it.tier_columns, it.river_lines
        return it.boxes
