"""The Overview: composes the panels, gives them their places, and hands each view to all of them. Draws and computes nothing itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.reactive import reactive
from textual.screen import Screen

from tui.layout import SCROLLED_TOGETHER, ZOOMED, Plan, Section, Wants, plan
from tui.view import View
from tui.widgets.fleet import Fleet, ailing
from tui.widgets.footer import Footer
from tui.widgets.header import Header
from tui.widgets.kpi import KpiStrip
from tui.widgets.notice import Notice, notices
from tui.widgets.panel import Panel
from tui.widgets.requests import Requests
from tui.widgets.river import River
from tui.widgets.rows import RowsPanel
from tui.widgets.stalls import Stalls
from tui.widgets.tiers import Tiers
from tui.widgets.timeline import Timeline
from tui.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events
    from textual.app import ComposeResult


def wants(view: View, width: int) -> Wants:
    """Rows that there are to show."""
    lines = len(notices(view, width))
    frame = view.frame
    if frame is None:
        return Wants(notices=lines)
    return Wants(len(ailing(frame)) + len(frame.probes) + len(frame.workers), len(frame.tiers), len(frame.river), lines)


class Overview(Screen[None]):
    view: reactive[View] = reactive(View(), repaint=False, init=False)

    def __init__(self, inks: Sequence[Style]) -> None:
        super().__init__()
        self.panels: dict[Section, Panel] = {
            Section.HEADER: Header("header"),
            Section.KPI: KpiStrip("kpi"),
            Section.NOTICE: Notice("notice"),
            Section.FLEET: Fleet("fleet"),
            Section.TIERS: Tiers("tiers"),
            Section.RIVER: River("river"),
            Section.STALLS: Stalls("stalls"),
            Section.REQUESTS: Requests("requests"),
            Section.TIMELINE: Timeline("timeline"),
            Section.FOOTER: Footer("footer"),
        }
        self.too_small = TooSmall("too-small")
        self._inks = inks
        self._zoom: Section | None = None
        self._planned: tuple[int, int, Wants, Section | None] | None = None
        self.plan: Plan | None = None

    def compose(self) -> ComposeResult:
        self.paint_with(self._inks)
        self._arrange()
        self._show()
        yield from self.panels.values()
        yield self.too_small

    def watch_view(self) -> None:
        with self.app.batch_update():
            self._arrange()
            self._show()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()
        self._show()

    def paint_with(self, inks: Sequence[Style]) -> None:
        """Take the styles of another theme."""
        self._inks = inks
        for panel in (*self.panels.values(), self.too_small):
            panel.paint_with(inks)

    def zoom(self, direction: int) -> None:
        """Show the next (+1) or the previous (−1) section alone; 0, and after the last: all of them."""
        stops: list[Section | None] = [None, *ZOOMED]
        self._zoom_to(stops[(stops.index(self._zoom) + direction) % len(stops)] if direction else None)

    def alone(self, section: Section) -> None:
        """Show a section alone; if it is already: all of them."""
        self._zoom_to(None if self._zoom is section else section)

    def scroll_rows(self, rows: int, panel: Panel | None = None) -> None:
        """Scroll a panel, or the zoomed one, or fleet and river, which show the same workers."""
        if isinstance(panel, RowsPanel):
            targets = [panel]
        elif self._zoom is not None:
            targets = [self._rows_panel(self._zoom)]
        else:
            targets = [self._rows_panel(section) for section in SCROLLED_TOGETHER]
        for target in targets:
            target.scroll_rows = max(0, min(target.scroll_rows + rows, target.last_first))
            target.show(self.view)

    async def on_click(self, event: events.Click) -> None:
        panel = self._panel_at(event)
        if isinstance(panel, Footer):
            if (action := panel.action_at(event.x)) is not None:
                await self.app.run_action(action)
        elif isinstance(panel, Timeline):
            if (moment := panel.moment(event.x)) is not None:
                await self.app.run_action(f"seek({moment})")
        elif isinstance(panel, RowsPanel) and event.y == 0:
            self._zoom_to(None if self._zoom is panel.section else panel.section)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, rows: int) -> None:
        panel = self._panel_at(event)
        if isinstance(panel, RowsPanel):
            self.scroll_rows(rows, panel)

    def _panel_at(self, event: events.MouseEvent) -> Panel | None:
        """The panel under the mouse. The event's own x and y are relative to it."""
        section = self.plan.at(event.screen_x, event.screen_y) if self.plan is not None else None
        return self.panels[section] if section is not None else None

    def _rows_panel(self, section: Section) -> RowsPanel:
        panel = self.panels[section]
        assert isinstance(panel, RowsPanel)
        return panel

    def _zoom_to(self, section: Section | None) -> None:
        self._zoom = section
        for name in ZOOMED:
            self._rows_panel(name).zoomed = name is section
        self._arrange()
        self._show()

    def _arrange(self) -> None:
        """Give every panel its place, if anything changed that places depend on."""
        width, height = self.app.size
        want = wants(self.view, width)
        key = (width, height, want, self._zoom)
        if key == self._planned:
            return
        self._planned = key
        self.plan = plan(width, height, want, self._zoom)
        for section, panel in self.panels.items():
            panel.place(self.plan.boxes.get(section) if self.plan is not None else None, self.plan)
        self.too_small.fill(None if self.plan is not None else (width, height))

    def _show(self) -> None:
        for panel in (*self.panels.values(), self.too_small):
            panel.show(self.view)
