"""What every page has: head and foot, panels of its own between them, focus, cursor, mouse, and one view after the other. A page draws and computes nothing itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual.reactive import reactive
from textual.screen import Screen

from tui.commands import GLOBAL, PAGE, SHOW, TAKEN, Command, bindings
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
from tui.screens.jumping import Jump
from tui.screens.pointing import Mouse
from tui.screens.prompting import Prompt
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
    from textual.widgets import Input

    from tui.app import TokenyardApp
    from tui.widgets.panel import Panel


MIN_BESIDE: Final = 16
"""Rows that the page's own panels need beside the inspector; where there are less, the one with the focus has them alone."""


class Page(Screen[None]):
    """Subclasses say which panels they have (`contents`), where those go (`places`), and on what that depends (`wants`)."""

    KEYS: ClassVar[tuple[Command, ...]] = ()
    """Beside those that every page has; actions are methods of the page, with `screen.` before them."""
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

    def __init_subclass__(cls) -> None:
        cls.BINDINGS = [*bindings((*PAGE, *cls.KEYS))]
        super().__init_subclass__()

    def __init__(self, name: str, inks: Sequence[Style]) -> None:
        super().__init__(name=name)
        own = self.contents()
        self.inspector = Inspector(INSPECTOR)
        self.footer = Footer(FOOTER)
        self.footer.own = self.KEYS
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
        self.prompt = Prompt(self)
        self.jump = Jump(self)
        self.mouse = Mouse(self)
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

    def open_row(self, panel: RowsPanel, row: Hashable) -> None:
        """Enter, or a second click, on a row. Subclasses leave to this what has nothing behind it."""
        self.yard.say("nothing is behind this row")

    # what is shown

    @property
    def yard(self) -> TokenyardApp:
        return cast("TokenyardApp", self.app)

    @property
    def commands(self) -> tuple[Command, ...]:
        """All that has a key here."""
        return (*(SHOW if self.view.showing is not None else ()), *GLOBAL, *PAGE, *self.KEYS)

    @property
    def panel_commands(self) -> list[Command]:
        """Each panel shown or hidden: for the palette."""
        return [
            Command(
                "",
                f"screen.toggle_panel('{key}')",
                "",
                f"{'Show' if key in self.hidden else 'Hide'} {key}",
                "A panel of this page",
            )
            for key in self.own
            if len(self.own) > 1
        ]

    @property
    def focused_panel(self) -> Panel | None:
        return self.panels[self.focus_on] if self.focus_on is not None else None

    def compose(self) -> ComposeResult:
        self.paint_with(self._inks, self._glyphs)
        self._focus(self.focus_on)
        self.redraw()
        yield from self.panels.values()
        yield self.too_small

    def watch_view(self, before: View, view: View) -> None:
        with self.app.batch_update():
            if not view.goes_on_behind(before):
                self.redraw()
                return
            for panel in self.panels.values():
                if panel.follows_newest:
                    panel.show(view)

    def on_resize(self, event: events.Resize) -> None:
        self.redraw()

    def paint_with(self, inks: Sequence[Style], glyphs: GlyphSet = ALL_GLYPHS) -> None:
        """Take the styles of another theme, and the glyphs that the terminal has."""
        self._inks, self._glyphs = inks, glyphs
        for panel in (*self.panels.values(), self.too_small):
            panel.paint_with(inks, glyphs)

    def redraw(self) -> None:
        """Draw the view again, after anything that it is drawn by has changed."""
        self._arrange()
        panel = self.focused_panel
        self.inspector.of, self.inspector.row = panel, panel.current if isinstance(panel, RowsPanel) else None
        self.footer.asking = self._asking()
        for panel in (*self.panels.values(), self.too_small):
            panel.show(self.view)

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
            self.focus_on = next(key for key in self.own if key not in self.hidden)
        for key, (by, descending) in kept.orders.items():
            if isinstance(panel := self.own.get(key), RowsPanel):
                panel.order = Order(by, descending)

    def tell_costs(self, text: str) -> None:
        """What frames cost, in the place of the keys; empty: no more."""
        self._costs = ("", text, Ink.DIM) if text else None
        self.footer.asking = self._asking()
        self.footer.show(self.view)

    def _asking(self) -> tuple[str, str, int] | None:
        return self.prompt.asking() or self.jump.asking() or self._costs

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

    # keys

    def action_focus_panel(self, direction: int) -> None:
        stops = [key for key, panel in self.own.items() if panel.focusable and key not in self.hidden]
        stops = [key for key in stops if key not in self.optional or key in self.boxes]
        stops += [KPI] if self.kpi and self.zoomed is None else []
        if self.prompt.panel is not None:
            self.prompt.close(keep=True)
        at = stops.index(self.focus_on) if self.focus_on in stops else 0
        self._focus(stops[(at + direction) % len(stops)])
        if self.zoomed is not None:
            self.zoomed = self.focus_on
        self._link()
        self.redraw()

    def action_move(self, rows: int) -> None:
        if isinstance(panel := self.focused_panel, RowsPanel):
            panel.move(rows)
            self._link()
            self.redraw()

    def action_move_page(self, pages: int) -> None:
        if isinstance(panel := self.focused_panel, RowsPanel):
            panel.move_page(pages)
            self._link()
            self.redraw()

    def action_open(self) -> None:
        if isinstance(panel := self.focused_panel, RowsPanel) and panel.current is not None:
            self.open_row(panel, panel.current)

    def action_zoom(self) -> None:
        self.zoom(None if self.zoomed is not None else self.focus_on)

    def action_inspect(self) -> None:
        self.inspecting = not self.inspecting
        self.redraw()

    def action_figure(self, direction: int) -> None:
        self.inspector.step(self.view, direction)
        self.redraw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The arrow keys go to figures where one is explained, else on to the app: through time. So do keys that are a show's."""
        if action in TAKEN and self.yard.show is not None:
            return False
        return self.inspecting if action == "figure" else super().check_action(action, parameters)

    async def action_filter(self) -> None:
        await self.prompt.open()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.prompt.changed(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.prompt.close(keep=True)

    def action_jump(self) -> None:
        self.jump.begin()

    def on_key(self, event: events.Key) -> None:
        if self.jump.on:
            event.stop()
            event.prevent_default()
            self.jump.pressed(event.character or event.key)

    def action_hide(self) -> None:
        """The panel with the focus goes; the last one that is seen stays."""
        if any(key in self.own and key != self.focus_on for key in self.boxes) and self.focus_on in self.own:
            self.set_hidden({*self.hidden, str(self.focus_on)})
        else:
            self.yard.say("there is no other panel to take its place")

    def action_show_all(self) -> None:
        self.set_hidden(set())

    def action_toggle_panel(self, panel: str) -> None:
        hidden = self.hidden ^ {panel}
        if len(hidden) < len(self.own):
            self.set_hidden(hidden)

    def set_hidden(self, panels: set[str]) -> None:
        self.hidden = {panel for panel in panels if panel in self.own}
        if self.focus_on in self.hidden:
            self._focus(next(key for key in self.own if key not in self.hidden))
        self.redraw()

    def action_copy(self) -> None:
        """The figure that is explained, or the row under the cursor, into the clipboard of the terminal."""
        text = self.inspector.text if self.inspecting else ""
        panel = self.focused_panel
        if not text and isinstance(panel, RowsPanel):
            text = panel.row_text
        if text:
            self.app.copy_to_clipboard(text)
        self.yard.say(f"to the terminal's clipboard (OSC 52): {text}" if text else "no row is under the cursor")

    def action_sort(self) -> None:
        panel = self.focused_panel
        if isinstance(panel, RowsPanel) and panel.fields(self.view):
            panel.sort_next(self.view)
            self.redraw()
        else:
            self.yard.say("nothing to sort by in this panel")

    def action_turn(self) -> None:
        if isinstance(panel := self.focused_panel, RowsPanel) and panel.order is not None:
            panel.order = panel.order._replace(descending=not panel.order.descending)
            self.redraw()
        else:
            self.yard.say("rows are as they come: s sorts them")

    def action_back(self) -> None:
        """Out of what was last gone into: the inspector, a filter, a panel shown alone, then a page."""
        panel = self.focused_panel
        if self.prompt.panel is not None:
            self.prompt.close(keep=False)
        elif self.inspecting:
            self.action_inspect()
        elif isinstance(panel, RowsPanel) and panel.filter_text:
            panel.filter_by("", self.view)
            self.redraw()
        elif self.zoomed is not None:
            self.zoom(None)
        elif not self.step_out():
            self.yard.leave_page()

    def step_out(self) -> bool:
        """Out of what was gone into on this page alone; False where that is nothing."""
        return False

    def zoom(self, panel: str | None) -> None:
        """Show a panel alone; None: all of them."""
        self.zoomed = panel = panel if panel in self.own else None
        if panel is not None:
            self._focus(panel)
        self.redraw()

    # mouse

    async def on_click(self, event: events.Click) -> None:
        await self.mouse.click(event)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.mouse.wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.mouse.wheel(event, -1)

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
        self.prompt.place()
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
