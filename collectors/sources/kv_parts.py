"""KV events of one publisher as parts of batches: ranks become workers, ranks and tiers become pools, blocks become rows. No I/O."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from collectors.model.batch import BLOCK, EMPTIED, Blocks, Inventory, Part, PoolInfo, Rows, WorkerInfo
from collectors.model.vocabulary import TIERS, Counted, Tier
from collectors.wire.kv_events import EVERY_TIER, KvEvents

MAX_RANKS: Final = 256
"""Of one publisher, which speaks of one, or of those of one engine."""
_DEVICE: Final = frozenset({Tier.SRAM, Tier.HBM, Tier.GDDR})
_SEEN_WHOLLY: Final = _DEVICE | {Tier.DRAM}
"""Tiers of which every block that leaves is told. File systems and stores of others lose blocks that no event speaks of."""


class KvParts:
    """The worker of rank r is `target/r`; `rank` is that of messages that say none. An inventory is among the parts whenever it is a new one."""

    def __init__(self, target: str, rank: int) -> None:
        self._target = target
        self._rank = rank
        self._complete = True
        self._emptied: set[int] = set()
        """Ranks whose device was emptied since something was last missed."""
        self._ranks: list[int] = [rank]
        self._pools: dict[tuple[int, Tier], Counted] = {}
        self._told: Inventory | None = None

    @property
    def ranks_refused(self) -> bool:
        """Whether there were more ranks than MAX_RANKS; what they said is left out."""
        return len(self._ranks) > MAX_RANKS

    def incomplete(self) -> None:
        """Something was missed: what the pools hold is only about known."""
        self._complete = False
        self._emptied.clear()
        self._pools = dict.fromkeys(self._pools, Counted.ABOUT)

    def restarted(self, time_ns: int) -> list[Part]:
        """The publisher counts from 0 again: its pools are empty, and nothing has been missed yet."""
        self._complete = True
        self._pools = {key: self._trust(key[1]) for key in self._pools}
        rows = np.zeros(len(self._pools), BLOCK)
        rows["time_ns"], rows["pool"], rows["op"] = time_ns, np.arange(len(rows)), EMPTIED
        return [Blocks(_frozen(rows), in_tokens=True, past=True)] if len(rows) else []

    def parts(self, messages: Sequence[KvEvents], *, past: bool) -> list[Part]:
        """What some messages say, in order. `past`: they were replayed."""
        made = [rows for message in messages if len(rows := self._rows(message))]
        parts = self.inventory()
        if made:
            parts.append(Blocks(_frozen(np.concatenate(made)), in_tokens=True, past=past))
        return parts

    def inventory(self) -> list[Part]:
        """The inventory, unless it is the one that was last told."""
        slots = {rank: slot for slot, rank in enumerate(self._ranks[:MAX_RANKS])}
        part = Inventory(
            workers=tuple(WorkerInfo(slot, f"{self._target}/{rank}") for rank, slot in slots.items()),
            pools=tuple(
                PoolInfo(slot, tier, f"{self._target}/{rank}", slots[rank], None, counted)
                for slot, ((rank, tier), counted) in enumerate(self._pools.items())
            ),
        )
        if part == self._told:
            return []
        self._told = part
        return [part]

    def _rows(self, message: KvEvents) -> Rows:
        rank = self._rank if message.rank is None else message.rank
        if rank not in self._ranks:
            if len(self._ranks) <= MAX_RANKS:
                self._ranks.append(rank)
            if self.ranks_refused:
                return np.zeros(0, BLOCK)
        source = message.rows
        for code in np.unique(source["tier"]).tolist():
            if code != EVERY_TIER:
                tier = TIERS[code]
                self._pools.setdefault((rank, tier), self._new(rank, tier))
        slots = {tier: slot for slot, (of, tier) in enumerate(self._pools) if of == rank}
        if (source["op"] == EMPTIED).any():
            source = self._spread(source, rank, list(slots))
        slot_of_code = np.zeros(256, np.uint16)
        slot_of_code[[TIERS.index(tier) for tier in slots]] = list(slots.values())
        rows = np.zeros(len(source), BLOCK)
        rows["time_ns"] = message.time_ns
        rows["hash"], rows["bytes"], rows["op"] = source["hash"], source["tokens"], source["op"]
        rows["pool"] = slot_of_code[source["tier"]]
        return rows

    def _spread(self, source: Rows, rank: int, tiers: list[Tier]) -> Rows:
        """One row for each pool in place of a row that empties them all. A device that was emptied is known wholly from then on."""
        every = (source["op"] == EMPTIED) & (source["tier"] == EVERY_TIER)
        if not every.any():
            return source
        self._emptied.add(rank)
        for tier in tiers:
            # Engines say so of the device's pool; what is behind it may have stayed, as in vLLM's reset of the prefix cache.
            self._pools[rank, tier] = self._trust(tier) if tier in _DEVICE else Counted.ABOUT
        spread = np.repeat(source, np.where(every, len(tiers), 1))
        spread["tier"][spread["tier"] == EVERY_TIER] = [TIERS.index(tier) for tier in tiers] * int(every.sum())
        return spread

    def _new(self, rank: int, tier: Tier) -> Counted:
        """How well a pool is known of which nothing was heard before."""
        known = self._complete or (tier in _DEVICE and rank in self._emptied)
        return self._trust(tier) if known else Counted.ABOUT

    def _trust(self, tier: Tier) -> Counted:
        return Counted.WHOLE if tier in _SEEN_WHOLLY else Counted.ABOUT


def _frozen(rows: Rows) -> Rows:
    rows.setflags(write=False)
    return rows
