"""Counters over time: increases across resets, kept as the samples' own times and integer totals.

A window's increase is the difference of two kept totals, so it is exact, does not depend on what came before the window, and
adds up over workers. Not here: what a column means (`columns`) and what is shown of it (`figures`).
"""

from array import array
from bisect import bisect_left
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from collectors.stats.totals import Totals

Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

UNKNOWN: Final = -1
LARGEST: Final = 2.0**53
"""Above this, neighbouring integers are the same float64."""
_LARGEST_BITS: Final = int(np.float64(LARGEST).view(np.uint64))
"""As bits, the floats from 0 to `LARGEST` are less than all others and NaN."""
_NEGATIVE: Final = 2**63
"""As bits, an integer below 0 is this at least."""
GRID_NS: Final = 250_000_000
"""Windows begin and end on this grid."""
_EVER_NS: Final = (-(2**62), 2**62)


def counts(values: npt.NDArray[np.float64]) -> Counts:
    """Sampled values as integers; UNKNOWN where a value is no count (NaN, infinite, negative, or beyond exact integers)."""
    if np.maximum.reduce(values.view(np.uint64), axis=None, initial=0) <= _LARGEST_BITS:
        return np.rint(values).astype(np.int64)
    known = (values >= 0.0) & (values <= LARGEST)
    return np.where(known, np.rint(np.where(known, values, 0.0)), UNKNOWN).astype(np.int64)


class Groups:
    """Neighbouring columns that belong together (a histogram's), of the given sizes."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = np.array(sizes, dtype=np.intp)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.columns = int(self.sizes.sum())

    def whole(self, flags: Flags) -> Flags:
        """True for every column of a group with any true column (of the same row, where there are several)."""
        if not self.columns or not flags.any():
            return flags
        return np.repeat(np.logical_or.reduceat(flags, self.starts, axis=-1), self.sizes, axis=-1)


def growth(before: Counts, now: Counts, groups: Groups, restarted: bool = False) -> tuple[Counts, Flags]:
    """Increase of each column since the sample before, and which columns were reset: all, if who counts was `restarted` in between.

    A group of which any column fell was reset as a whole, and what it counts now came since. UNKNOWN on either side gives no
    increase (0): the first sample says nothing about what came before it.
    """
    silent = (before < 0) | (now < 0)
    fell = ~silent if restarted else groups.whole((now < before) & ~silent) & ~silent
    return np.where(silent, 0, np.where(fell, now, now - before)), fell


class Window(NamedTuple):
    """What grew between the first and the last sample of a window, by column; `since` when a column's values began, `latest` its newest one.

    `earlier_ns` and `later_ns` are the times of the samples next to the window. Good until the next sample comes.
    """

    earlier_ns: int
    first_ns: int
    last_ns: int
    later_ns: int
    grown: Counts
    since: Counts
    latest: Counts

    def elapsed_ns(self, column: int) -> int | None:
        """The time over which `column` grew: None unless two samples of it lie in the window with nothing unknown between them.

        The columns of a group are unknown, and known again, together.
        """
        elapsed_ns = self.last_ns - max(self.first_ns, int(self.since[column]))
        return None if self.latest[column] < 0 or elapsed_ns <= 0 else elapsed_ns


class History:
    """Totals of `groups.columns` counters at each sample of the last `horizon_ns`, but no more than two of a cell of the grid."""

    def __init__(self, groups: Groups, horizon_ns: int) -> None:
        self._horizon_ns = horizon_ns
        self._groups = groups
        self._times = array("q")
        self._totals = Totals(groups.columns)
        self._total = np.zeros(groups.columns, dtype=np.int64)
        """At the newest sample."""
        self._since = np.zeros(groups.columns, dtype=np.int64)
        self._latest = np.full(groups.columns, UNKNOWN, dtype=np.int64)
        self._all_known = False
        """Whether every column had a value at the newest sample: then, as long as none falls, its growth is a difference."""
        self.reset_ns: int | None = None
        """When a counter was last seen to have been reset, or who counts to have been restarted."""
        self._asked: Window | None = None

    @property
    def latest(self) -> Counts:
        """Values of the newest sample, UNKNOWN before the first and where it had none."""
        return self._latest

    @property
    def total(self) -> Counts:
        """What each column has grown by at the newest sample, since some time before."""
        return self._total

    def known_since(self, column: int) -> int | None:
        """Since when a value of it has come with every sample; None if none came with the newest."""
        return None if self._latest[column] < 0 else int(self._since[column])

    @property
    def all_known(self) -> bool:
        """Whether every column had a value at the newest sample; False where that was not looked at."""
        return self._all_known

    @property
    def samples(self) -> int:
        """How many are kept."""
        return len(self._times)

    def add(self, time_ns: int, now: Counts, restarted: bool = False) -> None:
        """Take a sample; `restarted`: everything was counted anew since the one before, however far it has come.

        A time before the newest one's means another clock: everything older is forgotten.
        """
        groups = self._groups
        if self._times and time_ns < self._times[-1]:
            self._forget(len(self._times))
            self._latest = np.full(groups.columns, UNKNOWN, dtype=np.int64)
            self._all_known = False
        fresh = None
        increase = now - self._latest
        if restarted or not self._all_known or np.maximum.reduce(increase.view(np.uint64), initial=0) >= _NEGATIVE:
            now = np.where(groups.whole(now < 0), UNKNOWN, now)
            before = np.where(groups.whole(self._latest < 0), UNKNOWN, self._latest)
            increase, reset = growth(before, now, groups, restarted)
            fresh = (before < 0) & (now >= 0)
            self._all_known = bool((now >= 0).all())
            if restarted or reset.any():
                self.reset_ns = time_ns
        total = self._total + increase if self._times else increase
        if fresh is not None and fresh.any():
            self._since[fresh] = time_ns
            self._totals.level(fresh, total)
        self._latest, self._total = now, total
        self._append(time_ns, total)
        self._asked = None

    def window(self, begin_ns: int, end_ns: int) -> Window | None:
        """What the samples in [begin, end) say of all columns; the same object for as long as the same samples are in it, None if there are none."""
        asked = self._asked
        if asked and asked.earlier_ns < begin_ns <= asked.first_ns and asked.last_ns < end_ns <= asked.later_ns:
            return asked
        times = self._times
        first, stop = bisect_left(times, begin_ns), bisect_left(times, end_ns)
        if stop <= first:
            return None
        self._asked = Window(
            times[first - 1] if first else _EVER_NS[0],
            times[first],
            times[stop - 1],
            times[stop] if stop < len(times) else _EVER_NS[1],
            self._totals.grown(first, stop - 1),
            self._since,
            self._latest,
        )
        return self._asked

    def rearranged(self, groups: Groups, origin: npt.NDArray[np.intp], zero: Flags | None = None) -> "History":
        """The same history with other columns: column `i` is the earlier column `origin[i]`, or a new one where that is negative.

        Groups of nothing but new columns that are `zero` stood at 0 at the samples so far, if there are any.
        """
        other = History(groups, self._horizon_ns)
        kept = origin >= 0
        source = origin[kept]
        other._times = self._times[:]
        other._totals = self._totals.rearranged(groups.columns, kept, source)
        other._total[kept] = self._total[source]
        other._since[kept] = self._since[source]
        other._latest[kept] = self._latest[source]
        if zero is not None and self._times:
            zero = zero & ~kept
            other._latest[zero & ~groups.whole(~zero)] = 0
        other.reset_ns = self.reset_ns
        return other

    def _append(self, time_ns: int, total: Counts) -> None:
        times = self._times
        # The first and the last sample of a grid cell are all that a window on the grid can ask for.
        if len(times) >= 2 and time_ns // GRID_NS == times[-2] // GRID_NS:
            times.pop()
            self._totals.drop_newest()
        elif old := bisect_left(times, time_ns - self._horizon_ns):
            self._forget(old)
        times.append(time_ns)
        self._totals.append(total)

    def _forget(self, samples: int) -> None:
        """The oldest of them."""
        del self._times[:samples]
        self._totals.drop_oldest(samples)
