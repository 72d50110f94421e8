"""Which headers go through a proxy. Pure."""

from collections.abc import Iterable
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110, section 7.6.1, and those of before it."""


def end_to_end(headers: CIMultiDictProxy[str], without: Iterable[str] = ()) -> CIMultiDict[str]:
    """All but those of one connection, which are the known ones and those that `Connection` names, and `without`."""
    dropped = _HOP_BY_HOP.union(without)
    for line in headers.getall("Connection", []):
        dropped = dropped.union(name.strip().lower() for name in line.split(","))
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)
