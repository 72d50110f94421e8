"""When probes are due: on a fixed grid that no answer moves, so that a slow server cannot choose when it is asked (R14). Pure."""

from typing import NamedTuple


class Due(NamedTuple):
    """What is due at a moment: the newest slot of which it is time, those before it that nobody was awake for, and the next one."""

    slot_ns: int
    missed: tuple[int, ...]
    next_ns: int


class Grid:
    """Slots at `phase_ns` into each interval."""

    def __init__(self, interval_ns: int, phase_ns: int) -> None:
        self._interval_ns = interval_ns
        self._phase_ns = phase_ns % interval_ns

    def after(self, now_ns: int) -> int:
        """The first slot at `now_ns` or later."""
        return now_ns + (self._phase_ns - now_ns) % self._interval_ns

    def due(self, slot_ns: int, now_ns: int, most: int) -> Due:
        """At `now_ns`, when `slot_ns` is over; of more than `most` missed slots the newest."""
        behind = (now_ns - slot_ns) // self._interval_ns
        newest_ns = slot_ns + behind * self._interval_ns
        missed = tuple(newest_ns - back * self._interval_ns for back in range(min(behind, most), 0, -1))
        return Due(newest_ns, missed, newest_ns + self._interval_ns)
