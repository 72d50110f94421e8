"""What comes and goes in a source's memory pools, block by block: how much is stored and removed, and how much of what is stored had been removed only just before.

A pool that is given back what it gave up is too small for what is asked of it. Nothing is known here of what a pool holds (`residency`): a block counts as
stored or removed whenever it is said to be.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice, repeat
from typing import Final, NamedTuple

import numpy as np

from collectors.model.batch import REMOVED, STORED, Blocks, PoolInfo
from collectors.stats.block_set import Hashes
from collectors.stats.fleet import PoolKey
from collectors.stats.sketch import Bools
from collectors.stats.slots import SECOND_NS, Slots

MAX_REMOVED: Final = 1 << 18
"""Blocks of one source of which it is remembered that they were removed (some 30 MB)."""
_MIX: Final = np.uint64(0x9E37_79B9_7F4A_7C15)
"""By which a block's name is made another in each pool."""
_COLUMNS: Final = ("stored", "removed", "again", "stored bytes", "removed bytes", "again bytes", "unsized")
_SIZES, _UNSIZED = 3, 6
"""Where the sizes and what has none begin."""


class Sizes(NamedTuple):
    """In bytes."""

    stored: int
    removed: int
    again: int


class Churned(NamedTuple):
    """Blocks of a pool over the window, and their `sizes` (None: not said of all). `again`: stored blocks that had been removed from it at most a window before;
    at least so many where `forgot`."""

    stored: int
    removed: int
    again: int
    sizes: Sizes | None
    forgot: bool


class Churn:
    """The window is that of whole seconds, [ceil(T − window_s), T)."""

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        self._keys: list[PoolKey] = []
        self._number_of_slot = np.full(1 << 16, -1, np.int64)
        self._cells = Slots(0)
        self._removed: dict[int, int] = {}
        """When each block was removed last that was not stored since, the earliest first."""
        self._forgot_s = -window_s

    def inventory(self, pools: Sequence[PoolInfo]) -> None:
        """A pool that is left out may still be named."""
        numbers = {key: number for number, key in enumerate(self._keys)}
        for pool in pools:
            key = PoolKey(pool.owner, pool.tier)
            number = numbers.setdefault(key, len(numbers))
            if number == len(self._keys):
                self._keys.append(key)
            self._number_of_slot[pool.slot] = number
        self._cells.resize(len(self._keys) * len(_COLUMNS))

    def blocks(self, part: Blocks, time_ns: int) -> None:
        """`time_ns` is that of the batch. What happened some time ago is not counted."""
        rows, second = part.rows, time_ns // SECOND_NS
        number = self._number_of_slot[rows["pool"]]
        known = (number >= 0) & (rows["op"] <= REMOVED)
        if part.past or not known.any():
            return
        if not known.all():
            rows, number = rows[known], number[known]
        op, names = rows["op"], rows["hash"] ^ (number.astype(np.uint64) * _MIX)
        again = self._again(names, op == STORED, second)
        size = np.zeros(len(rows), np.int64) if part.in_tokens else rows["bytes"].astype(np.int64)
        cell = number * len(_COLUMNS)
        for kind, mine in enumerate((op == STORED, op == REMOVED, again)):
            self._cells.add(second, cell[mine] + kind)
            self._cells.add(second, cell[mine] + _SIZES + kind, size[mine])
        self._cells.add(second, cell[size == 0] + _UNSIZED)

    def tick(self, time_ns: int) -> dict[PoolKey, Churned]:
        """Over the window that ends at a tick, of the pools in which anything happened; ticks come in order."""
        first = -(-time_ns // SECOND_NS) - self._window_s
        self._cells.expire(first)
        self._forget(first)
        forgot = self._forgot_s >= first
        found = {}
        rows: list[list[int]] = self._cells.sums().reshape(-1, len(_COLUMNS)).tolist()
        for key, (stored, removed, again, *sizes, unsized) in zip(self._keys, rows, strict=True):
            if stored or removed:
                found[key] = Churned(stored, removed, again, None if unsized else Sizes(*sizes), forgot)
        return found

    def _again(self, names: Hashes, stored: Bools, second: int) -> Bools:
        """Which of these rows store a block that was removed before. Blocks that both come and go among them are looked at one by one."""
        removed, again = self._removed, np.zeros(len(names), np.bool_)
        twice = set(names[stored].tolist()).intersection(names[~stored].tolist())
        both = np.isin(names, np.array(list(twice), np.uint64)) if twice else np.zeros(len(names), np.bool_)
        came, went = np.flatnonzero(stored & ~both), ~stored & ~both
        gone = list(map(removed.pop, names[came].tolist(), repeat(-1)))
        again[came] = np.array(gone, np.int64) >= 0
        left = names[went].tolist()
        deque(map(removed.pop, left, repeat(-1)), 0)  # one that was removed before stands last from now on
        removed.update(zip(left, repeat(second)))
        for at in np.flatnonzero(both).tolist():
            name = int(names[at])
            if stored[at]:
                again[at] = removed.pop(name, -1) >= 0
            else:
                removed[name] = second
        if len(removed) > MAX_REMOVED:
            self._forgot_s = second
            for name in list(islice(removed, len(removed) - MAX_REMOVED)):
                del removed[name]
        return again

    def _forget(self, first: int) -> None:
        """What was removed before the second `first`."""
        old = []
        for name, second in self._removed.items():
            if second >= first:
                break
            old.append(name)
        for name in old:
            del self._removed[name]
