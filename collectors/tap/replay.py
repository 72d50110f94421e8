"""What was told last, kept for readers whose connection ended: bounded in bytes and in age. Pure.

Of lines: a reader goes on after any of them, wherever in a piece that was.
"""

from collections import deque
from typing import Final, NamedTuple

KEPT_BYTES: Final = 4 << 20
"""Half of what a reader may be behind: about half a minute of a thousand deliveries a second."""
KEPT_S: Final = 60.0


class _Piece(NamedTuple):
    seq: int
    """Of its last line."""
    time_ns: int
    data: bytes


class Replay:
    """Whole pieces of one numbered stream of lines, the newest ones."""

    def __init__(self, kept_bytes: int = KEPT_BYTES, kept_s: float = KEPT_S) -> None:
        self._kept_bytes, self._kept_ns = kept_bytes, int(kept_s * 1e9)
        self._pieces: deque[_Piece] = deque()
        self._bytes = 0
        self._before = 0
        """Number of the last line that is not kept."""

    def add(self, seq: int, time_ns: int, data: bytes) -> None:
        """A piece of lines, the last of which has the number `seq`."""
        self._pieces.append(_Piece(seq, time_ns, data))
        self._bytes += len(data)
        while self._pieces and (self._bytes > self._kept_bytes or time_ns - self._pieces[0].time_ns > self._kept_ns):
            oldest = self._pieces.popleft()
            self._bytes -= len(oldest.data)
            self._before = oldest.seq

    def clear(self, seq: int) -> None:
        """Nothing up to `seq` can be had any more."""
        self._pieces.clear()
        self._bytes = 0
        self._before = seq

    def after(self, seq: int) -> bytes | None:
        """All lines after the one numbered `seq`; None where some of them are not kept, or where there never was such a line."""
        newest = self._pieces[-1].seq if self._pieces else self._before
        if not self._before <= seq <= newest:
            return None
        found, before = [], self._before
        for piece in self._pieces:
            if piece.seq > seq:
                known = max(seq - before, 0)
                found.append(piece.data.split(b"\n", known)[known] if known else piece.data)
            before = piece.seq
        return b"".join(found)


def position(asked: str) -> tuple[str, int] | None:
    """Epoch and number out of a reader's `Last-Event-ID`; None where it has none."""
    epoch, slash, seq = asked.rpartition("/")
    return (epoch, int(seq)) if slash and seq.isascii() and seq.isdigit() and len(seq) < 20 else None
