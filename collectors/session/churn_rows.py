"""What blocks that come and go add to the rows of memory tiers: how many, how large, and how much of it a tier only takes back. Pure."""

from collections.abc import Iterable

import msgspec

from collectors.model.figure import Figure
from collectors.model.memory import TierRow
from collectors.model.vocabulary import Provenance, State, Tier
from collectors.session.source_state import SourceState
from collectors.stats.churn import Churned
from collectors.stats.figures import absent, figure
from collectors.stats.fleet import PoolKey

NEVER_READ_BOUND = "1 − bytes fetched from here ÷ bytes stored here: what was fetched may have been stored before"


def with_churn(rows: dict[PoolKey, TierRow], sources: Iterable[SourceState], tick_ns: int) -> None:
    """Fills in the rows that there are. Of blocks that two sources tell of the first one's count."""
    for source in sources:
        window_s = _window_s(source, tick_ns)
        alone = [key.tier for key in source.churned]
        for key, churned in source.churned.items():
            row = rows.get(key)
            if row is None or row.stored_again is not msgspec.UNSET:
                continue
            fetched = _fetched(source, key.tier) if row.worker is None and alone.count(key.tier) == 1 else None
            made = _filled(row, churned, source, window_s, fetched)
            rows[key] = source.dated(made) if source.summary is not None else made


def _filled(row: TierRow, churned: Churned, source: SourceState, window_s: float, fetched_bytes: int | None) -> TierRow:
    emulated, heard_ns = source.emulated, source.heard_ns

    def per_s(value: int | None) -> Figure:
        known = value / window_s if value is not None and window_s > 0 else None
        return figure(known, Provenance.DERIVED, emulated=emulated, heard_ns=heard_ns)

    def share(part: int, whole: int) -> Figure:
        if not whole:
            return absent(emulated=emulated, state=State.UNSAMPLED, heard_ns=heard_ns)
        return figure(
            part / whole, Provenance.DERIVED, emulated=emulated, heard_ns=heard_ns, n=churned.stored, unit="ratio"
        )

    stored_bytes, evicted_bytes, again_bytes = map(per_s, churned.sizes or (None, None, None))
    again = share(churned.again, churned.stored)
    if churned.forgot:
        again, again_bytes = (msgspec.structs.replace(one, at_least=True) for one in (again, again_bytes))
    changes: dict[str, Figure] = {
        "stored_again": again,
        "again_bytes_per_s": again_bytes,
        "stored_bytes_per_s": stored_bytes,
        "evicted_bytes_per_s": evicted_bytes,
    }
    if row.stored_per_s is msgspec.UNSET:
        changes |= {"stored_per_s": per_s(churned.stored), "evicted_per_s": per_s(churned.removed)}
    if row.unread is msgspec.UNSET and fetched_bytes is not None and churned.sizes is not None:
        written = churned.sizes.stored
        bound = share(max(written - fetched_bytes, 0), written)
        changes["unread"] = (
            msgspec.structs.replace(bound, at_least=True, formula=NEVER_READ_BOUND)
            if bound.value is not None
            else bound
        )
    return msgspec.structs.replace(row, **changes)


def _fetched(source: SourceState, tier: Tier) -> int | None:
    """Bytes that anybody fetched out of the only pool of that tier, all of whose reading is fetching."""
    if source.summary is None:
        return None
    return sum(moved for (_, one), moved in source.summary.moved.fetched.items() if one is tier)


def _window_s(source: SourceState, tick_ns: int) -> float:
    if source.summary is not None:
        return source.summary.window_s
    return source.residency.window_s(tick_ns) if source.residency is not None and source.connected else 0.0
