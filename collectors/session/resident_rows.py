"""What KV events add to the rows of memory tiers: what is resident, idle blocks included, and how many blocks come and go. Pure.

A page that tells the same level itself is left its word; bytes are never made of tokens or blocks.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from collectors.model.figure import Figure
from collectors.model.memory import TierRow
from collectors.model.vocabulary import Provenance, State
from collectors.session.source_state import SourceState
from collectors.session.tier_levels import BLOCKS, TOKENS
from collectors.stats.figures import absent, figure
from collectors.stats.fleet import PoolKey
from collectors.stats.residency import Resident

NEVER_READ: Final = (
    "blocks stored in the window that no faster tier of the worker took from here since, by blocks stored"
)


def with_residents(rows: dict[PoolKey, TierRow], sources: Iterable[SourceState], tick_ns: int) -> None:
    """Fills in `rows`, and adds those of pools that nothing else speaks of. What two sources count of one pool is never added: the first one's stands."""
    for source in sources:
        ids = {worker.slot: worker.id for worker in source.inventory.workers}
        for key, pool in source.residents.items():
            row = rows.get(key)
            if row is None:
                unknown = absent(emulated=source.emulated)
                worker = None if pool.worker is None else ids.get(pool.worker)
                row = TierRow(key.owner, worker, key.tier, unknown, unknown, unknown, unknown)
            if row.stored_per_s is msgspec.UNSET:
                rows[key] = _filled(row, pool, source, tick_ns)


def _filled(row: TierRow, pool: Resident, source: SourceState, tick_ns: int) -> TierRow:
    heard_ns = source.heard_ns
    window_s = source.residency.window_s(tick_ns) if source.residency is not None and source.connected else 0.0
    stored, removed, promoted = (
        _figure(blocks / window_s if window_s > 0 else None, pool, source, heard_ns)
        for blocks in (pool.stored, pool.removed, pool.promoted)
    )
    return msgspec.structs.replace(
        row,
        used_bytes=_used(row, pool, source, heard_ns),
        stored_per_s=stored,
        evicted_per_s=removed,
        promoted_per_s=promoted,
        unread=msgspec.UNSET if pool.written is None else _unread(pool.written, source),
    )


def _unread(written: tuple[int, int], source: SourceState) -> Figure:
    """Share of what was stored in the window that was never read; always an estimate."""
    unread, stored = written
    if not stored:
        return absent(emulated=source.emulated, state=State.UNSAMPLED, heard_ns=source.heard_ns)
    share = figure(
        unread / stored, Provenance.DERIVED, emulated=source.emulated, heard_ns=source.heard_ns, n=stored, unit="ratio"
    )
    return msgspec.structs.replace(share, estimate=True, formula=NEVER_READ)


def _used(row: TierRow, pool: Resident, source: SourceState, heard_ns: int | None) -> Figure:
    """What is resident in the unit of the pool's capacity, where that is known; else as exactly as the source knows it."""
    if row.used_bytes.state is not State.ABSENT:
        return row.used_bytes
    sized = None if pool.size is None else (pool.size, TOKENS if pool.in_tokens else msgspec.UNSET)
    counted = pool.blocks, BLOCKS
    for value, unit in (sized or counted, counted):
        if row.capacity_bytes.value is None or row.capacity_bytes.unit == unit:
            made = msgspec.structs.replace(_figure(value, pool, source, heard_ns), unit=unit)
            return made if source.connected else msgspec.structs.replace(made, state=State.STALE)
    return row.used_bytes


def _figure(value: float | int | None, pool: Resident, source: SourceState, heard_ns: int | None) -> Figure:
    made = figure(value, Provenance.DERIVED, emulated=source.emulated, heard_ns=heard_ns)
    return msgspec.structs.replace(made, estimate=True) if pool.estimate and value is not None else made
