"""Statistics of one source's scraped samples: newest gauges, and increases and histograms of a window.

Knows when a sample is stale, absent, NaN or not there yet; does not know what is shown of it (`figures`) nor how a page is read.
"""

from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from collectors.model.batch import Layout, Samples
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import State, Tier
from collectors.stats.buckets import Buckets, merge
from collectors.stats.columns import Columns, Floats, Key
from collectors.stats.counters import History, counts

STALE_NS: Final = 5_000_000_000
STALE_INTERVALS: Final = 3
"""A sample is stale when it is older than both."""
MAX_GONE: Final = 10_000
"""Counters that have gone of which that is remembered; with more of them none is taken to have come at zero."""


class LayoutError(ValueError):
    """Samples that do not fit their layout: it is not known what they mean."""


class Reading(msgspec.Struct, frozen=True):
    """A gauge's newest value; None unless `state` is ok, zero or stale."""

    value: float | None
    state: State
    heard_ns: int | None


class Increase(msgspec.Struct, frozen=True):
    """How much a counter grew in the `seconds` between the window's first and last sample; None where that is not known."""

    value: int | None
    seconds: float | None
    state: State
    heard_ns: int | None


class Histogram(msgspec.Struct, frozen=True, eq=False):
    """The observations that came between the window's first and last sample; `buckets` is None unless `state` is ok or stale."""

    buckets: Buckets | None
    seconds: float | None
    state: State
    heard_ns: int | None


class ScrapedStats:
    """Fed with a source's layouts and samples in order of time; asked at a tick T for the window [T − w, T) with w ≤ `horizon_ns`.

    A gauge is asked for only at ticks after its newest sample. A window's figures come from the samples inside of it: the first one
    is what the last one is compared with.
    """

    def __init__(self, horizon_ns: int = 60_000_000_000) -> None:
        self._series = hash(())
        """Mark of the layout: as long as the page it is too long to be kept."""
        self._columns = Columns()
        self._history = History(self._columns.groups, horizon_ns)
        self._gauges: Floats | None = None
        self._time_ns: int | None = None
        self._intervals: deque[int] = deque(maxlen=8)
        self._gone = self._columns.marks
        """Of counters that were there and were not in a later layout."""
        self._heard = 0

    @property
    def keys(self) -> tuple[Key, ...]:
        """Everything that the newest layout can be asked for."""
        return self._columns.keys

    @property
    def pools(self) -> Mapping[tuple[str, Tier, str], frozenset[Signal]]:
        """(worker, tier, owner) of every tier that the newest layout speaks of, with the gauges that there are of it."""
        return self._columns.pools

    def keys_of(self, worker: str, signal: Signal) -> Sequence[Key]:
        """What can be asked for of a worker's signal: one for each tier, owner and label."""
        return self._columns.of_worker(worker, signal)

    def all_of(self, signal: Signal) -> Sequence[Key]:
        """The same of all workers."""
        return self._columns.of_signal.get(signal, ())

    def metric(self, key: Key) -> str:
        """What the page calls it, or the formula by which it was made."""
        return self._columns.metrics.get(key, "")

    @property
    def reset_ns(self) -> int | None:
        """When a counter was last seen to have been reset."""
        return self._history.reset_ns

    def layout(self, layout: Layout) -> None:
        """Series that are the same as before keep their history; the others begin with the next samples, or, where they came at zero, with the last ones.

        A counter that was there once and comes back is not one that came at zero: pages of several processes may take turns at an address.
        """
        series = hash(layout.series)
        if series == self._series:
            return
        self._heard += 1
        columns = Columns(layout.series)
        gone = self._gone
        zero = ~np.isin(columns.marks, gone) if layout.came_at_zero and gone.size < MAX_GONE else None
        if gone.size < MAX_GONE:
            self._gone = np.union1d(gone, np.setdiff1d(self._columns.marks, columns.marks))
        self._history = self._history.rearranged(columns.groups, columns.origin(self._columns), zero)
        self._series, self._columns, self._gauges = series, columns, None

    def samples(self, samples: Samples, time_ns: int) -> None:
        """Take one scrape. Raises `LayoutError` unless it has one value for each series of the layout."""
        if samples.values.shape != (self._columns.size,):
            raise LayoutError(
                f"{samples.values.shape} values for {self._columns.size} series: the source must send a layout when its page changes"
            )
        self._heard += 1
        self._gauges, values = self._columns.split(samples.values)
        self._history.add(time_ns, counts(values))
        if self._time_ns is not None and time_ns > self._time_ns:
            self._intervals.append(time_ns - self._time_ns)
        self._time_ns = time_ns

    def stamp(self, tick_ns: int, window_ns: int) -> Hashable:
        """Equal at two ticks where every answer is the same."""
        return self._heard, self._history.ends(tick_ns - window_ns, tick_ns), self._is_stale(tick_ns)

    def gauge(self, tick_ns: int, key: Key) -> Reading:
        column = self._columns.gauges.get(key)
        heard_ns = self._time_ns
        if column is None:
            return Reading(None, State.ABSENT, None)
        if self._gauges is None:
            return Reading(None, State.UNSAMPLED, None)
        value = float(self._gauges[column])
        if not np.isfinite(value):
            return Reading(None, State.NAN, heard_ns)
        return Reading(value, self._state(tick_ns, value == 0.0), heard_ns)

    def increase(self, tick_ns: int, window_ns: int, key: Key) -> Increase:
        column = self._columns.counters.get(key)
        heard_ns = self._time_ns
        if column is None:
            return Increase(None, None, State.ABSENT, None)
        if self._gauges is None:
            return Increase(None, None, State.UNSAMPLED, None)
        less = self._columns.less.get(key)
        columns = [column] if less is None else [column, less]
        if any(self._history.latest[one] < 0 for one in columns):
            return Increase(None, None, State.NAN, heard_ns)
        window = tick_ns - window_ns, tick_ns
        grown = self._history.increase(slice(column, column + 1), *window)
        off = None if less is None else self._history.increase(slice(less, less + 1), *window)
        if grown is None or (less is not None and off is None):
            return Increase(None, None, State.ABSENT, heard_ns)
        value = int(grown[0][0]) - (0 if off is None else int(off[0][0]))
        if value < 0:  # what is taken off was counted in the window, what it is taken off before it
            return Increase(None, None, State.ABSENT, heard_ns)
        return Increase(value, grown[1] / 1e9, self._state(tick_ns, value == 0), heard_ns)

    def total(self, tick_ns: int, key: Key) -> Reading:
        """A counter as the page has it: since whenever it began to count."""
        column = self._columns.counters.get(key)
        if column is None:
            return Reading(None, State.ABSENT, None)
        if self._gauges is None:
            return Reading(None, State.UNSAMPLED, None)
        latest, less = self._history.latest, self._columns.less.get(key)
        value, off = int(latest[column]), 0 if less is None else int(latest[less])
        if not 0 <= off <= value:
            return Reading(None, State.NAN, self._time_ns)
        value -= off
        return Reading(value, self._state(tick_ns, value == 0), self._time_ns)

    def kinds(self, key: Key) -> tuple[Kind, ...]:
        """As what it can be asked for: a gauge, a counter, a histogram (`bucket`)."""
        columns = self._columns
        found = ((Kind.GAUGE, columns.gauges), (Kind.COUNTER, columns.counters), (Kind.BUCKET, columns.histograms))
        return tuple(kind for kind, keys in found if key in keys)

    def histogram(self, tick_ns: int, window_ns: int, key: Key) -> Histogram:
        found = self._columns.histograms.get(key)
        heard_ns = self._time_ns
        if found is None:
            return Histogram(None, None, State.ABSENT, None)
        if self._gauges is None:
            return Histogram(None, None, State.UNSAMPLED, None)
        observed = self._history.latest[found.columns]
        if (observed < 0).any():
            return Histogram(None, None, State.NAN, heard_ns)
        if not observed.any():
            return Histogram(None, None, State.UNSAMPLED, heard_ns)
        grown = self._history.increase(found.columns, tick_ns - window_ns, tick_ns)
        if grown is None:
            return Histogram(None, None, State.ABSENT, heard_ns)
        # Counts of one scrape may have been read at slightly different moments (see `buckets`).
        window = Buckets(found.bounds, np.maximum.accumulate(grown[0][: found.bounds.size]))
        return Histogram(window, grown[1] / 1e9, self._state(tick_ns, False), heard_ns)

    def _is_stale(self, tick_ns: int) -> bool:
        age_ns = 0 if self._time_ns is None else tick_ns - self._time_ns
        return age_ns > STALE_NS and age_ns > STALE_INTERVALS * min(self._intervals, default=0)

    def _state(self, tick_ns: int, zero: bool) -> State:
        if self._is_stale(tick_ns):
            return State.STALE
        return State.ZERO if zero else State.OK


def merged(histograms: list[Histogram]) -> Histogram:
    """Observations of several workers as one; the oldest one's age, stale only when all are.

    Raises `BucketMismatchError` where their bounds differ.
    """
    known = [one for one in histograms if one.buckets is not None]
    if not known:
        rank = (State.NAN, State.UNSAMPLED, State.ABSENT)
        return min(histograms, key=lambda one: rank.index(one.state), default=Histogram(None, None, State.ABSENT, None))
    return Histogram(
        merge([one.buckets for one in known if one.buckets is not None]),
        max((one.seconds for one in known if one.seconds is not None), default=None),
        State.STALE if all(one.state is State.STALE for one in known) else State.OK,
        min((one.heard_ns for one in known if one.heard_ns is not None), default=None),
    )
