"""How far one clock is ahead of another: never a number, an interval that holds it, however wide. Pure.

What is known comes from events of the other clock that lie between two of ours: what we sent was there before it was received, what we received had been
sent. Each such event allows some offsets; all of them together allow those that every one allows. Clocks do not run alike, so that what was learnt
grows wider with its age.
"""

from typing import Final

import msgspec

DRIFT: Final = 500e-6
"""Seconds a second by which two clocks may run apart: what the kernel's clock discipline may slew (MAXFREQ, 500 ppm; quartz alone is within 100 ppm)."""
ROUNDING_S: Final = 1e-6
"""Of times since 1970 as seconds in floating point (0.24 µs)."""


class Offset(msgspec.Struct, frozen=True):
    """Seconds by which the other clock is ahead of ours, at least and at most; `source` says from what."""

    low_s: float
    high_s: float
    source: str

    @property
    def contradicts(self) -> bool:
        """No one clock said all of this: several hosts behind one address, or a clock that was set meanwhile."""
        return self.low_s > self.high_s

    def narrowed(self, other: "Offset") -> "Offset":
        """What both allow."""
        return Offset(max(self.low_s, other.low_s), min(self.high_s, other.high_s), self.source)

    def widened(self, seconds: float) -> "Offset":
        """What it allows of a clock that has run on for so long."""
        more = DRIFT * max(seconds, 0.0)
        return Offset(self.low_s - more, self.high_s + more, self.source)


def between(earliest_s: float, latest_s: float, sent_s: float, received_s: float, source: str) -> Offset:
    """Of a clock that stood between `earliest_s` and `latest_s` at some moment between our `sent_s` and `received_s`."""
    return Offset(earliest_s - received_s, latest_s - sent_s, source)


class Tracked:
    """What many events allow together, at any moment. A contradiction beyond drift is a clock that was set: it begins anew, counted in `steps`."""

    def __init__(self) -> None:
        self.n = 0
        self.steps = 0
        self.known: Offset | None = None
        """At the moment that was last learnt of."""
        self._at_s = 0.0

    def learn(self, allowed: Offset, at_s: float) -> None:
        """`at_s` is when, on our clock; events may come in any order."""
        if allowed.contradicts:  # an answer before its question: one of the two is not what it says it is
            self.steps += 1
            return
        now_s = max(at_s, self._at_s) if self.n else at_s
        allowed, known = allowed.widened(now_s - at_s), self.at(now_s)
        narrowed = allowed if known is None else known.narrowed(allowed)
        if 0.0 < narrowed.low_s - narrowed.high_s <= ROUNDING_S:
            narrowed = Offset(narrowed.high_s, narrowed.low_s, narrowed.source)
        elif narrowed.contradicts:
            self.n, self.steps, narrowed = 0, self.steps + 1, allowed
        self.n += 1
        self.known, self._at_s = narrowed, now_s

    def at(self, time_s: float) -> Offset | None:
        """Of any moment of our clock, before or after what was learnt; None where nothing is known."""
        return None if self.known is None else self.known.widened(abs(time_s - self._at_s))
