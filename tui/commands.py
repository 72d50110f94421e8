"""Everything that can be asked for, once: the list feeds bindings, footer, `?` and the palette."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from textual.binding import Binding


@dataclass(frozen=True)
class Command:
    """`shown` is how its keys are written; `label` is its word in the footer (empty: not there), most wanted first by `rank`."""

    keys: str
    action: str
    shown: str
    name: str
    help: str
    label: str = ""
    rank: int = 9


COMMANDS: Final[tuple[Command, ...]] = (
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
    Command("end", "live", "End", "Back to live", "Follow the newest again.", "live", 4),
    Command("1", "overview", "1", "Overview", "Every section side by side."),
    Command(
        "5", "alone('requests')", "5", "Requests", "Single requests: phases, workers, and who says so; again: back."
    ),
    Command(
        "z",
        "zoom(1)",
        "z",
        "Zoom",
        "Fleet, tiers, river, stalls, requests: each alone with all that it has; then back.",
        "zoom",
        5,
    ),
    Command("Z", "zoom(-1)", "Z", "Zoom backwards", "The same the other way round."),
    Command("escape", "overview", "esc", "Leave the zoom", "Back to the Overview."),
    Command("up", "scroll(-1)", "↑", "Scroll up", "Rows that did not fit: workers, or the zoomed section."),
    Command("down", "scroll(1)", "↓", "Scroll down", "The same, downwards.", "", 6),
    Command("pageup", "scroll(-10)", "PgUp", "Scroll up 10", "Ten rows up."),
    Command("pagedown", "scroll(10)", "PgDn", "Scroll down 10", "Ten rows down."),
    Command("t", "toggle_theme", "t", "Theme", "Dark or light.", "theme", 7),
    Command("question_mark", "help", "?", "Help", "Keys and signs.", "help", 1),
    Command("colon", "command_palette", ": ctrl+p", "Palette", "Find a command by its name."),
    Command("q,ctrl+c", "quit", "q ctrl+c", "Quit", "Leave. Collecting ends with it.", "quit", 0),
)


def bindings() -> list[Binding]:
    """Textual's bindings of the commands. Only `ctrl+c` goes before whatever an overlay does with its keys."""
    return [
        Binding(key, command.action, command.name, show=False, tooltip=command.help, priority=key == "ctrl+c")
        for command in COMMANDS
        for key in command.keys.split(",")
    ]
