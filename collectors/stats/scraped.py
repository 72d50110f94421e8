"""Statistics of one source's scraped samples: newest gauges, and increases and histograms of a window.

Knows when a sample is stale, absent, NaN or not there yet; does not know what is shown of it (`figures`) nor how a page is read.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec
import numpy as np

from collectors.model.batch import Layout, Samples
from collectors.model.signals import Kind, Signal
from collectors.model.vocabulary import State, Tier
from collectors.stats.buckets import Buckets, merge
from collectors.stats.columns import Columns, Floats, HistogramColumns, Key
from collectors.stats.counters import History, Window, counts
from collectors.stats.restarts import Restarts
from collectors.stats.spans import Span, Spans

STALE_NS: Final = 5_000_000_000
STALE_INTERVALS: Final = 3
"""A sample is stale when it is older than both. An interval is the one at which samples are asked for, or, where they come less often, the shortest of the newest."""
One = TypeVar("One", bound=Hashable)
Found = TypeVar("Found")
STARTED: Final = Key("", Signal.PROCESS_STARTED)
UPTIME: Final = Key("", Signal.PROCESS_UPTIME)
"""Of the page's process, whatever workers it speaks of."""
MAX_GONE: Final = 10_000
"""Counters that have gone of which that is remembered; with more of them none is taken to have come at zero."""


class LayoutError(ValueError):
    """Samples that do not fit their layout: it is not known what they mean."""


class Reading(msgspec.Struct, frozen=True):
    """A gauge's newest value; None unless `state` is ok, zero or stale. `metric` is what the page calls it, here and below."""

    value: float | None
    state: State
    heard_ns: int | None
    metric: str = ""


class Increase(msgspec.Struct, frozen=True):
    """How much a counter grew in the `seconds` between the window's first and last sample; None where that is not known."""

    value: int | None
    seconds: float | None
    state: State
    heard_ns: int | None
    metric: str = ""


class Histogram(msgspec.Struct, frozen=True, eq=False):
    """The observations that came between the window's first and last sample; `buckets` is None unless `state` is ok or stale."""

    buckets: Buckets | None
    seconds: float | None
    state: State
    heard_ns: int | None
    metric: str = ""


_NO_INCREASE: Final = Increase(None, None, State.ABSENT, None)
_NO_HISTOGRAM: Final = Histogram(None, None, State.ABSENT, None)


class _Asked:
    """What is told at a tick: many rows ask for the same."""

    def __init__(self, tick_ns: int, window_ns: int, window: Window | None, *, stale: bool) -> None:
        self.tick_ns = tick_ns
        self.window_ns = window_ns
        self.window = window
        self.stale = stale
        self.increases: dict[Key, Increase] = {}
        self.histograms: dict[Key, Histogram] = {}

    def state(self, *, zero: bool) -> State:
        return State.STALE if self.stale else State.ZERO if zero else State.OK


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
        self._asked_every_ns = 0
        self._intervals: deque[int] = deque(maxlen=8)
        self._gone = self._columns.marks
        """Of counters that were there and were not in a later layout."""
        self._heard = 0
        self._asked: _Asked | None = None
        self._of_layout: dict[object, object] = {}
        self._restarts = Restarts()
        self._gaps: list[tuple[str, HistogramColumns]] = []
        """Of each worker."""
        self._spans = Spans()
        self._unbroken = False
        """Whether the page was there whenever it was asked for since the last sample."""

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

    def of_layout(self, find: "Callable[[ScrapedStats, One], Found]", of: One) -> Found:
        """`find(self, of)`, which depends on the layout alone: found once for each."""
        asked = find, of
        if asked not in self._of_layout:
            self._of_layout[asked] = find(self, of)
        return self._of_layout[asked]  # type: ignore[return-value]  # it was put there above

    def metric(self, key: Key) -> str:
        """What the page calls it, or the formula by which it was made."""
        return self._columns.metrics.get(key, "")

    def estimate(self, key: Key) -> str:
        """Why it is only about right; empty where it is not an estimate."""
        return self._columns.estimates.get(key, "")

    @property
    def reset_ns(self) -> int | None:
        """When a counter was last seen to have been reset, or the page's process to have been restarted."""
        return self._history.reset_ns

    def layout(self, layout: Layout) -> None:
        """Series that are the same as before keep their history; the others begin with the next samples, or, where they came at zero, with the last ones.

        A counter that was there once and comes back is not one that came at zero: pages of several processes may take turns at an address.
        """
        self._asked_every_ns = round(layout.every_s * 1e9)
        series = hash(layout.series)
        if series == self._series:
            return
        self._heard += 1
        columns = Columns(layout.series)
        gone = self._gone
        zero = None
        if layout.came_at_zero and gone.size < MAX_GONE:
            zero = ~np.isin(columns.marks, gone) & ~np.isin(columns.marks, self._columns.marks)
        if gone.size < MAX_GONE:
            self._gone = np.union1d(gone, np.setdiff1d(self._columns.marks, columns.marks))
        self._history = self._history.rearranged(
            columns.groups, columns.origin(self._columns, layout.came_at_zero), zero
        )
        self._series, self._columns, self._gauges, self._asked = series, columns, None, None
        self._of_layout = {}
        self._gaps = [(key.worker, of) for key, of in columns.histograms.items() if key == Key(key.worker, Signal.GAP)]

    def samples(self, samples: Samples, time_ns: int) -> None:
        """Take one scrape. Raises `LayoutError` unless it has one value for each series of the layout."""
        if samples.values.shape != (self._columns.size,):
            raise LayoutError(
                f"{samples.values.shape} values for {self._columns.size} series: the source must send a layout when its page changes"
            )
        self._heard += 1
        self._asked = None
        self._gauges, values = self._columns.split(samples.values)
        restarted = self._restarts.seen(self._newest(STARTED), self._newest(UPTIME), time_ns)
        if created := self.all_of(Signal.COUNTER_CREATED):
            restarted |= self._restarts.recreated({key.label: self._newest(key) or 0.0 for key in created})
        unbroken = self._unbroken and not self._is_stale(time_ns)
        self._history.add(time_ns, counts(values), restarted)
        # Since a reset it is not known when what is counted began.
        self._spans.sample(time_ns, self._gaps, self._history, unbroken=unbroken and self.reset_ns != time_ns)
        self._unbroken = True
        if self._time_ns is not None and time_ns > self._time_ns:
            self._intervals.append(time_ns - self._time_ns)
        self._time_ns = time_ns

    def interrupted(self) -> None:
        """The page could not be had."""
        self._unbroken = False

    def _newest(self, key: Key) -> float | None:
        column = self._columns.gauges.get(key)
        return None if column is None or self._gauges is None else float(self._gauges[column])

    def spans(self) -> list[Span]:
        """How far apart p99 and p50 of its workers' gaps were, as far as it can be told since this was last asked."""
        return self._spans.take()

    def stamp(self, tick_ns: int, window_ns: int) -> Hashable:
        """Equal at two ticks where every answer is the same."""
        window = self._history.window(tick_ns - window_ns, tick_ns)
        return self._heard, window and (window.first_ns, window.last_ns), self._is_stale(tick_ns)

    def gauge(self, tick_ns: int, key: Key) -> Reading:
        column = self._columns.gauges.get(key)
        heard_ns, metric = self._time_ns, self.metric(key)
        if column is None:
            return Reading(None, State.ABSENT, None)
        if self._gauges is None:
            return Reading(None, State.UNSAMPLED, None, metric)
        value = float(self._gauges[column])
        if not np.isfinite(value):
            return Reading(None, State.NAN, heard_ns, metric)
        return Reading(value, self._state(tick_ns, value == 0.0), heard_ns, metric)

    def increase(self, tick_ns: int, window_ns: int, key: Key) -> Increase:
        column = self._columns.counters.get(key)
        if column is None:
            return _NO_INCREASE
        asked = self._at(tick_ns, window_ns)
        found = asked.increases.get(key)
        if found is None:
            found = asked.increases[key] = self._increase(asked, column, key)
        return found

    def _increase(self, asked: _Asked, column: int, key: Key) -> Increase:
        """Of a column, without what the one that is taken off grew by."""
        heard_ns, metric, less = self._time_ns, self.metric(key), self._columns.less.get(key)
        if self._gauges is None:
            return Increase(None, None, State.UNSAMPLED, None, metric)
        if self._history.latest[column] < 0 or (less is not None and self._history.latest[less] < 0):
            return Increase(None, None, State.NAN, heard_ns, metric)
        window = asked.window
        elapsed_ns = None if window is None else window.elapsed_ns(column)
        if window is None or elapsed_ns is None or (less is not None and window.elapsed_ns(less) != elapsed_ns):
            return Increase(None, None, State.ABSENT, heard_ns, metric)
        value = int(window.grown[column]) - (0 if less is None else int(window.grown[less]))
        if value < 0:  # what is taken off was counted in the window, what it is taken off before it
            return Increase(None, None, State.ABSENT, heard_ns, metric)
        return Increase(value, elapsed_ns / 1e9, asked.state(zero=value == 0), heard_ns, metric)

    def total(self, tick_ns: int, key: Key) -> Reading:
        """A counter as the page has it: since whenever it began to count."""
        column = self._columns.counters.get(key)
        if column is None:
            return Reading(None, State.ABSENT, None)
        metric = self.metric(key)
        if self._gauges is None:
            return Reading(None, State.UNSAMPLED, None, metric)
        latest, less = self._history.latest, self._columns.less.get(key)
        value, off = int(latest[column]), 0 if less is None else int(latest[less])
        if not 0 <= off <= value:
            return Reading(None, State.NAN, self._time_ns, metric)
        value -= off
        return Reading(value, self._state(tick_ns, value == 0), self._time_ns, metric)

    def kinds(self, key: Key) -> tuple[Kind, ...]:
        """As what it can be asked for: a gauge, a counter, a histogram (`bucket`)."""
        columns = self._columns
        found = ((Kind.GAUGE, columns.gauges), (Kind.COUNTER, columns.counters), (Kind.BUCKET, columns.histograms))
        return tuple(kind for kind, keys in found if key in keys)

    def histogram(self, tick_ns: int, window_ns: int, key: Key) -> Histogram:
        of = self._columns.histograms.get(key)
        if of is None:
            return _NO_HISTOGRAM
        asked = self._at(tick_ns, window_ns)
        found = asked.histograms.get(key)
        if found is None:
            found = asked.histograms[key] = self._histogram(asked, of, self.metric(key))
        return found

    def _histogram(self, asked: _Asked, of: HistogramColumns, metric: str) -> Histogram:
        heard_ns = self._time_ns
        if self._gauges is None:
            return Histogram(None, None, State.UNSAMPLED, None, metric)
        observed = self._history.latest[of.columns]
        if not self._history.all_known and (observed < 0).any():
            return Histogram(None, None, State.NAN, heard_ns, metric)
        if not observed[-1] and not observed.any():
            return Histogram(None, None, State.UNSAMPLED, heard_ns)
        window, start = asked.window, of.columns.start
        elapsed_ns = None if window is None else window.elapsed_ns(start)
        if window is None or elapsed_ns is None:
            return Histogram(None, None, State.ABSENT, heard_ns, metric)
        # Counts of one scrape may have been read at slightly different moments (see `buckets`).
        cumulative = np.maximum.accumulate(window.grown[start : start + of.bounds.size])
        return Histogram(Buckets(of.bounds, cumulative), elapsed_ns / 1e9, asked.state(zero=False), heard_ns, metric)

    def _at(self, tick_ns: int, window_ns: int) -> _Asked:
        asked = self._asked
        if asked is None or asked.tick_ns != tick_ns or asked.window_ns != window_ns:
            window = self._history.window(tick_ns - window_ns, tick_ns)
            asked = self._asked = _Asked(tick_ns, window_ns, window, stale=self._is_stale(tick_ns))
        return asked

    def _is_stale(self, tick_ns: int) -> bool:
        age_ns = 0 if self._time_ns is None else tick_ns - self._time_ns
        interval_ns = max(self._asked_every_ns, min(self._intervals, default=0))
        return age_ns > max(STALE_NS, STALE_INTERVALS * interval_ns)

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
        " + ".join(dict.fromkeys(one.metric for one in known if one.metric)),
    )
