"""What is asked in front of a page, and answered once."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Question(ModalScreen[Answer]):
    def answer(self, it: Answer) -> None:
        """A key that is pressed right behind the one that answers has come here too: it is too late."""
        if self.app.screen is self:
            self.dismiss(it)
