"""Memory tiers: what each pool holds, from the placement stream's occupancy, else from the pages. A pool that workers share stands once."""

from collections.abc import Iterable, Iterator

import msgspec

from collectors.model.figure import Figure
from collectors.model.memory import HitRate, TierRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import Provenance, State
from collectors.session.churn_rows import with_churn
from collectors.session.hit_rates import hit_anything, preempted, preemptions_of, scraped_rate
from collectors.session.kept import kept
from collectors.session.resident_rows import with_residents
from collectors.session.source_state import SourceState
from collectors.session.tier_levels import levels
from collectors.stats.columns import Key
from collectors.stats.figures import figure, increase
from collectors.stats.fleet import PoolKey


def tier_rows(sources: Iterable[SourceState], tick_ns: int, window_ns: int) -> tuple[TierRow, ...]:
    """In order of appearance; of a worker whose pools a placement stream knows, that stream's word counts."""
    found: dict[PoolKey, TierRow] = {}
    known = list(sources)
    for source in known:
        for row in _placed(source, tick_ns):
            found.setdefault(PoolKey(row.owner, row.tier), row)
    told = {worker.id for source in known if source.summary is not None for worker in source.inventory.workers}
    for source in known:
        if source.scraped is not None:
            for row in _scraped(source, tick_ns, window_ns):
                if row.worker not in told:
                    found.setdefault(PoolKey(row.owner, row.tier), row)
    with_residents(found, known, tick_ns)
    with_churn(found, known, tick_ns)
    return tuple(found.values())


def _placed(source: SourceState, tick_ns: int) -> Iterator[TierRow]:
    if source.summary is None:
        return
    ids = {worker.slot: worker.id for worker in source.inventory.workers}
    emulated, heard_ns = source.emulated, source.heard_ns

    def reported(value: int | None) -> Figure:
        return figure(value, Provenance.REPORTED, emulated=emulated, heard_ns=heard_ns)

    for pool in source.inventory.pools:
        key = PoolKey(pool.owner, pool.tier)
        held = source.summary.occupied.get(key)
        made = TierRow(
            owner=pool.owner,
            worker=None if pool.worker is None else ids.get(pool.worker),
            tier=pool.tier,
            used_bytes=reported(None if held is None else held.used_bytes),
            active_bytes=reported(None if held is None else held.active_bytes),
            capacity_bytes=reported(pool.capacity_bytes),
            hit_tokens=reported(source.summary.placed.hits.get(key, 0)),
        )
        yield source.dated(made)


@kept
def _scraped(source: SourceState, tick_ns: int, window_ns: int) -> tuple[TierRow, ...]:
    """Of the tiers of which the page says more than that nothing was found there."""
    return tuple(row for row in _paged(source, tick_ns, window_ns) if _says_anything(row))


def _paged(source: SourceState, tick_ns: int, window_ns: int) -> Iterator[TierRow]:
    stats, emulated = source.scraped, source.emulated
    if stats is None:
        return
    again: dict[str, bool | None] = {}
    for (worker, tier, owner), gauges in stats.pools.items():
        hits = stats.increase(tick_ns, window_ns, Key(worker, Signal.HIT_TOKENS, tier, owner))
        if hits.state is State.ABSENT and not worker:  # a cache that serves several engines knows only its own hits
            hits = stats.increase(tick_ns, window_ns, Key(worker, Signal.KV_HITS, tier, owner))
        if not (gauges or hits.value or hit_anything(stats, tick_ns, window_ns, (worker, tier, owner))):
            continue
        if worker not in again:
            again[worker] = preempted(preemptions_of(stats, tick_ns, window_ns, worker, emulated=emulated))
        found = levels(stats, tick_ns, (worker, tier, owner), gauges, emulated=emulated)
        yield TierRow(
            owner=owner or worker,
            worker=worker or None,
            tier=tier,
            used_bytes=found.used,
            active_bytes=found.active,
            capacity_bytes=found.capacity,
            hit_tokens=increase(hits, emulated=emulated),
            hit_rate=scraped_rate(stats, tick_ns, window_ns, (worker, tier, owner), again[worker], emulated=emulated)
            or msgspec.UNSET,
        )


def _says_anything(row: TierRow) -> bool:
    """Whether a page says more of a tier than that nothing was found there."""
    levels = (row.used_bytes, row.active_bytes, row.capacity_bytes)
    found = bool(row.hit_tokens.value) or (isinstance(row.hit_rate, HitRate) and bool(row.hit_rate.rate.value))
    return found or any(level.state is not State.ABSENT for level in levels)
