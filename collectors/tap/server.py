"""The tap as a server: the proxy, its placement stream and its `/metrics` on one address, until it is told to stop."""

import asyncio
import contextlib
import hashlib
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST
from yarl import URL

from collectors.tap.book import Book
from collectors.tap.meters import Meters
from collectors.tap.proxy import MAX_HEADER_BYTES, Proxy
from collectors.tap.readers import Reader, Readers
from collectors.wire.placement_format import NDJSON, RESUME

STREAM_PATH: Final = "/placement/v1/stream"
FLUSH_S: Final = 0.05
"""How long what happened is gathered before readers are told. It delays nothing of what is passed on."""
STOP_S: Final = 1.0


class TapError(RuntimeError):
    """The tap could not start; the message says why and what to do."""


class Tap:
    """Everything of one tap but its sockets."""

    def __init__(
        self,
        upstream: URL,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        tls: ssl.SSLContext | None = None,
        ask: bool = False,
    ) -> None:
        self.meters = Meters()
        self.book = Book(_clock_id())
        self.readers = Readers(self.book, self.meters)
        self.proxy = Proxy(upstream, self.book, self.meters, clock=clock, tls=tls, ask=ask)
        self._clock = clock

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET" and request.path == STREAM_PATH:
            return await self._stream(request)
        if request.method == "GET" and request.path == "/metrics":
            return web.Response(body=self.meters.page(), headers={"Content-Type": CONTENT_TYPE_LATEST})
        return await self.proxy.handle(request)

    def flush(self, *, anyhow: bool = False) -> None:
        """Tells the readers what has happened until now."""
        until_ns = self.proxy.look()
        self.readers.flush(self._clock(), until_ns, anyhow=anyhow)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self.flush()

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": NDJSON, "Cache-Control": "no-store"})
        await response.prepare(request)
        if request.transport is None:
            return response
        reader = Reader(request.transport.abort)
        self.flush(anyhow=True)
        self.readers.join(reader, self._clock(), request.headers.get(RESUME, ""))
        try:
            while data := await reader.take():
                await response.write(data)
                reader.sent(data)
        except ConnectionError:  # the reader went away, or was cut
            pass
        finally:
            self.readers.leave(reader)
        return response


@asynccontextmanager
async def serving(tap: Tap, host: str, port: int, *, drain_s: float) -> AsyncIterator[int]:
    """Listens while the context lasts; gives the port. Afterwards it accepts nobody, and waits `drain_s` for what is in flight. Raises TapError."""
    server = web.Server(
        tap.handle,
        handler_cancellation=True,
        auto_decompress=False,
        access_log=None,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    runner = web.ServerRunner(server, shutdown_timeout=STOP_S)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise TapError(f"{host}:{port} cannot be had ({error.strerror}); choose another --listen") from error
    flushing = asyncio.create_task(tap.run())
    try:
        yield runner.addresses[0][1]
    finally:
        tap.proxy.draining = True
        await site.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await tap.proxy.idle()
        flushing.cancel()
        await asyncio.wait({flushing})
        tap.flush(anyhow=True)
        tap.readers.end()
        await runner.cleanup()
        await tap.proxy.close()


def _clock_id() -> str:
    """The same for all taps of one boot of a machine, whose monotonic clock is one."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        boot = uuid.uuid4().hex
    return hashlib.sha256(f"monotonic {boot}".encode()).hexdigest()[:16]
