"""The bottom line: the keys that are wanted most, each of them a button."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tui.commands import GLOBAL, PAGE, TIME, Command
from tui.line import Line, Pen, cells, printable
from tui.playhead import Mode
from tui.theme import Ink
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.view import View


class Key(NamedTuple):
    start: int
    end: int
    action: str


def _entries(view: View, own: Sequence[Command]) -> list[tuple[Command, str, str]]:
    """Command, its keys and its word, in the order of the command list; both steps share one entry."""
    out = []
    for command in (*TIME, *own, *PAGE, *GLOBAL[len(TIME) :]):
        if command.action == "step(-1)":
            out.append((command, "← →", "step"))
        elif command.action == "hold" and view.mode is Mode.HELD:
            out.append((command, command.shown, "resume"))
        elif command.label:
            out.append((command, command.shown.split(" ")[0], command.label))
    return out


def footer(view: View, width: int, own: Sequence[Command] = ()) -> tuple[Line, list[Key]]:
    """The line, and where its keys are; `own` are those of the page alone. What finds no room goes by rank; `?` lists all."""
    entries = _entries(view, own)
    while sum(cells(keys) + len(label) + 3 for _, keys, label in entries) > width:
        entries.remove(max(entries, key=lambda entry: entry[0].rank))
    pen = Pen(width).gap()
    keys = []
    for command, shown, label in entries:
        start = width - pen.left
        pen.put(shown, Ink.ACCENT).gap().put(label, Ink.DIM)
        keys.append(Key(start, width - pen.left, command.action))
        pen.gap(2)
    return pen.line(), keys


class Footer(Panel):
    keys: tuple[Key, ...] = ()
    own: Sequence[Command] = ()
    """What only this page has."""
    asking: tuple[str, str, int] | None = None
    """Instead of the keys: a prompt, and what is said at the right of what is typed behind it, in which ink."""

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        if self.asking is not None:
            self.keys = ()
            prompt, said, ink = self.asking
            return [
                Pen(width).put(prompt, Ink.ACCENT).to(len(prompt) + width // 2 + 1).put(printable(said), ink).line()
            ]
        line, keys = footer(view, width, self.own)
        self.keys = tuple(keys)
        return [line]

    def action_at(self, x: int, y: int) -> str | None:
        return next((key.action for key in self.keys if key.start <= x < key.end), None)
