"""Where tokens ran: output tokens by worker, tier and primary stage; other stages beside them; prompt tokens computed and found. Per second, in integers."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from collectors.model.batch import UNCOUNTED, WHOLE, Rows
from collectors.model.vocabulary import STAGES, TIERS, Tier
from collectors.stats.fleet import NO_POOL, PoolKey
from collectors.stats.pieces import Pieces
from collectors.stats.sketch import Index, Ints
from collectors.stats.slots import Slots, Tally, each_second

_BITS: Final = 3
_CODES: Final = 1 << _BITS
_TIER_CODE: Final = {tier: code for code, tier in enumerate(TIERS)}


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Over the window. Shapes: (rows, tier code, stage code), prompt (rows, tier code), deliveries and delivered (rows,)."""

    tokens: Ints
    """Output tokens, once each, by the stage that made them."""
    beside: Ints
    """Output tokens that passed another stage of a delivery."""
    prompt: Ints
    """Prompt tokens that a prefill computed."""
    deliveries: Ints
    """Those that tokens per delivery are a mean over: with counted tokens, and no whole responses."""
    delivered: Ints
    """Tokens of those."""
    uncounted: Ints
    """Deliveries of output tokens of which nobody knows how many they are; none of these is in `tokens`. Shape as `tokens`."""
    hits: dict[PoolKey, int]
    """Prompt tokens found in a pool."""


class Placements:
    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._tokens = Slots(rows * _CODES * _CODES)
        self._beside = Slots(rows * _CODES * _CODES)
        self._prompt = Slots(rows * _CODES)
        self._deliveries = Slots(rows)
        self._delivered = Slots(rows)
        self._uncounted = Slots(rows * _CODES * _CODES)
        self._hits: Tally[PoolKey] = Tally(NO_POOL, 16_384)

    def add(self, pieces: Pieces) -> None:
        keys = _cell(pieces.row, pieces.tier, pieces.stage)
        for second, mine in each_second(pieces.second):
            if pieces.flags is None:
                self._add(second, keys[mine], pieces.row[mine], pieces.tokens[mine], pieces.deliveries[mine])
            else:
                self._add_flagged(second, keys, pieces, mine)

    def _add(self, second: int, keys: Index, rows: Index, tokens: Ints, deliveries: Ints) -> None:
        self._tokens.add(second, keys, tokens)
        self._deliveries.add(second, rows, deliveries)
        self._delivered.add(second, rows, tokens)

    def _add_flagged(self, second: int, keys: Index, pieces: Pieces, mine: Index | slice) -> None:
        assert pieces.flags is not None
        at = np.arange(len(keys))[mine]
        flags = pieces.flags[at]
        plain, unknown, whole = at[flags == 0], at[(flags & UNCOUNTED) != 0], at[flags == WHOLE]
        self._add(second, keys[plain], pieces.row[plain], pieces.tokens[plain], pieces.deliveries[plain])
        self._tokens.add(second, keys[whole], pieces.tokens[whole])
        self._uncounted.add(second, keys[unknown], pieces.deliveries[unknown])

    def add_extras(self, seconds: Ints, deliveries: Rows, extras: Rows, row_of_worker: Index) -> None:
        """The further stages of `deliveries`, of which `seconds` are the session seconds."""
        number = deliveries["extra"]
        tokens = deliveries["tokens"].astype(np.int64)
        if len(extras) != len(deliveries) or number.min() != 1:
            owner = np.repeat(np.arange(len(deliveries)), number)
            tokens, seconds = tokens[owner], seconds[owner]
        keys = _cell(row_of_worker.take(extras["worker"]), extras["tier"], extras["stage"])
        for second, mine in each_second(seconds):
            self._beside.add(second, keys[mine], tokens[mine])

    def add_prompt(self, second: int, row: int, tier: Tier, tokens: int) -> None:
        self._prompt.count(second, row * _CODES + _TIER_CODE[tier], tokens)

    def add_hit(self, second: int, pool: PoolKey, tokens: int) -> None:
        self._hits.add(second, pool, tokens)

    def expire(self, first: int) -> None:
        for part in self._slots:
            part.expire(first)
        self._hits.expire(first)

    def resize(self, rows: int) -> None:
        self._rows = rows
        self._tokens.resize(rows * _CODES * _CODES)
        self._beside.resize(rows * _CODES * _CODES)
        self._prompt.resize(rows * _CODES)
        self._deliveries.resize(rows)
        self._delivered.resize(rows)
        self._uncounted.resize(rows * _CODES * _CODES)

    @property
    def _slots(self) -> tuple[Slots, ...]:
        return self._tokens, self._beside, self._prompt, self._deliveries, self._delivered, self._uncounted

    def placed(self) -> Placed:
        return Placed(
            tokens=self._by_stage(self._tokens),
            beside=self._by_stage(self._beside),
            prompt=self._prompt.sums().reshape(self._rows, _CODES)[:, : len(TIERS)],
            deliveries=self._deliveries.sums(),
            delivered=self._delivered.sums(),
            uncounted=self._by_stage(self._uncounted),
            hits=self._hits.sums(),
        )

    def _by_stage(self, slots: Slots) -> Ints:
        return slots.sums().reshape(self._rows, _CODES, _CODES)[:, : len(TIERS), : len(STAGES)]


def _cell(rows: Index, tiers: Ints, stages: Ints) -> Index:
    """A code that does not exist would be someone else's cell: it is cut to its bits."""
    kind = ((tiers & (_CODES - 1)) << _BITS) | (stages & (_CODES - 1))
    return (rows << (2 * _BITS)) | kind
