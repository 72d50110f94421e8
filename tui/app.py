"""The App: wires a driver's Frames and the commands to the page that is shown. Draws nothing, computes nothing.

Nothing heavy is imported here: numpy, sockets and the like come with the driver, whose `run` starts after the first paint.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import App, SystemCommand
from textual.events import Event, Key
from textual.message import Message

from tui import glyph_sets, remembered
from tui.choices import Choices
from tui.commands import GLOBAL, SHOW, bindings
from tui.garbage import Garbage
from tui.glyph_sets import GLYPHS, GlyphSet
from tui.pace import Costs, Pace
from tui.pages import BY_NAME, PAGES, make
from tui.palettes import PALETTES
from tui.plain import printable
from tui.playhead import Playhead
from tui.remembered import Remembered
from tui.screens.output import Shows
from tui.screens.page import Page
from tui.show.presenting import Presents
from tui.theme import Palette, styles, textual_theme
from tui.view import view_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Hashable, Iterable, Sequence

    from rich.style import Style
    from textual.binding import BindingType
    from textual.driver import Driver as TextualDriver
    from textual.screen import Screen
    from textual.timer import Timer

    from collectors.compare.comparison import Comparison
    from collectors.model.frame import Frame
    from tui.driver import Driver

GARBAGE_S: Final = 0.05
"""After a Frame: what it leads to has been done, and the keys that waited for it are answered."""
TURN_S: Final = 0.002
"""From a page's turn until it is drawn."""
LATE_S: Final = 0.05
"""How often a slow terminal is asked whether it has all that was drawn."""
STOP_SECONDS: Final = 5.0
"""How long a driver may take to stop."""


class FrameArrived(Message):
    """One tick. A newer one supersedes it, should the screen fall behind."""

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        self.frame = frame

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, FrameArrived)


class TokenyardApp(Shows, Presents):
    """The dashboard on a driver: live, demo or replay, it does not know which."""

    TITLE = "tokenyard"
    CSS_PATH = Path(__file__).with_name("tokenyard.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [*bindings((*SHOW, *GLOBAL))]
    ALLOW_SELECT = False
    DEFAULT_MODE = PAGES[0].name
    """Each page is a mode of Textual: a screen that stays, and those on top of it."""

    def __init__(self, driver: Driver, choices: Choices | None = None, comparison: Comparison | None = None) -> None:
        choices = choices or Choices()
        self.kept, self._problem = remembered.load(choices.kept) if choices.kept is not None else (Remembered(), "")
        first = self._chosen(choices.page, self.kept.page, BY_NAME) or PAGES[0].name
        self.DEFAULT_MODE = first  # type: ignore[misc]  # Textual reads it in the next line
        super().__init__()
        self.feed = driver
        self.choices = choices
        self.comparison = comparison
        self.palette = self._chosen(choices.theme, self.kept.theme, PALETTES) or self._usual_palette()
        self.glyphs = choices.glyphs if choices.glyphs in GLYPHS else glyph_sets.found()
        self.fleet = self._chosen(choices.fleet, self.kept.fleet, ("list", "map"))
        """What the fleet is shown as; empty: as there is room."""
        self._inks = self._styles()
        self.pace = Pace(ssh=bool(os.environ.get("SSH_CONNECTION")), stage=choices.stage)
        self._late: Timer | None = None
        self.costs: Costs | None = None
        """While it is shown what frames cost."""
        self.playhead = Playhead(driver.history, driver.clock)
        self.bookmarks = driver.bookmarks
        self._pages: dict[str, Page] = {}
        self._been: list[str] = []
        self.page = self._made(first)
        self.set_keymap(choices.keys)
        self._task: asyncio.Task[None] | None = None
        self._garbage = Garbage(driver.urgency.answering)
        for palette in PALETTES.values():
            self.register_theme(textual_theme(palette))
        self._begin_with(PALETTES[self.palette])

    def on_mount(self) -> None:
        if (heed := getattr(self._driver, "heed", None)) is not None:
            heed(self.feed.urgency)
        self.show_now()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            loop.add_signal_handler(number, self.exit)
        self.call_after_refresh(self._start)
        if self._problem:
            self.say(self._problem, bad=True)
        known = {command.id for page in self._pages.values() for command in (*SHOW, *page.commands)}
        if strange := [name for name in self.choices.keys if name not in known]:
            self.say(f"[keys]: no command {', '.join(strange)}", bad=True)

    def keep(self) -> None:
        """What the next run begins with."""
        if self.choices.kept is None:
            return
        pages = self.kept.pages | {name: page.remember() for name, page in self._pages.items()}
        with contextlib.suppress(OSError):  # it is a convenience
            remembered.save(self.choices.kept, Remembered(self.palette, str(self.page.name), pages, self.fleet))

    def _chosen(self, choice: str, last: str, known: Container[str]) -> str:
        """What was chosen, else what was last; empty where that is not known (any more)."""
        return next((one for one in (choice, last) if one in known), "")

    def _usual_palette(self) -> str:
        """Sixteen colours are the terminal's own."""
        return "ansi" if self.console.color_system == "standard" else next(iter(PALETTES))

    async def on_unmount(self) -> None:
        self.keep()
        self._garbage.end()
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=STOP_SECONDS)

    def on_frame_arrived(self, message: FrameArrived) -> None:
        if not self._garbage.settled:
            self._garbage.settle()  # after the first Frame everything is imported
        self.playhead.arrive(message.frame)
        if self.feed.player is not None:
            self.playhead.ended = self.feed.player.ended
            self.playhead.held |= not self.feed.player.playing
            if self.feed.player.trouble:
                self.say(self.feed.player.trouble, bad=True)
                self.feed.player.trouble = ""
        self.follow(message.frame)
        if self.pace.due():
            self._show_in_time()
        asyncio.get_running_loop().call_later(GARBAGE_S, self._garbage.look)

    def _show_in_time(self) -> None:
        """Show what is newest as soon as the terminal has all that was drawn before."""
        if self._late is not None:
            self._late.stop()
            self._late = None
        meter = getattr(self._driver, "meter", None)
        if meter is not None and meter.behind:
            self.pace.waited(meter.waited_s)
            self._late = self.set_timer(LATE_S, self._show_in_time)
        else:
            self.show_now()

    async def on_event(self, event: Event) -> None:
        if isinstance(event, Key):
            self.feed.urgency.heard()
            self.note_key(event)
        await super().on_event(event)

    def on_app_blur(self) -> None:
        self.pace.focused = False

    def on_app_focus(self) -> None:
        self.pace.focused = True
        self.show_now()

    def delay_update(self, delay: float = TURN_S) -> None:
        """Textual draws nothing for 50 ms after a page is turned, lest it be drawn half made; ours are made before."""
        super().delay_update(delay)

    def get_driver_class(self) -> type[TextualDriver]:
        """On a terminal, ours, which knows what it costs."""
        found = super().get_driver_class()
        if found.__module__ != "textual.drivers.linux_driver":
            return found
        from tui.paced_driver import PacedDriver

        return PacedDriver

    def get_default_screen(self) -> Screen[None]:
        """The first page, which is a mode from here on: begun as one, it would have all CSS parsed a second time."""
        page = self.page
        self.add_mode(str(page.name), lambda: page)
        return page

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        for command in (*self.page.commands, *self.page.panel_commands):
            if command.action != "command_palette":
                keys = f" ({command.shown})" if command.shown else ""
                yield SystemCommand(command.name, command.help + keys, self._runner(command.action))

    def open_page(self, name: str, panel: str | None = None, row: Hashable = None) -> bool:
        """Show a page, with the cursor on a row of one of its panels; `leave_page` comes back. False where there is no such page (yet)."""
        if name not in BY_NAME:
            return False
        if name != self.page.name:
            self._been.append(str(self.page.name))
            self._turn_to(name)
        if panel is not None:
            self.page.go_to(panel, row)
        return True

    def leave_page(self) -> None:
        """Back to the page from which this one was opened."""
        if self._been:
            self._turn_to(self._been.pop())

    def action_page(self, name: str) -> None:
        self._been.clear()
        if name == self.page.name:
            self.page.zoom(None)
        else:
            self._turn_to(name)

    def next_profile(self) -> str:
        """Judge by the profile of objectives after the one that the Frame shown is judged by; what to tell of it."""
        frame = self.playhead.newest
        if frame is None or frame.slo is None:
            return "nothing is judged yet"
        name = self.feed.next_profile(frame.slo.profile)
        return f"judged by {name} from now on" if name else "nothing is observed any more"

    def action_verdict(self) -> None:
        """What the verdict names, where it is best seen."""
        from tui.verdicts import first, where, whole

        frame = self.playhead.shown
        finding = first(frame)
        if frame is None or finding is None:
            self.notify("no verdict: nothing wrong that any rule sees, or not enough data")
            return
        page, panel, row = where(finding, frame)
        self.open_page(page, panel, row)
        self.notify(whole(self.page.view, finding), markup=False)

    def action_costs(self) -> None:
        self.costs = Costs() if self.costs is None else None
        self.page.tell_costs("measuring …" if self.costs is not None else "")

    def action_shoot(self) -> None:
        from tui import shots

        page, size = self.page, self.size
        panels = {key: (box, page.panels[key].lines) for key, box in page.boxes.items()}
        try:
            svg = self.export_screenshot(title=printable(f"tokenyard · {self.feed.title}"))
            path = shots.write(self.shots, str(page.name), svg, shots.pasted(size.width, size.height, panels))
        except OSError as error:
            self.say(f"no screenshot: {error}", bad=True)
        else:
            self.say(f"{path}.svg and .txt")

    def say(self, text: str, *, bad: bool = False) -> None:
        """A message that goes away by itself. Never markup."""
        self.notify(printable(text), severity="error" if bad else "information", markup=False)

    @property
    def shots(self) -> Path:
        """Where screenshots go."""
        import platformdirs

        return platformdirs.user_data_path("tokenyard") / "screenshots"

    def action_next_theme(self) -> None:
        names = list(PALETTES)
        self.dress(names[(names.index(self.palette) + 1) % len(names)])
        self.say(f"theme: {self.palette}")

    def dress(self, palette: str) -> None:
        """Take a theme, by its short name."""
        self.palette = palette
        self.theme = PALETTES[palette].name
        self._inks = self._styles()
        self.page.paint_with(self._inks, self._glyphs)

    def action_help(self) -> None:
        from tui.screens.help import Help

        self.push_screen(Help(self.page))

    async def action_quit(self) -> None:
        self.exit()

    def show_now(self) -> None:
        begun = time.perf_counter()
        self.feed.urgency.drawing = True
        try:
            self._show()
        finally:
            self.feed.urgency.drawing = False
        meter = getattr(self._driver, "meter", None)
        if meter is not None:
            self.pace.waited(meter.waited_s)
            if meter.lost:
                self.exit()
        if self.costs is not None:
            self.costs.shown(time.perf_counter() - begun, meter.bytes if meter is not None else 0)
            self.page.tell_costs(self.costs.told(self.pace.limit))

    def _show(self) -> None:
        pace = self.feed.player.pace if self.feed.player is not None else ""
        detail = self.feed.detail if self.page.looks_into_requests else None
        it, marks = self.playhead, self.bookmarks.times
        self.page.view = view_of(it, self.feed.title, detail, pace, marks, self.comparison, self.showing)

    def _made(self, name: str) -> Page:
        """A page, made when it is first asked for."""
        if name not in self._pages:
            first = not self._pages
            self._pages[name] = page = make(name, self._inks)
            page.footer.keymap = self.choices.keys
            page.paint_with(self._inks, self._glyphs)
            if name in self.kept.pages:
                page.recall(self.kept.pages[name])
            if not first:
                self.add_mode(name, lambda: page)
        return self._pages[name]

    def _turn_to(self, name: str) -> None:
        """Show another page, as of now; the one that goes costs nothing any more."""
        self.page = self._made(name)
        self.page.paint_with(self._inks, self._glyphs)
        self.page.tell_costs("measuring …" if self.costs is not None else "")
        self.show_now()
        self.switch_mode(name)

    def _styles(self) -> Sequence[Style]:
        return styles(PALETTES[self.palette], colour=not self.no_color)

    def _begin_with(self, palette: Palette) -> None:
        """The first theme, before any CSS is parsed: setting `theme` would have it all parsed twice."""
        self.set_reactive(App.theme, palette.name)
        self.stylesheet.set_variables(self.get_css_variables())

    @property
    def _glyphs(self) -> GlyphSet:
        return GLYPHS[self.glyphs]

    def _start(self) -> None:
        self._task = asyncio.create_task(self._drive(), name="driver")

    async def _drive(self) -> None:
        """Run the driver; however it ends is shown."""
        try:
            await self.feed.run(self._post)
        except Exception as error:  # noqa: BLE001 - the task's boundary: any failure becomes a banner
            self.playhead.fail(
                f"collecting stopped: {type(error).__name__}: {printable(str(error)) or 'no reason given'}"
            )
        else:
            self.playhead.end()
        self.show_now()

    def _post(self, frame: Frame) -> None:
        self.post_message(FrameArrived(frame))

    def _runner(self, action: str) -> Callable[[], Awaitable[bool]]:
        return lambda: self.run_action(action)
