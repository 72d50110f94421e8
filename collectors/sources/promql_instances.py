"""What a Prometheus server tells, taken apart again into the pages it was scraped from: one instance, one page, one scrape a time.

An instance is what `job` and `instance` (and the labels that tell servers and replicas apart) name. The labels that the server put on
its samples are taken off, as far as `up` of the instance has them, so that keys are those of the page itself. No I/O.
"""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

import numpy as np

from collectors.backends import registry
from collectors.backends.mapping import Mapping, MappingError, bounded
from collectors.backends.registry import UnknownBackendError
from collectors.model.batch import Earlier, Layout, Part, Past, Samples
from collectors.model.signals import Kind, Signal
from collectors.sources.promql_clock import ServerClock
from collectors.sources.promql_native import NativeBounds
from collectors.sources.promql_plan import family_of
from collectors.sources.scrape import inventory_of
from collectors.wire.exposition import SampleKey
from collectors.wire.limits import DEFAULT, Limits
from collectors.wire.prom_api import PromSeries, labels_of
from collectors.wire.safe import safe_text

MAX_INSTANCES: Final = 4_096
MAX_TARGETS: Final = 50_000
"""Of the same jobs, whether or not they have anything for us."""
MAX_SERIES: Final = 500_000
"""Of the whole fleet."""
SPARE_SERIES: Final = 10_000
"""That have gone, kept beside as many as twice those that are there."""
IDENTITY: Final = ("job", "instance", "cluster", "prometheus", "prometheus_replica", "__replica__")
SILENT_S: Final = 300.0
"""After which an instance of which only one scrape is known is missed: as long as an instant query looks back."""
SILENT_INTERVALS: Final = 3

Identity = tuple[str, ...]
Scrape = dict[int, float]
"""Values by position in the instance's keys."""
SUMMARISED: Final = frozenset({Signal.GENERATION_TOKENS, Signal.GAP})
"""What is asked for of the time before."""


class Up(NamedTuple):
    """The labels that the server puts on what it scrapes of a target, and whether it could the last time; None if it does not say."""

    labels: dict[str, str]
    value: float | None
    time_s: float = 0.0


NOT_SAID: Final = Up({}, None)


class Instance:
    """One scraped page, seen through the server."""

    def __init__(self, name: str, limits: Limits, asked_every_s: float) -> None:
        self.name = name
        self._limits = limits
        self._asked_every_s = asked_every_s
        self.backend = ""
        self.up = NOT_SAID
        self.fault = ""
        """Why its page is not understood."""
        self.limit = ""
        """Which one it is over."""
        self.last_s = 0.0
        """Server's time of the newest scrape that was passed on."""
        self._keys: list[SampleKey] = []
        self._index: dict[SampleKey, int] = {}
        self._scrapes: dict[float, Scrape] = {}
        self._partial_s = 0.0
        self._interval_s: float | None = None
        self._positions: tuple[int, ...] | None = None
        self._mapping: Mapping | None = None
        self._told_series: object = None
        self._told_workers: object = None

    def position(self, key: SampleKey) -> int:
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = len(self._keys)
            self._keys.append(key)
        return found

    def add(self, time_s: float, position: int, value: float) -> None:
        if time_s > self.last_s:
            self._scrapes.setdefault(time_s, {})[position] = value

    def said_by(self, signal: Signal) -> set[str]:
        """Names of the counters and buckets by which its page tells the signal."""
        series = () if self._mapping is None else self._mapping.series
        return {one.metric for one in series if one.signal is signal and one.kind in (Kind.COUNTER, Kind.BUCKET)}

    def past(self, scrapes: dict[float, Scrape], clock: ServerClock) -> Past | None:
        """What earlier scrapes of some of its series say of SUMMARISED signals; values by position as in `position`. None if nothing."""
        positions = sorted({position for scrape in scrapes.values() for position in scrape})
        if not self.backend or not positions:
            return None
        mapping = registry.named(self.backend).map([self._keys[one] for one in positions], self.name)
        kept = [at for at, one in enumerate(mapping.series) if one.signal in SUMMARISED and one.kind is not Kind.SUM]
        rows = []
        for time_s in sorted(scrapes):
            found = scrapes[time_s]
            values = mapping.apply(np.array([found.get(one, np.nan) for one in positions], np.float64)).tolist()
            rows.append(Earlier(clock.session_ns(time_s), tuple(values[at] for at in kept)))
        return Past(tuple(mapping.series[at] for at in kept), tuple(rows)) if kept else None

    def forget_keys(self) -> None:
        """Positions are given out anew; what is known of the worker stays."""
        self._keys, self._index, self._positions = [], {}, None

    def silent(self, server_s: float) -> bool:
        """Whether several scrapes are missing."""
        allowed_s = SILENT_S if self._interval_s is None else max(SILENT_INTERVALS * self._interval_s, 15.0)
        return server_s - self.last_s > allowed_s

    def parts(self, clock: ServerClock, now_ns: int) -> list[Part]:
        """Every new scrape, oldest first, as a page's own samples. The newest one waits for the next time if not all of it has come yet."""
        scrapes, self._scrapes = self._scrapes, {}
        parts: list[Part] = []
        if not scrapes:
            return parts
        newest_s = max(scrapes)
        known = set(self._positions or ()).union(*scrapes.values())
        if len(scrapes[newest_s]) < len(known) and self._partial_s != newest_s:
            # The answers to several questions: the server may have scraped between two of them.
            self._partial_s = newest_s
            del scrapes[newest_s]
        for time_s in sorted(scrapes):
            if self.last_s:
                apart_s = time_s - self.last_s
                self._interval_s = apart_s if self._interval_s is None else min(self._interval_s, apart_s)
            self.last_s = time_s
            self._understand(scrapes[time_s], parts)
            if self._mapping is not None:
                row = scrapes[time_s]
                values = self._mapping.apply(np.array([row[one] for one in self._positions or ()], np.float64))
                values.setflags(write=False)
                parts.append(Samples(values, min(clock.session_ns(time_s), now_ns)))
        return parts

    def _understand(self, scrape: Scrape, parts: list[Part]) -> None:
        """The meaning of a scrape, told again where it differs from the last one's."""
        positions = tuple(sorted(scrape))
        if positions == self._positions:
            return
        self._positions, self._mapping = positions, None
        keys = [self._keys[one] for one in positions]
        try:
            backend = registry.recognise({name for key in keys for name in (key.family, key.name)})
            mapping = bounded(backend.map(keys, self.name), self._limits)
        except (UnknownBackendError, MappingError) as error:
            self.fault, self.limit = str(error), error.limit if isinstance(error, MappingError) else ""
            return
        self._mapping, self.backend, self.fault, self.limit = mapping, backend.name, "", ""
        if (mapping.emulated, mapping.workers, mapping.devices) != self._told_workers:
            self._told_workers = (mapping.emulated, mapping.workers, mapping.devices)
            parts.append(inventory_of(mapping))
        if mapping.series != self._told_series:
            self._told_series = mapping.series
            parts.append(Layout(mapping.series, every_s=self._asked_every_s))


class _Native(NamedTuple):
    """What the samples of a native histogram become."""

    name: str
    labels: tuple[tuple[str, str], ...]
    bounds: NativeBounds


Times = dict[Instance, dict[float, float]]
"""The time of a scrape by the step at which it was the newest."""


class Instances:
    """All that the server speaks of. Instances are kept once they were seen, so that their going is seen too."""

    def __init__(self, limits: Limits = DEFAULT, asked_every_s: float = 0.0) -> None:
        """The server is asked every `asked_every_s`, whatever it scrapes more often."""
        self._limits = limits
        self._asked_every_s = asked_every_s
        self.all: dict[Identity, Instance] = {}
        self.left_out = 0
        """Series that were too many, of the last answers."""
        self.names: Collection[str] = frozenset()
        """Of all metrics that are asked for."""
        self._counters: Collection[str] = frozenset()
        self._taken: set[str] = set()
        self._up: dict[Identity, Up] = {}
        self._places: dict[bytes, tuple[Instance, int | _Native]] = {}
        self._shared: dict[SampleKey, SampleKey] = {}
        """Most instances have the same keys."""
        self._seen = 0

    @property
    def series_known(self) -> int:
        return len(self._places)

    def asked(self, names: Collection[str], counters: Collection[str]) -> None:
        """From now on for metrics of these names; `counters` of them are known to be such, whatever they are called."""
        if counters != self._counters:
            self._forget()
        self.names, self._counters = names, counters

    def take(self, answer: Iterable[PromSeries], *, known: bool = False) -> None:
        """`known`: only of instances of which something else was taken before. Raises PromApiError."""
        for series in answer:
            self._seen += 1
            place = self._places.get(series.labels)
            if place is None and (not known or _identity(labels_of(series)) in self.all):
                place = self._placed(series)
            if place is None:
                continue
            instance, where = place
            if isinstance(where, int):
                for time_s, value in series.samples:
                    instance.add(time_s, where, value)
                continue
            for time_s, native in series.histograms:
                for suffix, le, value in where.bounds.classic(native):
                    labels = (*where.labels, ("le", le)) if le else where.labels
                    key = SampleKey(where.name + suffix, labels, where.name, "histogram")
                    instance.add(time_s, instance.position(key), value)

    def take_up(self, answer: Iterable[PromSeries]) -> None:
        """What the server says of its own scraping; to be taken before what it scraped. Raises PromApiError."""
        for series in answer:
            labels = labels_of(series)
            labels.pop("__name__", "")
            identity = _identity(labels)
            if not series.samples or (identity not in self._up and len(self._up) >= MAX_TARGETS):
                continue
            self._up[identity] = up = Up(labels, series.samples[-1][1], series.samples[-1][0])
            instance = self.all.get(identity)
            if instance is not None:
                if labels != instance.up.labels:
                    self._forget()
                instance.up = up

    def take_past(self, answer: Iterable[PromSeries], times: Times) -> dict[Instance, dict[float, Scrape]]:
        """Values of earlier steps by the times at which they were scraped; where that time is not known they are left out. Raises PromApiError."""
        found: dict[Instance, dict[float, Scrape]] = {}
        for series in answer:
            place = self._places.get(series.labels)
            if place is None and _identity(labels_of(series)) in self.all:
                place = self._placed(series)
            if place is None or (scraped := times.get(place[0])) is None:
                continue  # what has gone since is no target
            instance, where = place
            rows = found.setdefault(instance, {})
            if isinstance(where, int):
                for step_s, value in series.samples:
                    if step_s in scraped:
                        rows.setdefault(scraped[step_s], {})[where] = value
                continue
            bounds = NativeBounds()
            for (
                _,
                native,
            ) in series.histograms:  # all bounds first: a count at one that is not there yet would not be known
                bounds.classic(native)
            for step_s, native in series.histograms:
                if step_s not in scraped:
                    continue
                for suffix, le, value in bounds.classic(native):
                    labels = (*where.labels, ("le", le)) if le else where.labels
                    key = SampleKey(where.name + suffix, labels, where.name, "histogram")
                    rows.setdefault(scraped[step_s], {})[instance.position(key)] = value
        return found

    def times(self, answers: Iterable[Iterable[PromSeries]]) -> Times:
        """When each instance was scraped, by step, from answers to `scraped_at`. Raises PromApiError."""
        found: Times = {}
        for series in (one for answer in answers for one in answer):
            instance = self.all.get(_identity(labels_of(series)))
            if instance is not None:
                found.setdefault(instance, {}).update(series.samples)
        return found

    @property
    def unscraped(self) -> int:
        """Targets of the same jobs that are down and of which nothing else was ever seen."""
        return sum(up.value == 0.0 and identity not in self.all for identity, up in self._up.items())

    def settle(self, server_s: float) -> None:
        """All answers of this time are in: memory is given back where series and targets have gone."""
        self._up = {identity: up for identity, up in self._up.items() if server_s - up.time_s <= SILENT_S}
        if len(self._places) > 2 * self._seen + SPARE_SERIES:
            self._forget()
        self._seen = self.left_out = 0

    def _forget(self) -> None:
        self._places.clear()
        self._shared.clear()
        for instance in self.all.values():
            instance.forget_keys()

    def _placed(self, series: PromSeries) -> tuple[Instance, int | _Native] | None:
        labels = labels_of(series)
        name = safe_text(labels.pop("__name__", ""))
        identity = _identity(labels)
        instance = self.all.get(identity)
        if len(self._places) >= MAX_SERIES or (instance is None and len(self.all) >= MAX_INSTANCES):
            self.left_out += 1
            return None
        if instance is None:
            instance = self.all[identity] = Instance(self._unique(identity), self._limits, self._asked_every_s)
            instance.up = self._up.get(identity, NOT_SAID)
        own = _of_page(labels, instance.up.labels)
        where: int | _Native = _Native(name, own, NativeBounds())
        if not series.histograms:
            key = SampleKey(name, own, *family_of(name, self.names, self._counters))
            where = instance.position(self._shared.setdefault(key, key))
        place = self._places[series.labels] = instance, where
        return place

    def _unique(self, identity: Identity) -> str:
        job, shown = safe_text(identity[0]), safe_text(identity[1])
        first = shown or job or "no instance"
        names = (first, f"{job}/{first}", "/".join(safe_text(one) for one in identity if one))
        name = next((one for one in names if one not in self._taken), f"{first}#{len(self._taken)}")
        self._taken.add(name)
        return name


def _identity(labels: dict[str, str]) -> Identity:
    found = [labels.get(name, "") for name in IDENTITY]
    found[1] = found[1] or labels.get("pod", "")
    return tuple(found)


def _of_page(labels: dict[str, str], target: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The labels that stood on the page: without the target's, which had its own renamed where they had the same name.

    See `honor_labels` in prometheus/prometheus `docs/configuration/configuration.md`.
    """
    put_on = {name: labels[name] for name in IDENTITY if name in labels} | target
    own = {name: value for name, value in labels.items() if put_on.get(name) != value}
    for name in put_on:
        if f"exported_{name}" in own:
            own[name] = own.pop(f"exported_{name}")
    return tuple(sorted((safe_text(name), safe_text(value)) for name, value in own.items()))
