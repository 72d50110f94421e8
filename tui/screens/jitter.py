"""Jitter: how gaps are spread by kind, how that was over time, which worker is worst, and every stall with what may have caused it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from tui.commands import Command
from tui.places import Ask, Box, shared
from tui.screens.page import Page
from tui.widgets.gap_bands import GapBands
from tui.widgets.gap_lines import GAPS, SMOOTHED, GapLines
from tui.widgets.ledger import Ledger
from tui.widgets.rows import RowsPanel
from tui.widgets.spreads import Spreads
from tui.widgets.stalls import StallKey

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from tui.view import View
    from tui.widgets.panel import Panel

TICK_NS: Final = 250_000_000


class JitterPage(Page):
    KEYS: ClassVar[tuple[Command, ...]] = (
        Command("v", "screen.smoothed", "v", "Lines", "Over time: gaps, or RFC 3550 jitter.", "RFC 3550", 8),
    )

    def contents(self) -> Sequence[Panel]:
        self.lines = GapLines("lines")
        return GapBands("gaps"), self.lines, Spreads("spreads"), Ledger("ledger")

    def wants(self, view: View) -> tuple[int, int, int]:
        frame = view.frame
        return (0, 0, 0) if frame is None else (len(frame.gaps), min(len(frame.jitter), 12), min(len(frame.stalls), 12))

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        kinds, workers, stalls = self.wants(view)
        kinds = min(max(kinds, 1), 4)
        gaps = Ask("gaps", (4, *(kinds * each + 1 for each in (3, 3, 4, 6, 8))))
        share = 0.44 if body.width >= 70 else 0.5
        lines = Ask("lines", (5, 5, 5, 8, 10, 12), 1 - share)
        spreads = Ask("spreads", (2, 5, min(workers, 8) + 1, workers + 1), share)
        ledger = Ask("ledger", (2, 4, min(stalls, 6) + 1, stalls + 1))
        return shared(body, boxed, [[gaps], [lines, spreads], [ledger]])

    def open_row(self, panel: RowsPanel, row: Hashable) -> None:
        """A stall: the moment at which it ended, and its request."""
        if isinstance(row, StallKey):
            self.yard.action_seek(-(-round(row.at * 1e9) // TICK_NS) * TICK_NS + TICK_NS)
            self.yard.open_page("requests", "requests", row.request)
        else:
            super().open_row(panel, row)

    def action_smoothed(self) -> None:
        self.lines.names = SMOOTHED if self.lines.names == GAPS else GAPS
        self.redraw()
