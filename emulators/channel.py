"""A path for KV between two memories, whose bandwidth the transfers under way share equally: each slows down when another joins.

Processor sharing in virtual time (Kleinrock): all move at the same rate, so a transfer of `size` bytes that joins when each has moved V ends when each
has moved V + size. Nothing is worked out per byte or per tick; bytes are counted when they are sent.
"""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from emulators.catalogue import Link
from emulators.loop import Loop

NS = 1e9
NEVER_NS = 1 << 62


@dataclass(slots=True)
class Channel:
    """One direction of a link. Bandwidth in bytes/s: what it has now, and what it is made for. A channel is either shared (`send`, `put`) or a queue (`book`), never both."""

    bytes_per_s: float
    latency_ns: int
    busy_until_ns: int = 0
    """Of a queue: when what has been booked will be through."""
    bytes_sent: int = 0
    _ends: list[tuple[float, int, Callable[[int], None] | None]] = field(default_factory=list)
    """Heap of the transfers under way: V at the end, order of joining, whom to tell."""
    _moved: float = 0.0
    """V: bytes that each transfer has moved that has been there since the channel was last idle."""
    _at_ns: float = 0.0
    _through_ns: float = 0.0
    """When everything under way is through, if nothing joins."""
    _joined: int = 0
    _awaited: int = 0
    _wake_ns: int | None = None
    rated_bytes_per_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.rated_bytes_per_s = self.bytes_per_s

    @classmethod
    def of(cls, link: Link, beside: int = 1) -> "Channel":
        """So many equal links beside one another, over which each transfer is spread."""
        return cls(beside * link.effective_bytes_per_s.value, round(link.latency_s.value * NS))

    def send(self, loop: Loop, size: int, arrived: Callable[[], None]) -> None:
        """Sends `size` bytes; `arrived` is called on the loop when they are there, latency included."""
        self._join(loop.now_ns, size, partial(self._tell, loop, arrived))
        self._awaited += 1
        self._plan(loop)

    def put(self, now_ns: int, size: int) -> None:
        """Sends `size` bytes for whose arrival nobody waits."""
        self._join(now_ns, size, None)

    def carry(self, loop: Loop, share: float) -> None:
        """From now on the link has this share of what it is made for, for what is under way as well. With 0 nothing moves: it waits."""
        self._advance(loop.now_ns)
        self.bytes_per_s = share * self.rated_bytes_per_s
        left = sum([end for end, _, _ in self._ends]) - self._moved * len(self._ends)
        self._through_ns = loop.now_ns + self._lasts_ns(left)
        self._plan(loop)

    def backlog_ns(self, now_ns: int) -> int:
        """How long everything under way would take, if nothing joined: whoever shares it, all of the bandwidth is used."""
        self._advance(now_ns)
        return round(min(max(0.0, self._through_ns - now_ns), NEVER_NS))

    def book(self, now_ns: int, size: int) -> int:
        """As a queue: sends `size` bytes after what was booked before; the time at which they have arrived."""
        self.bytes_sent += size
        self.busy_until_ns = max(now_ns, self.busy_until_ns) + math.ceil(size / self.bytes_per_s * NS)
        return self.busy_until_ns + self.latency_ns

    def _join(self, now_ns: int, size: int, tell: Callable[[int], None] | None) -> None:
        if now_ns != self._at_ns:
            self._advance(now_ns)
        if not self._ends:
            self._moved = 0.0
        self._joined += 1
        self.bytes_sent += size
        self._through_ns = max(self._through_ns, now_ns) + self._lasts_ns(size)
        heapq.heappush(self._ends, (self._moved + size, self._joined, tell))

    def _advance(self, now_ns: int) -> None:
        """Moves all transfers to now, and tells those that are through."""
        ends = self._ends
        while ends:
            at = self._next_end_ns()
            if at > now_ns:
                self._moved += (now_ns - self._at_ns) / NS * self.bytes_per_s / len(ends)
                break
            self._at_ns = at
            self._moved, _, tell = heapq.heappop(ends)
            if tell is not None:
                self._awaited -= 1
                tell(math.ceil(at))
        if now_ns > self._at_ns:
            self._at_ns = float(now_ns)

    def _next_end_ns(self) -> float:
        if not self.bytes_per_s:
            return math.inf
        left = self._ends[0][0] - self._moved
        return self._at_ns + left * len(self._ends) / self.bytes_per_s * NS if left > 0 else self._at_ns

    def _lasts_ns(self, size: float) -> float:
        """How long so many bytes take alone."""
        if not self.bytes_per_s:
            return math.inf if size else 0.0
        return size / self.bytes_per_s * NS

    def _plan(self, loop: Loop) -> None:
        if not self._awaited or not self.bytes_per_s:
            return
        at = max(loop.now_ns, math.ceil(self._next_end_ns()))
        # Joining delays those that are under way, so only a transfer that is to end before them needs an earlier wake.
        if self._wake_ns is None or at < self._wake_ns:
            self._wake_ns = at
            loop.at(at, self._wake, loop)

    def _wake(self, loop: Loop) -> None:
        if loop.now_ns == self._wake_ns:
            self._wake_ns = None
            self._advance(loop.now_ns)
            self._plan(loop)

    def _tell(self, loop: Loop, arrived: Callable[[], None], at_ns: int) -> None:
        loop.at(max(loop.now_ns, at_ns + self.latency_ns), arrived)
