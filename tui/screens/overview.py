"""The Overview: fleet, tiers, river and the newest stalls on one screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from tui.commands import Command
from tui.layout import Plan, Section, Wants, alone, plan
from tui.places import chrome, crowded
from tui.screens.page import Page
from tui.widgets import fleet_map
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
    KEYS: ClassVar[tuple[Command, ...]] = (
        Command(
            "m",
            "screen.shape",
            "m",
            "Fleet as a map",
            "A cell a worker, or a row; by itself it is a map where a list would show less than a quarter.",
        ),
        Command("comma", "screen.cell(-1)", ",", "Cell before", "Of the map; ↑ and ↓ go by its lines."),
        Command("full_stop", "screen.cell(1)", ".", "Next cell", "Of the map."),
    )
    together = (Section.FLEET, Section.RIVER)
    kpi = True

    def contents(self) -> Sequence[Panel]:
        self.tiers = Tiers(Section.TIERS)
        self.river = River(Section.RIVER)
        self.fleet = Fleet(Section.FLEET)
        self.crowded = False
        return self.fleet, self.tiers, self.river, Stalls(Section.STALLS)

    def wants(self, view: View) -> tuple[Wants, tuple[int, ...], str]:
        """Rows that there are to show, cells of the fleet's map in groups, and whether it is to be one."""
        frame = view.frame
        if frame is None:
            return Wants(), (), self.yard.fleet
        others = [len(one.cells) for one in fleet_map.others(ailing(frame), frame.probes)]
        sizes = *others, *map(len, fleet_map.kinds(frame.workers).values())
        return Wants(sum(sizes), len(frame.tiers), len(frame.river)), sizes, self.yard.fleet

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        wants, sizes, chosen = self.wants(view)
        it = plan(body, boxed, wants)
        self.crowded = crowded(wants.fleet, it.boxes[Section.FLEET].height - chrome(boxed) - 1)
        self.fleet.as_map = chosen == "map" or (not chosen and self.crowded)
        if self.fleet.as_map:
            lines = fleet_map.rows(sizes, it.boxes[Section.FLEET].width - (4 if boxed else 2))
            it = plan(body, boxed, replace(wants, fleet=lines - 1, as_map=True))
        return self._taken(it, boxed)

    def places_alone(self, view: View, panel: Panel, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        return self._taken(alone(Section(panel.key), body, boxed, self.wants(view)[0].rivers), boxed)

    def open_row(self, panel: RowsPanel, row: Hashable) -> None:
        if isinstance(row, StallKey):
            self.yard.open_page("requests", "requests", row.request)
        elif panel is self.tiers:
            self.yard.open_page("tiers", "tiers", row)
        elif panel.key in (Section.FLEET, Section.RIVER) and self._works(row):
            self.yard.open_page("placement", "river", row)
        else:
            super().open_row(panel, row)

    def action_shape(self) -> None:
        """The other shape; by itself again where it would be that."""
        as_map = not self.fleet.as_map
        self.yard.fleet = "" if as_map == self.crowded else "map" if as_map else "list"
        self.redraw()

    def action_cell(self, cells: int) -> None:
        if not self.fleet.as_map:
            self.yard.say("cells are of the map: m")
            return
        self._focus(Section.FLEET)
        self.fleet.step(cells)
        self._link()
        self.redraw()

    def _works(self, row: Hashable) -> bool:
        frame = self.view.frame
        return frame is not None and any(worker.id == row for worker in frame.workers)

    def _taken(self, it: Plan, boxed: bool) -> Mapping[str, Box]:
        self.tiers.in_a_line, self.river.lines_each = it.tier_columns, it.river_lines
        if (box := it.boxes.get(Section.TIERS)) is not None:
            pools = self.wants(self.view)[0].tiers
            self.tiers.worst_first = crowded(pools, (box.height - chrome(boxed)) * it.tier_columns)
        return it.boxes
