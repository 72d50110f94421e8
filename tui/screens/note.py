"""Asks for a bookmark's note: a line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.widgets import Input

from tui.screens.question import Question
from tui.widgets.typed import TypedLine

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

LONGEST = 200


class Note(Question[str | None]):
    """None where it was left with escape."""

    DEFAULT_CSS = "Note { align: center bottom; background: transparent; } Note Input { width: 100%; height: 1; border: none; padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "Leave")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        yield TypedLine(
            self._text,
            placeholder="note of this bookmark · enter keep · esc leave",
            max_length=LONGEST,
            compact=True,
            select_on_focus=False,
        )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.answer(event.value.strip())

    def action_leave(self) -> None:
        self.answer(None)
