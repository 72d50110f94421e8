"""Which evictable block of a pool goes first: least recently used, least frequently used, or oldest with an expiry.

Only the order of blocks: what is resident and referred to is `emulators.kv`'s, hit rates of traces are `emulators.calibration.cache`'s.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Final, Protocol

POLICIES: Final = ("lru", "lfu", "ttl")


class Order(Protocol):
    """Evictable blocks. Whoever holds one keeps the count of references: `take` when it gets its first, `put` when it has lost its last."""

    def __len__(self) -> int: ...

    def __contains__(self, name: int) -> bool: ...

    def put(self, now_ns: int, names: Sequence[int]) -> None:
        """Each has been used once more, and is evictable: the last as the most recently used."""

    def take(self, names: Iterable[int]) -> None:
        """These are in use, and not evictable. KeyError for one that is not."""

    def forget(self, names: Iterable[int]) -> None:
        """These were in use and are gone."""

    def pop(self, count: int) -> list[int]:
        """Evicts so many. KeyError if there are fewer."""

    def expired(self, now_ns: int) -> list[int]:
        """Evicts those whose time is over."""


class Lru:
    """The least recently used goes first."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: int) -> bool:
        return name in self._names

    def put(self, now_ns: int, names: Sequence[int]) -> None:
        # Without loops in Python: prompts of thousands of blocks come and go.
        held = self._names
        deque(map(held.__setitem__, names, repeat(None)), 0)
        deque(map(held.move_to_end, names), 0)

    def take(self, names: Iterable[int]) -> None:
        deque(map(self._names.__delitem__, names), 0)

    def forget(self, names: Iterable[int]) -> None:
        pass

    def pop(self, count: int) -> list[int]:
        pop = self._names.popitem
        return [pop(last=False)[0] for _ in range(count)]

    def expired(self, now_ns: int) -> list[int]:
        return []


class Lfu:
    """The least often used since it was stored goes first, of equals the least recently used. What is evicted is forgotten: its count starts again."""

    __slots__ = ("_by_uses", "_least", "_size", "_uses")

    def __init__(self) -> None:
        self._uses: dict[int, int] = {}
        """Uses of every block, in use or evictable."""
        self._by_uses: dict[int, OrderedDict[int, None]] = {}
        self._least = 1
        """No evictable block was used less often."""
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, name: int) -> bool:
        return name in self._by_uses.get(self._uses.get(name, 0), ())

    def put(self, now_ns: int, names: Sequence[int]) -> None:
        uses, by_uses = self._uses, self._by_uses
        for name in names:
            count = uses.get(name, 0)
            group = by_uses.get(count)
            if group is not None and name in group:
                del group[name]
            else:
                self._size += 1
            uses[name] = count = count + 1
            group = by_uses.get(count)
            if group is None:
                group = by_uses[count] = OrderedDict()
            group[name] = None
            self._least = min(self._least, count)

    def take(self, names: Iterable[int]) -> None:
        for name in names:
            del self._by_uses[self._uses[name]][name]
            self._size -= 1

    def forget(self, names: Iterable[int]) -> None:
        for name in names:
            self._uses.pop(name, None)

    def pop(self, count: int) -> list[int]:
        if count > self._size:
            raise KeyError(f"{count} blocks of {self._size}")
        gone: list[int] = []
        by_uses = self._by_uses
        while len(gone) < count:
            group = by_uses.get(self._least)
            if group:
                gone.append(group.popitem(last=False)[0])
            else:
                by_uses.pop(self._least, None)
                self._least = min(by_uses)
        self._size -= count
        self.forget(gone)
        return gone

    def expired(self, now_ns: int) -> list[int]:
        return []


class Ttl:
    """What has not been used for `ttl_ns` is gone; before that the least recently used goes first."""

    __slots__ = ("_since", "ttl_ns")

    def __init__(self, ttl_ns: int) -> None:
        if ttl_ns <= 0:
            raise ValueError(f"a block must live longer than {ttl_ns} ns")
        self.ttl_ns = ttl_ns
        self._since: OrderedDict[int, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, name: int) -> bool:
        return name in self._since

    def put(self, now_ns: int, names: Sequence[int]) -> None:
        for name in names:
            self._since[name] = now_ns
            self._since.move_to_end(name)

    def take(self, names: Iterable[int]) -> None:
        for name in names:
            del self._since[name]

    def forget(self, names: Iterable[int]) -> None:
        pass

    def pop(self, count: int) -> list[int]:
        return [self._since.popitem(last=False)[0] for _ in range(count)]

    def expired(self, now_ns: int) -> list[int]:
        gone: list[int] = []
        while self._since and next(iter(self._since.values())) + self.ttl_ns <= now_ns:
            gone += self.pop(1)
        return gone

    def next_expiry_ns(self, now_ns: int) -> int:
        """When a block next expires, at the earliest, whatever is put from now on."""
        since = next(iter(self._since.values()), now_ns)
        return since + self.ttl_ns


def order(policy: str, ttl_ns: int | None = None) -> Order:
    """An empty order by the name of its policy; `ttl_ns` is for `ttl` alone, which needs it. ValueError if that does not hold."""
    if policy not in POLICIES:
        raise ValueError(f"unknown eviction policy {policy!r}; known: {', '.join(POLICIES)}")
    if (policy == "ttl") != (ttl_ns is not None):
        raise ValueError("a time to live goes with the policy ttl, and with no other")
    if ttl_ns is not None:
        return Ttl(ttl_ns)
    return Lru() if policy == "lru" else Lfu()
