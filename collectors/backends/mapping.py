"""From the samples of a page to canonical signals: what a back end's `map` makes, and what it makes it with.

A mapping is worked out once for a page's layout; from then on a scrape is one `apply`. Which name means what is the back ends' matter.
"""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from collections.abc import Mapping as Table
from enum import Enum
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from collectors.backends.reach import Reach
from collectors.model.signals import DeviceFacts, Kind, Series, Signal, WorkerFacts
from collectors.model.vocabulary import Role, Tier
from collectors.wire.exposition import SampleKey
from collectors.wire.limits import Limits

Floats = npt.NDArray[np.float64]
Indexes = npt.NDArray[np.intp]

_HISTOGRAM_PARTS: Final = {"_bucket": Kind.BUCKET, "_sum": Kind.SUM, "_count": Kind.COUNT}
_SCALARS: Final = {"gauge": Kind.GAUGE, "counter": Kind.COUNTER}


class MappingError(ValueError):
    """A page of a known back end that contradicts itself or is over a limit; the message is short and safe to show. `limit`: which one it is over."""

    def __init__(self, reason: str, limit: str = "") -> None:
        super().__init__(reason)
        self.limit = limit


class Op(Enum):
    """What makes one figure of two that the page has; without a quotient (0/0, x/0) there is none: NaN."""

    PLUS = np.add
    TIMES = np.multiply
    OVER = np.divide


class Derived(msgspec.Struct, frozen=True, eq=False):
    """Figures of one operation: `left` and `right` index the page's values."""

    op: Op
    left: Indexes
    right: Indexes
    scale: Floats


class Mapping(msgspec.Struct, frozen=True, eq=False):
    """What the values of one layout mean. `series` are first those taken from the page (`take` indexes its values), then the `constants`,
    then those of each of `derived`."""

    workers: tuple[WorkerFacts, ...]
    series: tuple[Series, ...]
    take: Indexes
    constants: Floats
    """Values that stand in labels."""
    emulated: bool = False
    offers_placement: bool = False
    """The host that has this page has a placement stream too."""
    scale: Floats | None = None
    """By what each value that is taken is multiplied, to be in seconds, bytes, joules; None where all are already."""
    derived: tuple[Derived, ...] = ()
    devices: tuple[DeviceFacts, ...] = ()
    """Whose figures the page has beside or instead of workers'."""
    no_data: Floats | None = None
    """What the page writes for no data, by place: such values, and larger ones, become NaN."""

    def apply(self, values: Floats) -> Floats:
        """A value for each of `series`, from the values of a page of this layout."""
        if self.no_data is not None:
            values = np.where(values >= self.no_data, math.nan, values)
        taken = values[self.take]
        if self.scale is None and not self.derived:
            return np.concatenate((taken, self.constants)) if self.constants.size else taken
        with np.errstate(all="ignore"):
            if self.scale is not None:
                taken *= self.scale
            made = [one.op.value(values[one.left], values[one.right]) * one.scale for one in self.derived]
            for one in made:
                one[np.isinf(one)] = math.nan
        return np.concatenate((taken, self.constants, *made))


def bounded(mapping: Mapping, limits: Limits) -> Mapping:
    """The mapping itself, if it is within the limits. Raises MappingError."""
    for count, what in ((len(mapping.workers), "workers"), (len(mapping.devices), "devices")):
        if count > limits.max_workers:
            raise MappingError(f"more than {limits.max_workers} {what} on one page", "max_workers")
    bounds: dict[tuple[str, str], set[float | None]] = {}
    for one in mapping.series:
        if one.kind is Kind.BUCKET:
            bounds.setdefault((one.worker, one.metric), set()).add(one.le)
    for (_, metric), different in bounds.items():
        if len(different) > limits.max_buckets:
            raise MappingError(f"more than {limits.max_buckets} buckets in {metric}", "max_buckets")
    return mapping


class Backend(msgspec.Struct, frozen=True):
    """The software behind a page. All three work on names and labels only; the values are another matter."""

    name: str
    detect: Callable[[Collection[str]], bool]
    """Whether a page with these families, sampled or only declared, is its page."""
    wanted: Callable[[str], bool]
    """Whether `map` may look at samples of this family."""
    map: Callable[[Sequence[SampleKey], str], Mapping]
    """`(keys, target's name)`: what the wanted samples mean. Raises MappingError."""
    reach: Reach
    """What can be made visible, and how."""
    never_seen: bool = False
    """We have its documentation or source, but no page of it: nothing here was tried on a real one."""
    side_effect: str = ""
    """What reading the page changes for its other readers; empty: nothing."""
    counts_itself: bool = True
    """A counter that comes to the page while it is being read began at zero: many servers have a counter only from the first thing on that it
    counts. Not so where devices or hosts count, perhaps since long before."""


class Rule(NamedTuple):
    """What samples of one name mean; `kind` holds where the page does not say the type. Values and bounds are multiplied by `scale`."""

    signal: Signal
    kind: Kind
    tier: Tier | None = None
    scale: float = 1.0
    to: Tier | None = None
    label: str = ""
    estimate: str = ""


def rules(scalars: Table[str, Rule], histograms: Table[str, Signal], scale: float = 1.0) -> dict[str, Rule]:
    """By sample name: `scalars` as they are, and the three parts of each histogram, whose observations are multiplied by `scale`."""
    parts: dict[str, Rule] = {}
    for name, signal in histograms.items():
        parts |= histogram(name, Rule(signal, Kind.BUCKET, scale=scale))
    return {**scalars, **parts}


def histogram(name: str, rule: Rule) -> dict[str, Rule]:
    """By sample name: the three parts of a histogram that is what `rule` says, whatever its `kind`."""
    return {f"{name}{suffix}": rule._replace(kind=kind) for suffix, kind in _HISTOGRAM_PARTS.items()}


def families(names: Iterable[str]) -> frozenset[str]:
    """Every family that samples of these names may belong to, however the page declares it."""
    suffixes = (*_HISTOGRAM_PARTS, "_total", "_info")
    return frozenset(name.removesuffix(suffix) for name in names for suffix in ("", *suffixes))


def outdated(keys: Iterable[SampleKey], replaced: Table[str, str]) -> frozenset[str]:
    """Sample names to be passed over: those in `replaced` of which the page has what replaced them, and their histograms' parts."""
    present = families(key.name for key in keys)
    names = [name for name, newer in replaced.items() if newer in present]
    return frozenset(f"{name}{suffix}" for name in names for suffix in ("", *_HISTOGRAM_PARTS))


def kind_of(key: SampleKey, rule: Rule) -> Kind | None:
    """The kind that the page declares; None if samples of that type cannot mean what the rule says."""
    if rule.kind in _SCALARS.values():
        if rule.kind is Kind.COUNTER and key.name != key.family and key.name.endswith(("_sum", "_count")):
            return rule.kind  # a histogram's or summary's own total
        return rule.kind if key.type == "untyped" else _SCALARS.get(key.type)
    if key.type == "summary":  # its quantiles cannot be added, the rest can
        return None if rule.kind is Kind.BUCKET else rule.kind
    return rule.kind if key.type in ("histogram", "untyped") else None


def bound(key: SampleKey, labels: Table[str, str]) -> float:
    """Upper bound of a bucket. Raises MappingError."""
    text = labels.get("le", "")
    try:
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise MappingError(f"bucket of {key.name} without a bound: le={text!r}")
    return value


def whole(text: str) -> int:
    """A positive whole number as a label spells it; 0 for anything else, such as the `None` of what is not known yet."""
    digits = text.removesuffix(".0")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 18 else 0


def _rounded(value: float) -> float:
    """Without what a change of unit adds behind the digits that were meant."""
    return float(f"{value:.12g}")


class Draft:
    """A mapping in the making."""

    def __init__(self) -> None:
        self._workers: dict[str, WorkerFacts] = {}
        self._taken: list[Series] = []
        self._take: list[int] = []
        self._scale: list[float] = []
        self._derived: dict[Op, list[tuple[int, int, float, Series]]] = {}
        self._constant: list[Series] = []
        self._constants: list[float] = []
        self._devices: dict[str, DeviceFacts] = {}
        self._ids: dict[str, str] = {}

    def worker(self, facts: WorkerFacts) -> None:
        """A worker that the page speaks of. What was said of it first holds, but what was not said may come later."""
        known = self._workers.setdefault(facts.id, facts)
        if (facts.model and not known.model) or (facts.role is not known.role is Role.UNKNOWN):
            role = facts.role if known.role is Role.UNKNOWN else known.role
            self._workers[facts.id] = msgspec.structs.replace(known, model=known.model or facts.model, role=role)

    def device(self, facts: DeviceFacts) -> None:
        """A device that the page speaks of. What was said of it first holds, but its users add up."""
        known = self._devices.setdefault(facts.key, facts)
        if new := tuple(pod for pod in facts.pods if pod not in known.pods):
            self._devices[facts.key] = msgspec.structs.replace(known, pods=(*known.pods, *new))

    def take(
        self,
        index: int,
        key: SampleKey,
        labels: Table[str, str],
        rule: Rule,
        *,
        worker: str,
        tier: Tier | None = None,
        owner: str = "",
        label: str = "",
        metric: str = "",
    ) -> None:
        """The page's value at `index` is what `rule` says. Left out if its declared type contradicts that.

        `metric` where it is not the sample's own name: what is said under one name is added up.
        """
        kind = kind_of(key, rule)
        if kind is None:
            return
        le = None
        if kind is Kind.BUCKET:
            le = bound(key, labels) if rule.scale == 1.0 else _rounded(bound(key, labels) * rule.scale)
        self._take.append(index)
        self._scale.append(1.0 if kind in (Kind.BUCKET, Kind.COUNT) else rule.scale)
        self._taken.append(
            Series(
                signal=rule.signal,
                kind=kind,
                worker=self._ids.setdefault(worker, worker),
                metric=metric or key.name,
                tier=tier or rule.tier,
                le=le,
                owner=owner,
                to=rule.to,
                label=label or rule.label,
                estimate=rule.estimate,
            )
        )

    def derive(self, op: Op, left: int, right: int, series: Series, scale: float = 1.0) -> None:
        """`left op right`, times `scale`, of the page's values at these indexes. `series.metric` tells the formula."""
        self._derived.setdefault(op, []).append((left, right, scale, series))

    def difference(self, left: int, right: int, series: Series) -> None:
        """The counter of `series` grows as those of the page at these indexes grow apart. `series.metric` tells the formula."""
        self._take += [left, right]
        self._scale += [1.0, 1.0]
        self._taken += [series, msgspec.structs.replace(series, less=True)]

    def said(self) -> dict[str, dict[Signal, str]]:
        """What has been taken from the page so far, by worker: the signals, and under which name each was said first."""
        found: dict[str, dict[Signal, str]] = {}
        for one in self._taken:
            found.setdefault(one.worker, {}).setdefault(one.signal, one.metric)
        return found

    def constant(self, value: float, series: Series) -> None:
        self._constants.append(value)
        self._constant.append(series)

    def mapping(
        self, *, emulated: bool = False, offers_placement: bool = False, no_data: Floats | None = None
    ) -> Mapping:
        made = [series for rows in self._derived.values() for *_, series in rows]
        scaled = any(scale != 1.0 for scale in self._scale)
        return Mapping(
            workers=tuple(self._workers.values()),
            series=(*self._taken, *self._constant, *made),
            take=np.array(self._take, np.intp),
            constants=np.array(self._constants, np.float64),
            emulated=emulated,
            offers_placement=offers_placement,
            scale=np.array(self._scale, np.float64) if scaled else None,
            derived=tuple(
                Derived(
                    op,
                    np.array([left for left, *_ in rows], np.intp),
                    np.array([right for _, right, *_ in rows], np.intp),
                    np.array([scale for *_, scale, _ in rows], np.float64),
                )
                for op, rows in self._derived.items()
            ),
            devices=tuple(self._devices.values()),
            no_data=no_data,
        )
