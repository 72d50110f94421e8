"""Why there is no answer: one error for whatever goes wrong between a request and the end of its answer."""

import errno
import os
import ssl
from typing import Final

from collectors.model.vocabulary import TargetStatus
from collectors.wire.safe import safe_text

_RESET: Final = frozenset({errno.ECONNRESET, errno.EPIPE})
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


def rejected(reason: str) -> FetchError:
    return FetchError(reason, TargetStatus.REJECTED)


def broken_off(error: BaseException | None, *, headed: bool) -> FetchError:
    """Of an answer that ended too soon, after its head or before it: how, where `error` says that. An end without one is the server's own."""
    what = "truncated" if headed else "closed without an answer"
    if isinstance(error, ssl.SSLError):
        return FetchError(f"{what}: tls broke off")
    if not isinstance(error, OSError) or error.errno is None:
        return FetchError(what)
    how = "unreachable" if error.errno in _UNREACHABLE else os.strerror(error.errno).lower()
    if error.errno in _RESET:
        how = "reset"
    return FetchError(f"{what}: {how}")


def not_connected(error: OSError) -> FetchError:
    """Of what went wrong before a request could be sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return rejected("tls: certificate not trusted")
    if isinstance(error, ssl.SSLError):
        return rejected("tls: no handshake")
    if error.errno == errno.ECONNREFUSED:
        return FetchError("refused", refused=True)
    if error.errno in _UNREACHABLE:
        return FetchError("unreachable")
    if error.errno == errno.ETIMEDOUT:
        return FetchError("timeout connecting")
    return FetchError(f"cannot connect: {safe_text(error.strerror or 'no reason given', 80)}")
