"""A figure as a Frame tells it: a number with its state, provenance, age and samples. Part of the public object `tokenyard.snapshot/1`."""

import msgspec

from collectors.model.vocabulary import Provenance, State


class Figure(msgspec.Struct, frozen=True, gc=False):
    """A number and what is known of it. `value` is None unless `state` is ok, zero or stale. `unit` is set where the field's name does not hold.

    `heard_ns` is the session time of its newest input, and no age: so a figure stays the same object for as long as nothing new is heard.
    """

    value: float | int | None
    state: State
    provenance: Provenance | None
    emulated: bool
    heard_ns: int | None
    n: int | msgspec.UnsetType | None = msgspec.UNSET
    unit: str | msgspec.UnsetType = msgspec.UNSET
    estimate: bool | msgspec.UnsetType = msgspec.UNSET
    """True: about `value` (≈), as something that it is counted from was missed, or as it is a bound or a proxy: `formula` tells."""
    formula: str | msgspec.UnsetType = msgspec.UNSET
    at_least: bool | msgspec.UnsetType = msgspec.UNSET
    """True: a lower bound (≥): what was not counted is not in it."""
    metric: str | msgspec.UnsetType = msgspec.UNSET
    """What it was read from: the name on the page, or a formula of such names. Unset where it is worked out from single events, or nothing is known."""


class Quantile(Figure, frozen=True, kw_only=True, gc=False):
    """A quantile as the interval (low, high] that it is known to lie in; `value` is an interpolation inside it. Over range: only `low` is known."""

    low: float | None = None
    high: float | None = None


class Distribution(msgspec.Struct, frozen=True, gc=False):
    """Quantiles of `n` samples of `population` in the window, in `unit`."""

    n: int
    unit: str
    population: str
    p50: Quantile
    p99: Quantile
    p999: Quantile
    max: Figure
