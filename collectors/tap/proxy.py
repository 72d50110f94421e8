"""The reverse proxy: bytes from one side to the other, unchanged and unbuffered, each read passed on before it is looked at.

What is measured is `exchange`'s to say. If measuring fails, the bytes go on; if the upstream fails, the client is told or cut off, as the upstream did.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from collectors.model.vocabulary import PROBE_ID
from collectors.tap.arrivals import Arrivals, StampedConnector
from collectors.tap.asking import MAX_BODY, asked
from collectors.tap.book import Book
from collectors.tap.exchange import Exchange
from collectors.tap.headers import end_to_end
from collectors.tap.meters import Meters
from collectors.tap.passing import Passing, Turns
from collectors.wire.safe import safe_text

CONNECT_S: Final = 10.0
MAX_HEADER_BYTES: Final = 64 << 10
"""Of one line of a head."""
KEEP_ALIVE_S: Final = 2.0
"""How long an idle connection to the upstream is kept: shorter than servers do (uvicorn 5 s), so that no request meets one that is being closed."""
_MEASURED: Final = ("/completions", "/responses")
_AUTOMATIC: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
"""Headers that a client of aiohttp would add."""

_log: Final = logging.getLogger(__name__)


class Proxy:
    """`handle` is a handler for `aiohttp.web.Server` with `handler_cancellation`. `clock` gives monotonic nanoseconds."""

    def __init__(
        self,
        upstream: URL,
        book: Book,
        meters: Meters,
        *,
        clock: Callable[[], int],
        tls: ssl.SSLContext | None = None,
        ask: bool = False,
    ) -> None:
        self.draining = False
        self._base = str(upstream).rstrip("/")
        self._target = f"{upstream.host}:{upstream.port}"
        self._book, self._meters, self._clock = book, meters, clock
        self._tls = tls
        self._ask = ask
        self._session: aiohttp.ClientSession | None = None
        self._exchanges: set[Exchange] = set()
        self._arriving: set[Arrivals] = set()
        self._turns = Turns()
        self._handling: set[asyncio.Task[object]] = set()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def idle(self) -> None:
        """Waits until nothing is being passed on."""
        while self._handling:
            await asyncio.wait(self._handling)

    def look(self) -> int:
        """At everything that has been passed on, even what a slow client has not taken yet. Afterwards no row is older than the time that is returned."""
        for exchange in list(self._exchanges):
            self._measure(exchange, exchange.look)
        waiting = (arrivals.oldest_ns for arrivals in self._arriving)
        return min((time_ns for time_ns in waiting if time_ns is not None), default=self._clock())

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._handling.add(task)
        try:
            return await self._measured(request)
        finally:
            self._handling.discard(task)

    async def _measured(self, request: web.BaseRequest) -> web.StreamResponse:
        exchange = None
        if request.method == "POST" and request.path.endswith(_MEASURED):
            name = request.headers.get("X-Request-Id", "")
            if name.startswith(PROBE_ID):
                # A dashboard's own traffic, which is in no figure of the fleet.
                self._meters.unmeasured.labels("probe").inc()
                return (await self._pass(request, None))[0]
            exchange = Exchange(self._book, self._meters, name=name, target=self._target, time_ns=self._clock())
            self._exchanges.add(exchange)
        else:
            self._meters.passed.inc()
        outcome = "error"
        try:
            response, outcome = await self._pass(request, exchange)
            return response
        except (asyncio.CancelledError, ConnectionError):
            # The client has left: the upstream is told by its connection being closed. Otherwise it is we who end.
            outcome = "error" if request.transport and not request.transport.is_closing() else "abort"
            raise
        finally:
            if exchange is not None:
                ended, how = exchange, outcome
                self._measure(exchange, lambda: ended.end(self._clock(), how))
                self._exchanges.discard(exchange)

    async def _pass(self, request: web.BaseRequest, exchange: Exchange | None) -> tuple[web.StreamResponse, str]:
        """The response that was given, and how it went. ConnectionError where the client has left."""
        if not request.raw_path.startswith("/"):
            return _refusal(400, "a request target that is no path"), "error"
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        asks = self._ask and _may_ask(request)
        try:
            upstream = await self._client().request(
                request.method,
                URL(self._base + request.raw_path, encoded=True),
                headers=end_to_end(request.headers, ("host", "expect", *(("content-length",) if asks else ()))),
                data=await _asked(request) if asks else request.content if request.body_exists else None,
                allow_redirects=False,
                skip_auto_headers=_AUTOMATIC,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._meters.upstream_errors.labels("not reached").inc()
            return _refusal(502, f"{self._target} cannot be reached: {type(error).__name__}"), "error"
        whole = False
        try:
            response = web.StreamResponse(
                status=upstream.status, reason=upstream.reason, headers=end_to_end(upstream.headers)
            )
            if self.draining:
                response.force_close()
            await response.prepare(request)
            if exchange is not None:
                self._measure(exchange, lambda: exchange.answered(upstream.status, upstream.headers))
            whole = await self._body(upstream, response, exchange, request.transport)
        finally:
            upstream.release() if whole else upstream.close()
        if not whole:
            self._meters.upstream_errors.labels("gone in mid-response").inc()
            if request.transport is not None:
                request.transport.close()  # what was written still leaves, and then the client sees that it is not whole
        return response, "whole" if whole else "error"

    async def _body(
        self,
        upstream: aiohttp.ClientResponse,
        response: web.StreamResponse,
        exchange: Exchange | None,
        transport: asyncio.Transport | None,
    ) -> bool:
        """Whether all of it came."""
        if exchange is None or transport is None:
            return await _copied(upstream.content, response.write)
        arrivals = Arrivals(upstream)

        def came(data: bytes) -> None:
            for time_ns, piece in arrivals.taken(data, self._clock()):
                exchange.came(time_ns, piece)

        def look() -> None:
            self._measure(exchange, exchange.look)

        passing = Passing(self._turns, arrivals, response, transport, came=came, look=look)

        async def write(data: bytes) -> None:
            came(data)
            await response.write(data)
            look()
            await passing.run()

        self._arriving.add(arrivals)
        try:
            return await _copied(upstream.content, write)
        finally:
            self._arriving.discard(arrivals)

    def _measure(self, exchange: Exchange, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # noqa: BLE001  measuring must not stand in the way of what is measured
            _log.exception("a request is passed on without being measured any further")
            self._exchanges.discard(exchange)
            exchange.give_up(self._clock())

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=StampedConnector(
                    self._clock, limit=0, keepalive_timeout=KEEP_ALIVE_S, ssl=True if self._tls is None else self._tls
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
            )
        return self._session


async def _copied(content: aiohttp.StreamReader, write: Callable[[bytes], Awaitable[None]]) -> bool:
    """Whether all of it came."""
    while True:
        try:
            data = await content.readany()
        except (aiohttp.ClientError, OSError):
            return False
        if not data:
            return True
        await write(data)


def _may_ask(request: web.BaseRequest) -> bool:
    """Whether it is a completion whose body may be held and read."""
    headers, length = request.headers, request.content_length
    return (
        request.method == "POST"
        and request.path.endswith("/completions")
        and "json" in headers.get("Content-Type", "").lower()
        and headers.get("Content-Encoding", "identity").strip().lower() in ("", "identity")
        and length is not None
        and length <= MAX_BODY
    )


async def _asked(request: web.BaseRequest) -> bytes:
    return asked(await request.content.read())


def _refusal(status: int, why: str) -> web.Response:
    """In the form that clients of such an API can show."""
    error = {"message": f"tokenyard tap: {safe_text(why)}", "type": "tap_error", "code": status}
    return web.Response(status=status, body=msgspec.json.encode({"error": error}), content_type="application/json")
