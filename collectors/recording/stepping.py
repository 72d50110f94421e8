"""From delivery to delivery in a recording."""

from typing import Final

from collectors.model.batch import Batch, Deliveries, Tick
from collectors.recording.reader import Reader

SECOND_NS: Final = 1_000_000_000
FAR_NS: Final = 120 * SECOND_NS
"""How far is looked."""


def tick_of_delivery(reader: Reader, time_ns: int, direction: int) -> int | None:
    """The nearest tick after (`direction` > 0) or before `time_ns` that is the first to tell of any delivery; None where there is none within FAR_NS."""
    if direction > 0:
        return next(iter(_telling(reader, time_ns, time_ns + FAR_NS)), None)
    for look_ns in (SECOND_NS, 10 * SECOND_NS, FAR_NS):
        if found := _telling(reader, time_ns - look_ns, time_ns, every=True):
            return found[-1]
    return None


def _telling(reader: Reader, begin_ns: int, end_ns: int, *, every: bool = False) -> list[int]:
    """The ticks between the two, both excluded, that tell of a delivery: the first one, or every one."""
    found: list[int] = []
    heard = False
    for item in reader.items(begin_ns, end_ns):
        if isinstance(item, Tick):
            if heard and item.time_ns > begin_ns:
                found.append(item.time_ns)
                if not every:
                    break
            heard = False
        elif isinstance(item, Batch) and not heard:
            heard = any(isinstance(part, Deliveries) and len(part.rows) for part in item.parts)
    return found
