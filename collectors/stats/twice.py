"""Sources of deliveries that tell of the same requests: a tap in front of a router that tells its own placement. Each token is to be counted once. Pure."""

from collections import Counter, deque
from collections.abc import Collection
from itertools import combinations
from typing import Final

REMEMBERED: Final = 512
"""Requests by which it is judged, the newest."""
ENOUGH: Final = 3
SAME: Final = 0.9
"""Of a source's requests that the other one tells of as well: some of the newest may not have been joined yet."""


class Together:
    """Fed with the sources of each request that ended."""

    def __init__(self) -> None:
        self._newest: deque[frozenset[str]] = deque()
        self._of: Counter[str] = Counter()
        self._both: Counter[tuple[str, str]] = Counter()

    def add(self, sources: Collection[str]) -> None:
        told = frozenset(sources)
        self._newest.append(told)
        self._count(told, 1)
        if len(self._newest) > REMEMBERED:
            self._count(self._newest.popleft(), -1)

    def twice(self) -> dict[str, str]:
        """Sources that tell nothing which another one does not tell, with that other one: the one that tells of more, or came first."""
        found: dict[str, str] = {}
        for (one, two), both in sorted(self._both.items()):
            less, more = (one, two) if self._of[one] < self._of[two] else (two, one)
            if both >= max(ENOUGH, SAME * self._of[less]) and more not in found:
                found.setdefault(less, more)
        return found

    def _count(self, told: frozenset[str], by: int) -> None:
        self._of.update(dict.fromkeys(told, by))
        pairs = list(combinations(sorted(told), 2))
        self._both.update(dict.fromkeys(pairs, by))
