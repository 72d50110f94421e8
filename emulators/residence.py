"""Which blocks a pool holds, as extents of their chains: references to them, and the order in which those without any go.

Bookkeeping only: what may be claimed, what is told and where evicted blocks go is `emulators.kv`'s.
"""

from collections.abc import Sequence

from emulators.blocks import Chain, Run, length
from emulators.extents import Extent, cut, find, join, within
from emulators.policy import Order


class Residence:
    """Resident blocks. `used` of them in all, `idle` of these without a reference; nothing here knows how many there may be."""

    __slots__ = ("_chains", "_order", "idle", "used")

    def __init__(self, order: Order) -> None:
        self._chains: dict[Chain, list[Extent]] = {}
        """Extents of each chain, in order; no list is empty."""
        self._order = order
        self.used = 0
        self.idle = 0

    def references(self) -> dict[int, int]:
        """References to each block by its name, 0 for an evictable one."""
        return {
            name: extent.refs
            for chain, extents in self._chains.items()
            for extent in extents
            for name in chain.names(extent.lo, extent.hi).tolist()
        }

    def runs(self) -> list[Run]:
        """All that is resident, of each chain in order."""
        return [(chain, one.lo, one.hi) for chain, extents in self._chains.items() for one in extents]

    def reach(self, chain: Chain, lo: int) -> int:
        """Up to and without which block all from `lo` on are resident."""
        extents = self._chains.get(chain)
        if extents is None or lo < extents[0].lo:
            return lo
        for index in range(find(extents, lo), len(extents)):
            extent = extents[index]
            if extent.lo > lo:
                break
            lo = extent.hi
        return lo

    def stretch(self, run: Run) -> int:
        """How many of the first blocks of `run` are alike: resident, or, as a negative number, not."""
        chain, lo, hi = run
        extents = self._chains.get(chain)
        if extents is None or extents[-1].hi <= lo:
            return lo - hi
        index = find(extents, lo)
        if extents[index].lo > lo:
            return lo - min(hi, extents[index].lo)
        return min(hi, self.reach(chain, lo)) - lo

    def prefix(self, runs: Sequence[Run]) -> int:
        """How many of the first blocks are resident without a gap."""
        count = 0
        for chain, lo, hi in runs:
            end = self.reach(chain, lo)
            if end < hi:
                return count + end - lo
            count += hi - lo
        return count

    def held_prefix(self, runs: Sequence[Run]) -> int:
        """The same, if no eviction can change it, as requests hold them and nothing of the chain with the next is there; -1 otherwise."""
        count = 0
        for chain, lo, hi in runs:
            extents = self._chains.get(chain)
            if extents is None:
                break
            first = extents[0]
            if not first.refs or lo < first.lo or first.hi < hi:
                return -1
            count += hi - lo
        return count

    def tally(self, runs: Sequence[Run]) -> tuple[int, int]:
        """How many blocks are evictable, and how many are not resident."""
        idle = missing = 0
        for chain, lo, hi in runs:
            missing += hi - lo
            for extent in self._chains.get(chain, ()):
                if extent.hi <= lo:
                    continue
                if extent.lo >= hi:
                    break
                count = (extent.hi if extent.hi < hi else hi) - (extent.lo if lo < extent.lo else lo)
                missing -= count
                if not extent.refs:
                    idle += count
        return idle, missing

    def keeps(self, runs: Sequence[Run], evicted: int) -> bool:
        """Whether the eviction of so many blocks leaves all of these that are resident; False if in doubt."""
        chains = [chain for chain, _, _ in runs]
        extent = self._order.oldest()
        while evicted > 0 and extent is not None:
            if extent.hi == extent.lo or extent.chain in chains:
                return False
            evicted -= extent.hi - extent.lo
            extent = extent.after
        return True

    def extends(self, chain: Chain, lo: int) -> bool:
        """Whether blocks from `lo` on follow the last ones of a chain, which one request alone holds: what decoding does."""
        extents = self._chains.get(chain)
        if extents is None:
            return False
        last = extents[-1]
        return last.hi == lo and last.refs == 1 and not last.uses

    def extend(self, chain: Chain, hi: int) -> None:
        """Stores the blocks up to `hi` where `extends` holds."""
        last = self._chains[chain][-1]
        self.used += hi - last.hi
        last.hi = hi

    def refer(self, run: Run) -> list[Run]:
        """One reference more to each block that is resident; those that are not."""
        chain, lo, hi = run
        extents = self._chains.get(chain)
        if extents is None or lo >= extents[-1].hi:
            return [run]
        gaps: list[Run] = []
        first, last = within(extents, lo, hi)
        for extent in extents[first:last]:
            if lo < extent.lo:
                gaps.append((chain, lo, extent.lo))
            lo = extent.hi
            if not extent.refs:
                self._order.take(extent)
                self.idle -= extent.hi - extent.lo
            extent.refs += 1
        if lo < hi:
            gaps.append((chain, lo, hi))
        join(extents, first, last)
        return gaps

    def give_up(self, now_ns: int, runs: Sequence[Run], full: int) -> tuple[list[Run], list[Run]]:
        """One reference less to each block: of those that lose their last one, the ones that stay, evictable, as they are among the first `full`, and those that go.

        The last blocks become the first to be evicted, as they are of no use without those before them.
        """
        idle: list[Run] = []
        gone: list[Run] = []
        start = length(runs)
        for chain, lo, hi in reversed(runs):
            start -= hi - lo
            stay = min(hi, max(lo, lo + full - start))
            extents = self._chains[chain]
            if stay < hi and len(extents) == 1 and extents[0].refs == 1 and lo == extents[0].lo and hi == extents[0].hi:
                # What most requests end with: their own blocks, of which the last is not full.
                extents[0].hi = stay
                self.used -= hi - stay
                gone.append((chain, stay, hi))
                hi = stay
                if lo == hi:
                    del self._chains[chain]
                    continue
            first, middle = within(extents, lo, stay)
            last = middle if stay == hi else cut(extents, hi)
            for index in range(last - 1, first - 1, -1):
                extent = extents[index]
                if extent.refs > 1:
                    extent.refs -= 1
                elif index < middle:
                    extent.refs = 0
                    self.idle += extent.hi - extent.lo
                    self._order.put(now_ns, extent)
                    idle.append((chain, extent.lo, extent.hi))
                else:
                    self.used -= extent.hi - extent.lo
                    del extents[index]
                    last -= 1
                    gone.append((chain, extent.lo, extent.hi))
            if extents:
                join(extents, first, last)
            else:
                del self._chains[chain]
        return idle, gone

    def refresh(self, now_ns: int, run: Run) -> list[Run]:
        """The evictable blocks have been used, the first one last; those that are not resident, the last first."""
        chain, lo, hi = run
        extents = self._chains.get(chain)
        if extents is None:
            return [run]
        first, last = within(extents, lo, hi)
        if first == last:
            return [run]
        gaps: list[Run] = []
        for extent in reversed(extents[first:last]):
            if extent.hi < hi:
                gaps.append((chain, extent.hi, hi))
            hi = extent.lo
            if not extent.refs:
                self._order.take(extent)
                self._order.put(now_ns, extent)
        if lo < hi:
            gaps.append((chain, lo, hi))
        join(extents, first, last)
        return gaps

    def store(self, run: Run, refs: int, now_ns: int = 0) -> None:
        """Makes blocks resident that are not."""
        chain, lo, hi = run
        self.used += hi - lo
        extent = Extent(chain, lo, hi, refs)
        if not refs:
            self.idle += hi - lo
            self._order.put(now_ns, extent)
        extents = self._chains.get(chain)
        if extents is None:
            self._chains[chain] = [extent]
        else:
            index = find(extents, lo)
            extents.insert(index, extent)
            join(extents, index, index + 1)

    def evict(self, count: int) -> list[Run]:
        """Drops so many evictable blocks, of each run the last first; there are fewer in the runs if there are no more."""
        gone: list[Run] = []
        while count > 0 and (extent := self._order.oldest()) is not None:
            run = self._drop(extent, count)
            gone.append(run)
            count -= run[2] - run[1]
        return gone

    def expire(self, now_ns: int) -> list[Run]:
        """Drops what the order of eviction says is too old."""
        gone: list[Run] = []
        while (extent := self._order.expired(now_ns)) is not None:
            gone.append(self._drop(extent, extent.hi - extent.lo))
        return gone

    def _drop(self, extent: Extent, most: int) -> Run:
        """Takes up to so many blocks from the end of an evictable extent; which they were."""
        chain, hi = extent.chain, extent.hi
        lo = hi - most
        if lo > extent.lo:
            extent.hi = lo
        else:
            lo = extent.lo
            self._order.take(extent)
            extents = self._chains[chain]
            if len(extents) == 1:
                del self._chains[chain]
            else:
                del extents[find(extents, lo)]
        self.used -= hi - lo
        self.idle -= hi - lo
        return chain, lo, hi
