"""A screen of panels: which there are, where they have room, which has the focus and the cursor, and one view after the other. It draws and computes nothing itself."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from textual.reactive import reactive
from textual.screen import Screen

from tui.glyph_sets import ALL_GLYPHS, GlyphSet
from tui.places import (
    CAPTION,
    FOOTER,
    HEADER,
    INSPECTOR,
    KPI,
    NOTICE,
    TIMELINE,
    Box,
    Surround,
    chrome,
    surround,
    without,
)
from tui.remembered import PageState
from tui.screens.output import put_out
from tui.table import Order
from tui.theme import Ink
from tui.view import View
from tui.widgets.caption import Caption
from tui.widgets.caption import rows as caption_rows
from tui.widgets.footer import Footer
from tui.widgets.header import Header
from tui.widgets.inspector import ROWS, Inspector
from tui.widgets.kpi import KpiStrip
from tui.widgets.notice import Notice, notices
from tui.widgets.rows import RowsPanel
from tui.widgets.timeline import Timeline
from tui.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events
    from textual.app import ComposeResult
    from textual.geometry import Region, Size
    from textual.strip import Strip

    from tui.widgets.panel import Panel


MIN_BESIDE: Final = 16
"""Rows that the page's own panels need beside the inspector; where there are less, the one with the focus has them alone."""


class Arranged(Screen[None]):
    """Subclasses say which panels they have (`contents`), where those go (`places`), and on what that depends (`wants`)."""

    together: ClassVar[tuple[str, ...]] = ()
    """Panels of which the rows are known by the same keys: their cursors go together."""
    looks_into_requests: ClassVar[bool] = False
    """It shows single deliveries or requests (`View.detail`)."""
    optional: ClassVar[tuple[str, ...]] = ()
    """Panels that are there only at times: not missed where they are not."""
    tells_caption: ClassVar[bool] = False
    """It shows the caption of a show itself."""
    kpi: ClassVar[bool] = False
    """Whether the strip of key figures stands on top."""
    view: reactive[View] = reactive(View(), repaint=False, init=False)

    def __init__(self, name: str, inks: Sequence[Style]) -> None:
        super().__init__(name=name)
        own = self.contents()
        self.inspector = Inspector(INSPECTOR)
        self.footer = Footer(FOOTER)
        self.own: dict[str, Panel] = {panel.key: panel for panel in own}
        self.panels: dict[str, Panel] = {
            HEADER: Header(HEADER),
            KPI: KpiStrip(KPI),
            NOTICE: Notice(NOTICE),
            **self.own,
            INSPECTOR: self.inspector,
            CAPTION: Caption(CAPTION),
            TIMELINE: Timeline(TIMELINE),
            FOOTER: self.footer,
        }
        self.too_small = TooSmall("too-small")
        self.hidden: set[str] = set()
        self.shed: tuple[str, ...] = ()
        """Panels for which there is no room; the focus shows them alone."""
        self.zoomed: str | None = None
        self.inspecting = False
        self.focus_on = next((panel.key for panel in own if panel.focusable), None)
        self.boxes: Mapping[str, Box] = {}
        self._costs: tuple[str, str, int] | None = None
        self._inks = inks
        self._glyphs = ALL_GLYPHS
        self._placed: Hashable = None
        self._drawn: tuple[View, Size] | None = None
        """What was drawn last, and for what size."""
        self._ground: tuple[Hashable, list[Strip]] | None = None
        self.paint_with(inks, self._glyphs)
        self._focus(self.focus_on)

    def contents(self) -> Sequence[Panel]:
        """The page's own panels, in the order in which the focus goes."""
        raise NotImplementedError

    def wants(self, view: View) -> Hashable:
        """What places depend on beside the size: places are kept while this is equal."""
        return None

    def places(self, view: View, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        """Where the page's own panels go inside `body`; what is left out is not shown."""
        raise NotImplementedError

    def places_alone(self, view: View, panel: Panel, body: Box, *, boxed: bool) -> Mapping[str, Box]:
        """The same where one panel has the room for itself."""
        return {panel.key: body}

    # what is shown

    @property
    def focused_panel(self) -> Panel | None:
        return self.panels[self.focus_on] if self.focus_on is not None else None

    def compose(self) -> ComposeResult:
        self._draw_anew()
        yield from self.panels.values()
        yield self.too_small

    def on_mount(self) -> None:
        """Its styles were just worked out: when it comes back they need not be again. Textual notes that only of a screen that is turned to when it is mounted."""
        self._css_update_count = self.app._css_update_count

    def watch_view(self, before: View, view: View) -> None:
        if not view.goes_on_behind(before):
            self.redraw()
            return
        self._put_out([panel for panel in self.panels.values() if panel.follows_newest])

    def on_resize(self, event: events.Resize) -> None:
        self._draw_anew()

    def render_lines(self, crop: Region) -> list[Strip]:
        """What is behind the panels: the same lines as long as its colours are, and never made again for a page that comes back."""
        key = crop, self.background_colors
        if self._ground is None or self._ground[0] != key:
            self._ground = key, super().render_lines(crop)
        return self._ground[1]

    def _draw_anew(self) -> None:
        """For this size, if that is not what was drawn last."""
        if self._drawn != (self.view, self.app.size):
            self.redraw()

    def paint_with(self, inks: Sequence[Style], glyphs: GlyphSet = ALL_GLYPHS) -> None:
        """Take the styles of another theme, and the glyphs that the terminal has."""
        self._inks, self._glyphs = inks, glyphs
        for panel in (*self.panels.values(), self.too_small):
            panel.paint_with(inks, glyphs)

    def redraw(self) -> None:
        """Draw the view again, after anything that it is drawn by has changed."""
        self._drawn = self.view, self.app.size
        self._arrange()
        panel = self.focused_panel
        self.inspector.of, self.inspector.row = panel, panel.current if isinstance(panel, RowsPanel) else None
        self.footer.asking = self._asking()
        self._put_out((*self.panels.values(), self.too_small))

    def _put_out(self, panels: Iterable[Panel]) -> None:
        """Draw the view on these, and write what changed."""
        changed = {panel: rows for panel in panels if (rows := panel.changed(self.view))}
        put_out(self, (*self.panels.values(), self.too_small), changed)

    def remember(self) -> PageState:
        """What is kept of the page between runs."""
        rows = {key: panel for key, panel in self.own.items() if isinstance(panel, RowsPanel)}
        orders = {
            key: (panel.order.field, panel.order.descending) for key, panel in rows.items() if panel.order is not None
        }
        return PageState(sorted(self.hidden), orders)

    def recall(self, kept: PageState) -> None:
        """Before it is shown for the first time."""
        self.hidden = {panel for panel in kept.hidden if panel in self.own}
        if len(self.hidden) == len(self.own):
            self.hidden = set()
        if self.focus_on in self.hidden:
            self._focus(next(key for key in self.own if key not in self.hidden))
        for key, (by, descending) in kept.orders.items():
            if isinstance(panel := self.own.get(key), RowsPanel):
                panel.order = Order(by, descending)

    def tell_costs(self, text: str) -> None:
        """What frames cost, in the place of the keys; empty: no more."""
        self._costs = ("", text, Ink.DIM) if text else None
        self.footer.asking = self._asking()
        self._put_out([self.footer])

    def _asking(self) -> tuple[str, str, int] | None:
        """What stands in the place of the keys: its name, its text and ink."""
        return self._costs

    def go_to(self, panel: str, row: Hashable) -> None:
        """Show a row that another page, or whoever opened this one, asks for."""
        self.put_cursor(panel, row)

    def put_cursor(self, panel: str, row: Hashable = None) -> None:
        """Focus a panel, with the cursor on a row of it."""
        self._focus(panel)
        target = self.panels[panel]
        if row is not None and isinstance(target, RowsPanel):
            target.cursor = row
            target.go_to(row)
        self._link()
        self.redraw()

    def set_hidden(self, panels: set[str]) -> None:
        self.hidden = {panel for panel in panels if panel in self.own}
        if self.focus_on in self.hidden:
            self._focus(next(key for key in self.own if key not in self.hidden))
        self.redraw()

    def zoom(self, panel: str | None) -> None:
        """Show a panel alone; None: all of them."""
        self.zoomed = panel = panel if panel in self.own else None
        if panel is not None:
            self._focus(panel)
        self.redraw()

    # places

    def _focus(self, key: str | None) -> None:
        self.focus_on = key
        for name, panel in self.panels.items():
            panel.focused = name == key

    def _link(self) -> None:
        """Cursors that go together are on the row of the one that has the focus."""
        panel = self.focused_panel
        leads = self.focus_on in self.together and isinstance(panel, RowsPanel)
        for name in self.together:
            other = self.own[name]
            if isinstance(other, RowsPanel):
                other.linked = (
                    leads and isinstance(panel, RowsPanel) and other is not panel and other.go_to(panel.current)
                )

    def _arrange(self) -> None:
        """Give every panel its place, if anything changed that places depend on."""
        width, height = self.app.size
        lines = len(notices(self.view, width))
        caption = caption_rows(self.view.showing, width)
        caption = min(caption, 1) if self.tells_caption else caption
        alone = self.focus_on if self.inspecting or self.focus_on in self.shed else None
        wants = self.wants(self.view)
        key = (width, height, lines, caption, self.zoomed, self.inspecting, alone, frozenset(self.hidden), wants)
        if key == self._placed:
            return
        self._placed = key
        around = surround(width, height, kpi=self.kpi, notices=lines, caption=caption)
        self.boxes = self._boxes(around)
        self.footer.shed = self.shed if around is not None else ()
        for name, panel in self.panels.items():
            panel.zoomed = name == self.zoomed
            panel.place(self.boxes.get(name), boxed=around is not None and around.boxed)
        self._on_placed()
        self.too_small.fill(None if around is not None else (width, height))

    def _boxes(self, around: Surround | None) -> Mapping[str, Box]:
        if around is None:
            return {}
        body, boxed, boxes = around.body, around.boxed, dict(around.boxes)
        alone = self.zoomed
        own = self.places(self.view, body, boxed=boxed)
        self.shed = tuple(key for key in self.own if key not in own and key not in self.optional)
        if alone is None and self.focus_on in self.shed:
            alone = self.focus_on
        if self.inspecting:
            rows = min(ROWS + chrome(boxed), body.height // 2)
            body, boxes[INSPECTOR] = body.without_foot(rows)
            if body.height < MIN_BESIDE and alone is None:
                alone = self.focus_on if self.focus_on in self.own else next(iter(self.own))
        if alone is not None:
            return {**boxes, **self.places_alone(self.view, self.own[alone], body, boxed=boxed)}
        return {**boxes, **without(self.places(self.view, body, boxed=boxed) if self.inspecting else own, self.hidden)}

    def _on_placed(self) -> None:
        """After panels have other places."""
