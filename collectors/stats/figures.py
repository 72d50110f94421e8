"""Statistics as the frame's figures: the one place where a number gets its state, its provenance and its number of samples.

Not here: computing any of them.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from collectors.model.figure import Distribution, Figure, Quantile
from collectors.model.vocabulary import Provenance, State
from collectors.stats.quantiles import enough, interpolated_of, interval_of
from collectors.stats.scraped import Histogram, Increase, Reading
from collectors.stats.sketch import Estimate

Row = TypeVar("Row", bound=msgspec.Struct)
QUANTILES: Final = (0.5, 0.99, 0.999)
"""Those of a `Distribution`, in its order."""


def absent(*, emulated: bool, state: State = State.ABSENT, heard_ns: int | None = None) -> Figure:
    """Nothing is known, for the reason that `state` says."""
    return Figure(None, state, None, emulated, heard_ns)


def figure(
    value: float | int | None,
    provenance: Provenance,
    *,
    emulated: bool,
    heard_ns: int | None = None,
    n: int | msgspec.UnsetType = msgspec.UNSET,
    unit: str | msgspec.UnsetType = msgspec.UNSET,
) -> Figure:
    """A current value; None is absent, and what is not a finite number is `nan`."""
    if value is None:
        return Figure(None, State.ABSENT, None, emulated, heard_ns, n, unit)
    if not math.isfinite(value):
        return Figure(None, State.NAN, provenance, emulated, heard_ns, n, unit)
    return Figure(value, State.ZERO if value == 0 else State.OK, provenance, emulated, heard_ns, n, unit)


def counted(made: Figure, uncounted: int) -> Figure:
    """A figure of tokens beside which there were `uncounted` deliveries of nobody knows how many: a lower bound, or, with nothing counted, not known."""
    if not uncounted or made.value is None:
        return made
    if not made.value:
        return absent(emulated=made.emulated, heard_ns=made.heard_ns)
    return msgspec.structs.replace(made, at_least=True)


def reading(gauge: Reading, *, emulated: bool) -> Figure:
    """A gauge as the back end reported it."""
    provenance = None if gauge.state is State.ABSENT else Provenance.REPORTED
    return Figure(gauge.value, gauge.state, provenance, emulated, gauge.heard_ns, metric=gauge.metric or msgspec.UNSET)


def increase(grown: Increase, *, emulated: bool) -> Figure:
    """How much a counter grew in the window."""
    provenance = None if grown.value is None else Provenance.REPORTED
    return Figure(grown.value, grown.state, provenance, emulated, grown.heard_ns, metric=grown.metric or msgspec.UNSET)


def ratio(part: Figure, whole: Figure) -> Figure:
    """`part` ÷ `whole`; nothing of nothing is not there yet, and what is unknown of either is unknown of it."""
    for one in (part, whole):
        if one.value is None:
            return msgspec.structs.replace(one, provenance=None, n=msgspec.UNSET, unit=msgspec.UNSET)
    assert part.value is not None
    emulated = part.emulated or whole.emulated
    heard_ns = part.heard_ns
    if heard_ns is None or (whole.heard_ns is not None and whole.heard_ns < heard_ns):
        heard_ns = whole.heard_ns
    if not whole.value:
        return absent(emulated=emulated, state=State.UNSAMPLED, heard_ns=heard_ns)
    made = figure(part.value / whole.value, Provenance.DERIVED, emulated=emulated, heard_ns=heard_ns)
    stale, metric = State.STALE in (part.state, whole.state), _formula(" ÷ ", part.metric, whole.metric)
    if stale or metric is not msgspec.UNSET:
        made = msgspec.structs.replace(made, metric=metric, state=State.STALE if stale else made.state)
    return made


def total(parts: Sequence[Figure], *, emulated: bool) -> Figure:
    """The sum of parts that are all known; without any, or where one is unknown, as unknown as that is."""
    if not parts:
        return absent(emulated=emulated)
    known = [one.value for one in parts if one.value is not None]
    if len(known) < len(parts):
        return next(one for one in parts if one.value is None)
    if len(parts) == 1:
        return parts[0]
    heard_ns = min([one.heard_ns for one in parts if one.heard_ns is not None], default=None)
    emulated = True in [one.emulated for one in parts]
    made = figure(sum(known), Provenance.DERIVED, emulated=emulated, heard_ns=heard_ns)
    made = msgspec.structs.replace(made, metric=_formula(" + ", *dict.fromkeys([one.metric for one in parts])))
    stale = State.STALE in [one.state for one in parts]
    return msgspec.structs.replace(made, state=State.STALE) if stale else made


@lru_cache(1024)
def _formula(operator: str, *metrics: str | msgspec.UnsetType) -> str | msgspec.UnsetType:
    """What was read, joined by what was done with it; unset where any of it was not read."""
    names = [name for name in metrics if isinstance(name, str)]
    return operator.join(dict.fromkeys(names)) if len(names) == len(metrics) else msgspec.UNSET


def about(one: Row, formula: str) -> Row:
    """The same figure or quantile, told to be only about right."""
    return msgspec.structs.replace(one, estimate=True, formula=formula)


def estimated(it: Distribution, formula: str) -> Distribution:
    """The same, told to be only about right."""
    p50, p99, p999 = (about(one, formula) for one in (it.p50, it.p99, it.p999))
    return msgspec.structs.replace(it, p50=p50, p99=p99, p999=p999)


def outdated(row: Row) -> Row:
    """The same, with every value in it stale: of a source that is not heard any more."""
    changed: dict[str, object] = {}
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if isinstance(value, msgspec.Struct):
            changed[name] = outdated(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
            changed[name] = tuple(map(outdated, value))
    if isinstance(row, Figure) and row.value is not None:
        changed["state"] = State.STALE
    return msgspec.structs.replace(row, **changed) if changed else row


def rate(grown: Increase, *, emulated: bool) -> Figure:
    """Growth per second, over the samples' own times."""
    metric = grown.metric or msgspec.UNSET
    if grown.value is None or not grown.seconds:
        return Figure(None, grown.state, None, emulated, grown.heard_ns, metric=metric)
    per_s = grown.value / grown.seconds
    return Figure(per_s, grown.state, Provenance.DERIVED, emulated, grown.heard_ns, metric=metric)


def histogram(window: Histogram, *, population: str, emulated: bool, unit: str = "s") -> Distribution:
    """Quantiles of reported buckets, of a quantity that is never negative. Buckets do not tell the maximum."""
    found, metric = window.buckets, window.metric or msgspec.UNSET
    if found is None:
        return no_distribution(
            population=population,
            emulated=emulated,
            unit=unit,
            state=window.state,
            heard_ns=window.heard_ns,
            metric=metric,
        )
    made = []
    n, bounds, cumulative = found.n, found.bounds.tolist(), found.cumulative.tolist()
    for q in QUANTILES:
        held = interval_of(q, bounds, cumulative) if enough(n, q) else None
        hint = math.nan if held is None else interpolated_of(q, bounds, cumulative)
        made.append(
            _quantile(
                n,
                q,
                None if held is None else Estimate(hint, max(held.low, 0.0), max(held.high, 0.0)),
                Provenance.REPORTED,
                emulated,
                window.heard_ns,
                window.state is State.STALE,
                metric,
            )
        )
    p50, p99, p999 = made
    return Distribution(n, unit, population, p50, p99, p999, absent(emulated=emulated, heard_ns=window.heard_ns))


def distribution(
    n: int,
    estimates: Sequence[tuple[float, float, float]],
    longest: float | None,
    *,
    population: str,
    provenance: Provenance,
    emulated: bool,
    heard_ns: int | None = None,
    unit: str = "s",
) -> Distribution:
    """Quantiles of our own sketch: `estimates` (value, low, high) are of `QUANTILES`, in order (empty when n is 0); `longest` is the exact maximum."""
    p50, p99, p999 = [
        _quantile(n, q, estimates[i] if n else None, provenance, emulated, heard_ns, False)
        for i, q in enumerate(QUANTILES)
    ]
    longest_figure = figure(longest if n else None, provenance, emulated=emulated, heard_ns=heard_ns)
    return Distribution(n, unit, population, p50, p99, p999, longest_figure)


def no_distribution(
    *,
    population: str,
    emulated: bool,
    unit: str = "s",
    state: State = State.ABSENT,
    heard_ns: int | None = None,
    metric: str | msgspec.UnsetType = msgspec.UNSET,
) -> Distribution:
    """Nothing is known of any quantile, for the reason that `state` says."""
    unknown = Quantile(None, state, None, emulated, heard_ns, 0, metric=metric)
    return Distribution(0, unit, population, unknown, unknown, unknown, absent(emulated=emulated, heard_ns=heard_ns))


def spread(high: Quantile, low: Quantile) -> Quantile:
    """`high` − `low`, two quantiles of one distribution, with what both bounds leave open; unknown as the less known of the two is."""
    for one in (high, low):
        if one.low is None:
            return msgspec.structs.replace(one, value=None, provenance=None, high=None)
    if low.high is None or high.low is None or low.low is None:
        # Both ranks lie above every bound: the difference may be anything.
        return msgspec.structs.replace(high, value=None, low=0.0, high=None)
    least = max(high.low - low.high, 0.0)
    if high.high is None:
        return msgspec.structs.replace(high, value=None, provenance=Provenance.DERIVED, low=least)
    most = max(high.high - low.low, 0.0)
    value = None if high.value is None or low.value is None else max(float(high.value) - float(low.value), 0.0)
    state = high.state
    if value is not None and State.STALE not in (high.state, low.state):
        state = State.ZERO if value == 0 else State.OK
    return msgspec.structs.replace(high, value=value, state=state, provenance=Provenance.DERIVED, low=least, high=most)


def _quantile(
    n: int,
    q: float,
    known: tuple[float, float, float] | None,
    provenance: Provenance,
    emulated: bool,
    heard_ns: int | None,
    stale: bool,
    metric: str | msgspec.UnsetType = msgspec.UNSET,
) -> Quantile:
    if known is None or not enough(n, q):
        return Quantile(None, State.TOO_FEW, provenance, emulated, heard_ns, n, metric=metric)
    value, low, high = known
    if not math.isfinite(high):
        return Quantile(None, State.OVER_RANGE, provenance, emulated, heard_ns, n, metric=metric, low=low)
    value = min(max(value, low), high)
    state = State.STALE if stale else State.ZERO if value == 0 else State.OK
    return Quantile(value, state, provenance, emulated, heard_ns, n, metric=metric, low=low, high=high)
