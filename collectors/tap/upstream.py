"""Connections to the upstream: kept between requests, the one that was used last first, one request at a time on each."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, Protocol

from collectors.wire.connections import Origin, connected

CONNECT_S: Final = 10.0
KEEP_ALIVE_S: Final = 2.0
"""How long an idle connection to the upstream is kept: shorter than servers do (uvicorn 5 s), so that no request meets one that is being closed."""


class Owner(Protocol):
    """Whose request is on a connection: told of each read with the nanoseconds when it came, of its end, and when what is written is not taken (or is again)."""

    def read(self, time_ns: int, data: bytes) -> None: ...

    def lost(self) -> None: ...

    def upstream_clogged(self, full: bool) -> None: ...


class UpstreamConnection(asyncio.Protocol):
    """`owner` is None between requests. `used`: whether it has served one before."""

    def __init__(self, clock: Callable[[], int], gone: Callable[["UpstreamConnection"], None]) -> None:
        self.owner: Owner | None = None
        self.used = False
        self.free_since_s = 0.0
        self._clock, self._gone = clock, gone
        self._transport: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self.owner is None:
            self.close()  # whatever it is, nobody asked for it
        else:
            self.owner.read(self._clock(), data)

    def eof_received(self) -> None:
        self._gone(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone(self)
        owner, self.owner, self._transport = self.owner, None, None
        if owner is not None:
            owner.lost()

    def pause_writing(self) -> None:
        if self.owner is not None:
            self.owner.upstream_clogged(True)

    def resume_writing(self) -> None:
        if self.owner is not None:
            self.owner.upstream_clogged(False)

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def hold(self, on: bool) -> None:
        """No more of the answer for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading() if on else self._transport.resume_reading()

    def close(self) -> None:
        self.owner = None
        self._gone(self)
        if self._transport is not None:
            self._transport.abort()


class Upstream:
    """As many connections as there are requests under way."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None, clock: Callable[[], int]) -> None:
        self._origin, self._tls, self._clock = origin, tls, clock
        self._free: list[UpstreamConnection] = []
        self._all: set[UpstreamConnection] = set()

    def take(self, owner: Owner) -> UpstreamConnection | None:
        """One that is there; None where there is none."""
        long_ago_s = asyncio.get_running_loop().time() - KEEP_ALIVE_S
        while self._free:
            connection = self._free.pop()
            if connection.free_since_s < long_ago_s:
                connection.close()
            elif connection.open:
                connection.owner = owner
                return connection
        return None

    async def opened(self, owner: Owner) -> UpstreamConnection:
        """A new one. Raises OSError and UnicodeError."""
        if self._origin.tls and self._tls is None:
            self._tls = ssl.create_default_context()
        async with asyncio.timeout(CONNECT_S):
            connection = await connected(self._origin, self._tls, lambda: UpstreamConnection(self._clock, self._forget))
        if not connection.open:
            raise ConnectionError
        self._all.add(connection)
        connection.owner = owner
        return connection

    def give(self, connection: UpstreamConnection) -> None:
        """Back, after an answer that another may follow."""
        if connection.open:
            connection.owner, connection.used = None, True
            connection.hold(False)
            connection.free_since_s = asyncio.get_running_loop().time()
            self._free.append(connection)

    def sweep(self) -> None:
        """Closes what has not been used for long: of those that are free the oldest stand first."""
        long_ago_s = asyncio.get_running_loop().time() - KEEP_ALIVE_S
        while self._free and self._free[0].free_since_s < long_ago_s:
            self._free.pop(0).close()

    async def close(self) -> None:
        for connection in list(self._all):
            connection.close()
        await asyncio.sleep(0)  # for the sockets to be closed

    def _forget(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        if connection.owner is None and connection in self._free:
            self._free.remove(connection)
