"""Which part of a recording is exported, and reading it from where it can be understood."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from collectors.recording.codec import Item
from collectors.recording.reader import Reader

_SECOND_NS: Final = 1_000_000_000
BEFORE_NS: Final = 60 * _SECOND_NS
"""Read before the part, for what is counted from earlier: a gap begins with the delivery before."""
AFTER_NS: Final = 10 * _SECOND_NS
"""Read after it: what happened in the part may have been told later."""
_FOREVER_NS: Final = 1 << 62


class Part(NamedTuple):
    """Session times begin ≤ t < end."""

    begin_ns: int
    end_ns: int

    def has(self, time_ns: int) -> bool:
        return self.begin_ns <= time_ns < self.end_ns


ALL: Final = Part(-_FOREVER_NS, _FOREVER_NS)


def part(reader: Reader, from_s: float | None, until_s: float | None) -> Part:
    """Seconds from the recording's first item on (infinity: its end); None: from its beginning, to its end."""
    first = reader.info().t0_ns or 0

    def moment(seconds: float) -> int:
        return min(first + round(min(seconds, 1e9) * 1e9), _FOREVER_NS)

    return Part(
        ALL.begin_ns if from_s is None else moment(from_s),
        ALL.end_ns if until_s is None else moment(until_s),
    )


def items(reader: Reader, of: Part, *, whole: bool = False) -> Iterator[Item]:
    """All that what happened in the part can be known from. `whole`: from the beginning, for what must be known is said only once."""
    end_ns = of.end_ns + AFTER_NS
    if whole or of.begin_ns == ALL.begin_ns:
        return reader.items(None, end_ns)
    return reader.since_key(of.begin_ns - BEFORE_NS, end_ns)
