"""A page asked for and taken: the bytes of the request, and which answers are a page, within limits. No socket."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from collectors.model.vocabulary import TargetStatus
from collectors.wire.connections import Origin
from collectors.wire.decoding import Decoder, decoder
from collectors.wire.fault import FetchError, rejected
from collectors.wire.http_answer import Head
from collectors.wire.limits import Limits
from collectors.wire.safe import safe_text

MAX_REDIRECTS: Final = 3
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
JSON_TYPES: Final = frozenset({"application/json"})
TEXT_TYPES: Final = frozenset({"text/plain", "application/openmetrics-text"})
USER_AGENT: Final = "tokenyard"
MAX_REMEMBERED: Final = 4_096


class Moved(Exception):  # noqa: N818  an answer, and no error
    """It is elsewhere, and nothing that comes with that is read."""


class Page:
    """Takes an answer. `accept` is what was asked for; `kinds` and `told` are as in `HttpClient.get`."""

    def __init__(
        self,
        limits: Limits,
        accept: str,
        kinds: frozenset[str],
        told: frozenset[int],
        heard: Callable[[str], None] | None,
    ) -> None:
        self.location: str | None = None
        """Where it is said to be instead."""
        self._limits = limits
        self._accept = accept
        self._kinds = kinds
        self._told = told
        self._heard = heard
        self._decoder: Decoder | None = None
        self._size = 0
        self._pieces: list[bytes] = []

    def head(self, head: Head) -> None:
        """Raises FetchError unless it is that of a page, ContentError for a coding that we do not know, and Moved."""
        status, headers = head.status, head.headers
        if status in REDIRECTS and "location" in headers:
            self.location = headers["location"]
            if headers.get("content-length") != "0":
                raise Moved
            return
        if status != 200 and status not in self._told:
            raise refused(status)
        if self._heard is not None:
            self._heard(headers.get("date", ""))
        kind = content_type(headers.get("content-type", ""))
        if kind not in self._kinds:
            if status != 200:
                raise refused(status)
            if kind:
                wanted = "text" if self._kinds is TEXT_TYPES else self._accept
                raise rejected(f"not {wanted}: content type {safe_text(kind, 60)}")
        self._decoder = decoder(headers.get("content-encoding", ""))

    def data(self, piece: bytes) -> None:
        """Raises FetchError and ContentError."""
        if self._decoder is None:
            return
        limit = self._limits.max_body_bytes
        for part in self._decoder.feed(piece):
            self._size += len(part)
            if self._size > limit:
                reason = f"too large: more than {limit / (1 << 20):.4g} MiB"
                raise FetchError(reason, TargetStatus.REJECTED, limit="max_body_bytes")
            self._pieces.append(part)

    def body(self) -> bytes:
        """All of it. Raises FetchError and ContentError where the end is missing."""
        if self._decoder is not None:
            self._decoder.finish()
        body = b"".join(self._pieces)
        # A wrong length, or none, does not show that the end is missing: text ends its last line.
        if self._kinds is TEXT_TYPES and body and not body.endswith((b"\n", b"# EOF")):
            raise FetchError("truncated")
        return body


@lru_cache(MAX_REMEMBERED)
def asked(url: str, accept: str) -> tuple[Origin, bytes]:
    """Whom to ask for `url`, and the request, to which lines may be added before an empty one. Raises FetchError."""
    from yarl import URL

    try:
        target = URL(url)
        host, port, named = target.raw_host, target.port, target.host_port_subcomponent
        credentials = target.raw_user is not None or target.raw_password is not None
    except ValueError:
        raise rejected("not a url") from None
    if not host or port is None or target.scheme not in ("http", "https"):
        raise rejected("not a url")
    if credentials:
        raise rejected("the url holds credentials")
    if "%" in host:
        raise rejected("an address with a scope (%) is not supported")
    lines = (
        f"GET {target.raw_path_qs} HTTP/1.1",
        f"Host: {named}",
        f"Accept: {accept}",
        "Accept-Encoding: identity",
        f"User-Agent: {USER_AGENT}",
    )
    return Origin(target.scheme == "https", host, port), "".join([f"{line}\r\n" for line in lines]).encode("ascii")


def within_origin(url: str, location: str) -> str:
    """Where a redirect leads. Raises FetchError if that is elsewhere."""
    from yarl import URL

    try:
        target = URL(url)
        following = target.join(URL(location))
        same = following.origin() == target.origin()
    except ValueError:  # not a URL, or one of a scheme without origins
        same = False
    if not same:
        raise rejected("redirect to another origin")
    return str(following)


def refused(http: int) -> FetchError:
    down = http >= 500 and http != 501  # asking again does not make it have what it has not
    return FetchError(f"http {http}", TargetStatus.DOWN if down else TargetStatus.REJECTED, http)


def content_type(value: str) -> str:
    """Of the header's value, without its parameters."""
    return value.partition(";")[0].strip().lower()
