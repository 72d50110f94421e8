"""What routers chose by label and by rule, and how the requests with each label did. Pure."""

from collections.abc import Iterable

import numpy as np

from collectors.model.figure import Distribution, Figure
from collectors.model.routing import MARGIN_EDGES, LabelRow, Routing, RuleRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import Provenance
from collectors.session.source_state import SourceState
from collectors.session.worker_rows import POPULATION, by_whose_clock
from collectors.stats.choices import ALONE
from collectors.stats.figures import QUANTILES, distribution, figure
from collectors.stats.outcomes import UNKNOWN, Outcomes
from collectors.stats.sketch import Bools, Estimate


def routing(sources: Iterable[SourceState]) -> Routing:
    """Of the sources that tell of requests; those of which one tells twice count once."""
    labels: list[LabelRow] = []
    rules: list[RuleRow] = []
    for source in sources:
        if source.placed is not None and source.summary is not None and not source.twice:
            labels += map(source.dated, _labels(source))
            rules += map(source.dated, _rules(source))
    return Routing(tuple(labels), tuple(rules))


def _labels(source: SourceState) -> Iterable[LabelRow]:
    assert source.placed is not None
    assert source.summary is not None
    decided, outcomes = source.placed.choices().labelled, source.placed.outcomes()
    rows, masks = outcomes.column("row"), outcomes.column("labels")
    for number, label in enumerate(outcomes.labels):
        has = (masks >> number & 1).astype(bool)
        chosen = {row for name, row in decided if name == label}
        for row in sorted(chosen.union(np.unique(rows[has]).tolist())):
            name = source.summary.workers[row]
            if not name:
                continue
            mine = has & (rows == row)
            yield LabelRow(
                label=label,
                worker=name,
                decided=figure(
                    decided.get((label, row), 0),
                    Provenance.REPORTED,
                    emulated=source.emulated,
                    heard_ns=source.heard_ns,
                ),
                ttft=_times(source, outcomes, "ttft_ns", mine, Signal.TTFT),
                tpot=_times(source, outcomes, "tpot_ns", mine, Signal.TPOT),
            )


def _times(source: SourceState, outcomes: Outcomes, field: str, mine: Bools, signal: Signal) -> Distribution:
    """Quantiles of single requests' times, by linear interpolation between them."""
    of_all = outcomes.column(field)
    times = of_all[mine & (of_all != UNKNOWN)] / 1e9
    found = np.quantile(times, QUANTILES).tolist() if len(times) else []
    return distribution(
        len(times),
        [Estimate(one, one, one) for one in found],
        float(times.max()) if len(times) else None,
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
