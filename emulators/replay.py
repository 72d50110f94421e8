"""One encoding of the stream with its numbers, and the newest of what was written in it, for readers whose connection ended. Knows no sockets.

What is kept is bounded in bytes and in real time; nothing is encoded that nobody reads, or has read lately.
"""

import uuid
from collections import deque
from typing import Final, NamedTuple

from emulators.wire import Encoder, Encoding, encoder, watermark

KEPT_BYTES: Final = 16 << 20
"""A quarter of what a reader may be behind."""
KEPT_S: Final = 60.0


class _Piece(NamedTuple):
    after: int
    """Number of the last message before it."""
    at_s: float
    data: bytes


class Numbered:
    """Messages of one encoding, numbered from 1. `seq` is the number of the last one that was written."""

    def __init__(self, encoding: Encoding) -> None:
        self.encode: Final[Encoder] = encoder(encoding)
        self.epoch: Final = uuid.uuid4().hex[:16]
        self.seq = 0
        self._read_at_s: float | None = None
        self._pieces: deque[_Piece] = deque()
        self._bytes = 0

    def write(self, body: bytes, until_ns: int, now_s: float) -> bytes:
        """`body` and the watermark that ends it, to be sent to all readers."""
        after = self.seq
        self.seq += len(self.encode.ends(body)) + 1
        data = body + self.encode.message(watermark(until_ns, self.seq))
        self._pieces.append(_Piece(after, now_s, data))
        self._bytes += len(data)
        while self._pieces and (self._bytes > KEPT_BYTES or now_s - self._pieces[0].at_s > KEPT_S):
            self._bytes -= len(self._pieces.popleft().data)
        return data

    def skip(self) -> None:
        """Something happened that nobody reads: nobody can go on from before it."""
        self.seq += 1
        self._pieces.clear()
        self._bytes = 0

    def wanted(self, read: bool, now_s: float) -> bool:
        """Whether it is to be written: somebody reads it, or did so lately."""
        if read:
            self._read_at_s = now_s
        return self._read_at_s is not None and now_s - self._read_at_s <= KEPT_S

    def after(self, asked: str) -> tuple[int, bytes] | None:
        """The number that a reader's `Last-Event-ID` names, and all messages after it; None where they are not kept, or it names none of these."""
        epoch, _, digits = asked.rpartition("/")
        if epoch != self.epoch or not (digits.isascii() and digits.isdigit() and len(digits) < 20):
            return None
        seq = int(digits)
        oldest = self._pieces[0].after if self._pieces else self.seq
        if not oldest <= seq <= self.seq:
            return None
        return seq, b"".join(self._rest(piece, seq - piece.after) for piece in self._pieces)

    def _rest(self, piece: _Piece, known: int) -> bytes:
        """Without as many messages as are `known`."""
        if known <= 0:
            return piece.data
        ends = self.encode.ends(piece.data)
        return piece.data[ends[known - 1] :] if known < len(ends) else b""
