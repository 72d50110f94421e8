"""When Python looks for garbage in cycles: after a Frame is shown, a little at a time, instead of whenever enough objects have been made.

The interpreter counts objects made less objects gone. What is kept for a window loses about as many as it gains: so it would be asked rarely, and then look at all that
came since, for 100 ms and more. Here the young are looked at so often that it takes some 10 ms, and then are old. The old are looked at rarely: it takes as long as there
are many of them, and only what a screen or a task leaves behind is garbage there.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

THRESHOLD: Final = (50_000, 1_000, 1_000_000)
"""For when no Frames come: of the old never. Segments are tracked tuples: by default full collections come several times a second, 40–70 ms each."""
LONG_S: Final = 0.012
SHORT_S: Final = 0.005
"""The young are looked at sooner next time where it took longer than the one, later where it took less than the other."""
SOONEST_S: Final = 0.2
LATEST_S: Final = 4.0
OLD_S: Final = 600.0


class Garbage:
    """`clock` gives monotonic seconds; `busy`: whether somebody waits for what is not to wait."""

    def __init__(self, busy: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._busy = busy
        self._clock = clock
        self._every_s = SOONEST_S
        self._young_s = self._old_s = clock()
        self._before: tuple[int, int, int] | None = None

    @property
    def settled(self) -> bool:
        return self._before is not None

    def settle(self) -> None:
        """All that is there stays: it is out of the collector's way from now on."""
        self._before = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*THRESHOLD)
        self._young_s = self._old_s = self._clock()

    def end(self) -> None:
        """As it was before."""
        if self._before is not None:
            gc.set_threshold(*self._before)
            gc.unfreeze()
            self._before = None

    def look(self) -> None:
        """Looks for some if it is time, and nobody is busy unless it is overdue."""
        now_s = self._clock()
        since_s = now_s - self._young_s
        if self._before is None or since_s < self._every_s or (since_s < LATEST_S and self._busy()):
            return
        old = now_s - self._old_s >= OLD_S
        gc.collect(2 if old else 1)
        self._young_s = self._clock()
        if old:
            self._old_s = self._young_s
            return
        took_s = self._young_s - now_s
        if took_s > LONG_S:
            self._every_s = max(self._every_s / 2, SOONEST_S)
        elif took_s < SHORT_S:
            self._every_s = min(self._every_s * 2, LATEST_S)
