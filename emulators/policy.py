"""Which evictable blocks of a pool go first: least recently used, least frequently used, or oldest with an expiry.

Blocks that were used together stand in the order as one extent, of which the last block goes first. Only the order is here: what is resident and referred
to is `emulators.kv`'s, hit rates of traces are `emulators.calibration.cache`'s.
"""

from typing import Final, Protocol

from emulators.extents import Extent, link

POLICIES: Final = ("lru", "lfu", "ttl")


class Order(Protocol):
    """Evictable extents. An extent is `put` when it loses its last reference, and to be taken out before anything else is done with it."""

    def put(self, now_ns: int, extent: Extent) -> None:
        """It has been used once more, and is evictable: the most recently used of all."""

    def take(self, extent: Extent) -> None:
        """It is in use, or gone."""

    def oldest(self) -> Extent | None:
        """The extent whose last block goes first."""

    def expired(self, now_ns: int) -> Extent | None:
        """One whose time is over."""


class Lru:
    """The least recently used goes first."""

    __slots__ = ("_ring",)

    def __init__(self) -> None:
        self._ring = Extent.ring()

    def put(self, now_ns: int, extent: Extent) -> None:
        link(extent, self._ring)

    def take(self, extent: Extent) -> None:
        extent.before.after = extent.after
        extent.after.before = extent.before

    def oldest(self) -> Extent | None:
        first = self._ring.after
        return None if first is self._ring else first

    def expired(self, now_ns: int) -> Extent | None:
        return None


class Lfu:
    """The least often used since it was stored goes first, of equals the least recently used. What is evicted is forgotten: its count starts again."""

    __slots__ = ("_least", "_rings")

    def __init__(self) -> None:
        self._rings: dict[int, Extent] = {}
        """By number of uses."""
        self._least = 1
        """Nothing was used less often."""

    def put(self, now_ns: int, extent: Extent) -> None:
        extent.uses += 1
        self._least = min(self._least, extent.uses)
        ring = self._rings.get(extent.uses)
        if ring is None:
            ring = self._rings[extent.uses] = Extent.ring()
        link(extent, ring)

    def take(self, extent: Extent) -> None:
        before, after = extent.before, extent.after
        before.after, after.before = after, before
        if before is after:
            del self._rings[extent.uses]

    def oldest(self) -> Extent | None:
        if not self._rings:
            return None
        if self._least not in self._rings:
            self._least = min(self._rings)
        return self._rings[self._least].after

    def expired(self, now_ns: int) -> Extent | None:
        return None


class Ttl(Lru):
    """What has not been used for `ttl_ns` is gone; before that the least recently used goes first."""

    __slots__ = ("ttl_ns",)

    def __init__(self, ttl_ns: int) -> None:
        if ttl_ns <= 0:
            raise ValueError(f"a block must live longer than {ttl_ns} ns")
        super().__init__()
        self.ttl_ns = ttl_ns

    def put(self, now_ns: int, extent: Extent) -> None:
        extent.since_ns = now_ns
        link(extent, self._ring)

    def expired(self, now_ns: int) -> Extent | None:
        first = self.oldest()
        return first if first is not None and first.since_ns + self.ttl_ns <= now_ns else None

    def next_expiry_ns(self, now_ns: int) -> int:
        """When a block next expires, at the earliest, whatever is put from now on."""
        first = self.oldest()
        return (now_ns if first is None else first.since_ns) + self.ttl_ns


def order(policy: str, ttl_ns: int | None = None) -> Order:
    """An empty order by the name of its policy; `ttl_ns` is for `ttl` alone, which needs it. ValueError if that does not hold."""
    if policy not in POLICIES:
        raise ValueError(f"unknown eviction policy {policy!r}; known: {', '.join(POLICIES)}")
    if (policy == "ttl") != (ttl_ns is not None):
        raise ValueError("a time to live goes with the policy ttl, and with no other")
    if ttl_ns is not None:
        return Ttl(ttl_ns)
    return Lru() if policy == "lru" else Lfu()
