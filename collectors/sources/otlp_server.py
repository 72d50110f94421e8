"""Connections of who sends spans: so many at once, each of which must ask for something in time. Its heads are bounded by aiohttp, its bodies by who reads them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from collectors.wire.limits import Limits

MAX_HEADER_BYTES: Final = 16 << 10
KEPT_S: Final = 75.0
"""How long a connection is kept on which nothing more is asked for: exporters send every few seconds."""
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Told = Callable[[str, str], None]
"""What was wrong, and which limit that was over."""


class SpanServer(web.Server):
    """Bodies come to `handle` as they are: they are unpacked there, within bounds. `told` of each connection that was ended for what it is."""

    def __init__(self, handle: Handle, limits: Limits, told: Told) -> None:
        super().__init__(
            self._asked,
            auto_decompress=False,
            access_log=None,
            keepalive_timeout=KEPT_S,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        self._handle = handle
        self._limits = limits
        self._told = told
        self._silent: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        """Those that have not asked for anything yet."""

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > self._limits.max_connections:
            transport.write(_BUSY)
            self._turn_away(handler, "connections too many", "max_connections")
        else:
            loop = asyncio.get_running_loop()
            self._silent[handler] = loop.call_later(self._limits.total_s, self._give_up, handler)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        self._heard(handler)
        super().connection_lost(handler, exc)

    async def _asked(self, request: web.BaseRequest) -> web.StreamResponse:
        self._heard(request.protocol)
        return await self._handle(request)

    def _heard(self, handler: web.RequestHandler) -> None:
        timer = self._silent.pop(handler, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self, handler: web.RequestHandler) -> None:
        del self._silent[handler]
        self._turn_away(handler, "connections without a request", "total_s")

    def _turn_away(self, handler: web.RequestHandler, what: str, limit: str) -> None:
        asyncio.get_running_loop().call_soon(handler.force_close)  # aiohttp is not done with making it
        self._told(what, limit)
