"""The one HTTP client: GET only, everything bounded, every fault a typed `FetchError`.

`get` fetches a page of text, `stream` follows a response that does not end. Knows nothing of what a body means. aiohttp is imported at the
first request.
"""

import asyncio
import contextlib
import errno
import math
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Final, Self

from collectors.model.vocabulary import TargetStatus
from collectors.wire.decoding import ContentError, decoder
from collectors.wire.limits import DEFAULT, Limits
from collectors.wire.safe import safe_text

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from yarl import URL

STREAM_BUFFER: Final = 1 << 20
"""Bytes that a stream may be ahead of its reader before the sender is slowed down (twice this at most)."""
PAGE_BUFFER: Final = 1 << 16
MAX_REDIRECTS: Final = 3

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
JSON_TYPES: Final = frozenset({"application/json"})
TEXT_TYPES: Final = frozenset({"text/plain", "application/openmetrics-text"})
_UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


class FetchError(Exception):
    """Why there is no body: `reason` is short and safe to show. `http` is the response's status where that was the reason.

    `status` is DOWN when the target does not answer or breaks off, REJECTED when it answers what we do not take. `limit`: which one it is over.
    `refused`: nobody listens there, which costs next to nothing to learn again.
    """

    def __init__(
        self,
        reason: str,
        status: TargetStatus = TargetStatus.DOWN,
        http: int | None = None,
        limit: str = "",
        *,
        refused: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.http = http
        self.limit = limit
        self.refused = refused


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


class Stream:
    """A response that is being read: iterate for its bytes as they come, decompressed. Raises FetchError where it breaks off.

    `content_type` is in lower case, without parameters; empty if the response has none.
    """

    def __init__(self, response: "ClientResponse") -> None:
        self.content_type = _content_type(response)
        self._response = response

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        with _faults():
            decode = decoder(self._response.headers.get("Content-Encoding", ""))
            while chunk := await self._response.content.readany():
                for piece in decode.feed(chunk):
                    yield piece
            decode.finish()


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
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
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
        limits = self.limits
        with _faults():
            async with asyncio.timeout(limits.total_s), self._response(url, accept, PAGE_BUFFER, told) as response:
                if heard is not None:
                    heard(response.headers.get("Date", ""))
                kind = _content_type(response)
                if response.status != 200 and kind not in kinds:
                    raise _refused(response.status)
                if kind and kind not in kinds:
                    shown, wanted = safe_text(kind, 60), "text" if kinds is TEXT_TYPES else accept
                    raise FetchError(f"not {wanted}: content type {shown}", TargetStatus.REJECTED)
                body = await self._body(response)
                # A wrong length, or none, does not show that the end is missing: text ends its last line.
                if kinds is TEXT_TYPES and body and not body.endswith((b"\n", b"# EOF")):
                    raise FetchError("truncated")
                return body

    @contextlib.asynccontextmanager
    async def stream(self, url: str, *, accept: str) -> AsyncIterator[Stream]:
        """A response to be followed, once its status is 200. No byte for `idle_s` ends it with a FetchError."""
        async with contextlib.AsyncExitStack() as stack:
            with _faults():
                async with asyncio.timeout(self.limits.total_s):
                    response = await stack.enter_async_context(self._response(url, accept, STREAM_BUFFER))
            yield Stream(response)

    @contextlib.asynccontextmanager
    async def _response(
        self, url: str, accept: str, buffer: int, told: frozenset[int] = frozenset()
    ) -> AsyncIterator["ClientResponse"]:
        """Follows redirects within the origin, and gives a response of status 200 or of `told`."""
        from yarl import URL

        session = self._opened()
        headers = {"Accept": accept, "Accept-Encoding": "identity"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token()}"
        target = URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with session.get(target, headers=headers, allow_redirects=False, read_bufsize=buffer) as response:
                location = response.headers.get("Location") if response.status in _REDIRECTS else None
                if location is None:
                    if response.status != 200 and response.status not in told:
                        raise _refused(response.status)
                    yield response
                    return
            target = _within_origin(target, location)
        raise FetchError("too many redirects", TargetStatus.REJECTED)

    async def _body(self, response: "ClientResponse") -> bytes:
        limit = self.limits.max_body_bytes
        size = 0
        pieces: list[bytes] = []
        decode = decoder(response.headers.get("Content-Encoding", ""))
        while chunk := await response.content.readany():
            for piece in decode.feed(chunk):
                size += len(piece)
                if size > limit:
                    reason = f"too large: more than {_mebibytes(limit)} MiB"
                    raise FetchError(reason, TargetStatus.REJECTED, limit="max_body_bytes")
                pieces.append(piece)
        decode.finish()
        return b"".join(pieces)

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
                headers={"User-Agent": "tokenyard"},
            )
        return self._session


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    """Turns what goes wrong in an exchange into a FetchError."""
    import aiohttp
    from aiohttp.http_exceptions import BadHttpMessage, PayloadEncodingError

    try:
        yield
    except ContentError as error:
        raise FetchError(str(error), TargetStatus.REJECTED) from None
    except aiohttp.ClientConnectorCertificateError:
        raise FetchError("tls: certificate not trusted", TargetStatus.REJECTED) from None
    except aiohttp.ClientSSLError:
        raise FetchError("tls: no handshake", TargetStatus.REJECTED) from None
    except (aiohttp.ClientConnectorDNSError, UnicodeError):  # the latter: too long to be a host's name
        raise FetchError("name not resolved") from None
    except aiohttp.ClientConnectorError as error:
        raise FetchError(_connect_reason(error), refused=error.errno == errno.ECONNREFUSED) from None
    except aiohttp.ConnectionTimeoutError:
        raise FetchError("timeout connecting", limit="connect_s") from None
    except aiohttp.SocketTimeoutError:
        raise FetchError("timeout reading", limit="idle_s") from None
    except TimeoutError:
        raise FetchError("timeout reading", limit="total_s") from None
    except aiohttp.ClientPayloadError as error:
        # The same fault comes as the next error does if it is found while the headers are read.
        why = error.__cause__
        if isinstance(why, BadHttpMessage) and not isinstance(why, PayloadEncodingError):
            raise FetchError("not http", TargetStatus.REJECTED) from None
        raise FetchError("truncated") from None
    except aiohttp.ClientResponseError:
        raise FetchError("not http", TargetStatus.REJECTED) from None
    except aiohttp.InvalidURL:
        raise FetchError("not a url", TargetStatus.REJECTED) from None
    except (aiohttp.ClientError, ssl.SSLError, ConnectionError):
        raise FetchError("closed without an answer") from None


def _refused(http: int) -> FetchError:
    down = http >= 500 and http != 501  # asking again does not make it have what it has not
    return FetchError(f"http {http}", TargetStatus.DOWN if down else TargetStatus.REJECTED, http)


def _connect_reason(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "refused"
    if error.errno in _UNREACHABLE:
        return "unreachable"
    if error.errno == errno.ETIMEDOUT:
        return "timeout connecting"
    return f"cannot connect: {safe_text(error.strerror or 'no reason given', 80)}"


def _within_origin(target: "URL", location: str) -> "URL":
    from yarl import URL

    try:
        following = target.join(URL(location))
        same = following.origin() == target.origin()
    except ValueError:  # not a URL, or one of a scheme without origins
        same = False
    if not same:
        raise FetchError("redirect to another origin", TargetStatus.REJECTED)
    return following


def _content_type(response: "ClientResponse") -> str:
    value: str = response.headers.get("Content-Type", "")
    return value.partition(";")[0].strip().lower()


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.4g}"
