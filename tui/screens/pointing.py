"""What the mouse does on a page: a click focuses a panel, goes to a row, sorts by a heading or does what stands there; the wheel scrolls what is under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.widgets.rows import RowsPanel

if TYPE_CHECKING:
    from textual import events

    from tui.screens.page import Page
    from tui.widgets.panel import Panel


class Mouse:
    def __init__(self, page: Page) -> None:
        self._page = page

    async def click(self, event: events.Click) -> None:
        panel = self._under(event)
        if panel is None:
            return
        if (action := panel.action_at(event.x, event.y)) is not None:
            await self._page.app.run_action(action)
        elif panel.focusable:
            self._on_panel(panel, event)

    def wheel(self, event: events.MouseEvent, rows: int) -> None:
        panel = self._under(event)
        if isinstance(panel, RowsPanel):
            panel.scroll(rows)
            panel.show(self._page.view)

    def _on_panel(self, panel: Panel, event: events.Click) -> None:
        page, rows = self._page, panel if isinstance(panel, RowsPanel) else None
        field = rows.head_at(event.x, event.y) if rows is not None else ""
        row = rows.row_at(event.x, event.y) if rows is not None and not field and event.y else None
        page.put_cursor(panel.key, row)
        if rows is not None and field:
            rows.sort_by(field)
            page.redraw()
        elif event.y == 0:
            page.zoom(None if page.zoomed == panel.key else panel.key)
        elif rows is not None and row is not None and event.chain > 1:
            page.open_row(rows, row)

    def _under(self, event: events.MouseEvent) -> Panel | None:
        """The event's own x and y are relative to it."""
        x, y = event.screen_x, event.screen_y
        return next((self._page.panels[name] for name, box in self._page.boxes.items() if box.holds(x, y)), None)
