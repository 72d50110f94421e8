"""Native histograms as the classic ones that everything downstream reads: cumulative counts at fixed bounds.

A native histogram names only the buckets that have observations, so its bounds grow with what it sees: both ends of each bucket, that none
seems to begin where the one before it ends. Bounds are kept once seen; a count at a bound is exact, for the buckets of one resolution do not
overlap. When the resolution changes the bounds begin anew.
"""

from typing import Final

from collectors.wire.prom_api import NativeHistogram

MAX_BOUNDS: Final = 500


class NativeBounds:
    """The upper bounds that one series has had."""

    def __init__(self) -> None:
        self._lows: dict[float, float] = {}

    def classic(self, one: NativeHistogram) -> list[tuple[str, str, float]]:
        """(suffix, `le`, value) of each sample that a classic histogram with the same observations would have."""
        if any(self._lows.get(high, low) != low for low, high, _ in one.buckets) or len(self._lows) > MAX_BOUNDS:
            self._lows.clear()
        self._lows |= {high: low for low, high, _ in one.buckets}
        own = {high: count for _, high, count in one.buckets}
        found = []
        total = 0.0
        for bound in sorted({*self._lows, *(low for low in self._lows.values() if low > 0.0)}):
            total += own.get(bound, 0.0)
            if bound != float("inf"):
                found.append(("_bucket", repr(bound), total))
        return [*found, ("_bucket", "+Inf", one.count), ("_sum", "", one.sum), ("_count", "", one.count)]
