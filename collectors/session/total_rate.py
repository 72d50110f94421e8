"""Output tokens a second of the whole fleet: of the workers of which it is known now, and of how many there are. Pure."""

from collections.abc import Iterable

import msgspec

from collectors.model.figure import Figure
from collectors.model.frame import WorkerRow
from collectors.model.vocabulary import Provenance, State
from collectors.session.fleet import Worker
from collectors.stats.figures import absent, figure

_NOW = (State.OK, State.ZERO)


def total_rate(workers: Iterable[tuple[Worker, WorkerRow]]) -> tuple[Figure, int]:
    """The sum, with `n` workers in it, and how many there are that make output tokens; of the routers before them where no worker says.

    What is stale, or of a target that does not answer, is no part of it; a sum of nothing else is stale as a whole. Workers of targets that have gone
    are none.
    """
    there = [
        (worker, row.tokens_per_s) for worker, row in workers if not worker.teller.gone and not worker.teller.twice
    ]
    groups = [one for one in there if one[0].makes_output], [one for one in there if not one[0].runs_tokens]
    for group in groups:
        if known := [rate for worker, rate in group if rate.state in _NOW and worker.teller.connected]:
            return _sum(known), len(group)
    for group in groups:
        if told := [rate for _, rate in group if rate.value is not None]:
            return msgspec.structs.replace(_sum(told), state=State.STALE), len(group)
    return absent(emulated=any(rate.emulated for _, rate in there)), len(groups[0] or groups[1])


def _sum(rates: list[Figure]) -> Figure:
    made = figure(
        sum(one.value for one in rates if one.value is not None),
        Provenance.DERIVED,
        emulated=any(one.emulated for one in rates),
        heard_ns=min((one.heard_ns for one in rates if one.heard_ns is not None), default=None),
        n=len(rates),
    )
    return msgspec.structs.replace(made, at_least=True) if any(one.at_least is True for one in rates) else made
