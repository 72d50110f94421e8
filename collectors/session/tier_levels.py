"""How full a pool is as its page tells it: in bytes, tokens, blocks or as a share, whichever says most. Pure.

Used is what is resident; active is what running requests refer to. A page that tells only the one does not tell the other.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from collectors.model.figure import Figure
from collectors.model.signals import Signal
from collectors.model.vocabulary import Provenance, State, Tier
from collectors.stats.columns import Key
from collectors.stats.figures import about, absent, figure, reading
from collectors.stats.scraped import ScrapedStats

TOKENS: Final = "tokens"
BLOCKS: Final = "blocks"
RATIO: Final = "ratio"
"""Unit of a level of which only the share of the whole is known: there is no capacity beside it."""


class Levels(NamedTuple):
    used: Figure
    active: Figure
    capacity: Figure


class _Scale(NamedTuple):
    unit: str | msgspec.UnsetType
    used: Signal
    active: Signal
    capacity: Signal | None


_SCALES: Final = (
    _Scale(msgspec.UNSET, Signal.KV_USED_BYTES, Signal.KV_ACTIVE_BYTES, Signal.KV_CAPACITY_BYTES),
    _Scale(TOKENS, Signal.KV_USED_TOKENS, Signal.KV_ACTIVE_TOKENS, Signal.KV_CAPACITY_TOKENS),
    _Scale(BLOCKS, Signal.KV_USED_BLOCKS, Signal.KV_ACTIVE_BLOCKS, Signal.KV_CAPACITY_BLOCKS),
    _Scale(RATIO, Signal.KV_USED_RATIO, Signal.KV_ACTIVE_RATIO, None),
)
"""Of two that tell as much, the first."""
_SHARES: Final = {Signal.KV_USED_TOKENS: Signal.KV_USED_RATIO, Signal.KV_ACTIVE_TOKENS: Signal.KV_ACTIVE_RATIO}


def levels(
    stats: ScrapedStats, tick_ns: int, pool: tuple[str, Tier, str], gauges: frozenset[Signal], *, emulated: bool
) -> Levels:
    """Of the pool (worker, tier, owner), of which the page has `gauges`; all three in one unit, absent where not known in it."""
    unknown = absent(emulated=emulated)
    best, most = Levels(unknown, unknown, unknown), (0, 0, 0)
    if not gauges:
        return best
    worker, tier, owner = pool

    def level(signal: Signal | None, unit: str | msgspec.UnsetType) -> Figure:
        if signal not in gauges or signal is None:
            return unknown
        key = Key(worker, signal, tier, owner)
        found = reading(stats.gauge(tick_ns, key), emulated=emulated)
        if why := stats.estimate(key):
            found = about(found, why)
        return found if unit is msgspec.UNSET else msgspec.structs.replace(found, unit=unit)

    for scale in _scales(gauges):
        capacity = level(scale.capacity, scale.unit)
        used, active = (
            level(signal, scale.unit) if signal in gauges else _of(level(_SHARES.get(signal), RATIO), capacity)
            for signal in (scale.used, scale.active)
        )
        known = _known(used), _known(active), _known(capacity)
        if scale.capacity is None and max(known) == 2:
            known = known[0], known[1], 2
        if known > most:
            best, most = Levels(used, active, capacity), known
    return best


@lru_cache(256)
def _scales(gauges: frozenset[Signal]) -> tuple[_Scale, ...]:
    """Those of which there is a gauge."""
    return tuple(
        scale
        for scale in _SCALES
        if gauges & {scale.used, scale.active, scale.capacity, _SHARES.get(scale.used), _SHARES.get(scale.active)}
    )


def _of(share: Figure, capacity: Figure) -> Figure:
    """That share of the capacity, as a figure in the capacity's unit; as unknown as the share is."""
    if share.state is State.ABSENT or capacity.value is None:
        return absent(emulated=share.emulated)
    if share.value is None:
        return msgspec.structs.replace(share, unit=capacity.unit)
    made = figure(
        round(share.value * capacity.value),
        Provenance.DERIVED,
        emulated=share.emulated,
        heard_ns=share.heard_ns,
        unit=capacity.unit,
    )
    for part in (share, capacity):
        if isinstance(part.formula, str):
            made = about(made, part.formula)
    return msgspec.structs.replace(made, state=State.STALE) if share.state is State.STALE else made


def _known(level: Figure) -> int:
    """2 with a value, 1 without one though it is spoken of, 0 if it is not."""
    return 2 if level.value is not None else int(level.state is not State.ABSENT)
