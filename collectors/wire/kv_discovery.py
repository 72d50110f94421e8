"""Where a server says that its KV events are published: the answer of vLLM's `GET /kv_event_sources` to endpoints. Pure.

The answer is a publisher's resolved configuration for each data-parallel rank (`vllm/config/kv_events.py`).
"""

import re
from typing import Annotated, Final

import msgspec

from collectors.wire.kv_events import MAX_RANK, KvEventError
from collectors.wire.safe import safe_text

MAX_SOURCES: Final = 4_096
_ENDPOINT: Final = re.compile(r"tcp://(?P<host>\*|[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,64}\]):(?P<port>[0-9]{1,5})")
_ANY: Final = frozenset({"*", "0.0.0.0", "[::]"})


class KvEndpoint(msgspec.Struct, frozen=True):
    """Addresses `tcp://host:port` of one publisher. `rank` is what its messages are of where they do not say. Empty topic: all."""

    live: str
    replay: str | None = None
    topic: str = ""
    rank: int = 0


Text = Annotated[str, msgspec.Meta(max_length=512)]


class _Source(msgspec.Struct):
    enable_kv_cache_events: bool = False
    publisher: Text | None = None
    endpoint: Text | None = None
    replay_endpoint: Text | None = None
    topic: Text = ""


_sources: Final = msgspec.json.Decoder(dict[Annotated[str, msgspec.Meta(max_length=16)], _Source])


def kv_endpoints(body: bytes, host: str) -> tuple[KvEndpoint, ...]:
    """The publishers that can be subscribed to over TCP, by rank; `host` is where the answer came from, for those that listen on every address.

    Raises KvEventError for what is no such answer, or names an address that is none.
    """
    try:
        sources = _sources.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KvEventError(f"kv_event_sources: {error}") from None
    if len(sources) > MAX_SOURCES:
        raise KvEventError(f"kv_event_sources: more than {MAX_SOURCES:,} ranks")
    found = []
    for rank, one in sources.items():
        if not rank.isascii() or not rank.isdecimal() or int(rank) > MAX_RANK:
            raise KvEventError(f"kv_event_sources: {safe_text(rank, 20)!r} is no rank")
        # Over ipc:// and inproc:// only processes of that host can listen.
        if one.enable_kv_cache_events and one.publisher == "zmq" and one.endpoint and one.endpoint.startswith("tcp:"):
            replay = tcp_endpoint(one.replay_endpoint, host) if one.replay_endpoint else None
            found.append(KvEndpoint(tcp_endpoint(one.endpoint, host), replay, one.topic, int(rank)))
    return tuple(sorted(found, key=lambda one: one.rank))


def tcp_endpoint(text: str, host: str = "") -> str:
    """`text` with `host` in place of a wildcard. Raises KvEventError."""
    match = _ENDPOINT.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65_536:
        raise KvEventError(f"{safe_text(text, 80)!r} is no endpoint; write tcp://host:port")
    named = match["host"]
    if named in _ANY:
        if not host:
            raise KvEventError(f"{safe_text(text, 80)!r} names no host")
        named = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"tcp://{named}:{match['port']}"
