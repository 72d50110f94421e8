"""When a source was not connected, and what of its stream was missed because of it, or though it was. Session time; pure."""

from collections import deque
from typing import Final

from collectors.model.frame import Gaps
from collectors.stats.slots import SECOND_NS

MAX_OUTAGES: Final = 256
"""A window of a minute has no more, as attempts to connect are seldom that quick."""


class Outages:
    """A connection ends with `lost`. With the next one comes `back`; where that goes on from where the last one ended, there was no gap."""

    def __init__(self) -> None:
        self._unseen: deque[tuple[int, int]] = deque(maxlen=MAX_OUTAGES)
        """Times without a connection between two with one, that were gaps."""
        self._lost_ns: int | None = None
        self._gaps = self._uncounted = self._messages = self._resumed = self._unseen_ns = 0
        self._newest_ns: int | None = None
        self._uncounted_last = False

    def lost(self, heard_ns: int) -> None:
        """`heard_ns`: of its last word."""
        self._lost_ns = heard_ns

    def back(self, time_ns: int, resumed: bool) -> int | None:
        """When it had been lost; None if it was not."""
        lost_ns, self._lost_ns = self._lost_ns, None
        if lost_ns is None:
            return None
        if resumed:
            self._resumed += 1
        else:
            self._unseen.append((lost_ns, time_ns))
            self._unseen_ns += max(time_ns - lost_ns, 0)
            self._gap(time_ns)
            self._uncounted += 1
            self._uncounted_last = True
        return lost_ns

    def missed(self, messages: int, time_ns: int) -> None:
        """So many messages are known to be missing: those of the last gap, if nobody could say that then, else there is one more."""
        if self._uncounted_last:
            self._uncounted -= 1
        else:
            self._gap(time_ns)
        self._uncounted_last = False
        self._messages += messages

    def marked(self) -> None:
        """A watermark with nothing missing before it: what comes later is a gap of its own."""
        self._uncounted_last = False

    def forget(self) -> None:
        """The window begins anew; what was counted stays."""
        self._unseen.clear()

    def observed(self, begin_ns: int, end_ns: int) -> int:
        """How much of that time the source was connected, or told of later."""
        unseen = [*self._unseen, *([] if self._lost_ns is None else [(self._lost_ns, end_ns)])]
        gaps = sum(max(min(until, end_ns) - max(since, begin_ns), 0) for since, until in unseen)
        return max(end_ns - begin_ns - gaps, 0)

    def told(self) -> Gaps:
        return Gaps(
            count=self._gaps,
            seconds=self._unseen_ns / SECOND_NS,
            messages=None if self._uncounted else self._messages,
            newest_at=None if self._newest_ns is None else self._newest_ns / SECOND_NS,
            resumed=self._resumed,
        )

    def _gap(self, time_ns: int) -> None:
        self._gaps += 1
        self._newest_ns = time_ns
