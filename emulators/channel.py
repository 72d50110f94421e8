"""A path for KV between two memories: transfers go one after the other, at its bandwidth."""

import math
from dataclasses import dataclass

from emulators.catalogue import Link


@dataclass(slots=True)
class Channel:
    """One direction of a link. Bandwidth in bytes/s; `busy_until_ns` is when what has been booked will be through."""

    bytes_per_s: float
    latency_ns: int
    busy_until_ns: int = 0

    @classmethod
    def of(cls, link: Link) -> "Channel":
        return cls(link.effective_bytes_per_s.value, round(link.latency_s.value * 1e9))

    def book(self, now_ns: int, size: int) -> int:
        """Sends `size` bytes after what is under way; the time at which they have arrived."""
        self.busy_until_ns = max(now_ns, self.busy_until_ns) + math.ceil(size / self.bytes_per_s * 1e9)
        return self.busy_until_ns + self.latency_ns

    def backlog_ns(self, now_ns: int) -> int:
        return max(0, self.busy_until_ns - now_ns)
