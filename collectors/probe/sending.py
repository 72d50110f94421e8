"""One request sent and its answer read as it comes: the time of each read, and what went wrong as a short typed reason."""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from collectors.wire.access import Access
from collectors.wire.connections import Connections
from collectors.wire.fault import FetchError
from collectors.wire.http_answer import AnswerReader, Head
from collectors.wire.http_page import asked


class _Unwanted(Exception):  # noqa: N818  an answer, and no error
    """Of which the head is enough."""


class Sender:
    """To one server, a connection for each request: what a client has to wait for who comes anew. `clock` gives the nanoseconds of all times."""

    def __init__(self, access: Access, clock: Callable[[], int]) -> None:
        self._access = access
        self._clock = clock
        self._limits = msgspec.structs.replace(access.limits, idle_s=access.limits.total_s)

    async def send(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        answered: Callable[[int, Mapping[str, str]], bool],
        came: Callable[[int, bytes], None],
    ) -> None:
        """`answered` is told of the head, and says whether to go on. Redirects are not followed. Raises FetchError."""
        origin, request = asked(url, "")
        start, host, _ = request.split(b"\r\n", 2)
        more = {"Authorization": f"Bearer {self._access.token.read()}"} if self._access.token else {}
        lines = {**headers, **more, "Content-Length": str(len(body)), "Connection": "close"}
        head = [b"POST" + start.removeprefix(b"GET"), host, *(f"{name}: {lines[name]}".encode() for name in lines)]
        data = b"\r\n".join([*head, b"", body])
        answer = AnswerReader(_Answer(answered, came, self._clock, self._limits.max_body_bytes))
        connections = Connections(self._limits, self._access.trusted)
        try:
            await connections.ask(origin, data, answer, asyncio.get_running_loop().time() + self._limits.total_s)
        except _Unwanted:
            pass
        finally:
            await connections.close()


class _Answer:
    """Takes it: each piece is a read, and comes in that."""

    def __init__(
        self,
        answered: Callable[[int, Mapping[str, str]], bool],
        came: Callable[[int, bytes], None],
        clock: Callable[[], int],
        most: int,
    ) -> None:
        self._answered, self._came, self._clock, self._most = answered, came, clock, most
        self._size = 0

    def head(self, head: Head) -> None:
        """Raises _Unwanted."""
        if not self._answered(head.status, head.headers):
            raise _Unwanted

    def data(self, piece: bytes) -> None:
        """Raises FetchError."""
        self._size += len(piece)
        if self._size > self._most:
            raise FetchError("answer too large", limit="max_body_bytes")
        self._came(self._clock(), piece)
