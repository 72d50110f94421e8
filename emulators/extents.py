"""Resident blocks as extents: consecutive blocks of a chain that share their state, so that a context of thousands of blocks is a few objects.

An evictable extent also stands in an order of eviction (`emulators.policy`), its last block before the others.
"""

from bisect import bisect_right
from operator import attrgetter

from emulators.blocks import Chain

_end = attrgetter("hi")


class Extent:
    """Blocks `lo` up to and without `hi` of a chain. `before` and `after` are its neighbours in the order of eviction while `refs` is 0."""

    __slots__ = ("after", "before", "chain", "hi", "lo", "refs", "since_ns", "uses")

    before: "Extent"
    after: "Extent"

    def __init__(self, chain: Chain, lo: int, hi: int, refs: int = 0, uses: int = 0, since_ns: int = 0) -> None:
        self.chain, self.lo, self.hi = chain, lo, hi
        self.refs, self.uses, self.since_ns = refs, uses, since_ns

    @classmethod
    def ring(cls) -> "Extent":
        """The fixed point of a circular list: `after` it comes the first, `before` it the last."""
        ring = cls(Chain(0), 0, 0)
        ring.before = ring.after = ring
        return ring


def link(extent: Extent, after: Extent) -> None:
    """Puts an extent into a list, just before `after`."""
    before = after.before
    extent.before, extent.after = before, after
    before.after = after.before = extent


def find(extents: list[Extent], at: int) -> int:
    """Index of the first of a chain's extents, which are in order, that ends after block `at`; there is at least one, and often no other."""
    return 0 if at < extents[0].hi else bisect_right(extents, at, 1, key=_end)


def cut(extents: list[Extent], at: int) -> int:
    """Makes an extent end before block `at`, if one goes across; the index of the first that begins at it or later."""
    index = find(extents, at)
    if index < len(extents):
        extent = extents[index]
        if extent.lo < at:
            tail = Extent(extent.chain, at, extent.hi, extent.refs, extent.uses, extent.since_ns)
            extent.hi = at
            index += 1
            extents.insert(index, tail)
            if not extent.refs:
                link(tail, extent)
    return index


def within(extents: list[Extent], lo: int, hi: int) -> tuple[int, int]:
    """Indices of the first extent of these blocks, and of the first behind them; what goes across either end is cut."""
    if lo <= extents[0].lo and extents[-1].hi <= hi:
        return 0, len(extents)
    return cut(extents, lo), cut(extents, hi)


def join(extents: list[Extent], first: int, last: int) -> None:
    """Makes one of neighbours that share all their state, from the one before index `first` to the one at index `last`."""
    if len(extents) == 1:
        return
    for index in range(min(last, len(extents) - 1), max(first, 1) - 1, -1):
        head, tail = extents[index - 1], extents[index]
        if head.hi != tail.lo or head.refs != tail.refs or head.uses != tail.uses:
            continue
        if not head.refs:
            if head.before is not tail or head.since_ns != tail.since_ns:
                continue
            head.before = tail.before
            tail.before.after = head
        head.hi = tail.hi
        del extents[index]
