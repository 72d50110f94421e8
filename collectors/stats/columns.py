"""Which column of a source's statistics each scraped value goes to. Pure: a layout in, index arrays and look-ups out."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from collectors.model.signals import NOT_ADDABLE, Kind, Series, Signal
from collectors.model.vocabulary import Tier
from collectors.stats.counters import Groups

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.intp]
Number = TypeVar("Number", bound=np.generic)

FEW: Final = 16
"""Keys that are looked through one by one."""
_ARRAYS: Final = WeakValueDictionary[tuple[bytes, str], npt.NDArray[Any]]()


class Key(NamedTuple):
    """What a figure is asked for by."""

    worker: str
    signal: Signal
    tier: Tier | None = None
    owner: str = ""
    to: Tier | None = None
    label: str = ""


class HistogramColumns(NamedTuple):
    """The columns of the ascending `bounds`, then that of the observation count, if there is one."""

    bounds: Floats
    columns: slice


class _Column(NamedTuple):
    """Identity of a value over layouts. The metric is part of it: a back end may say one thing under an old and a new name."""

    key: Key
    metric: str
    kind: Kind
    le: float
    less: bool


class Columns:
    """Layout of one source. Values of one metric that differ only in labels nobody asks for are one column, their sum; of histograms whose bounds differ, at
    the bounds that all of them have.

    Where two metrics say the same thing, the one that the page's mapping lists first counts. A ratio said twice is no ratio.
    """

    def __init__(self, series: tuple[Series, ...] = ()) -> None:
        self.size = len(series)
        gauges: dict[_Column, list[int]] = {}
        groups: dict[tuple[Key, str, bool, bool], dict[_Column, list[int]]] = {}
        keys: dict[Key, Key] = {}
        for position, one in enumerate(series):
            column = _column(one, keys)
            if one.kind is Kind.GAUGE:
                gauges.setdefault(column, []).append(position)
            elif one.kind is Kind.COUNTER:
                groups.setdefault((column.key, one.metric, False, one.less), {}).setdefault(column, []).append(position)
            elif one.kind is Kind.COUNT or (one.kind is Kind.BUCKET and one.le is not None and one.le == one.le):
                groups.setdefault((column.key, _family(one), True, False), {}).setdefault(column, []).append(position)
        self.gauges: dict[Key, int] = {}
        for number, (column, positions) in enumerate(gauges.items()):
            if len(positions) == 1 or column.key.signal not in NOT_ADDABLE:
                self.gauges.setdefault(column.key, number)
        self.counters: dict[Key, int] = {}
        self.less: dict[Key, int] = {}
        """What is to be taken off a counter."""
        self.histograms: dict[Key, HistogramColumns] = {}
        ordered: list[tuple[_Column, list[int]]] = []
        sizes = []
        for (key, _metric, is_histogram, less), members in groups.items():
            # Bounds first, ascending; a count (without a bound) last.
            rows = sorted(_shared(members), key=lambda row: (row[0].kind is Kind.COUNT, row[0].le))
            start, stop = len(ordered), len(ordered) + len(rows)
            if is_histogram:
                bounds = _one_for_all(np.array([column.le for column, _ in rows if column.kind is Kind.BUCKET]))
                # Without +Inf it is not known how many observations there were.
                if bounds.size and bounds[-1] == np.inf:
                    self.histograms.setdefault(key, HistogramColumns(bounds, slice(start, stop)))
            else:
                (self.less if less else self.counters).setdefault(key, start)
            ordered.extend(rows)
            sizes.append(len(rows))
        of_columns = [*gauges.values(), *(positions for _, positions in ordered)]
        self._first = _one_for_all(np.array([positions[0] for positions in of_columns], dtype=np.intp))
        more = [(position, column) for column, positions in enumerate(of_columns) for position in positions[1:]]
        self._more, self._more_columns = np.array(more, dtype=np.intp).reshape(-1, 2).T
        self.groups = Groups(sizes)
        self.gauge_count = len(gauges)
        self.marks = np.array([hash(column) for column, _ in ordered], dtype=np.int64)
        """Of the counter columns: 64 bits tell them from those of another layout."""
        self.members = _one_for_all(np.array([len(positions) for _, positions in ordered], dtype=np.intp))
        """How many values each of them is the sum of."""
        self.keys = tuple(dict.fromkeys([*self.gauges, *self.counters, *self.histograms]))
        """Everything that can be asked for, in the page's order within each kind."""
        self.metrics = {key: name for key, name, *_ in reversed(groups)}
        self.metrics |= {column.key: column.metric for column in reversed(gauges)}
        """What the page calls each, or the formula by which it was made."""
        self.estimates = {_column(one, keys).key: one.estimate for one in series if one.estimate}
        """Why what is told of each is only about right, where it is."""
        of_signal: dict[Signal, list[Key]] = {}
        for key in self.keys:
            of_signal.setdefault(key.signal, []).append(key)
        self.of_signal = {signal: tuple(of_one) for signal, of_one in of_signal.items()}
        self._of_worker: dict[tuple[str, Signal], list[Key]] | None = None
        self.pools: dict[tuple[str, Tier, str], frozenset[Signal]] = {}
        """Worker, tier and owner of every tier that is spoken of, with the gauges that there are of it."""
        for key in self.keys:
            if key.tier is not None:
                pool, gauge = (key.worker, key.tier, key.owner), {key.signal} if key in self.gauges else set()
                self.pools[pool] = self.pools.get(pool, frozenset()) | gauge

    def of_worker(self, worker: str, signal: Signal) -> Sequence[Key]:
        """Keys of the signal that are the worker's. An index is made only for pages of many workers."""
        found = self.of_signal.get(signal, ())
        if len(found) <= FEW:
            return [key for key in found if key.worker == worker]
        if self._of_worker is None:
            self._of_worker = {}
            for key in self.keys:
                self._of_worker.setdefault((key.worker, key.signal), []).append(key)
        return self._of_worker.get((worker, signal), ())

    def origin(self, earlier: "Columns", came_at_zero: bool) -> Indexes:
        """For each counter column its number in `earlier`, negative where it is new or is not known to have counted on: what went was part of the sum, and so is
        what came unless it did so at zero."""
        numbers = {mark: number for number, mark in enumerate(earlier.marks.tolist())}
        origin = np.array([numbers.get(mark, -1) for mark in self.marks.tolist()], dtype=np.intp)
        if earlier.members.size:
            more = np.where(origin < 0, 0, self.members - earlier.members[origin])
            origin[(more < 0) | ((more > 0) & (not came_at_zero))] = -1
        return origin

    def split(self, values: Floats) -> tuple[Floats, Floats]:
        """The values of the gauge columns and those of the counter columns."""
        columns: Floats = values[self._first] + 0.0  # no zero is negative
        if self._more.size:
            with np.errstate(all="ignore"):  # ∞ − ∞ is no number, as everything made of it
                np.add.at(columns, self._more_columns, values[self._more])
        return columns[: self.gauge_count], columns[self.gauge_count :]


def _one_for_all(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """The same array for all pages of one kind, for as long as there is one. It cannot be written to."""
    data = array.tobytes()
    return _ARRAYS.setdefault((data, array.dtype.char), np.frombuffer(data, array.dtype))


def _shared(members: Mapping[_Column, list[int]]) -> list[tuple[_Column, list[int]]]:
    """Of a histogram, or a counter: without the buckets that only some of the series have that are added up. At a bound that all have, counts can be added."""
    whole = next((len(found) for one, found in members.items() if one.kind is Kind.BUCKET and one.le == np.inf), 0)
    return [row for row in members.items() if row[0].kind is not Kind.BUCKET or not whole or len(row[1]) == whole]


def _column(one: Series, keys: dict[Key, Key]) -> _Column:
    le = one.le if one.kind is Kind.BUCKET and one.le is not None else 0.0
    key = Key(one.worker, one.signal, one.tier, one.owner, one.to, one.label)
    return _Column(keys.setdefault(key, key), _family(one), one.kind, le, one.less)


def _family(one: Series) -> str:
    """The metric's name without what a histogram's parts add to it."""
    suffix = {Kind.BUCKET: "_bucket", Kind.COUNT: "_count"}.get(one.kind, "")
    return one.metric.removesuffix(suffix)
