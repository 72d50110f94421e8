"""Whether a page's process was restarted since it was last read. A counter that has overtaken its old value by then does not show it; when it began does."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

TOLERANCE_S: Final = 1.0
"""By which a start time must be later: it is worked out of a boot time and ticks, and may be rounded differently."""


MAX_COUNTERS: Final = 256
"""Whose time of creation is remembered, of counters that have gone too."""


class _Created(NamedTuple):
    at_s: float
    steady: bool
    """Said more than once."""


class Restarts:
    """Of one page, read in order of time."""

    def __init__(self) -> None:
        self._started_s = math.nan
        """The latest so far: pages of several processes that take turns at an address are restarted once, not at every turn."""
        self._uptime_s = math.nan
        self._read_ns = 0
        self._created: dict[str, _Created] = {}

    def recreated(self, created: Mapping[str, float]) -> bool:
        """Whether all counters of which it is said (UTC, by any name) were created later than at any time before.

        One that is created anew alone was not restarted with all others, and what changes whenever it is read is no such time.
        """
        told = {name: at_s for name, at_s in created.items() if 0.0 < at_s < math.inf}
        before = {name: self._created[name] for name in told if name in self._created}
        restarted = bool(before) and all(
            one.steady and told[name] > one.at_s + TOLERANCE_S for name, one in before.items()
        )
        for name, at_s in told.items():
            known = before.get(name)
            if known is None:
                self._created[name] = _Created(at_s, steady=False)
            elif abs(at_s - known.at_s) <= TOLERANCE_S:
                self._created[name] = _Created(known.at_s, steady=True)
            elif at_s > known.at_s:
                self._created[name] = _Created(at_s, steady=False)
        if len(self._created) > MAX_COUNTERS:
            self._created = {name: self._created[name] for name in told}
        return restarted

    def seen(self, started_s: float | None, uptime_s: float | None, time_ns: int) -> bool:
        """Whether it began later than at any time before (`started_s`, UTC), is up for less long than before, or came up after it was last read.

        What is not said, is no number or goes backwards tells nothing. The first time there is nothing to compare with.
        """
        restarted = False
        if started_s is not None and 0.0 < started_s < math.inf:
            restarted = started_s > self._started_s + TOLERANCE_S
            self._started_s = max(started_s, self._started_s) if self._started_s == self._started_s else started_s
        if uptime_s is not None and 0.0 <= uptime_s < math.inf:
            # It was read after it was said: a process that came up since is no older than the time between two readings.
            since_s = (time_ns - self._read_ns) / 1e9
            known = self._uptime_s == self._uptime_s
            restarted |= known and uptime_s < max(self._uptime_s, since_s)
            self._uptime_s, self._read_ns = uptime_s, time_ns
        return restarted
