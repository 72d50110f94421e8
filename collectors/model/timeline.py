"""What a byte of `Frame.timeline` says: a level of jitter, how it was come by, and whether counters began anew in that second."""

from typing import Final

LEVELS: Final = 14
"""The highest level; 0 is no data. Level l is a p99 − p50 of 10 µs · 10^((l − 1) / 2) and more, the first of anything less too, the last of anything more."""
BUCKETS: Final = 16
"""Added to a level that is the middle of an interval, or what it is at least: of a page's buckets, over the time between samples that it takes to tell it."""
BACKFILLED: Final = 32
"""Added to one that a server had stored before the session, of buckets too."""
RESET: Final = 64
"""Added where the counters of a page were seen to have begun anew."""
GAP: Final = 255
GAP_RESET: Final = 254
"""Both: seen in a second in which nothing was observed of any jitter."""


def marked(byte: int) -> int:
    """The same with RESET."""
    return GAP_RESET if byte >= GAP_RESET else byte | RESET


def unmarked(byte: int) -> tuple[int, bool]:
    """The byte without RESET, and whether it had it."""
    if byte >= GAP_RESET:
        return GAP, byte == GAP_RESET
    return byte & ~RESET, bool(byte & RESET)


def level_of(byte: int) -> int:
    """1 … LEVELS, or 0 where none is known."""
    level, _ = unmarked(byte)
    return 0 if level == GAP else level & (BUCKETS - 1)
