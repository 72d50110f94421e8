"""Memory tiers: what each pool holds, from the placement stream's occupancy, else from the pages. A pool that workers share stands once."""

from collections.abc import Iterable, Iterator

import msgspec

from collectors.model.frame import Figure, TierRow
from collectors.model.signals import Signal
from collectors.model.vocabulary import Provenance, State, Tier
from collectors.session.source_state import SourceState
from collectors.stats.columns import Key
from collectors.stats.figures import absent, figure, increase, reading
from collectors.stats.fleet import PoolKey
from collectors.stats.scraped import ScrapedStats

TOKENS = "tokens"


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
            for row in _scraped(source, source.scraped, tick_ns, window_ns):
                if row.worker not in told and _says_anything(row):
                    found.setdefault(PoolKey(row.owner, row.tier), row)
    return tuple(found.values())


def _placed(source: SourceState, tick_ns: int) -> Iterator[TierRow]:
    if source.summary is None:
        return
    ids = {worker.slot: worker.id for worker in source.inventory.workers}
    emulated, age_s = source.emulated, source.age_s(tick_ns)

    def reported(value: int | None) -> Figure:
        return figure(value, Provenance.REPORTED, emulated=emulated, age_s=age_s)

    for pool in source.inventory.pools:
        key = PoolKey(pool.owner, pool.tier)
        held = source.summary.occupied.get(key)
        yield TierRow(
            owner=pool.owner,
            worker=None if pool.worker is None else ids.get(pool.worker),
            tier=pool.tier,
            used_bytes=reported(None if held is None else held.used_bytes),
            active_bytes=reported(None if held is None else held.active_bytes),
            capacity_bytes=reported(pool.capacity_bytes),
            hit_tokens=reported(source.summary.placed.hits.get(key, 0)),
        )


def _scraped(source: SourceState, stats: ScrapedStats, tick_ns: int, window_ns: int) -> Iterator[TierRow]:
    emulated = source.emulated
    for worker, tier, owner in stats.pools:

        def key(signal: Signal, *, of: tuple[str, Tier, str] = (worker, tier, owner)) -> Key:
            return Key(of[0], signal, of[1], of[2])

        used = reading(stats.gauge(tick_ns, key(Signal.KV_USED_BYTES)), emulated=emulated)
        active = reading(stats.gauge(tick_ns, key(Signal.KV_ACTIVE_BYTES)), emulated=emulated)
        capacity = reading(stats.gauge(tick_ns, key(Signal.KV_CAPACITY_BYTES)), emulated=emulated)
        if capacity.state is State.ABSENT and active.state is State.ABSENT:
            active, capacity = _in_tokens(
                stats, tick_ns, key(Signal.KV_ACTIVE_RATIO), key(Signal.KV_CAPACITY_TOKENS), emulated
            )
        yield TierRow(
            owner=owner or worker,
            worker=worker or None,
            tier=tier,
            used_bytes=used,
            active_bytes=active,
            capacity_bytes=capacity,
            hit_tokens=increase(stats.increase(tick_ns, window_ns, key(Signal.HIT_TOKENS)), emulated=emulated),
        )


def _says_anything(row: TierRow) -> bool:
    """Whether a page says more of a tier than that nothing was found there."""
    levels = (row.used_bytes, row.active_bytes, row.capacity_bytes)
    return bool(row.hit_tokens.value) or any(level.state is not State.ABSENT for level in levels)


def _in_tokens(
    stats: ScrapedStats, tick_ns: int, ratio_key: Key, capacity_key: Key, emulated: bool
) -> tuple[Figure, Figure]:
    """Where a page knows its pool in tokens only: active = ratio × capacity, and both say so."""
    ratio = stats.gauge(tick_ns, ratio_key)
    capacity = msgspec.structs.replace(reading(stats.gauge(tick_ns, capacity_key), emulated=emulated), unit=TOKENS)
    if capacity.value is None or ratio.value is None:
        active = (
            reading(ratio, emulated=emulated) if ratio.value is None else absent(emulated=emulated, age_s=ratio.age_s)
        )
        return active, capacity if capacity.value is not None else absent(emulated=emulated)
    active = figure(
        round(ratio.value * capacity.value), Provenance.DERIVED, emulated=emulated, age_s=ratio.age_s, unit=TOKENS
    )
    return (msgspec.structs.replace(active, state=State.STALE) if ratio.state is State.STALE else active), capacity
