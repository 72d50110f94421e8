"""One request sent and its answer read as it comes: the time of each read, and what went wrong as a short typed reason."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Self

import aiohttp

from collectors.tap.arrivals import Arrivals, StampedConnector
from collectors.wire.access import Access
from collectors.wire.fault import FetchError
from collectors.wire.http_stream import faults

MAX_HEADER_BYTES: Final = 64 << 10


class Sender:
    """To one server, a connection for each request: what a client has to wait for who comes anew. `clock` gives the nanoseconds of all times. A context, to be left at the end."""

    def __init__(self, access: Access, clock: Callable[[], int]) -> None:
        self._access = access
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        answered: Callable[[int, Mapping[str, str]], bool],
        came: Callable[[int, bytes], None],
    ) -> None:
        """`answered` is told of the head, and says whether to go on. Redirects are not followed. Raises FetchError."""
        limits, size = self._access.limits, 0
        with faults():
            async with asyncio.timeout(limits.total_s):
                more = {"Authorization": f"Bearer {self._access.token.read()}"} if self._access.token else {}
                posted = self._opened().post(url, data=body, headers={**headers, **more}, allow_redirects=False)
                async with posted as response:
                    if not answered(response.status, response.headers):
                        return
                    arrivals = Arrivals(response)
                    while data := await response.content.readany():
                        size += len(data)
                        if size > limits.max_body_bytes:
                            raise FetchError("answer too large", limit="max_body_bytes")
                        for time_ns, piece in arrivals.taken(data, self._clock()):
                            came(time_ns, piece)

    def _opened(self) -> aiohttp.ClientSession:
        access = self._access
        if self._session is None:
            tls = access.trusted() if access.ca_file or access.insecure_tls else True
            self._session = aiohttp.ClientSession(
                connector=StampedConnector(self._clock, ssl=tls, force_close=True, resolver=aiohttp.ThreadedResolver()),
                timeout=aiohttp.ClientTimeout(total=None, connect=access.limits.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
            )
        return self._session
