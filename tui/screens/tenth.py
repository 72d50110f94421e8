"""Asks for a digit: to which tenth of what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Static

from tui.screens.question import Question

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult


class Tenth(Question[int | None]):
    DEFAULT_CSS = "Tenth { align: center bottom; background: transparent; } Tenth Static { width: auto; height: 1; background: $accent; color: $background; }"

    def compose(self) -> ComposeResult:
        yield Static(" go to which tenth? 0 is the beginning, 5 the middle ", markup=False)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        self.answer(int(event.key) if event.key.isdecimal() and len(event.key) == 1 else None)
