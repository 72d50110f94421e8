"""Our own requests to targets, apart from all that is the fleet's."""

from collections.abc import Iterator, Mapping
from typing import Final

from collectors.model.batch import Probing
from collectors.model.figure import Distribution, Figure
from collectors.model.probes import ProbedWorker, ProbeRow
from collectors.model.vocabulary import PROBE_SKIPPED, Provenance, State
from collectors.session.fleet import workers
from collectors.session.source_state import SourceState
from collectors.stats.figures import QUANTILES, distribution, figure, no_distribution
from collectors.stats.lives import COMPLETED
from collectors.stats.sketch import Counts
from collectors.stats.summary import Summary

FIRST_TOKENS: Final = "probes with a first token"
GAPS: Final = "gaps between deliveries of probes"


def probe_rows(sources: Mapping[str, SourceState], tick_ns: int) -> tuple[ProbeRow, ...]:
    """By source; one that is gone is no longer there."""
    return tuple(
        source.dated(_row(source, source.probing, source.summary, sources.get(source.probing.of)))
        for source in sources.values()
        if source.probing is not None and source.summary is not None and not source.gone
    )


def _row(source: SourceState, probing: Probing, summary: Summary, target: SourceState | None) -> ProbeRow:
    emulated = source.emulated or (target is not None and target.emulated)
    ended = dict(summary.finished)
    skipped = ended.pop(PROBE_SKIPPED, 0)
    failures = {reason: n for reason, n in ended.items() if reason not in COMPLETED}

    def count(value: int) -> Figure:
        return figure(value, Provenance.MEASURED, emulated=emulated, heard_ns=source.heard_ns)

    return ProbeRow(
        target=probing.of,
        source=source.name,
        model=probing.model,
        path=probing.path,
        every_s=probing.every_s,
        max_tokens=probing.max_tokens,
        at_once=probing.at_once,
        window_s=summary.window_s,
        sent=count(sum(ended.values())),
        failed=count(sum(failures.values())),
        failures=failures,
        skipped=count(skipped),
        ttft=_first_tokens(summary.ttft_all, source, emulated),
        workers=tuple(_workers(source, summary, emulated)),
    )


def _first_tokens(counts: Counts, source: SourceState, emulated: bool) -> Distribution:
    if not counts.n:
        return no_distribution(
            population=FIRST_TOKENS, emulated=emulated, state=State.UNSAMPLED, heard_ns=source.heard_ns
        )
    found = [counts.quantile(q) for q in QUANTILES]
    return distribution(
        counts.n,
        [one for one in found if one is not None],
        counts.maximum_ns / 1e9,
        population=FIRST_TOKENS,
        provenance=Provenance.MEASURED,
        emulated=emulated,
        heard_ns=source.heard_ns,
    )


def _workers(source: SourceState, summary: Summary, emulated: bool) -> Iterator[ProbedWorker]:
    """Those that delivered anything in the window."""
    told = source.figures(emulated=emulated)
    assert told is not None
    ttft, gap = told.durations(summary.ttft, FIRST_TOKENS), told.durations(summary.gap, GAPS)
    for worker in workers([source]).values():
        if summary.ttft.n[worker.row] or summary.gap.n[worker.row]:
            yield ProbedWorker(worker.info.id, worker.info.named_by, ttft[worker.row], gap[worker.row])
