"""Figures of all rows at once are those of each row, one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.figure import Distribution
from collectors.model.vocabulary import Provenance, State
from collectors.stats import figure_columns, figures
from collectors.stats.histograms import QUANTILES, Histograms, Quantiles

POPULATION = "gaps"
LENGTHS = st.lists(st.integers(0, 10**12), max_size=3)


def one_by_one(columns: Quantiles, row: int, nothing: Distribution) -> Distribution:
    n, estimates, longest = columns.told(row)
    if not n:
        return nothing
    return figures.distribution(
        n, estimates, longest, population=POPULATION, provenance=Provenance.MEASURED, emulated=True, heard_ns=7
    )


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2, 99, 100, 101, 1_000, 1_001]), LENGTHS), min_size=1, max_size=8))
def test_distributions_are_those_of_each_row(rows: list[tuple[int, list[int]]]) -> None:
    """Of none, too few for some quantiles, and enough; of zeros, and of more than the sketch can tell."""
    it = Histograms(len(rows))
    for row, (n, lengths) in enumerate(rows):
        values = np.resize(np.array([*lengths, row * 1_000], np.int64), n)
        it.add(np.zeros(n, np.int64), np.full(n, row), values)
    nothing = figures.no_distribution(population=POPULATION, emulated=True, state=State.UNSAMPLED, heard_ns=7)
    columns = it.quantiles()
    made = figure_columns.distributions(columns, nothing, Provenance.MEASURED, heard_ns=7)
    assert made == [one_by_one(columns, row, nothing) for row in range(len(rows))]
    assert {type(number) for one in made for number in (one.n, one.p50.value)} <= {int, float, type(None)}


def test_over_range_only_the_bound_is_told() -> None:
    bounds = np.full((1, len(QUANTILES)), 2.0)
    columns = Quantiles(np.array([5_000]), bounds, bounds, np.full_like(bounds, np.inf), np.array([9.0]))
    nothing = figures.no_distribution(population=POPULATION, emulated=True)
    (made,) = figure_columns.distributions(columns, nothing, Provenance.MEASURED, heard_ns=7)
    assert (made.p99.state, made.p99.value, made.p99.low, made.p99.high) == (State.OVER_RANGE, None, 2.0, None)
    assert made == one_by_one(columns, 0, nothing)


@pytest.mark.parametrize("values", [np.array([0, 1, 5]), np.array([0.0, 0.5, 3.25])])
@pytest.mark.parametrize("n", [None, np.array([4, 0, 9])])
def test_values_are_those_of_each_row(values: np.ndarray, n: np.ndarray | None) -> None:
    made = figure_columns.figures(values, Provenance.DERIVED, emulated=False, heard_ns=3, n=n)
    samples = [{}] * 3 if n is None else [{"n": one} for one in n.tolist()]
    assert made == [
        figures.figure(value, Provenance.DERIVED, emulated=False, heard_ns=3, **some)
        for value, some in zip(values.tolist(), samples, strict=True)
    ]
