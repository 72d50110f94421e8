"""The one HTTP client: GET only, everything bounded, every fault a typed `FetchError`.

`get` fetches a page over connections of our own, `stream` follows a response that does not end with aiohttp, which is imported for the first one.
Knows nothing of what a body means.
"""

import asyncio
import contextlib
import math
import random
import ssl
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Self

from collectors.wire.connections import Connections
from collectors.wire.decoding import ContentError
from collectors.wire.fault import FetchError, rejected
from collectors.wire.http_answer import AnswerReader
from collectors.wire.http_page import (
    JSON_TYPES,
    MAX_REDIRECTS,
    REDIRECTS,
    TEXT_TYPES,
    USER_AGENT,
    Moved,
    Page,
    asked,
    refused,
    within_origin,
)
from collectors.wire.http_stream import BUFFER_BYTES, Stream, faults
from collectors.wire.limits import DEFAULT, Limits

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

__all__ = ["JSON_TYPES", "TEXT_TYPES", "Backoff", "FetchError", "HttpClient", "Stream"]


class Backoff:
    """Seconds to wait after each failure in a row: doubling from `first_s` to `longest_s`, each cut by up to a half.

    The cut spreads many targets that failed together; it depends on nothing but `seed`.
    """

    def __init__(self, seed: str, first_s: float, longest_s: float = 30.0) -> None:
        self._random = random.Random(seed)
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def next_s(self, longest_s: float = math.inf) -> float:
        """`longest_s`: this time, where that is shorter than ever."""
        wait_s = min(self._next_s, self._longest_s, longest_s)
        self._next_s = 2.0 * wait_s
        return wait_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """After a success."""
        self._next_s = self._first_s


class HttpClient:
    """Keeps connections open between requests; close it at the end, or use it as a context. Belongs to one event loop.

    `tls` makes what is trusted (by default the system's authorities), once; `token` gives the bearer token of each request. Both may
    raise FetchError. The token goes to the origin that was asked for and to no other.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT,
        *,
        tls: Callable[[], ssl.SSLContext] | None = None,
        token: Callable[[], str] | None = None,
    ) -> None:
        self.limits = limits
        self._tls = tls
        self._token = token
        self._connections = Connections(limits, tls or ssl.create_default_context)
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._connections.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(
        self,
        url: str,
        *,
        accept: str = "text/plain",
        kinds: frozenset[str] = TEXT_TYPES,
        told: frozenset[int] = frozenset(),
        heard: Callable[[str], None] | None = None,
    ) -> bytes:
        """The whole body of a page of one of `kinds`, decompressed. Raises FetchError.

        A response with a status of `told` and one of `kinds` is a page too: it says itself what is wrong. `heard` gets the Date of a
        response (empty: none) when its headers are there, whatever follows.
        """
        until_s = asyncio.get_running_loop().time() + self.limits.total_s
        for _ in range(MAX_REDIRECTS + 1):
            origin, request = asked(url, accept)
            if self._token is not None:
                request += b"Authorization: Bearer %b\r\n" % self._token().encode("ascii")
            page = Page(self.limits, accept, kinds, told, heard)
            try:
                with contextlib.suppress(Moved):
                    await self._connections.ask(origin, request + b"\r\n", AnswerReader(page), until_s)
                if page.location is None:
                    return page.body()
            except ContentError as error:
                raise rejected(str(error)) from None
            url = within_origin(url, page.location)
        raise rejected("too many redirects")

    @contextlib.asynccontextmanager
    async def stream(self, url: str, *, accept: str, more: dict[str, str] | None = None) -> AsyncIterator[Stream]:
        """A response to be followed, once its status is 200. No byte for `idle_s` ends it with a FetchError. `more`: further headers of the request."""
        async with contextlib.AsyncExitStack() as stack:
            with faults():
                async with asyncio.timeout(self.limits.total_s):
                    response = await stack.enter_async_context(self._response(url, accept, more or {}))
            yield Stream(response)

    @contextlib.asynccontextmanager
    async def _response(self, url: str, accept: str, more: dict[str, str]) -> AsyncIterator["ClientResponse"]:
        """Follows redirects within the origin, and gives a response of status 200."""
        session = self._opened()
        headers = {"Accept": accept, "Accept-Encoding": "identity", **more}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token()}"
        for _ in range(MAX_REDIRECTS + 1):
            async with session.get(url, headers=headers, allow_redirects=False, read_bufsize=BUFFER_BYTES) as response:
                location = response.headers.get("Location") if response.status in REDIRECTS else None
                if location is None:
                    if response.status != 200:
                        raise refused(response.status)
                    yield response
                    return
            url = within_origin(url, location)
        raise rejected("too many redirects")

    def _opened(self) -> "ClientSession":
        if self._session is None:
            from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, ThreadedResolver

            limits = self.limits
            self._session = ClientSession(
                # As many connections as targets: each source has one request under way.
                connector=TCPConnector(limit=0, resolver=ThreadedResolver(), ssl=self._tls() if self._tls else True),
                timeout=ClientTimeout(total=None, connect=limits.connect_s, sock_read=limits.idle_s),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,  # it has no limit
                headers={"User-Agent": USER_AGENT},
            )
        return self._session
