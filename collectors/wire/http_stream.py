"""A response that does not end, by aiohttp: read as it comes, slowed down where its reader is slow, its faults those of a page."""

import contextlib
import ssl
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Final

from collectors.wire.decoding import ContentError, decoder
from collectors.wire.fault import FetchError, broken_off, not_connected, rejected
from collectors.wire.http_page import content_type

if TYPE_CHECKING:
    from aiohttp import ClientResponse

BUFFER_BYTES: Final = 1 << 20
"""How far a stream may be ahead of its reader before the sender is slowed down (twice this at most)."""


class Stream:
    """A response that is being read: iterate for its bytes as they come, decompressed. Raises FetchError where it breaks off.

    `content_type` is in lower case, without parameters; empty if the response has none.
    """

    def __init__(self, response: "ClientResponse") -> None:
        self.content_type = content_type(response.headers.get("Content-Type", ""))
        self._response = response

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        with faults():
            decode = decoder(self._response.headers.get("Content-Encoding", ""))
            while chunk := await self._response.content.readany():
                for piece in decode.feed(chunk):
                    yield piece
            decode.finish()


@contextlib.contextmanager
def faults() -> Iterator[None]:
    """Turns what goes wrong in an exchange into a FetchError."""
    import aiohttp
    from aiohttp.http_exceptions import BadHttpMessage, PayloadEncodingError

    try:
        yield
    except ContentError as error:
        raise rejected(str(error)) from None
    except aiohttp.ClientConnectorCertificateError:
        raise rejected("tls: certificate not trusted") from None
    except aiohttp.ClientSSLError:
        raise rejected("tls: no handshake") from None
    except (aiohttp.ClientConnectorDNSError, UnicodeError):  # the latter: too long to be a host's name
        raise FetchError("name not resolved") from None
    except aiohttp.ClientConnectorError as error:
        raise not_connected(error) from None
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
            raise rejected("not http") from None
        raise FetchError("truncated") from None  # how, aiohttp does not keep
    except aiohttp.ClientResponseError:
        raise rejected("not http") from None
    except aiohttp.InvalidURL:
        raise rejected("not a url") from None
    except (aiohttp.ClientError, ssl.SSLError, ConnectionError) as error:
        raise broken_off(error, headed=False) from None
