"""The `?` overlay: every key from the command list, and what the signs on the screen mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.glyphs import LEGEND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from tui.commands import Command


def help_table(commands: Iterable[Command]) -> Table:
    """Keys, then signs; plain content, no markup."""
    out = Table.grid(padding=(0, 2))
    out.add_column(no_wrap=True)
    out.add_column()
    keys = [(command.shown, f"{command.name}: {command.help}") for command in commands]
    for title, rows in (("Keys", keys), ("Signs", list(LEGEND))):
        out.add_row(Text(title, "bold"), Text())
        for left, right in rows:
            out.add_row(Text(left, "bold"), Text(right))
    return out


class Help(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark,q,space", "dismiss", "Close")]

    def __init__(self, commands: Iterable[Command]) -> None:
        super().__init__()
        self._commands = commands

    def compose(self) -> ComposeResult:
        with VerticalScroll() as scroll:
            scroll.border_title = "tokenyard"
            scroll.border_subtitle = "↑↓ scroll · esc close"
            yield Static(help_table(self._commands))
