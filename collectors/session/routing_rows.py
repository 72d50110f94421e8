"""What routers chose by label and by rule, and how the requests with each label did. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from collectors.model.figure import Distribution, Figure
from collectors.model.routing import MARGIN_EDGES, LabelRow, Routing, RuleRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import Provenance
from collectors.session.row_figures import POPULATION
from collectors.session.source_state import SourceState
from collectors.session.worker_rows import by_whose_clock
from collectors.stats.choices import ALONE
from collectors.stats.figures import QUANTILES, distribution, figure
from collectors.stats.outcomes import UNKNOWN, Outcome
from collectors.stats.sketch import Estimate, Ints
from collectors.stats.steps import ROWS, Steps

_LABELS: Final = Outcome._fields.index("labels")
_TTFT: Final = Outcome._fields.index("ttft_ns")
_TPOT: Final = Outcome._fields.index("tpot_ns")


def routing(sources: Iterable[SourceState]) -> Steps[Routing]:
    """Of the sources that tell of requests; those of which one tells twice count once. In steps."""
    labels: list[LabelRow] = []
    rules: list[RuleRow] = []
    for source in sources:
        if source.placed is not None and source.summary is not None and not source.twice:
            for number, row in enumerate(_labels(source), 1):
                labels.append(source.dated(row))
                if not number % ROWS:
                    yield
            yield
            rules += map(source.dated, _rules(source))
    return Routing(tuple(labels), tuple(rules))


def _labels(source: SourceState) -> Iterator[LabelRow]:
    """Labels in order of appearance, of each the workers."""
    assert source.placed is not None
    assert source.summary is not None
    decided, outcomes = source.placed.choices().labelled, source.placed.outcomes()
    order = np.argsort(outcomes.column("row"), kind="stable")
    columns = outcomes.columns[order]
    rows = outcomes.column("row")[order]
    cuts = np.flatnonzero(np.diff(rows)) + 1
    by_row = {int(part[0, 0]): part for part in np.split(columns, cuts) if len(part)}
    numbers = {name: number for number, name in enumerate(outcomes.labels)}
    cells = dict.fromkeys(decided, True)
    for row, part in by_row.items():
        mask = int(np.bitwise_or.reduce(part[:, _LABELS]))
        cells |= {(name, row): True for name, number in numbers.items() if mask >> number & 1}
    for label, row in sorted(cells, key=lambda cell: (numbers.get(cell[0], len(numbers)), cell[1])):
        name = source.summary.workers[row]
        if not name:
            continue
        ended = by_row.get(row, outcomes.columns[:0])
        if label in numbers:
            ended = ended[(ended[:, _LABELS] >> numbers[label] & 1).astype(bool)]
        yield LabelRow(
            label=label,
            worker=name,
            decided=figure(
                decided.get((label, row), 0), Provenance.REPORTED, emulated=source.emulated, heard_ns=source.heard_ns
            ),
            ttft=_times(source, ended[:, _TTFT], Signal.TTFT),
            tpot=_times(source, ended[:, _TPOT], Signal.TPOT),
        )


def _times(source: SourceState, times_ns: Ints, signal: Signal) -> Distribution:
    """Quantiles of single requests' times, by linear interpolation between them."""
    times = np.sort(times_ns[times_ns != UNKNOWN]) / 1e9
    n = len(times)
    found = []
    for q in QUANTILES if n else ():
        place = (n - 1) * q
        below = int(place)
        one = float(times[below] + (place - below) * (times[min(below + 1, n - 1)] - times[below]))
        found.append(Estimate(one, one, one))
    return distribution(
        n,
        found,
        float(times[-1]) if n else None,
        population=f"{POPULATION[signal]} that ended in the window",
        provenance=by_whose_clock([source]),
        emulated=source.emulated,
        heard_ns=source.heard_ns,
    )


def _rules(source: SourceState) -> Iterable[RuleRow]:
    assert source.placed is not None
    classes: dict[str, list[int]] = {}
    alone: dict[str, int] = {}
    for (rule, number), count in source.placed.choices().margins.items():
        of_rule = classes.setdefault(rule, [0] * (len(MARGIN_EDGES) + 1))
        if number == ALONE:
            alone[rule] = count
        else:
            of_rule[number] += count

    def counted(value: int) -> Figure:
        return figure(value, Provenance.REPORTED, emulated=source.emulated, heard_ns=source.heard_ns)

    made = []
    for rule, margins in classes.items():
        total = sum(margins) + alone.get(rule, 0)
        made.append(RuleRow(rule, counted(total), counted(margins[0]), counted(alone.get(rule, 0)), tuple(margins)))
    return sorted(made, key=lambda row: (-(row.decided.value or 0), row.rule))
