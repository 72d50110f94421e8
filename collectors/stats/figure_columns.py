"""Columns of statistics as figures, those of all rows at once: the same as `figures` makes of one, for fleets of hundreds."""

from itertools import repeat
from typing import Any

import msgspec
import numpy as np

from collectors.model.figure import Distribution, Figure, Quantile
from collectors.model.vocabulary import Provenance, State
from collectors.stats.figures import QUANTILES
from collectors.stats.histograms import Quantiles
from collectors.stats.quantiles import ROUNDING
from collectors.stats.sketch import Floats, Index, Ints

_OK, _ZERO = State.OK, State.ZERO
"""Asked for once: looking a member of an enumeration up takes as long as all else that is done for a figure."""


def figures(
    values: Ints | Floats,
    provenance: Provenance,
    *,
    emulated: bool,
    heard_ns: int | None,
    n: Ints | None = None,
) -> list[Figure]:
    """Current values, shape (rows,), all of them finite; `n` are their samples, shape (rows,)."""
    told = values.tolist()
    states = [_OK if value else _ZERO for value in told]
    samples = repeat(msgspec.UNSET) if n is None else n.tolist()
    return list(map(Figure, told, states, repeat(provenance), repeat(emulated), repeat(heard_ns), samples))


def distributions(
    columns: Quantiles, nothing: Distribution, provenance: Provenance, *, heard_ns: int | None
) -> list[Distribution]:
    """Of each row in seconds, as `figures.distribution` tells one; `nothing` is what is told of a row without samples."""
    emulated, n, empty = nothing.max.emulated, columns.n.tolist(), columns.n == 0
    quantiles = [_quantiles(columns, at, provenance, emulated, heard_ns) for at in range(len(QUANTILES))]
    longest = figures(np.where(empty, 0.0, columns.longest), provenance, emulated=emulated, heard_ns=heard_ns)
    made = list(map(Distribution, n, repeat(nothing.unit), repeat(nothing.population), *quantiles, longest))
    for row in empty.nonzero()[0].tolist():
        made[row] = nothing
    return made


def _quantiles(
    columns: Quantiles, at: int, provenance: Provenance, emulated: bool, heard_ns: int | None
) -> list[Quantile]:
    """One of QUANTILES of each row: not told where there are too few samples, only its lower bound where it is over range."""
    low, high = columns.low[:, at], columns.high[:, at]
    few = columns.n * (1.0 - QUANTILES[at]) < 1.0 - ROUNDING
    over = ~few & ~np.isfinite(high)
    value = np.minimum(np.maximum(columns.value[:, at], low), high)
    states: list[Any] = [_OK if one else _ZERO for one in value.tolist()]
    for rows, state in ((few.nonzero()[0], State.TOO_FEW), (over.nonzero()[0], State.OVER_RANGE)):
        for row in rows.tolist():
            states[row] = state
    unknown = (few | over).nonzero()[0]
    told = zip(
        _without(value, unknown),
        states,
        columns.n.tolist(),
        _without(low, few.nonzero()[0]),
        _without(high, unknown),
        strict=True,
    )
    return [
        Quantile(one, state, provenance, emulated, heard_ns, n, low=least, high=most)
        for one, state, n, least, most in told
    ]


def _without(values: Floats, rows: Index) -> list[Any]:
    """Plain numbers, None in some of the rows."""
    told: list[Any] = values.tolist()
    for row in rows.tolist():
        told[row] = None
    return told
