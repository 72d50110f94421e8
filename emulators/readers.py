"""The placement stream's readers: each has a bounded queue of bytes, and one that falls too far behind is cut.

What is written and in which encoding is decided here; how it gets to a socket is `emulators.server`'s. Nothing here waits.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from emulators.events import Events, Row, Rows
from emulators.ordering import Part, in_order
from emulators.replay import Numbered
from emulators.wire import Encoder, Encoding, hello, watermark

BACKLOG_BYTES: Final = 64 << 20
"""How far a reader may be behind. An advance of a stepped clock waits for nobody, so one that writes more than this must be read meanwhile."""
QUIET_S: Final = 0.5
"""Real time without a message after which a heartbeat is due; the format asks for one a second."""

_log: Final = logging.getLogger(__name__)


class Reader:
    """One client: `take` gives what has been written since, all of it in one piece."""

    def __init__(self, name: str, encoding: Encoding, on_cut: Callable[[], None]) -> None:
        self.name = name
        self.encoding = encoding
        self._on_cut = on_cut
        self._queue: list[bytes] = []
        self._behind = 0
        self._wake = asyncio.Event()
        self._ended = False

    def put(self, data: bytes, limit: int) -> bool:
        """Appends; false when the reader is now so far behind that it has been cut."""
        self._behind += len(data)
        if self._behind > limit:
            _log.warning("stream reader %s cut: %d bytes behind, the limit is %d", self.name, self._behind, limit)
            self._queue.clear()
            self.end()
            self._on_cut()
            return False
        self._queue.append(data)
        self._wake.set()
        return True

    async def take(self) -> bytes:
        """Waits for something to send; empty at the end."""
        await self._wake.wait()
        data = b"".join(self._queue)
        self._queue.clear()
        if not self._ended:
            self._wake.clear()
        return data

    def sent(self, data: bytes) -> None:
        """What was taken has left for the socket, and is no longer behind."""
        self._behind -= len(data)

    def end(self) -> None:
        """`take` gives what is left, then nothing."""
        self._ended = True
        self._wake.set()


class Stream:
    """All readers of one emulated cluster. Each kind of encoding in use is made once, whatever the number of its readers."""

    def __init__(self, clock_id: str, live: Sequence[Row], *, backlog_bytes: int = BACKLOG_BYTES) -> None:
        self._clock_id = clock_id
        self._backlog_bytes = backlog_bytes
        self._streams: dict[str, int] = {row["request"]: row["stream"] for row in live}
        self._readers: list[Reader] = []
        self._written = {encoding: Numbered(encoding) for encoding in Encoding}
        self._written_at = time.monotonic()

    @property
    def live_requests(self) -> int:
        return len(self._streams)

    @property
    def readers(self) -> int:
        return len(self._readers)

    def join(
        self, reader: Reader, *, now_ns: int, inventory: Row, live: list[Row], occupancy: Rows, after: str = ""
    ) -> None:
        """Adds a reader, which is told how things stand at `now_ns`, or, where that is kept, what it missed `after` its last message; then everything that
        happens."""
        written = self._written[reader.encoding]
        encode, missed = written.encode, written.after(after)
        greeting = hello(
            clock_id=self._clock_id,
            now_ns=now_ns,
            inventory=inventory,
            epoch=written.epoch,
            resumed_after=None if missed is None else missed[0],
        )
        if missed is not None:
            opening = [encode.message(greeting), missed[1]]
        else:
            opening = [
                encode.message(greeting),
                encode.rows("requests", live),
                encode.occupancy(occupancy),
                encode.message(watermark(now_ns, written.seq)),
            ]
        if reader.put(b"".join(opening), self._backlog_bytes):
            self._readers.append(reader)

    def leave(self, reader: Reader) -> None:
        if reader in self._readers:
            self._readers.remove(reader)

    def write(self, events: Events, until_ns: int) -> None:
        """Everything before `until_ns`, and the watermark that says so."""
        parts = in_order(events, self._streams)
        self._send(lambda written: b"".join([_part(written.encode, part) for part in parts]), until_ns)

    def greet(self, inventory: Row, now_ns: int) -> None:
        """The inventory anew, which has changed."""

        def greeting(written: Numbered) -> bytes:
            told = hello(clock_id=self._clock_id, now_ns=now_ns, inventory=inventory, epoch=written.epoch)
            return written.encode.message(told)

        self._send(greeting, now_ns)

    def heartbeat(self, now_ns: int) -> None:
        """Repeats the watermark if nothing has been written for a while."""
        if time.monotonic() - self._written_at >= QUIET_S:
            self._send(lambda _: b"", now_ns)

    def close(self) -> None:
        for reader in self._readers:
            reader.end()
        self._readers.clear()

    def _send(self, make: Callable[[Numbered], bytes], until_ns: int) -> None:
        now_s = self._written_at = time.monotonic()
        read = {reader.encoding for reader in self._readers}
        data: dict[Encoding, bytes] = {}
        for encoding, written in self._written.items():
            if written.wanted(encoding in read, now_s):
                data[encoding] = written.write(make(written), until_ns, now_s)
            else:
                written.skip()
        self._readers = [reader for reader in self._readers if reader.put(data[reader.encoding], self._backlog_bytes)]


def _part(encode: Encoder, part: Part) -> bytes:
    events = part.events
    return b"".join(
        (
            encode.rows("requests", part.opened),
            encode.rows("decisions", events.decisions),
            encode.rows("phases", events.phases),
            encode.deliveries(events.deliveries, events.extras),
            encode.blocks(events.blocks),
            encode.occupancy(events.occupancy),
            encode.rows("requests", part.closed),
        )
    )
