"""KV on its way: between tiers, and from prefill to decode workers. From the phases of a placement stream, else from the pages. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from collectors.model.figure import Distribution, Figure
from collectors.model.memory import FlowRow, HandoverRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import TIERS, Provenance, Tier
from collectors.session.fleet import Worker
from collectors.session.kept import kept
from collectors.session.row_figures import RowFigures
from collectors.session.source_state import SourceState
from collectors.stats.columns import Key
from collectors.stats.figures import absent, estimated, figure, histogram, increase, rate, total
from collectors.stats.handovers import fetch_row
from collectors.stats.scraped import ScrapedStats

_MOVED: Final = (
    (Signal.KV_TRANSFER_BYTES, "bytes"),
    (Signal.KV_TRANSFER_TOKENS, "tokens"),
    (Signal.KV_TRANSFER_BLOCKS, "blocks"),
)
"""Of a flow that is counted in several units, the first."""
_TIERS: Final = tuple(sorted(TIERS))
TRANSFERS: Final = "transfers"
FETCHES: Final = "fetches that ended"
HANDOVERS: Final = "handovers that ended"
BOUND: Final = "first decode − prefill done: an upper bound"


def flow_rows(
    workers: Iterable[Worker], sources: Iterable[SourceState], tick_ns: int, window_ns: int
) -> tuple[FlowRow, ...]:
    """A worker's fetches as its stream tells them; of the others, and of caches that workers share, what their pages count."""
    known = list(workers)
    placed = {worker.info.id for worker in known if worker.placed is not None}
    rows = [row for worker in known for row in _fetched(worker)]
    for source in sources:
        rows += [row for row in _scraped(source, tick_ns, window_ns) if row.worker not in placed]
    return tuple(rows)


def handover_rows(workers: Iterable[Worker], tick_ns: int, window_ns: int) -> tuple[HandoverRow, ...]:
    """Of the workers that took any, and of the routers that tell a bound."""
    rows = []
    for worker in workers:
        if worker.placed is not None and worker.told is not None:
            made = _taken(worker, worker.told, worker.placed.heard_ns)
            row = None if made is None else worker.placed.dated(made)
        else:
            row = _counted(worker, tick_ns, window_ns)
        if row is not None:
            rows.append(row)
    return tuple(rows)


def _fetched(worker: Worker) -> Iterator[FlowRow]:
    source, told = worker.placed, worker.told
    if source is None or told is None or not told.summary.moved.fetched:
        return
    summary, emulated = told.summary, worker.emulated
    for tier in _TIERS:
        if (moved := summary.moved.fetched.get((worker.row, tier))) is not None:
            per_s = moved / summary.window_s if summary.window_s else None
            made = FlowRow(
                owner=worker.info.id,
                worker=worker.info.id,
                tier=tier,
                to=None,
                label="",
                moved_per_s=figure(
                    per_s, Provenance.DERIVED, emulated=emulated, heard_ns=source.heard_ns, unit="bytes"
                ),
                duration=told.duration(summary.moved.fetches, FETCHES, fetch_row(worker.row, tier)),
                failures=absent(emulated=emulated),
            )
            yield source.dated(made)


@kept
def _scraped(source: SourceState, tick_ns: int, window_ns: int) -> tuple[FlowRow, ...]:
    return () if source.scraped is None else tuple(_paged(source, source.scraped, tick_ns, window_ns))


def _paged(source: SourceState, stats: ScrapedStats, tick_ns: int, window_ns: int) -> Iterator[FlowRow]:
    emulated = source.emulated
    told: set[Key] = set()
    for signal, unit in _MOVED:
        for key in stats.all_of(signal):
            flow = key._replace(signal=Signal.KV_TRANSFER)
            if flow in told:
                continue
            told.add(flow)
            moved = rate(stats.increase(tick_ns, window_ns, key), emulated=emulated)
            failed = stats.increase(tick_ns, window_ns, key._replace(signal=Signal.KV_TRANSFER_FAILURES))
            yield FlowRow(
                owner=key.owner or key.worker or source.name,
                worker=key.worker or None,
                tier=key.tier or Tier.UNKNOWN,
                to=key.to,
                label=key.label,
                moved_per_s=msgspec.structs.replace(moved, unit=unit),
                duration=histogram(stats.histogram(tick_ns, window_ns, flow), population=TRANSFERS, emulated=emulated),
                failures=increase(failed, emulated=emulated),
            )


def _taken(worker: Worker, told: RowFigures, heard_ns: int | None) -> HandoverRow | None:
    summary, row = told.summary, worker.row
    moved = summary.moved
    if not moved.duration.n[row]:
        return None
    whole = not moved.unsized[row] and summary.window_s
    into = {tier for one, tier in moved.into if one == row and tier is not Tier.UNKNOWN}
    return HandoverRow(
        worker=worker.info.id,
        duration=told.duration(moved.duration, HANDOVERS, row),
        bytes_per_s=figure(
            int(moved.bytes[row]) / summary.window_s if whole else None,
            Provenance.DERIVED,
            emulated=worker.emulated,
            heard_ns=heard_ns,
        ),
        failures=absent(emulated=worker.emulated),
        to=into.pop() if len(into) == 1 else None,
    )


@kept
def _counted(worker: Worker, tick_ns: int, window_ns: int) -> HandoverRow | None:
    id_, emulated = worker.info.id, worker.emulated
    stats = None if worker.scraped is None else worker.scraped.scraped
    if stats is None:
        return None
    measured, bound = Key(id_, Signal.PD_TRANSFER), Key(id_, Signal.PD_TRANSFER_BOUND)
    sizes, failures = (stats.keys_of(id_, one) for one in (Signal.PD_TRANSFER_BYTES, Signal.PD_TRANSFER_FAILURES))
    timed = measured in stats.keys_of(id_, Signal.PD_TRANSFER)
    bounded = bound in stats.keys_of(id_, Signal.PD_TRANSFER_BOUND)
    if not (timed or bounded or sizes or failures):
        return None

    def duration(key: Key) -> Distribution:
        return histogram(stats.histogram(tick_ns, window_ns, key), population=HANDOVERS, emulated=emulated)

    def grown(key: Key) -> Figure:
        return increase(stats.increase(tick_ns, window_ns, key), emulated=emulated)

    return HandoverRow(
        worker=id_,
        duration=duration(measured) if timed or not bounded else estimated(duration(bound), BOUND),
        bytes_per_s=total(
            [rate(stats.increase(tick_ns, window_ns, key), emulated=emulated) for key in sizes], emulated=emulated
        ),
        failures=total([grown(key) for key in failures], emulated=emulated),
    )
