"""The bottom line: the keys that are wanted most, each of them a button."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from tui.commands import GLOBAL, PAGE, SHOW, TAKEN, TIME, Command
from tui.line import Line, Pen, cells
from tui.plain import printable
from tui.playhead import Mode
from tui.theme import Ink
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tui.view import View


class Key(NamedTuple):
    start: int
    end: int
    action: str


def _entries(view: View, own: Sequence[Command], keymap: Mapping[str, str]) -> list[tuple[Command, str, str]]:
    """Command, its keys and its word, in the order of the command list; both steps share one entry."""
    out = []
    shows = SHOW if view.showing is not None else ()
    for known in (*shows, *TIME, *own, *PAGE, *GLOBAL[len(TIME) :]):
        if shows and known.action.partition("(")[0].removeprefix("screen.") in TAKEN:
            continue
        command = replace(known, shown=keymap.get(known.id, known.shown))
        if command.action == "step(-1)":
            out.append((command, "← →", "step"))
        elif command.action == "hold" and view.mode is Mode.HELD:
            out.append((command, command.shown, "resume"))
        elif command.label:
            out.append((command, command.shown.split(" ")[0], command.label))
    return out


NO_KEYS: Final[Mapping[str, str]] = {}


def footer(
    view: View,
    width: int,
    own: Sequence[Command] = (),
    shed: Sequence[str] = (),
    keymap: Mapping[str, str] = NO_KEYS,
) -> tuple[Line, list[Key]]:
    """The line, and where its keys are; `own` are those of the page alone. What finds no room goes by rank; `?` lists all. `shed` panels are named beside the key
    that shows them."""
    entries = _entries(view, own, keymap)
    if shed:
        named = f"panel (also {', '.join(shed)})"
        entries = [
            (replace(command, rank=1), keys, named)
            if command.action == "screen.focus_panel(1)"
            else (command, keys, label)
            for command, keys, label in entries
        ]
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
    keymap: Mapping[str, str] = NO_KEYS
    """Keys of commands that have others than usual."""
    shed: tuple[str, ...] = ()
    """Panels that have no room, and are named."""
    asking: tuple[str, str, int] | None = None
    """Instead of the keys: a prompt, and what is said at the right of what is typed behind it, in which ink."""
    _made: tuple[tuple[object, ...], Line, list[Key]] | None = None
    """What it was last, and by what."""

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        if self.asking is not None:
            self.keys = ()
            prompt, said, ink = self.asking
            pen = Pen(width).put(prompt, Ink.ACCENT).to(len(prompt) + width // 2 + 1 if prompt else 1)
            return [pen.put(printable(said), ink).line()]
        how = width, view.showing is not None, view.mode is Mode.HELD, self.own, self.shed, self.keymap
        if self._made is None or self._made[0] != how:
            self._made = how, *footer(view, width, self.own, self.shed, self.keymap)
        _, line, keys = self._made
        self.keys = tuple(keys)
        return [line]

    def action_at(self, x: int, y: int) -> str | None:
        return next((key.action for key in self.keys if key.start <= x < key.end), None)
