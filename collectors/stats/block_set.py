"""A large set of block hashes with a size each, in two sorted pairs of columns: a long one, and the changes since it was last rewritten.

A lookup is two binary searches; a change touches the short pair only, and every now and then both are merged. 12 bytes a block, whatever the hashes are:
no chain of collisions can be made. Which blocks are in it and why is not decided here.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from collectors.stats.sketch import Bools, Ints

Hashes = npt.NDArray[np.uint64]
Sizes = npt.NDArray[np.uint32]

ABSENT: Final = -1
_GONE: Final = np.uint32(0xFFFF_FFFF)
LARGEST: Final = 0xFFFF_FFFE
"""Largest size of a block; a larger one is kept as this."""
MIN_CHANGES: Final = 1_024
CHANGES_SHIFT: Final = 3
"""The changes are merged when they are more than an eighth of what there is."""


class BlockSet:
    """`blocks` are in it, `total` is the sum of their sizes, `unsized` have the size 0, which is: not known."""

    def __init__(self) -> None:
        self.blocks = 0
        self.total = 0
        self.unsized = 0
        self._hashes = np.zeros(0, np.uint64)
        self._sizes = np.zeros(0, np.uint32)
        self._changed = np.zeros(0, np.uint64)
        self._changes = np.zeros(0, np.uint32)

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in (self._hashes, self._sizes, self._changed, self._changes))

    def sizes(self, hashes: Hashes) -> Ints:
        """The size of each block, ABSENT for those that are not in the set."""
        found = np.full(len(hashes), ABSENT, np.int64)
        for keys, sizes in ((self._hashes, self._sizes), (self._changed, self._changes)):
            place, there = _find(keys, hashes)
            held = sizes[place[there]].astype(np.int64)
            found[there] = np.where(held == _GONE, ABSENT, held)
        return found

    def put(self, hashes: Hashes, sizes: Ints) -> None:
        """Adds blocks, or gives those in the set another size. `hashes` are ascending and distinct."""
        sizes = np.minimum(sizes, LARGEST)
        self._count(self.sizes(hashes), -1)
        self._count(sizes, 1)
        self._change(hashes, sizes.astype(np.uint32))

    def drop(self, hashes: Hashes) -> None:
        """Takes blocks that are in the set out of it. `hashes` are ascending and distinct."""
        self._count(self.sizes(hashes), -1)
        self._change(hashes, np.full(len(hashes), _GONE))

    def _count(self, sizes: Ints, sign: int) -> None:
        there = sizes != ABSENT
        self.blocks += sign * int(np.count_nonzero(there))
        self.unsized += sign * int(np.count_nonzero(sizes == 0))
        self.total += sign * int(sizes[there].sum())

    def _change(self, hashes: Hashes, sizes: Sizes) -> None:
        place, there = _find(self._changed, hashes)
        self._changes[place[there]] = sizes[there]
        new = ~there
        self._changed = np.insert(self._changed, place[new], hashes[new])
        self._changes = np.insert(self._changes, place[new], sizes[new])
        if len(self._changed) > max(MIN_CHANGES, len(self._hashes) >> CHANGES_SHIFT):
            self._merge()

    def _merge(self) -> None:
        place, there = _find(self._hashes, self._changed)
        stays = np.ones(len(self._hashes), np.bool_)
        stays[place[there]] = False
        live = self._changes != _GONE
        hashes, sizes = self._hashes[stays], self._sizes[stays]
        place = np.searchsorted(hashes, self._changed[live])
        self._hashes = np.insert(hashes, place, self._changed[live])
        self._sizes = np.insert(sizes, place, self._changes[live])
        self._changed, self._changes = self._changed[:0].copy(), self._changes[:0].copy()


def _find(keys: Hashes, hashes: Hashes) -> tuple[npt.NDArray[np.intp], Bools]:
    """Where each hash is, or would be, in ascending `keys`, and whether it is there."""
    place = np.searchsorted(keys, hashes)
    if not len(keys):
        return place, np.zeros(len(hashes), np.bool_)
    return place, keys[np.minimum(place, len(keys) - 1)] == hashes
