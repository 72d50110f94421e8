"""Readers of the tap's placement stream: each has a bounded queue of bytes, and one that falls too far behind is cut. Measuring waits for nobody."""

import asyncio
from collections.abc import Callable
from typing import Final

from collectors.exchanges.book import Book
from collectors.exchanges.meters import Meters
from collectors.tap.replay import KEPT_S, Replay, position

BACKLOG_BYTES: Final = 8 << 20
"""How far a reader may be behind: about a minute of a thousand deliveries a second."""
QUIET_S: Final = 0.5
"""After which a watermark is due though nothing happened; the format asks for one a second."""


class Reader:
    """`take` gives what has been written since, in one piece; nothing at the end."""

    def __init__(self, on_cut: Callable[[], None]) -> None:
        self.behind = 0
        self.on_cut = on_cut
        self._queue: list[bytes] = []
        self._wake = asyncio.Event()
        self._ended = False

    def put(self, data: bytes) -> None:
        self._queue.append(data)
        self.behind += len(data)
        self._wake.set()

    async def take(self) -> bytes:
        await self._wake.wait()
        data = b"".join(self._queue)
        self._queue.clear()
        if not self._ended:
            self._wake.clear()
        return data

    def sent(self, data: bytes) -> None:
        self.behind -= len(data)

    def end(self) -> None:
        self._ended = True
        self._wake.set()


class Readers:
    """All of them, told the same. What happens while there are none, and was none for `KEPT_S`, is told to nobody."""

    def __init__(self, book: Book, meters: Meters, backlog_bytes: int = BACKLOG_BYTES) -> None:
        self._book, self._meters = book, meters
        self._backlog_bytes = backlog_bytes
        self._readers: set[Reader] = set()
        self._written_ns = 0
        self._replay = Replay()
        self._keep_until_ns: int | None = None
        """Until when what happens is kept for readers that may come back, though there are none."""

    def join(self, reader: Reader, now_ns: int, after: str = "") -> None:
        """`flush` has just been called. `after`: what the reader's last connection brought, as it says itself."""
        at = position(after)
        missed = self._replay.after(at[1]) if at is not None and at[0] == self._book.epoch else None
        if at is None or missed is None:
            reader.put(self._book.opening(now_ns))
        else:
            reader.put(self._book.resumption(now_ns, at[1]) + missed)
        self._readers.add(reader)
        self._meters.readers.set(len(self._readers))

    def leave(self, reader: Reader) -> None:
        self._readers.discard(reader)
        self._meters.readers.set(len(self._readers))

    def flush(self, now_ns: int, until_ns: int, *, anyhow: bool = False) -> None:
        """Tells all readers what happened; nothing that is older than `until_ns` may follow. Without news only now and then, or `anyhow`."""
        if self._book.quiet and not anyhow and now_ns - self._written_ns < QUIET_S * 1e9:
            return
        self._written_ns = now_ns
        if self._readers:
            self._keep_until_ns = now_ns + int(KEPT_S * 1e9)
        elif self._keep_until_ns is None or now_ns > self._keep_until_ns:
            self._book.skip(until_ns)
            self._replay.clear(self._book.seq)
            return
        data = self._book.take(now_ns, until_ns)
        self._replay.add(self._book.seq, now_ns, data)
        for reader in list(self._readers):
            reader.put(data)
            if reader.behind > self._backlog_bytes:
                self._meters.readers_cut.inc()
                self.leave(reader)
                reader.on_cut()
                reader.end()

    def end(self) -> None:
        for reader in list(self._readers):
            reader.end()
            self.leave(reader)
