"""How full tiers were in the last minutes: a sample each at equal times, and nothing where nothing was heard."""

from collections.abc import Sequence
from typing import Final

from collectors.model.figure import Figure
from collectors.model.history import TierPast
from collectors.model.memory import TierRow
from collectors.model.scales import TIER_SAMPLES, TIER_STEP_S, UNKNOWN_SHARE, share_code
from collectors.model.vocabulary import State
from collectors.stats.fleet import PoolKey
from collectors.stats.past import Past
from collectors.stats.slots import SECOND_NS

_KNOWN: Final = (State.OK, State.ZERO)
_RATIO: Final = "ratio"
"""Unit of a level that is a share itself."""


class TierPasts:
    """A sample is what the first tick in its time knows. Ticks come in order; rows are the same objects until the next sample."""

    def __init__(self) -> None:
        self._keys: list[PoolKey] = []
        self._past = Past(0, TIER_SAMPLES, "u1", UNKNOWN_SHARE)
        self._rows: tuple[TierPast, ...] = ()

    def tick(self, tiers: Sequence[TierRow], tick_ns: int) -> tuple[TierPast, ...]:
        """One for each of `tiers`, in their order."""
        keys = [PoolKey(row.owner, row.tier) for row in tiers]
        number = tick_ns // (TIER_STEP_S * SECOND_NS)
        if number < self._past.end and keys == self._keys:
            return self._rows
        if keys != self._keys:
            places = {key: place for place, key in enumerate(self._keys)}
            self._past.pick([-1 if key not in places else 2 * places[key] + kind for key in keys for kind in (0, 1)])
            self._keys = keys
        if number >= self._past.end:
            self._past.reach(number + 1)
            self._past.put(number, [code for row in tiers for code in _codes(row)])
        told = self._past.told()
        self._rows = tuple(
            TierPast(key.owner, key.tier, used, active)
            for key, used, active in zip(keys, told[::2], told[1::2], strict=True)
        )
        return self._rows


def _codes(row: TierRow) -> tuple[int, int]:
    return _code(row.used_bytes, row.capacity_bytes), _code(row.active_bytes, row.capacity_bytes)


def _code(level: Figure, capacity: Figure) -> int:
    whole = 1.0 if level.unit == _RATIO else capacity.value if capacity.state in _KNOWN else None
    if level.value is None or level.state not in _KNOWN or not whole:
        return UNKNOWN_SHARE
    return share_code(level.value, whole)
