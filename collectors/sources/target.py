"""What a user may write as a target, taken apart: a URL or `host:port`, perhaps with the kind of source before it. No I/O."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from collectors.wire.safe import safe_text, shown_url

STREAM_PATH: Final = "/placement/v1/stream"
PAGE_PATH: Final = "/metrics"
PLACEMENT: Final = "placement"
PROM: Final = "prom"
"""A Prometheus-compatible server: its page is what comes before `/api/v1`."""
TRACE: Final = "trace"
"""A file of this machine that traces or logs are written to: `trace+file:///var/log/dynamo.jsonl`, wildcards in its last part."""
OTLP: Final = "otlp"
"""Where we listen for spans: `otlp+http://127.0.0.1:4318`."""
SPANS_PATH: Final = "/v1/traces"

_SCHEMES: Final = ("http", "https", "file")
_THIS: Final = frozenset({"127.0.0.1", "::1", "0.0.0.0", "::"})
"""Where `localhost` is; other addresses of the loopback network may be others' (127.0.0.2)."""
_MAX_LENGTH: Final = 2_048
_CREDENTIALS: Final = re.compile(r"(^|://).*@", re.DOTALL)
_URL_CHARACTERS: Final = re.compile(r"[!-~]+")


class TargetError(ValueError):
    """A text that is no target: says which one, why, and what to write."""


class Target(msgspec.Struct, frozen=True):
    """`kind` is one of `kinds()`, or empty: to be found out. `page` and `stream` are the URLs to try, None where not to be tried."""

    name: str
    kind: str
    page: str | None
    stream: str | None

    @property
    def url(self) -> str:
        return self.page or self.stream or ""

    @property
    def places(self) -> frozenset[str]:
        """What is read there, however it is spelt: targets that share one would count the same twice."""
        answers = "api " if self.kind == PROM else ""
        return frozenset(answers + _place(url) for url in (self.page, self.stream) if url)


class Places:
    """What is watched because somebody listed it as a target, for sources that find more by themselves: the same page in other words would count twice."""

    def __init__(self) -> None:
        self._taken: frozenset[str] = frozenset()

    def __contains__(self, target: Target) -> bool:
        return not self._taken.isdisjoint(target.places)

    def are_of(self, targets: Iterable[Target]) -> None:
        """From now on."""
        self._taken = frozenset(place for target in targets for place in target.places)


def kinds() -> tuple[str, ...]:
    """What may be put before a URL's scheme (`vllm+http://…`) to say what the target is, instead of finding it out."""
    from collectors.backends.registry import NAMES  # heavy, and seldom asked for

    return tuple(sorted((*NAMES, PLACEMENT, PROM, TRACE, OTLP)))


def parse_target(text: str) -> Target:
    """Raises TargetError. A URL without a path may be both, a page of metrics and a placement stream; with one it is what its path says."""
    if not _URL_CHARACTERS.fullmatch(text) or len(text) > _MAX_LENGTH:
        raise _error(text, "is not a URL or host:port" if len(text) <= _MAX_LENGTH else "is too long")
    scheme, kind, rest = _scheme(text)
    if scheme == "file" or kind == TRACE:
        return _trace(text, scheme, kind, rest)
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:  # its message may quote credentials
        raise _error(text, "is not a URL or host:port") from None
    if not host or (port is None and "://" not in text):
        raise _error(text, "has no host" if not host else "has no port; write host:port or a URL")
    if port == 0 or parts.netloc.endswith(":"):
        raise _error(text, "has no usable port")
    if "@" in parts.netloc:
        raise _error(text, "holds credentials, which would be shown and recorded")
    if "%" in host:
        raise _error(text, "has an address with a scope (%), which is not supported")
    if kind == OTLP and (scheme != "http" or parts.path not in ("", "/", SPANS_PATH)):
        raise _error(text, f"is no address to listen on; write otlp+http://host:port (spans come to {SPANS_PATH})")
    origin = f"{scheme}://{parts.netloc}"
    if kind == OTLP:
        return Target(safe_text(f"otlp {parts.netloc}"), kind, None, f"{origin}{SPANS_PATH}")
    path = "" if parts.path == "/" and not parts.query else f"{parts.path}{'?' if parts.query else ''}{parts.query}"
    is_stream = kind == PLACEMENT or (not kind and parts.path.rstrip("/").endswith(STREAM_PATH))
    is_page = not is_stream and (kind or path)
    return Target(
        name=safe_text(parts.netloc + ("" if parts.path in ("", "/", PAGE_PATH, STREAM_PATH) else parts.path)),
        kind=kind,
        page=None if is_stream else f"{origin}{path or ('' if kind == PROM else PAGE_PATH)}",
        stream=None if is_page else f"{origin}{path or STREAM_PATH}",
    )


def file_of(target: Target) -> str:
    """The path of a trace file."""
    return unquote((target.stream or "").removeprefix("file://"))


def _trace(text: str, scheme: str, kind: str, rest: str) -> Target:
    if scheme != "file" or kind not in ("", TRACE) or not rest.startswith("/") or rest.endswith("/"):
        raise _error(text, "is no trace file; write trace+file:///path/to/file")
    name = safe_text(unquote(rest).rpartition("/")[2])
    if not name:
        raise _error(text, "is no trace file; write trace+file:///path/to/file")
    return Target(name, TRACE, None, f"file://{rest}")


def unique_names(names: Sequence[str]) -> list[str]:
    """The names in order; one that was there before gets `#2`, `#3` …"""
    taken: set[str] = set()
    unique = []
    for name in names:
        count, one = 1, name
        while one in taken:
            count += 1
            one = f"{name}#{count}"
        taken.add(one)
        unique.append(one)
    return unique


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, without asking anybody."""
    name = host.lower().rstrip(".")
    address = _address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


def _place(url: str) -> str:
    if url.startswith("file://"):
        return url
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    address = _address(host)
    if host == "localhost" or (address is not None and str(address) in _THIS):
        host = "localhost"
    elif address is not None:
        host = address.compressed
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host} {port} {parts.path.rstrip('/')}?{parts.query}"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def _scheme(text: str) -> tuple[str, str, str]:
    """`(scheme, kind or nothing, what comes after the scheme)`."""
    before, separator, rest = text.partition("://")
    if not separator:
        return "http", "", text
    kind, _, scheme = before.lower().rpartition("+")
    if scheme not in _SCHEMES:
        raise _error(text, f"is of an unknown scheme; known: {', '.join(_SCHEMES)}")
    if kind and kind not in kinds():
        raise _error(text, f"is of an unknown kind {safe_text(kind, 40)!r}; known: {', '.join(kinds())}")
    return scheme, kind, rest


def _error(text: str, why: str) -> TargetError:
    shown = safe_text(_CREDENTIALS.sub(r"\1…@", shown_url(text)), 80)
    return TargetError(f"target {shown!r} {why}")
