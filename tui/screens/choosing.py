"""Asks for one of a list: arrows and enter, or the digit before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.widgets import OptionList, Static

from tui.plain import printable
from tui.screens.question import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType


class Choose(Question[int | None]):
    """Its result is the number of the row, from 0."""

    DEFAULT_CSS = """
    Choose { align: center bottom; background: transparent; }
    Choose OptionList { width: 64; max-width: 100%; height: auto; max-height: 14; border: none; background: $panel; margin: 0 0 1 0; }
    Choose Static { width: 64; max-width: 100%; height: 1; background: $accent; color: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape,q", "dismiss", "Close")]

    def __init__(self, question: str, rows: Sequence[str]) -> None:
        super().__init__()
        self._question, self._rows = printable(question), [printable(row) for row in rows]

    def compose(self) -> ComposeResult:
        yield Static(f" {self._question} (esc: none)", markup=False)
        numbered = [f"{number if number < 10 else ' '} {row}" for number, row in enumerate(self._rows, 1)]
        yield OptionList(*(Text(row) for row in numbered))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.answer(event.option_index)

    def on_key(self, event: events.Key) -> None:
        if len(event.key) == 1 and event.key.isdecimal() and 0 < int(event.key) <= len(self._rows):
            event.stop()
            self.answer(int(event.key) - 1)
