"""What others give way to for a moment: a key until its answer is written, and a Frame that is being drawn. Flags that threads set and ask; no lock, as nothing depends on two of them."""

import time
from typing import Final

ANSWER_S: Final = 0.15
"""A key that changes nothing on the screen is waited for so long."""


class Urgency:
    def __init__(self) -> None:
        self.drawing = False
        """A Frame is being drawn."""
        self._until_s = 0.0
        self._unheard = False

    def pressed(self) -> None:
        """A key came; the app, which may be at work, has not heard of it."""
        self._unheard = True
        self._until_s = time.monotonic() + ANSWER_S

    def heard(self) -> None:
        """The app answers a key."""
        self._unheard = False
        self._until_s = time.monotonic() + ANSWER_S

    def answer(self) -> float | None:
        """What is drawn by now answers all keys: what to tell when it is `written`. None: one is not heard of yet."""
        return None if self._unheard else self._until_s

    def written(self, answer: float) -> None:
        """It went to the terminal; of keys that came since nothing is said by it."""
        if answer == self._until_s:
            self._until_s = 0.0

    def answering(self) -> bool:
        return time.monotonic() < self._until_s

    def busy(self) -> bool:
        return self.drawing or self.answering()
