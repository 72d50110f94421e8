"""What every page has: its commands, done by key and by mouse, on the panels that it arranges."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from tui.commands import GLOBAL, PAGE, SHOW, TAKEN, Command, bindings
from tui.places import KPI
from tui.screens.arranged import Arranged
from tui.screens.jumping import Jump
from tui.screens.pointing import Mouse
from tui.screens.prompting import Prompt
from tui.widgets.rows import RowsPanel

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events
    from textual.widgets import Input

    from tui.app import TokenyardApp


class Page(Arranged):
    """Subclasses say what an `Arranged` wants to know, and which keys they have beside those of every page."""

    KEYS: ClassVar[tuple[Command, ...]] = ()
    """Beside those that every page has; actions are methods of the page, with `screen.` before them."""

    def __init_subclass__(cls) -> None:
        cls.BINDINGS = [*bindings((*PAGE, *cls.KEYS))]
        super().__init_subclass__()

    def __init__(self, name: str, inks: Sequence[Style]) -> None:
        super().__init__(name, inks)
        self.footer.own = self.KEYS
        self.prompt = Prompt(self)
        self.jump = Jump(self)
        self.mouse = Mouse(self)

    def open_row(self, panel: RowsPanel, row: Hashable) -> None:
        """Enter, or a second click, on a row. Subclasses leave to this what has nothing behind it."""
        self.yard.say("nothing is behind this row")

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

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Which page is shown changes no style, and working them all out again takes as long as drawing it."""
        event.refresh_styles = False

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

    # mouse

    async def on_click(self, event: events.Click) -> None:
        await self.mouse.click(event)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.mouse.wheel(event, 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.mouse.wheel(event, -1)

    # what an arrangement leaves to it

    def _asking(self) -> tuple[str, str, int] | None:
        return self.prompt.asking() or self.jump.asking() or super()._asking()

    def _on_placed(self) -> None:
        self.prompt.place()
