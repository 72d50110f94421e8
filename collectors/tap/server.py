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

from prometheus_client import CONTENT_TYPE_LATEST
from yarl import URL

from collectors.exchanges.book import Book
from collectors.exchanges.meters import Meters
from collectors.tap.client import Client, Work
from collectors.tap.clients import Clients
from collectors.tap.own import Page, Watched
from collectors.tap.passage import Passage
from collectors.tap.proxy import Proxy
from collectors.tap.readers import Reader, Readers
from collectors.tap.request import RequestHead
from collectors.wire.placement_format import RESUME

STREAM_PATH: Final = "/placement/v1/stream"
FLUSH_S: Final = 0.05
"""How long what happened is gathered before readers are told. It delays nothing of what is passed on."""
STOP_S: Final = 1.0
SWEEP_S: Final = 1.0
"""How often connections are looked at that wait for too long."""
BACKLOG: Final = 1_024
"""Connections that wait to be accepted."""


class TapError(RuntimeError):
    """The tap could not start; the message says why and what to do."""


class Tap:
    """Everything of one tap but its listening socket."""

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
        self.clients = Clients(self._serve, clock)
        self._clock = clock

    def flush(self, *, anyhow: bool = False) -> None:
        """Tells the readers what has happened until now."""
        until_ns = self.proxy.look()
        self.readers.flush(self._clock(), until_ns, anyhow=anyhow)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        swept_s = loop.time()
        while True:
            await asyncio.sleep(FLUSH_S)
            self.flush()
            if loop.time() - swept_s > SWEEP_S:
                swept_s = loop.time()
                self.proxy.upstream.sweep()
                self.clients.look(swept_s)

    def _serve(self, client: Client, asked: RequestHead, time_ns: int) -> Work:
        if asked.method == b"GET" and asked.path == STREAM_PATH.encode():
            return Watched(client, asked, lambda reader: self._join(reader, asked))
        if asked.method == b"GET" and asked.path == b"/metrics":
            return Page(client, asked, CONTENT_TYPE_LATEST, self.meters.page)
        return Passage(self.proxy, client, asked, time_ns)

    def _join(self, reader: Reader, asked: RequestHead) -> Callable[[Reader], None]:
        """Gives what to call when the reader is gone."""
        self.flush(anyhow=True)
        self.readers.join(reader, self._clock(), asked.text(RESUME.lower()))
        return self.readers.leave


@asynccontextmanager
async def serving(tap: Tap, host: str, port: int, *, drain_s: float) -> AsyncIterator[int]:
    """Listens while the context lasts; gives the port. Afterwards it accepts nobody, and waits `drain_s` for what is in flight. Raises TapError."""
    try:
        server = await asyncio.get_running_loop().create_server(tap.clients.new, host, port, backlog=BACKLOG)
    except OSError as error:
        raise TapError(f"{host}:{port} cannot be had ({error.strerror}); choose another --listen") from error
    flushing = asyncio.create_task(tap.run())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        tap.proxy.draining = True
        server.close()
        tap.clients.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await tap.proxy.idle()
        flushing.cancel()
        await asyncio.wait({flushing})
        await tap.proxy.close()
        tap.flush(anyhow=True)
        tap.readers.end()
        await tap.clients.end(STOP_S)


def _clock_id() -> str:
    """The same for all taps of one boot of a machine, whose monotonic clock is one."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        boot = uuid.uuid4().hex
    return hashlib.sha256(f"monotonic {boot}".encode()).hexdigest()[:16]
