"""How a server is reached: what is trusted, what it is told of who asks, and the limits of an exchange. Nothing is read before it is needed.

A secret is named here (a variable, a file), never held: it is read when a request is made, so that it can be renewed, and never said.
"""

import os
import re
import ssl
import stat
from typing import Final, Self

import msgspec

from collectors.model.vocabulary import TargetStatus
from collectors.wire.http import FetchError, HttpClient
from collectors.wire.limits import Limits
from collectors.wire.safe import safe_text

MAX_TOKEN_BYTES: Final = 16 << 10
_TOKEN: Final = re.compile(r"[!-~]+")
_SHOWN: Final = 120


class Token(msgspec.Struct, frozen=True):
    """Where a bearer token stands: a variable of the environment or a file that only its owner may read. Empty: nowhere."""

    env: str = ""
    file: str = ""

    def __bool__(self) -> bool:
        return bool(self.env or self.file)

    def read(self) -> str:
        """The token. Raises FetchError; what it says names the place and never the token."""
        if self.env:
            where, text = f"variable {safe_text(self.env, _SHOWN)}", os.environ.get(self.env, "")
        else:
            where, text = f"file {safe_text(self.file, _SHOWN)}", _secret(self.file)
        text = text.strip()
        if not _TOKEN.fullmatch(text):
            raise _refused(f"token: {where} {'holds no token' if text else 'is empty or not set'}")
        return text


class Access(msgspec.Struct, frozen=True):
    """Equal ones share a client. `ca_file` is trusted in place of the system's authorities; `insecure_tls`: whoever answers is trusted."""

    limits: Limits = Limits()
    ca_file: str = ""
    insecure_tls: bool = False
    token: Token = Token()

    def client(self) -> HttpClient:
        tls = self.trusted if self.ca_file or self.insecure_tls else None
        return HttpClient(self.limits, tls=tls, token=self.token.read if self.token else None)

    def trusted(self) -> ssl.SSLContext:
        """What is trusted, read anew. Raises FetchError."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except ssl.SSLError:
            raise _refused(f"tls: CA file {safe_text(self.ca_file, _SHOWN)} holds no certificate") from None
        except OSError as error:
            why = error.strerror or "cannot be read"
            raise _refused(f"tls: CA file {safe_text(self.ca_file, _SHOWN)}: {safe_text(why, 60)}") from None
        if self.insecure_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Clients:
    """A client for each way of access, made when asked for; closed together. Belongs to one event loop."""

    def __init__(self) -> None:
        self._clients: dict[Access, HttpClient] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients.values():
            await client.close()

    def of(self, access: Access) -> HttpClient:
        if access not in self._clients:
            self._clients[access] = access.client()
        return self._clients[access]


def _secret(path: str) -> str:
    """What stands in a file that is its owner's alone. Raises FetchError."""
    shown = f"token: file {safe_text(path, _SHOWN)}"
    try:
        # Without waiting, should it be a pipe.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _refused(f"{shown} is no regular file")
            if status.st_mode & 0o077:
                raise _refused(f"{shown} is open to others (mode {stat.S_IMODE(status.st_mode):04o}); chmod 600 it")
            return file.read(MAX_TOKEN_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise _refused(f"{shown}: {safe_text(error.strerror or 'cannot be read', 60)}") from None


def _refused(reason: str) -> FetchError:
    return FetchError(reason, TargetStatus.REJECTED)
