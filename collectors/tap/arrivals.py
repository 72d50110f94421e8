"""When bytes of a response came: taken as the event loop hands over each read, before anybody who waits for it has run.

A task that waits for a response runs after all reads of the same turn of the loop, with what came meanwhile in one piece: under load that is late, and blurs gaps.
This is the one place that builds on how aiohttp is made inside (`TCPConnector._factory`, `ResponseHandler._payload`); a test holds it to that.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

MAX_UNREAD: Final = 4_096
"""Reads that are told apart of a response that nobody takes; of more the oldest share the time of the next."""


class _Stamped(ResponseHandler):
    """`reads`: of the response that is `of`, when each read came, and how many bytes of its body there were then."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], int]) -> None:
        super().__init__(loop)
        self.reads: deque[tuple[int, int]] = deque(maxlen=MAX_UNREAD)
        self.of: aiohttp.StreamReader | None = None
        self.told: Callable[[], None] | None = None
        """Called after each read, and when the connection is lost."""
        self._clock = clock
        self._came_ns = 0
        self._held = False

    def data_received(self, data: bytes) -> None:
        if data:  # else the parser goes on with what came before
            self._came_ns = self._clock()
        super().data_received(data)
        payload = self._payload
        if payload is not None and payload is not self.of:
            self.of = payload
            self.reads.clear()
        if self.of is not None:  # the handler may have let go of it by now
            self.reads.append((self._came_ns, self.of.total_bytes))
        if self.told is not None:
            self.told()

    def pause_reading(self) -> None:
        self._held = True
        super().pause_reading()

    def resume_reading(self, *args: bool, **how: bool) -> None:
        """Asked for whenever a body's bytes are taken: unless it was held that is to no purpose, and as dear as a read."""
        if self._held:
            self._held = False
            super().resume_reading(*args, **how)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        body = self.of
        if (
            body is not None and not body.is_eof() and body.exception() is None
        ):  # after chunks that are none, aiohttp says nothing
            body.set_exception(aiohttp.ClientPayloadError("cut off"))
        if self.told is not None:
            self.told()


class StampedConnector(aiohttp.TCPConnector):
    """Notes the time of every read. `clock` gives monotonic nanoseconds."""

    def __init__(self, clock: Callable[[], int], **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        loop = self._loop
        self._factory = lambda: _Stamped(loop, clock)  # type: ignore[assignment]


class Arrivals:
    """Of one response. `taken` with all bytes of its body as they are taken out of it, in order."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        protocol = getattr(response, "_protocol", None)  # `connection` is gone once all has come
        self._protocol = protocol if isinstance(protocol, _Stamped) else None
        self.content = response.content
        self._taken = 0

    @property
    def untaken(self) -> int:
        """Bytes that have come and have not been taken."""
        return self.content.total_bytes - self._taken

    def tell(self, told: Callable[[], None] | None) -> None:
        """Whom to call after each read, in the read itself, and when the connection is lost: they must not raise."""
        if self._protocol is not None:
            self._protocol.told = told

    def taken(self, data: bytes, now_ns: int) -> list[tuple[int, bytes]]:
        """The bytes by read, each with the time when it came; all at `now_ns` where that is not known."""
        reads = self._reads
        at, self._taken = self._taken, self._taken + len(data)
        if reads is None:
            return [(now_ns, data)]
        pieces: list[tuple[int, bytes]] = []
        while reads and reads[0][1] <= self._taken:
            time_ns, total = reads.popleft()
            if total > at:
                pieces.append((time_ns, data[len(data) - (self._taken - at) : len(data) - (self._taken - total)]))
                at = total
        if at < self._taken:  # part of a read
            pieces.append((reads[0][0] if reads else now_ns, data[len(data) - (self._taken - at) :]))
        return pieces

    @property
    def oldest_ns(self) -> int | None:
        """When the first byte came that has not been taken; None if there is none."""
        return next((time_ns for time_ns, total in self._reads or () if total > self._taken), None)

    @property
    def _reads(self) -> deque[tuple[int, int]] | None:
        protocol = self._protocol
        return protocol.reads if protocol is not None and protocol.of is self.content else None
