"""Which Frame is on the screen, and why: following, held, or stepped back. Plain state, no Textual.

Collecting goes on whatever this shows: Frames that arrive while the view is held only move `newest`.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collectors.model.frame import Frame
    from tui.driver import Clock, History

TICK_NS: Final = 250_000_000


class Mode(Enum):
    WAITING = "waiting"
    FOLLOWING = "following"
    HELD = "held"
    ENDED = "ended"
    FAILED = "failed"


class Playhead:
    """`shown` is the Frame on the screen, `newest` the last that arrived."""

    def __init__(self, history: History, clock: Clock) -> None:
        self.clock = clock
        self.newest: Frame | None = None
        self.shown: Frame | None = None
        self.held = False
        self.ended = False
        self.problem: str | None = None
        self._history = history

    @property
    def mode(self) -> Mode:
        if self.held:
            return Mode.HELD
        if self.problem is not None:
            return Mode.FAILED
        if self.ended:
            return Mode.ENDED
        return Mode.WAITING if self.shown is None else Mode.FOLLOWING

    def arrive(self, frame: Frame) -> None:
        if self.clock == "live":
            self.newest = frame
        elif self.newest is None or self.newest.time_ns < frame.time_ns:
            # All of a recording is there from the beginning; of a show what has been shown.
            self.newest = frame if self.clock == "demo" else self._history.newest() or frame
        if not self.held or self.shown is None:
            self.shown = frame

    def hold(self, held: bool) -> None:
        """Stop or go on following; going on jumps to the newest Frame, in a recording it goes on from what is shown."""
        self.held = held and self.newest is not None
        if not held and self.clock == "live":
            self.shown = self.newest

    def forget(self) -> None:
        """Another world begins."""
        self.newest = self.shown = None
        self.held = self.ended = False

    def step(self, ticks: int) -> None:
        """Hold, and move by so many ticks: one goes to the neighbouring Frame, more go by time."""
        if self.shown is None:
            return
        now = self.shown.time_ns
        self._show(self._history.step(now, ticks) if abs(ticks) == 1 else self._history.at(now + ticks * TICK_NS))

    def seek(self, time_ns: int) -> None:
        """Hold at the newest Frame not later than `time_ns`."""
        self._show(self._history.at(time_ns))

    def fail(self, reason: str) -> None:
        """The driver stopped with an error; what was seen stays."""
        self.problem = reason
        self.ended = True

    def end(self) -> None:
        """The driver has no more."""
        self.ended = True

    def _show(self, frame: Frame | None) -> None:
        self.held = self.newest is not None
        if frame is not None:
            self.shown = frame
