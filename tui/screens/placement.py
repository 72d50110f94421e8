"""Where every token ran: the river large, from workers down to one request token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from collectors.model.detail import By
from tui.commands import Command
from tui.places import Box
from tui.screens.page import Page
from tui.tracks import Hue
from tui.widgets.follow import Follow
from tui.widgets.placement import SLICES_NS, Placement

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tui.view import View
    from tui.widgets.panel import Panel
    from tui.widgets.rows import RowsPanel

_RIVER_SHARE = 0.5
"""Of the rows, while a request is followed."""
_LEAST_BESIDE = 16
"""Rows below which the river makes room for what is followed."""


class PlacementPage(Page):
    looks_into_requests = True
    KEYS: ClassVar[tuple[Command, ...]] = (
        Command(
            "v", "screen.rows", "v", "River's rows", "A row a worker, a request, an agent run (workflow).", "rows", 3
        ),
        Command("c", "screen.hue", "c", "River's hue", "By kind of device, or by memory tier.", "hue", 4),
        Command("comma", "screen.slice(-1)", ",", "Shorter columns", "Down to 10 ms a column.", "finer", 6),
        Command("full_stop", "screen.slice(1)", ".", "Longer columns", "Up to 10 s a column.", "", 6),
    )

    optional = ("follow",)

    def contents(self) -> Sequence[Panel]:
        self.river = Placement("river")
        self.follow = Follow("follow")
        return self.river, self.follow

    def wants(self, view: View) -> bool:
        return self.follow.of is not None

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        if self.follow.of is None:
            return {"river": body}
        if body.height < _LEAST_BESIDE:
            return {"follow": body}
        above = round(body.height * _RIVER_SHARE)
        return {
            "river": Box(body.x, body.y, body.width, above),
            "follow": Box(body.x, body.y + above, body.width, body.height - above),
        }

    def open_row(self, panel: RowsPanel, row: Hashable) -> None:
        """A worker opens as its requests, a request is followed; a token of it opens the request's page."""
        if panel is self.follow:
            self.yard.open_page("requests", "requests", self.follow.of)
        elif self.river.by is By.WORKER:
            self.river.on, self.river.by = str(row), By.REQUEST
            self.river.cursor = None
            self.redraw()
        elif self.river.by is By.REQUEST and isinstance(row, int):
            self.follow.of, self.follow.cursor = row, None
            self._focus("follow")
            self.redraw()
        elif self.river.by is By.WORKFLOW:
            self.yard.open_page("requests", "requests", row)
        else:
            super().open_row(panel, row)

    def step_out(self) -> bool:
        """From a request to its worker's requests, from those to the workers."""
        if self.follow.of is not None:
            self.follow.of = None
            self._focus("river")
        elif self.river.on is not None:
            self.river.cursor, self.river.on, self.river.by = self.river.on, None, By.WORKER
        else:
            return False
        self.redraw()
        return True

    def action_rows(self) -> None:
        every = tuple(By)
        self.river.by = every[(every.index(self.river.by) + 1) % len(every)]
        self.river.on = self.river.cursor = None
        self.redraw()

    def action_hue(self) -> None:
        hue = Hue.TIER if self.river.hue is Hue.DEVICE else Hue.DEVICE
        self.river.hue = self.follow.hue = hue
        self.redraw()

    def action_slice(self, steps: int) -> None:
        self.river.slice = max(0, min(self.river.slice + steps, len(SLICES_NS) - 1))
        self.redraw()

    def go_to(self, panel: str, row: Hashable) -> None:
        """A request that is gone to is followed; a worker is a row."""
        if isinstance(row, int):
            self.river.by, self.river.on = By.REQUEST, None
            self.follow.of = row
            super().go_to("follow", None)
        else:
            self.river.by, self.river.on, self.follow.of = By.WORKER, None, None
            super().go_to("river", row)
