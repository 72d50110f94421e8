"""The fleet's figures: a worker's rates and distributions, from its deliveries where they are seen one by one, else from its page."""

from collections.abc import Sequence
from functools import reduce
from typing import Final

import msgspec

from collectors.model.figure import Distribution, Figure, Quantile
from collectors.model.frame import JitterRow, WorkerRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import Provenance, State
from collectors.session.fleet import Worker
from collectors.session.kept import kept
from collectors.session.row_figures import POPULATION, RowFigures
from collectors.session.source_state import SourceState
from collectors.stats.buckets import BucketMismatchError, Buckets
from collectors.stats.columns import Key
from collectors.stats.figures import (
    absent,
    distribution,
    histogram,
    no_distribution,
    outdated,
    rate,
    reading,
    spread,
)
from collectors.stats.histograms import QUANTILES
from collectors.stats.scraped import Histogram, merged
from collectors.stats.sketch import SUB, Counts

_DURATIONS: Final = (Signal.TTFT, Signal.QUEUE, Signal.GAP, Signal.TPOT)
_ABSENT_GAUGE: Final = (State.ABSENT, State.UNSAMPLED, State.NAN, State.STALE)


@kept
def worker_row(worker: Worker, tick_ns: int, window_ns: int) -> WorkerRow:
    info, row, told = worker.info, worker.row, worker.told
    if told is not None:
        tokens_per_s, per_delivery, longest = (
            told.tokens_per_s[row],
            told.tokens_per_delivery[row],
            told.longest_stall_s[row],
        )
        ttft, queue, gap, tpot = told.ttft[row], told.queue[row], told.gap[row], told.tpot[row]
    else:
        tokens_per_s, per_delivery = _tokens_per_s(worker, tick_ns, window_ns), absent(emulated=worker.emulated)
        longest = per_delivery
        ttft, queue, gap, tpot = (_durations(worker, signal, tick_ns, window_ns) for signal in _DURATIONS)
    return WorkerRow(
        id=info.id,
        target=worker.target,
        role=info.role,
        device=info.device,
        chip=info.chip,
        chips=info.chips,
        model=info.model,
        running=_gauge(worker, told, Signal.REQUESTS_RUNNING, tick_ns),
        waiting=_gauge(worker, told, Signal.REQUESTS_WAITING, tick_ns),
        tokens_per_s=tokens_per_s,
        ttft=ttft,
        queue=queue,
        gap=gap,
        tpot=tpot,
        longest_stall_s=longest,
        tokens_per_delivery=per_delivery,
        assumed=info.assumed,
        labels=info.labels,
    )


def jitter_row(row: WorkerRow) -> JitterRow:
    return JitterRow(row.id, row.model, row.device, spread(row.gap.p99, row.gap.p50), row.longest_stall_s)


def all_ttft(workers: list[Worker], sources: list[SourceState], tick_ns: int, window_ns: int) -> Distribution:
    """TTFT of all requests: of the deliveries' sources merged, and of the pages of workers without deliveries, where their buckets can be added.

    Of the pages, the routers' if they have it: two workers may each count the same request, one its prefill and one its decode.
    """
    emulated = any(source.emulated for source in sources)
    placed = [source for source in sources if source.summary is not None and not source.twice]
    pages = [
        (worker.runs_tokens, page)
        for worker in workers
        if worker.placed is None and (page := _page_ttft(worker, tick_ns, window_ns)) is not None
    ]
    routed = [page for runs_tokens, page in pages if not runs_tokens and page.buckets is not None]
    told = routed or [page for runs_tokens, page in pages if runs_tokens]
    return _first_tokens(placed, told, emulated) if placed else _merged_pages(told, emulated)


def _first_tokens(placed: list[SourceState], pages: list[Histogram], emulated: bool) -> Distribution:
    """Of deliveries, in the pages' buckets where those count any; where these cannot be added, what is left of the population is named."""
    counts = reduce(Counts.merge, (source.summary.ttft_all for source in placed if source.summary is not None))
    heard_ns = min((source.heard_ns for source in placed if source.heard_ns is not None), default=None)
    connected = any(source.connected for source in placed)
    population = POPULATION[Signal.TTFT]
    try:
        whole = merged(pages) if pages else None
    except BucketMismatchError:
        whole, population = None, f"{population}, as far as they were seen one by one"
    if whole is not None and whole.buckets is not None and whole.buckets.n:
        of = whole.buckets
        state = State.OK if connected else whole.state
        both = msgspec.structs.replace(
            whole,
            buckets=Buckets(of.bounds, of.cumulative + counts.up_to(of.bounds)),
            state=state,
            heard_ns=min((one for one in (heard_ns, whole.heard_ns) if one is not None), default=None),
        )
        return _loosened(histogram(both, population=population, emulated=emulated))
    found = [counts.quantile(q) for q in QUANTILES] if counts.n else []
    made = distribution(
        counts.n,
        [one for one in found if one is not None],
        counts.maximum_ns / 1e9,
        population=population,
        provenance=by_whose_clock(placed),
        emulated=emulated,
        heard_ns=heard_ns,
    )
    return made if connected else outdated(made)


def _loosened(it: Distribution) -> Distribution:
    """Quantiles to which a sketch was added: what was in a bin that a bound cuts may have been below it."""

    def loose(one: Quantile) -> Quantile:
        provenance = None if one.provenance is None else Provenance.DERIVED
        return msgspec.structs.replace(
            one, low=None if one.low is None else one.low * (1 - 1 / SUB), provenance=provenance
        )

    return msgspec.structs.replace(it, p50=loose(it.p50), p99=loose(it.p99), p999=loose(it.p999))


@kept
def _page_ttft(worker: Worker, tick_ns: int, window_ns: int) -> Histogram | None:
    if worker.scraped is None or worker.scraped.scraped is None:
        return None
    return worker.scraped.scraped.histogram(tick_ns, window_ns, Key(worker.info.id, Signal.TTFT))


def _merged_pages(pages: list[Histogram], emulated: bool) -> Distribution:
    population = POPULATION[Signal.TTFT]
    try:
        whole = merged(pages) if pages else None
    except BucketMismatchError:
        whole = None
    if whole is None:
        return no_distribution(population=population, emulated=emulated)
    return histogram(whole, population=population, emulated=emulated)


def _gauge(worker: Worker, told: RowFigures | None, signal: Signal, tick_ns: int) -> Figure:
    """As the page says; where it does not (now), as many as the deliveries' source has not seen the end of, which it knows only while it is connected.

    What a page said before its target went down is no level of now, however short ago: nobody knows how many there are.
    """
    found = None
    if worker.scraped is not None and worker.scraped.scraped is not None and worker.scraped.connected:
        found = reading(worker.scraped.scraped.gauge(tick_ns, Key(worker.info.id, signal)), emulated=worker.emulated)
        if found.state not in _ABSENT_GAUGE:
            return found
    if told is not None and worker.placed is not None and worker.placed.connected:
        return (told.running if signal is Signal.REQUESTS_RUNNING else told.waiting)[worker.row]
    return absent(emulated=worker.emulated) if found is None else found


def _tokens_per_s(worker: Worker, tick_ns: int, window_ns: int) -> Figure:
    """As its page counts them."""
    if worker.scraped is None or worker.scraped.scraped is None:
        return absent(emulated=worker.emulated)
    grown = worker.scraped.scraped.increase(tick_ns, window_ns, Key(worker.info.id, Signal.GENERATION_TOKENS))
    return rate(grown, emulated=worker.emulated)


def _durations(worker: Worker, signal: Signal, tick_ns: int, window_ns: int) -> Distribution:
    """As its page counts them."""
    population = POPULATION[signal]
    if worker.scraped is None or worker.scraped.scraped is None:
        return no_distribution(population=population, emulated=worker.emulated)
    window = worker.scraped.scraped.histogram(tick_ns, window_ns, Key(worker.info.id, signal))
    return histogram(window, population=population, emulated=worker.emulated)


def by_whose_clock(placed: Sequence[SourceState]) -> Provenance:
    """Of durations between deliveries: an observer's of their arrival, or the emitter's, by whose events they are worked out."""
    measured = placed and all(source.inventory.measured for source in placed)
    return Provenance.MEASURED if measured else Provenance.DERIVED
