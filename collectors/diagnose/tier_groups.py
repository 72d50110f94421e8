"""Many memory pools at a glance: which are under pressure, what flows between tiers, and the pools of one tier and device kind together. Pure, over a Frame."""

import math
from collections.abc import Container, Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec import structs

from collectors.model.figure import Figure
from collectors.model.frame import Frame
from collectors.model.history import TierPast
from collectors.model.memory import FlowRow, HandoverRow, TierRow
from collectors.model.scales import UNKNOWN_SHARE
from collectors.model.vocabulary import TIERS, Device, Provenance, Role, State, Tier
from collectors.stats.figures import absent, figure, total

FULL: Final = 0.95
"""Share of its capacity from which on a pool is full."""
THRASHING: Final = 0.25
"""Share of what it stores, from which on a pool that takes back what it gave up thrashes."""
ENOUGH_BLOCKS: Final = 100
"""Blocks stored in the window from which on that share is told."""
_KNOWN: Final = (State.OK, State.ZERO)


class Edge(NamedTuple):
    """KV on its way from one tier to another (None: not said), of all workers that tell it in one unit. `worked_out`: where to is not said, but those who
    fetched it have only one pool of their own."""

    source: Tier | None
    to: Tier | None
    moved_per_s: Figure
    worked_out: bool
    slowest: FlowRow | HandoverRow | None
    """Of those who tell how long it takes, the one with the longest p99, or, where nobody has enough for one, p50."""


class Group(NamedTuple):
    """Pools of one tier, of workers of one device kind (None: of shared ones), counted together."""

    tier: Tier
    device: Device | None
    pools: int
    row: TierRow
    past: TierPast
    peak: bytes
    """The fullest of them at each sample."""
    thrashes: bool
    """All of them together, and any of them alone."""


def handed(frame: Frame) -> frozenset[str]:
    """Workers to which others hand over the KV of each request: what their pools give up comes again with the next one, and nobody computes or reads it for that."""
    decode = Role.DECODE
    return frozenset([worker.id for worker in frame.workers if worker.role is decode])


def thrashes(row: TierRow, handed: Container[str | None]) -> bool:
    """Whether a good part of what a pool stores is what it gave up less than a window before: it is too small, or is emptied by others. Not said of those that are
    `handed` their KV, which are as full as they can be by design."""
    again = row.stored_again
    if not again or again.value is None or again.value < THRASHING or again.state not in _KNOWN:
        return False
    return isinstance(again.n, int) and again.n >= ENOUGH_BLOCKS and row.worker not in handed


def fullness(row: TierRow) -> float | None:
    """Share of the capacity that is used, as far as it is known now."""
    used, capacity = row.used_bytes, row.capacity_bytes
    if used.value is None or used.state not in _KNOWN:
        return None
    if used.unit == "ratio":
        return float(used.value)
    return used.value / capacity.value if capacity.value and capacity.state in _KNOWN else None


def pressure(row: TierRow, handed: Container[str | None]) -> tuple[bool, float, float]:
    """The more, the worse: thrashing, bytes taken back a second (in powers of two, so that order is steady), how full."""
    again = row.again_bytes_per_s
    taken = again.value or 0.0 if again and again.state in _KNOWN else 0.0
    octaves = math.floor(math.log2(taken)) if taken >= 1 else 0.0
    return thrashes(row, handed), octaves, round(20 * (fullness(row) or 0.0))


def edges(frame: Frame) -> tuple[Edge, ...]:
    """What flows between tiers, by source and destination. What one worker hands over to another comes from a peer."""
    own: dict[str, list[Tier]] = {}
    for row in frame.tiers:
        if row.worker is not None:
            own.setdefault(row.worker, []).append(row.tier)
    told: dict[tuple[Tier | None, Tier | None, object, bool], list[FlowRow | HandoverRow]] = {}
    for flow in frame.flows:
        pools = own.get(flow.worker or "", [])
        to = flow.to if flow.to is not None else pools[0] if len(pools) == 1 else None
        key = flow.tier, to, flow.moved_per_s.unit, flow.to is None and to is not None
        told.setdefault(key, []).append(flow)
    for handover in frame.handovers:
        told.setdefault((Tier.PEER, handover.to, "bytes", False), []).append(handover)
    made = []
    for (source, to, unit, worked_out), rows in told.items():
        parts = [row.moved_per_s if isinstance(row, FlowRow) else row.bytes_per_s for row in rows]
        known = total([one for one in parts if one.value is not None] or parts[:1], emulated=parts[0].emulated)
        timed = [row for row in rows if row.duration.n]
        made.append(
            Edge(source, to, structs.replace(known, unit=unit), worked_out, max(timed, key=_slowness, default=None))
        )
    return tuple(sorted(made, key=lambda edge: (_place(edge.source), _place(edge.to))))


def _slowness(row: FlowRow | HandoverRow) -> tuple[bool, float]:
    it = row.duration
    known = next((one for one in (it.p99, it.p50) if one.value is not None), it.max)
    return known is it.p99, float(known.value or 0)


def groups(frame: Frame) -> tuple[Group, ...]:
    """In the order of the tiers."""
    kinds = {worker.id: worker.device for worker in frame.workers}
    members: dict[tuple[Tier, Device | None], list[int]] = {}
    for place, row in enumerate(frame.tiers):
        device = None if row.worker is None else kinds.get(row.worker, Device.UNKNOWN)
        members.setdefault((row.tier, device), []).append(place)
    pasts = frame.tier_pasts if len(frame.tier_pasts) == len(frame.tiers) else ()
    given = handed(frame)
    return tuple(
        _together(tier, device, [frame.tiers[i] for i in places], [pasts[i] for i in places] if pasts else [], given)
        for (tier, device), places in sorted(members.items(), key=lambda one: (_place(one[0][0]), str(one[0][1])))
    )


def _together(
    tier: Tier, device: Device | None, rows: Sequence[TierRow], pasts: Sequence[TierPast], given: Container[str | None]
) -> Group:
    emulated = any(row.used_bytes.emulated for row in rows)

    def summed(name: str) -> Figure:
        parts = [one for row in rows if isinstance(one := getattr(row, name), Figure)]
        if len(parts) < len(rows) or len({one.unit for one in parts}) > 1:
            return absent(emulated=emulated)
        made = total(parts, emulated=emulated)
        return structs.replace(made, unit=parts[0].unit) if made.value is not None else made

    sized = {f"{way}_bytes_per_s": summed(f"{way}_bytes_per_s") for way in ("stored", "evicted", "again")}
    # Blocks a second are for those that say no bytes.
    counted = {
        f"{way}_per_s": summed(f"{way}_per_s")
        for way in ("stored", "evicted")
        if sized["stored_bytes_per_s"].value is None
    }
    row = TierRow(
        owner="",
        worker=None,
        tier=tier,
        used_bytes=summed("used_bytes"),
        active_bytes=summed("active_bytes"),
        capacity_bytes=summed("capacity_bytes"),
        hit_tokens=summed("hit_tokens"),
        stored_again=_taken_back(rows, emulated),
    )
    used, active = (_shares([getattr(past, kind) for past in pasts]) for kind in ("used", "active"))
    row = structs.replace(row, **sized, **counted)
    bad = thrashes(row, ()) and any(thrashes(one, given) for one in rows)
    return Group(tier, device, len(rows), row, TierPast("", tier, used[0], active[0]), used[1], bad)


def _taken_back(rows: Sequence[TierRow], emulated: bool) -> Figure:
    """Share of the blocks stored in any of the pools that had been removed from that one."""
    told = [(row.stored_again, row.stored_per_s) for row in rows]
    known = [
        (again.value, stored.value, again.n)
        for again, stored in told
        if isinstance(again, Figure) and isinstance(stored, Figure) and again.value is not None and stored.value
    ]
    stored = sum(per_s for _, per_s, _ in known)
    if not stored:
        return absent(emulated=emulated)
    share = sum(share * per_s for share, per_s, _ in known) / stored
    n = sum(n for _, _, n in known if isinstance(n, int))
    return figure(share, Provenance.DERIVED, emulated=emulated, heard_ns=None, n=n, unit="ratio")


def _shares(lines: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Their mean and their highest, sample by sample, of those that are known then."""
    if not lines:
        return b"", b""
    shares = np.frombuffer(b"".join(lines), np.uint8).reshape(len(lines), -1).astype(np.int64)
    known = shares != UNKNOWN_SHARE
    n = known.sum(axis=0)
    mean = np.where(n, (shares * known).sum(axis=0) // np.maximum(n, 1), UNKNOWN_SHARE)
    peak = np.where(n, np.where(known, shares, 0).max(axis=0), UNKNOWN_SHARE)
    return mean.astype(np.uint8).tobytes(), peak.astype(np.uint8).tobytes()


def _place(tier: Tier | None) -> int:
    """Fast before slow, then peers, then what is not known."""
    if tier is None or tier is Tier.UNKNOWN:
        return len(TIERS)
    return TIERS.index(tier)
