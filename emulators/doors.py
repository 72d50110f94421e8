"""Ports of processes that come and go, and pages that answer as their processes do: late, never, always the same, or with the time of a clock that is wrong."""

import asyncio
import errno
import math
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from emulators.process import Process

HOST: Final = "127.0.0.1"
SHUTDOWN_S: Final = 1.0
"""How long answers in flight may take once the router stops."""
PAGE_S: Final = 0.05
"""The same of a worker, whose process may end in the middle of its work."""


class ServeError(RuntimeError):
    """The servers could not start; the message says why and what to do."""


class Door:
    """The port of one process: while it is down, connections are refused. `make` gives what is served there, anew each time that it comes up;
    what is in flight has `within_s` when it goes down."""

    def __init__(self, process: Process, make: Callable[[], web.Application], within_s: float = PAGE_S) -> None:
        self._process, self._make, self._within_s = process, make, within_s
        self._runner: web.AppRunner | None = None
        self._port = 0

    async def open(self, port: int) -> int:
        """Listens there, or, for 0, at any free port; at which. ServeError if it cannot be had."""
        app = self._make()
        app.on_response_prepare.append(self._date)
        # A handler is told when its client has gone: what it asked for is aborted then.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=self._within_s, handler_cancellation=True)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, port).start()
        except OSError as error:
            why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
            raise ServeError(
                f"port {port} of {HOST} {why}; choose another --port-base, or 0 for any free ports"
            ) from error
        self._port = self._runner.addresses[0][1]
        return self._port

    async def shut(self) -> None:
        """Connections to it end, and no others come."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def attend(self) -> None:
        """Opens or shuts it, as its process has come up or gone down."""
        if self._process.up and self._runner is None:
            await self.open(self._port)
        elif not self._process.up:
            await self.shut()

    async def _date(self, _: web.Request, response: web.StreamResponse) -> None:
        if self._process.skew_s:
            response.headers["Date"] = formatdate(time.time() + self._process.skew_s, usegmt=True)


class Page:
    """A page of text as its process gives it."""

    def __init__(self, process: Process, make: Callable[[], bytes]) -> None:
        self._process, self._make = process, make
        self._kept: tuple[int, bytes] | None = None
        """The page that is given again and again, and since when."""

    async def answer(self, _: web.Request) -> web.Response:
        process = self._process
        if process.delays_s:
            longest_s = max(process.delays_s)
            await (asyncio.sleep(longest_s) if longest_s < math.inf else asyncio.Event().wait())
        if not process.frozen_ns:
            return text(self._make())
        since = process.frozen_ns[0]
        if self._kept is None or self._kept[0] != since:
            self._kept = since, self._make()
        return text(self._kept[1])


def text(page: bytes) -> web.Response:
    """As vLLM does: the text format whatever the client accepts."""
    return web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})
