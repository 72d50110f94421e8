"""Connections that are kept between requests, one request at a time on each: bytes out, an `AnswerReader` fed with what comes back.

Of aiohttp's client most of the cost of a small page is what it makes anew for each request; a scrape needs none of that. Nothing here knows what
an answer means.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, cast

from collectors.wire.fault import FetchError, broken_off, not_connected, rejected
from collectors.wire.http_answer import AnswerReader
from collectors.wire.http_body import NotHttpError
from collectors.wire.limits import Limits

if TYPE_CHECKING:
    from aiohappyeyeballs import AddrInfoType

READ_BYTES: Final = 256 << 10
"""Read at once at most."""
KEEP_S: Final = 15.0
"""How long a connection that nobody uses is kept."""
EYEBALLS_S: Final = 0.25
"""How long one address of a host is tried alone (RFC 8305)."""


Spoken = TypeVar("Spoken", bound=asyncio.BaseProtocol)


class Origin(NamedTuple):
    tls: bool
    host: str
    port: int


class Connection(asyncio.BufferedProtocol):
    """`answer` is what is being read, None between two requests; it fails with FetchError.

    One timer serves all its deadlines: it is left to go off too early rather than set anew for each request.
    """

    def __init__(self, limits: Limits, buffer: memoryview, lost: Callable[["Connection"], None]) -> None:
        self.used = False
        """Whether it has answered a request before."""
        self._loop = asyncio.get_running_loop()
        self._limits = limits
        self._buffer = buffer
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._answer: AnswerReader | None = None
        self._done: asyncio.Future[None] | None = None
        self._heard_s = 0.0
        self._until_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, request: bytes, answer: AnswerReader, until_s: float) -> bool:
        """Until the answer is complete: whether the connection can be used again. Raises FetchError, and what the answer's receiver raises."""
        assert self._transport is not None
        self._answer, self._done = answer, self._loop.create_future()
        self._heard_s, self._until_s = self._loop.time(), until_s
        self._wake_at(min(self._heard_s + self._limits.idle_s, until_s))
        self._transport.write(request)
        try:
            await self._done
        except BaseException:
            self.close()
            raise
        finally:
            self._answer = self._done = None
        self.used = True
        if not answer.persistent or self._transport.is_closing():
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._answer is None or self._done is None or self._done.done():
            self.close()  # whatever it is, nobody asked for it
            return
        self._heard_s = self._loop.time()
        try:
            self._answer.feed(bytes(self._buffer[:nbytes]))
        except NotHttpError:
            self._done.set_exception(rejected("not http"))
        except Exception as error:  # noqa: BLE001  it is raised where the answer is waited for
            self._done.set_exception(error)
        else:
            if self._answer.complete:
                self._done.set_result(None)

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)
        self.close()
        self._lost(self)

    def _ended(self, error: Exception | None) -> None:
        if self._answer is None or self._done is None or self._done.done():
            return
        if error is None:
            self._answer.end()
        if self._answer.complete:
            self._done.set_result(None)
        else:
            self._done.set_exception(broken_off(error, headed=self._answer.headed))

    def _wake_at(self, when_s: float) -> None:
        if self._timer is not None:
            if self._timer.when() <= when_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when_s, self._woken)

    def _woken(self) -> None:
        self._timer = None
        now_s = self._loop.time()
        waiting = self._done is not None and not self._done.done()
        idle_s = self._limits.idle_s if waiting else KEEP_S
        due_s = self._heard_s + idle_s
        limit = "idle_s"
        if waiting and self._until_s < due_s:
            due_s, limit = self._until_s, "total_s"
        if now_s < due_s:
            self._wake_at(due_s)
        elif waiting and self._done is not None:
            self._done.set_exception(FetchError("timeout reading", limit=limit))
        else:
            self.close()


class Connections:
    """As many to an origin as there are requests under way. `trusted` makes what is trusted, and may raise FetchError."""

    def __init__(self, limits: Limits, trusted: Callable[[], ssl.SSLContext]) -> None:
        self._limits = limits
        self._trusted = trusted
        self._context: ssl.SSLContext | None = None
        self._free: dict[Origin, list[Connection]] = {}
        self._all: dict[Connection, Origin] = {}
        self._buffer = memoryview(bytearray(READ_BYTES))

    async def ask(self, origin: Origin, request: bytes, answer: AnswerReader, until_s: float) -> None:
        """Sends the request and feeds `answer` until it is complete. Raises FetchError, and what the answer's receiver raises.

        A server may close a connection just when it is used again: then the request is made once more, on a new one.
        """
        free = self._free.get(origin)
        connection = free.pop() if free else await self._open(origin)
        try:
            keep = await connection.ask(request, answer, until_s)
        except FetchError as error:
            if not connection.used or answer.begun or error.limit:
                raise
            connection = await self._open(origin)
            keep = await connection.ask(request, answer, until_s)
        if keep:
            self._free.setdefault(origin, []).append(connection)

    async def close(self) -> None:
        for connection in list(self._all):
            connection.close()
        if self._all:
            await asyncio.sleep(0)  # for the sockets to be closed

    async def _open(self, origin: Origin) -> Connection:
        if origin.tls and self._context is None:
            self._context = self._trusted()
        try:
            async with asyncio.timeout(self._limits.connect_s):
                connection = await connected(
                    origin, self._context, lambda: Connection(self._limits, self._buffer, self._forget)
                )
        except TimeoutError as error:  # the system's own has a number
            raise FetchError("timeout connecting", limit="" if error.errno else "connect_s") from None
        except (socket.gaierror, UnicodeError):  # the latter: too long to be a host's name
            raise FetchError("name not resolved") from None
        except OSError as error:
            raise not_connected(error) from None
        self._all[connection] = origin
        return connection

    def _forget(self, connection: Connection) -> None:
        origin = self._all.pop(connection, None)
        free = None if origin is None else self._free.get(origin)
        if free is not None and origin is not None:
            with contextlib.suppress(ValueError):
                free.remove(connection)
            if not free:
                del self._free[origin]


async def connected(origin: Origin, tls: ssl.SSLContext | None, made: Callable[[], Spoken]) -> Spoken:
    """The protocol of a new connection, once that stands; `tls` is for an origin that has it. Raises OSError and UnicodeError."""
    from aiohappyeyeballs import start_connection

    loop = asyncio.get_running_loop()
    sock = await start_connection(await _addresses(origin), happy_eyeballs_delay=EYEBALLS_S, interleave=1)
    try:
        _, protocol = await loop.create_connection(
            made, sock=sock, ssl=tls if origin.tls else None, server_hostname=origin.host if origin.tls else None
        )
    except BaseException:
        sock.close()
        raise
    return protocol


async def _addresses(origin: Origin) -> "Sequence[AddrInfoType]":
    """Of a host that is written as an address nobody is asked."""
    kind = socket.SOCK_STREAM
    with contextlib.suppress(socket.gaierror):
        found = socket.getaddrinfo(origin.host, origin.port, type=kind, flags=socket.AI_NUMERICHOST)
        return cast(
            "Sequence[AddrInfoType]", found
        )  # of the families that are asked for none has an address of another form
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(origin.host, origin.port, type=kind, flags=socket.AI_ADDRCONFIG)
    return cast("Sequence[AddrInfoType]", found)
