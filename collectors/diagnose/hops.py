"""What the KV of a token costs a request, way by way: computing it, or moving it from where it is. Pure, over a Frame."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from collectors.diagnose.movement import PJ_PER_BIT
from collectors.model.figure import Figure
from collectors.model.frame import Frame
from collectors.model.memory import HopRow
from collectors.model.vocabulary import TIERS, Phase, Provenance, State, Tier
from collectors.stats.figures import about, absent, figure, outdated

ENERGY: Final = "bytes a token × 8 × pJ/bit of the memory it was read from and of that it was written to (assumed, ±30 %): at the memory, not what machines draw"
_ORDER: Final = (Phase.PREFILL, Phase.FETCH, Phase.TRANSFER)


class Cost(NamedTuple):
    """Of a token, of all workers that tell it. `tier`: where from (fetch) or where to (transfer); None: computed. `joules` is drawn by machines where it is computed (≈), and
    at the memory where it is moved (≈, assumed): they are not to be added."""

    phase: Phase
    tier: Tier | None
    seconds: Figure
    joules: Figure


def costs(frame: Frame) -> tuple[Cost, ...]:
    """Computed first, then fetched from the slowest tier on, then handed over."""
    ways: dict[tuple[Phase, Tier | None], list[HopRow]] = {}
    for row in frame.hops:
        ways.setdefault((row.phase, None if row.phase is Phase.PREFILL else row.tier), []).append(row)
    own: dict[str, set[Tier]] = {}
    for pool in frame.tiers:
        if pool.worker is not None:
            own.setdefault(pool.worker, set()).add(pool.tier)
    # What is handed over comes from where prompts were computed.
    computed = {row.tier for row in frame.hops if row.phase is Phase.PREFILL}
    return tuple(
        Cost(phase, tier, _mean(rows, [row.s_per_token for row in rows]), _joules(rows, own, computed))
        for (phase, tier), rows in sorted(ways.items(), key=lambda way: (_ORDER.index(way[0][0]), _place(way[0][1])))
    )


def _joules(rows: Sequence[HopRow], own: dict[str, set[Tier]], computed: set[Tier]) -> Figure:
    if rows[0].phase is Phase.PREFILL:
        return _mean(rows, [row.joules_per_token for row in rows])
    moved = [
        _moving(row, {row.tier}, own.get(row.worker, set()))
        if row.phase is Phase.FETCH
        else _moving(row, computed, {row.tier})
        for row in rows
    ]
    return _mean(rows, moved)


def _moving(row: HopRow, source: set[Tier], to: set[Tier]) -> Figure:
    """Absent where it is not known, or not assumed of one of the two, what they are."""
    unknown = absent(emulated=row.s_per_token.emulated)
    size = row.bytes_per_token.value
    if size is None or len(source) != 1 or len(to) != 1 or not (source | to) <= PJ_PER_BIT.keys():
        return unknown
    pj = sum(PJ_PER_BIT[tier] for tier in (*source, *to))
    it = row.bytes_per_token
    made = figure(
        size * 8 * pj * 1e-12,
        Provenance.ASSUMED,
        emulated=it.emulated,
        heard_ns=it.heard_ns,
        n=it.n or 0,
        unit="joules",
    )
    made = about(made, ENERGY)
    return outdated(made) if it.state is State.STALE else made


def _mean(rows: Sequence[HopRow], figures: Sequence[Figure]) -> Figure:
    """By tokens; as unknown as the most unknown of them."""
    unknown = next((one for one in figures if one.value is None), None)
    if unknown is not None or len(rows) == 1:
        return unknown or figures[0]
    tokens = [row.tokens.value or 0 for row in rows]
    mean = sum((it.value or 0) * n for it, n in zip(figures, tokens, strict=True)) / sum(tokens)
    first = figures[0]
    made = figure(
        mean,
        first.provenance or Provenance.DERIVED,
        emulated=any(it.emulated for it in figures),
        heard_ns=min((it.heard_ns for it in figures if it.heard_ns is not None), default=None),
        n=_count(it.n for it in figures),
        unit=first.unit,
    )
    if first.estimate is True and isinstance(first.formula, str):
        made = about(made, first.formula)
    return outdated(made) if any(it.state is State.STALE for it in figures) else made


def _count(parts: Iterable[object]) -> int:
    return sum(n for n in parts if isinstance(n, int))


def _place(tier: Tier | None) -> int:
    return -TIERS.index(tier) if tier in TIERS else 0
