"""Everything that can be asked for, once: the lists feed bindings, footer, `?` and the palette."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from textual.binding import Binding

from tui.pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Command:
    """`shown` is how its keys are written; `label` is its word in the footer (empty: not there), most wanted first by `rank`. The action is a method
    of the app, or with `screen.` before it of the page that is shown."""

    keys: str
    action: str
    shown: str
    name: str
    help: str
    label: str = ""
    rank: int = 9

    @property
    def id(self) -> str:
        """What it is called where its keys are changed: `pause-or-resume`."""
        return "-".join("".join(letter if letter.isalnum() else " " for letter in self.name.lower()).split())


TIME: Final[tuple[Command, ...]] = (
    Command(
        "space",
        "hold",
        "space",
        "Pause or resume",
        "Hold the view; collecting goes on. Again: back to the newest.",
        "pause",
        2,
    ),
    Command("left", "step(-1)", "←", "Step back", "Hold, and show the tick before (250 ms).", "", 3),
    Command("right", "step(1)", "→", "Step forward", "Show the tick after.", "", 3),
    Command("shift+left", "step(-10)", "shift ←", "Step back 10", "Ten ticks back."),
    Command("shift+right", "step(10)", "shift →", "Step forward 10", "Ten ticks forward."),
    Command(
        "less_than_sign", "delivery(-1)", "<", "Delivery before", "Of a recording: the tick that told of it first."
    ),
    Command("greater_than_sign", "delivery(1)", ">", "Next delivery", "Ticks in which nothing came are passed over."),
    Command("left_square_bracket", "mark(-1)", "[", "Last mark", "To the bookmark or stall before what is shown."),
    Command("right_square_bracket", "mark(1)", "]", "Next mark", "To the one after."),
    Command("b", "bookmark", "b", "Bookmark", "Keep this moment; again: no more."),
    Command("B", "note", "B", "Bookmark with a note", "Keep this moment with a line of text; again: another text."),
    Command("P", "pause_mark", "P", "Pause mark", "A bookmark at which a replay pauses by itself; again: it goes on."),
    Command("W", "save", "W", "Write", "What is remembered, to a new recording in this folder."),
    Command("minus", "speed(-1)", "-", "Slower", "A recording or a show half as fast, down to 1/16."),
    Command("plus,equals_sign", "speed(1)", "+", "Faster", "A recording or a show twice as fast, up to 64 times."),
    Command("R", "reverse", "R", "Backwards", "A recording or a show the other way round."),
    Command(
        "L",
        "loop",
        "L",
        "Loop",
        "A recording from here, and at the second press to there, over and over; third: no more.",
    ),
    Command("g", "ask_tenth", "g 0–9", "Go to a tenth", "Of all there is: g 5 is the middle."),
    Command("end", "live", "End", "Back to live", "Follow the newest again.", "live", 4),
)
"""Which moment is shown."""
GLOBAL: Final[tuple[Command, ...]] = (
    *TIME,
    *(Command(page.key, f"page('{page.name}')", page.key, page.title, page.help) for page in PAGES),
    Command("V", "verdict", "V", "Verdict", "To the worker, the target or the page that the verdict names."),
    Command("S", "shoot", "S", "Screenshot", "The screen as SVG and as text, into a folder that is said."),
    Command(
        "f12", "costs", "F12", "What frames cost", "Milliseconds and KiB a frame, frames a second, and their limit."
    ),
    Command(
        "t", "next_theme", "t", "Theme", "Dark, light, high contrast, colour-blind-safe, the terminal's own colours."
    ),
    Command("question_mark", "help", "?", "Help", "Keys and signs.", "help", 1),
    Command("colon,ctrl+p", "command_palette", ": ctrl+p", "Palette", "Find a command by its name."),
    Command("q,ctrl+c", "quit", "q ctrl+c", "Quit", "Leave. Collecting ends with it.", "quit", 0),
)
"""The same on every page."""
SHOW: Final[tuple[Command, ...]] = (
    Command(
        "n,pagedown",
        "chapter(1)",
        "PgDn n",
        "Next chapter",
        "At once if it was seen, else at full speed; where the show waits: go on.",
        "next",
        1,
    ),
    Command(
        "N,pageup",
        "chapter(-1)",
        "PgUp N",
        "Chapter before",
        "The beginning of this one, or right after that of the one before; as it was.",
        "back",
        2,
    ),
    Command("J", "chapters", "J", "Jump to a chapter", "A list: digits, or arrows and enter."),
    Command(
        "0",
        "restart",
        "0",
        "Restart",
        "From the beginning; after faults or loads by hand in a new world, of the seed alone.",
    ),
    Command("F", "faults", "F", "Fault by hand", "Something goes wrong from the newest moment on, for some seconds."),
    Command("l", "load", "l", "Load by hand", "More or fewer new sessions from the newest moment on."),
    Command("c", "captions", "c", "Captions", "The sentence of each chapter: shown or not."),
    Command("k", "keys", "k", "Keys", "Shows which key was pressed last."),
    Command("z", "stage", "z", "Stage", "Big digits and one message, for the last row; again: back.", "stage", 3),
    Command("Z", "page_does('zoom')", "Z", "Zoom", "In a show, what z is elsewhere: the panel alone."),
    Command("C", "page_does('hue')", "C", "River's hue", "In a show, what c is elsewhere on the page of placement."),
)
"""Only while a show is on. Clickers send PgUp and PgDn."""
TAKEN: Final = frozenset(("zoom", "move_page", "hue"))
"""Actions of pages whose keys are a show's while it is on."""
PAGE: Final[tuple[Command, ...]] = (
    Command("tab", "screen.focus_panel(1)", "tab", "Next panel", "Keys go to the next panel.", "panel", 6),
    Command("shift+tab", "screen.focus_panel(-1)", "shift tab", "Previous panel", "Keys go to the one before."),
    Command("up", "screen.move(-1)", "↑", "Row up", "The cursor one row up."),
    Command("down", "screen.move(1)", "↓", "Row down", "The cursor one row down."),
    Command("pageup", "screen.move_page(-1)", "PgUp", "A panelful up", "As many rows up as are seen."),
    Command("pagedown", "screen.move_page(1)", "PgDn", "A panelful down", "As many rows down as are seen."),
    Command("home", "screen.move(-100000)", "Home", "First row", "The cursor stays first, whatever comes."),
    Command("G", "screen.move(100000)", "G", "Last row", "The cursor to the last row."),
    Command("enter", "screen.open", "enter", "Open", "What is behind the row under the cursor.", "open", 7),
    Command(
        "i", "screen.inspect", "i", "What is it?", "The figures of the row: source, formula, samples, age.", "what", 6
    ),
    Command(
        "slash",
        "screen.filter",
        "/",
        "Filter",
        "Rows by field:text, !field:text, field>number, word; esc: all again.",
        "filter",
        6,
    ),
    Command(
        "s",
        "screen.sort",
        "s",
        "Sort by the next column",
        "The largest first; after the last column as they come. Or click a heading.",
    ),
    Command("r", "screen.turn", "r", "Turn the order round", "The smallest first, or the largest."),
    Command("left", "screen.figure(-1)", "← after i", "Figure before", "The figure at its left."),
    Command("right", "screen.figure(1)", "→ after i", "Next figure", "The figure at its right."),
    Command(
        "z", "screen.zoom", "z", "Zoom", "The panel alone with all that it has; again: back. tab: the next.", "zoom", 5
    ),
    Command("j", "screen.jump", "j", "Jump", "Letters on panels, columns and rows: one more key goes there."),
    Command("x", "screen.hide", "x", "Hide the panel", "The others take its place."),
    Command("X", "screen.show_all", "X", "Show all panels", "Those that were hidden come back."),
    Command(
        "y", "screen.copy", "y", "Copy", "The row, or the figure that i explains, to the terminal's clipboard (OSC 52)."
    ),
    Command(
        "escape", "screen.back", "esc", "Back", "Out of what was last gone into: what i says, a filter, a zoom, a page."
    ),
)
"""What every page does with its panels."""


def bindings(commands: Iterable[Command]) -> list[Binding]:
    """Textual's bindings of the commands. Only `ctrl+c` goes before whatever an overlay does with its keys."""
    return [
        Binding(
            key, command.action, command.name, id=command.id, show=False, tooltip=command.help, priority=key == "ctrl+c"
        )
        for command in commands
        for key in command.keys.split(",")
    ]
