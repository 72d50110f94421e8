"""SLO: how surely a profile's objectives are met, by model, worker and kind of device, and what a token takes there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tui.commands import Command
from tui.screens.page import Page
from tui.widgets.slo import Attainment, Profile, says_prices

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tui.places import Box
    from tui.view import View
    from tui.widgets.panel import Panel
    from tui.widgets.rows import RowsPanel

PROFILE_ROWS = 3
"""And one for prices, where the operator has said any."""


class SloPage(Page):
    KEYS: ClassVar[tuple[Command, ...]] = (
        Command("p", "screen.profile", "p", "Next profile", "Judge by the next profile of objectives.", "profile", 6),
    )

    def contents(self) -> Sequence[Panel]:
        return Profile("profile"), Attainment("attainment")

    def wants(self, view: View) -> bool:
        return view.frame is not None and view.frame.slo is not None and says_prices(view.frame.slo)

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        rows = PROFILE_ROWS + self.wants(view)
        rest = body._replace(y=body.y + rows, height=body.height - rows)
        return {"profile": body._replace(height=rows), "attainment": rest}

    def open_row(self, panel: RowsPanel, row: Hashable) -> None:
        """The worker, in the fleet."""
        if isinstance(row, tuple) and row[0] == "worker":
            self.yard.open_page("overview", "fleet", row[1])
        else:
            super().open_row(panel, row)

    def action_profile(self) -> None:
        said = self.yard.next_profile()
        if said:
            self.yard.say(said)
