"""Tiers: how full they are and were, what flows between them, and where prompt tokens come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.places import Ask, Box, chrome, shared
from tui.screens.page import Page
from tui.widgets.flows import Flows, ways_of
from tui.widgets.prompt_rows import Prompts
from tui.widgets.tier_table import MOST_LINES, TierTable

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tui.view import View
    from tui.widgets.panel import Panel
    from tui.widgets.rows import RowsPanel

BESIDE: Final = 110
"""From this width on prompts stand beside the flows."""
MOST_POOLS: Final = 16
WAYS: Final = 4
"""Lines that flows have anyway, so that panels stay where they are when one comes or goes."""


class TiersPage(Page):
    def open_row(self, panel: RowsPanel, row: Hashable) -> None:
        """The worker of a pool, or of prompts, in the fleet."""
        worker = row if panel.key == "prompts" else None
        if panel.key == "tiers" and (frame := self.view.frame) is not None:
            worker = next((one.worker for one in frame.tiers if (one.owner, one.tier) == row), None)
        if worker is not None:
            self.yard.open_page("overview", "fleet", worker)
        else:
            super().open_row(panel, row)

    def contents(self) -> Sequence[Panel]:
        return TierTable("tiers"), Flows("flows"), Prompts("prompts")

    def wants(self, view: View) -> tuple[int, int, int]:
        """Rows that there are to show."""
        frame = view.frame
        if frame is None:
            return 0, 0, 0
        return len(frame.tiers), max(len(ways_of(frame)), WAYS) + bool(frame.hops), len(frame.prompts)

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        tiers, ways, prompts = self.wants(view)
        beside = body.width >= BESIDE
        pools, flowing, least = min(max(tiers, 1), MOST_POOLS), ways + 5, 2
        rest = flowing + chrome(boxed) * 2 if beside else flowing + least + chrome(boxed) * 3
        lines = max(1, min((body.height - rest - 1) // pools, MOST_LINES))
        table = Ask("tiers", (min(pools, 4) + 1, pools + 1, pools * lines + 1))
        flows = Ask("flows", (4, flowing), 0.6)
        prompted = Ask("prompts", (least, min(prompts, 6) + 1), 0.4)
        if beside:
            return shared(body, boxed, [[table], [flows, prompted]])
        return shared(body, boxed, [[table], [flows], [prompted]])
