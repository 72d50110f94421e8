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

    def written(self) -> None:
        """What was drawn went to the terminal: the answer to all keys that were heard of."""
        if not self._unheard:
            self._until_s = 0.0

    def answering(self) -> bool:
        return time.monotonic() < self._until_s

    def busy(self) -> bool:
        return self.drawing or self.answering()
