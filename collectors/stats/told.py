"""What one observer told of one request, in the order in which it was heard: so that what was known at any moment can be asked for afterwards.

Rows are kept as they came; a decision, which may have hundreds of candidates, as bytes inside a budget of all requests together.
"""

import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from collectors.model.batch import Admitted, Decision, Finished, Inventory, Received, Span
from collectors.model.vocabulary import Tier

MAX_TOLD: Final = 512
"""Rows of one request; further ones are counted."""
MAX_DECISION_BYTES: Final = 8 << 20
_LARGE: Final = 2_048
"""Bytes from which on a decision is compressed."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Decision).decode
Row = Received | Admitted | Finished | Span


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """What a source's numbers of workers and pools mean."""

    workers: dict[int, str] = field(default_factory=dict)
    pools: dict[int, tuple[str, Tier]] = field(default_factory=dict)

    def after(self, part: Inventory) -> "Slots":
        """A slot that an inventory leaves out may still be named by rows."""
        return Slots(
            self.workers | {worker.slot: worker.id for worker in part.workers},
            self.pools | {pool.slot: (pool.owner, pool.tier) for pool in part.pools},
        )


@dataclass(slots=True, eq=False)
class Packed:
    """A decision; without `data` where it is not kept any more."""

    data: bytes | None
    zipped: bool

    def open(self) -> Decision | None:
        if self.data is None:
            return None
        return _decode(zlib.decompress(self.data) if self.zipped else self.data)


class Decisions:
    """The newest that fit into `max_bytes`."""

    def __init__(self, max_bytes: int = MAX_DECISION_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._kept: deque[Packed] = deque()

    def keep(self, row: Decision) -> Packed:
        data = _encode(row)
        zipped = len(data) > _LARGE
        packed = Packed(zlib.compress(data, 1) if zipped else data, zipped)
        self._kept.append(packed)
        self.bytes += len(packed.data or b"")
        while self.bytes > self.max_bytes and len(self._kept) > 1:
            oldest = self._kept.popleft()
            self.bytes -= len(oldest.data or b"")
            oldest.data = None
        return packed


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What was known of a request at a moment. Times are the observer's clock's."""

    received: Received
    admitted: tuple[Admitted, ...] = ()
    decision: Packed | None = None
    finished: Finished | None = None
    spans: tuple[Span, ...] = ()


@dataclass(slots=True, eq=False)
class Told:
    received: Received
    heard_ns: int
    slots: Slots
    """As they were when the newest row was heard."""
    rows: list[tuple[int, Row | Packed]] = field(default_factory=list)
    serials: list[int] = field(default_factory=list)
    """Numbers that its deliveries have: another one after each lost connection."""
    more: int = 0
    """Rows that are not kept."""

    def add(self, heard_ns: int, row: Row | Packed, slots: Slots) -> None:
        self.slots = slots
        if len(self.rows) < MAX_TOLD or isinstance(row, Finished):
            self.rows.append((heard_ns, row))
        else:
            self.more += 1

    @property
    def finished_heard_ns(self) -> int | None:
        """When its end was heard."""
        return next((heard_ns for heard_ns, row in reversed(self.rows) if isinstance(row, Finished)), None)

    def until(self, until_ns: int) -> Known | None:
        """From the batches before a tick; None if nothing had been heard of it."""
        if self.heard_ns >= until_ns:
            return None
        rows = [row for heard_ns, row in self.rows if heard_ns < until_ns]
        return Known(
            self.received,
            tuple(row for row in rows if isinstance(row, Admitted)),
            next((row for row in rows if isinstance(row, Packed)), None),
            next((row for row in rows if isinstance(row, Finished)), None),
            tuple(_spans(rows)),
        )


def _spans(rows: list[Row | Packed]) -> Iterator[Span]:
    return (row for row in rows if isinstance(row, Span))
