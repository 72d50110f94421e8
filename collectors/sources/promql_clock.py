"""A server's clock beside session time."""

import msgspec

SLACK_NS = 250_000_000
"""What two clocks may drift apart before it is looked at anew: a step in between would shift every rate."""


class ServerClock(msgspec.Struct):
    """Session time = server's time + `offset_ns`, known to ± `uncertainty_ns`."""

    offset_ns: int | None = None
    uncertainty_ns: int = 0

    def observe(self, before_ns: int, server_s: float, after_ns: int) -> None:
        """The server said its time between two moments of the session. The quickest answer counts, until a clock was set."""
        offset_ns = (before_ns + after_ns) // 2 - round(server_s * 1e9)
        uncertainty_ns = (after_ns - before_ns) // 2
        if self.offset_ns is not None:
            apart_ns = abs(offset_ns - self.offset_ns)
            if apart_ns <= uncertainty_ns + self.uncertainty_ns + SLACK_NS and uncertainty_ns >= self.uncertainty_ns:
                return
        self.offset_ns, self.uncertainty_ns = offset_ns, uncertainty_ns

    def session_ns(self, server_s: float) -> int:
        """Once something was observed."""
        return round(server_s * 1e9) + (self.offset_ns or 0)
