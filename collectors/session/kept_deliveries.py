"""The newest single deliveries of all sources, chunk by chunk inside a byte budget: the oldest go first, and it is said from when on all are there.

A chunk belongs to the tick after which it was known. Asking as of a tick gives what had come before it, however much has come since.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from collectors.session.clock import TICK_NS
from collectors.stats.kept_rows import KeptRows

MAX_BYTES: Final = 24 << 20
EVER_NS: Final = -(1 << 62)
MAX_CHANGES: Final = 1_024
"""Of a source's connection that are remembered."""


@dataclass(slots=True, eq=False)
class Piece:
    """Deliveries of one source that one tick dealt with. `counted`: no other source counts them in its place, and they are not our own."""

    source: str
    tick_ns: int
    counted: bool
    rows: KeptRows
    memo: dict[object, object] = field(default_factory=dict)
    """What was worked out of it alone."""


@dataclass(slots=True)
class Change:
    """Since `time_ns` a source was, or was not, connected. `undone_ns`: since then it is known that nothing was missed."""

    time_ns: int
    connected: bool
    undone_ns: int | None = None


class KeptDeliveries:
    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._pieces: list[Piece] = []
        self._new: list[tuple[str, KeptRows]] = []
        self._since_ns: int | None = None
        self.let_go = False
        """Whether older deliveries were there, and are not any more."""
        self._changes: dict[str, list[Change]] = {}

    def keeper(self, source: str) -> Callable[[KeptRows], None]:
        """Takes the deliveries of one source."""
        return lambda rows: self._new.append((source, rows))

    def tick(self, tick_ns: int, counted: Mapping[str, bool]) -> None:
        """After the sources' own; `counted` for each of them."""
        if self._since_ns is None:
            self._since_ns = tick_ns - TICK_NS
        for source, rows in self._new:
            self._pieces.append(Piece(source, tick_ns, counted.get(source, False), rows))
            self.bytes += rows.nbytes
        self._new.clear()
        gone = 0
        while self.bytes > self.max_bytes and gone < len(self._pieces) - 1:
            self.bytes -= self._pieces[gone].rows.nbytes
            gone += 1
        if gone:
            self.let_go = True
            self._since_ns = self._pieces[gone - 1].tick_ns
            # A tick whose deliveries are not all there is not there.
            while self._pieces[gone].tick_ns == self._since_ns and gone < len(self._pieces) - 1:
                self.bytes -= self._pieces[gone].rows.nbytes
                gone += 1
            del self._pieces[:gone]

    def connection(self, source: str, time_ns: int, connected: bool, resumed: bool) -> None:
        """How a source is at a tick. `resumed`: nothing was missed since it was connected before."""
        changes = self._changes.setdefault(source, [])
        if changes and changes[-1].connected == connected:
            return
        if connected and resumed and changes:
            changes[-1].undone_ns = time_ns
        changes.append(Change(time_ns, connected))
        del changes[:-MAX_CHANGES]

    def forget(self, sources: Iterable[str]) -> None:
        """All but these have gone."""
        known = set(sources)
        for name in [name for name in self._changes if name not in known]:
            del self._changes[name]

    @property
    def since_ns(self) -> int | None:
        """Session time from which on every delivery that was told is there; None before the first tick."""
        return self._since_ns

    def until(self, until_ns: int) -> list[Piece]:
        """What was known at a tick, oldest first."""
        return self._pieces[: bisect_right(self._pieces, until_ns, key=lambda piece: piece.tick_ns)]

    def unobserved(self, source: str, until_ns: int) -> list[tuple[int, int]]:
        """Spans of session time, as they were known at a tick, in which nothing was heard of a source, the last one open to `until_ns`."""
        changes = [one for one in self._changes.get(source, ()) if one.time_ns <= until_ns]
        if not changes:
            return [(EVER_NS, until_ns)]
        spans = [(EVER_NS, changes[0].time_ns)]
        for index, one in enumerate(changes):
            if not one.connected and not (one.undone_ns is not None and one.undone_ns <= until_ns):
                end_ns = changes[index + 1].time_ns if index + 1 < len(changes) else until_ns
                spans.append((one.time_ns, end_ns))
        return spans
