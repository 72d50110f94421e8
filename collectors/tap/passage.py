"""One request through the tap: its bytes to the upstream, the answer's to its client, unchanged and unbuffered, each read passed on before it is looked at.

No task runs for it, unless a connection has to be made.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from collectors.tap.asking import MAX_BODY
from collectors.tap.asking import asked as asking
from collectors.tap.client import Client
from collectors.tap.headers import LAST_CHUNK, Framing, answered, chunk
from collectors.tap.measuring import Measuring
from collectors.tap.proxy import Proxy
from collectors.tap.request import RequestHead
from collectors.tap.upstream import UpstreamConnection
from collectors.wire.http_answer import AnswerReader, Head
from collectors.wire.http_body import NotHttpError

_SAFE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})
"""Methods of requests that may be made twice."""

_log: Final = logging.getLogger(__name__)


class Passage:
    """Work for a client, owner of a connection to the upstream, receiver of what comes on it, and due with that at the end of a turn."""

    __slots__ = (
        "_again", "_answer", "_asked", "_asks", "_came", "_client", "_connecting", "_connection", "_framing", "_head",
        "_last", "_lost", "_measuring", "_out", "_outcome", "_proxy", "_reads", "_sent", "_time_ns", "_unsent",
    )  # fmt: skip

    def __init__(self, proxy: Proxy, client: Client, asked: RequestHead, time_ns: int) -> None:
        self._proxy, self._client, self._asked, self._time_ns = proxy, client, asked, time_ns
        self._connection: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._unsent: list[bytes] = []
        """For the upstream, until there is a connection; of a body that is to be changed, until it is whole."""
        self._asks = proxy.ask and _may_ask(asked)
        self._sent = False
        """Whether the whole request has come."""

    def _begun(self) -> None:
        """What is needed only when the request is on its way."""
        self._answer = AnswerReader(self, bodiless=self._asked.method == b"HEAD", surplus=True)
        self._framing: Framing | None = None
        self._head: Head | None = None
        """Of an answer that has not been looked at."""
        self._reads: list[tuple[int, bytes]] = []
        self._came: list[tuple[int, bytes]] = []
        """Of the body, passed on and not looked at."""
        self._out: list[bytes] = []
        self._lost = self._again = False
        self._outcome = ""
        self._last: Callable[[], None] = _nothing
        """What its client is told at the end, which comes after all else."""
        self._measuring: Measuring | None = None
        self._proxy.begun(self)

    # The request.

    def begin(self, piece: bytes, ends: bool) -> None:
        asked = self._asked
        if not asked.target.startswith(b"/"):
            self._begun()
            self._over("error", lambda: self._client.refuse(asked, 400, "a request target that is no path"))
            self.look()
            return
        if asked.waits and not ends:
            self._client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self._asks:
            self._unsent.append(self._proxy.head(asked))
        self._pass(piece, ends)
        self._begun()

    def body(self, piece: bytes, ends: bool) -> None:
        self._pass(piece, ends)

    def measure(self) -> None:
        """From now on. It takes about as long as all else that is done for a request, and the upstream may share the core: so not before readers are told, or the answer begins."""
        if self in self._proxy.unmeasured:
            self._proxy.unmeasured.discard(self)
            self._measuring = self._proxy.measuring(self._asked, self._time_ns)

    def _pass(self, piece: bytes, ends: bool) -> None:
        self._sent = ends
        if self._asks:
            self._unsent.append(piece)
            if not ends:
                return
            whole = asking(b"".join(self._unsent))
            self._unsent = [self._proxy.head(self._asked, len(whole)), whole]
        elif self._asked.length is None:
            self._unsent += [chunk(piece) if piece else b"", LAST_CHUNK if ends else b""]
        else:
            self._unsent.append(piece)
        if self._connection is None and self._connecting is None:
            self._connection = self._proxy.upstream.take(self)
        if self._connection is not None:
            self._send(self._connection)
        elif self._connecting is None:
            self._connect()

    def _send(self, connection: UpstreamConnection) -> None:
        data, self._unsent = b"".join(self._unsent), []
        connection.send(data)
        if self._client.full:
            connection.hold(True)

    def _connect(self) -> None:
        self._client.hold(not self._sent)
        self._connecting = asyncio.create_task(self._connected())

    async def _connected(self) -> None:
        try:
            self._connection = await self._proxy.upstream.opened(self)
        except (OSError, ValueError) as error:  # a host's name that is too long is the latter
            self._connecting = None
            self._fail(type(error).__name__)
            self.look()
            return
        self._connecting = None
        self._send(self._connection)
        self._client.hold(False)

    # The answer.

    def read(self, time_ns: int, data: bytes) -> None:
        self._reads.append((time_ns, data))
        if self._framing is None or self._head is not None:
            self.pass_on()  # an answer begins once: nobody else's read waits long for it
            if not (self._came or self._outcome):
                return  # a head is looked at with what follows it, which mostly is on its way already
        self._proxy.turns.add(self)

    def lost(self) -> None:
        connection, self._connection, self._lost = self._connection, None, True
        self._again = connection is not None and connection.used
        self._proxy.turns.add(self)

    def head(self, head: Head) -> None:
        if head.status == 101:  # nobody asked for another protocol
            raise NotHttpError
        self._head = head
        self._framing = answered(self._asked, head, kept=not self._proxy.draining)
        self._out.append(self._framing.head)

    def data(self, piece: bytes) -> None:
        assert self._framing is not None
        self._out.append(self._framing.framed(piece))
        self._came.append((self._reads[0][0], piece))

    def pass_on(self) -> None:
        if self._outcome:
            return
        try:
            fault = self._read()
        except Exception:  # noqa: BLE001  others are due as well
            _log.exception("an answer cannot be passed on")
            fault = "internal"
        answer, framing = self._answer, self._framing
        whole = answer.complete and framing is not None and not fault
        if whole and framing is not None:
            self._out.append(framing.end)
        if self._out:
            self._client.send(b"".join(self._out))
            self._out.clear()
        if whole and framing is not None:
            kept = framing.kept
            self._over("whole", lambda: self._client.done(kept))
        elif fault:
            self._fail(fault)

    def _read(self) -> str:
        """What is wrong with the answer so far."""
        answer = self._answer
        try:
            while self._reads and not answer.complete:
                answer.feed(self._reads[0][1])
                del self._reads[0]
        except NotHttpError:
            return "no HTTP"
        if not self._lost or answer.complete:
            return ""
        if self._again and not answer.begun and self._asked.method in _SAFE and self._asked.length == 0:
            self._lost = self._again = False
            self._unsent = [self._proxy.head(self._asked)]
            self._connect()
            return ""
        answer.end()
        return "" if answer.complete else "gone"

    def look(self) -> None:
        self.measure()
        if self._measuring is None:
            return
        head, self._head = self._head, None
        came, self._came = self._came, []
        self._measuring.look(head, came)
        if self._outcome:
            self._measuring.end(self._outcome)
            self._measuring = None
            self._proxy.ended(self)
            self._last()

    # Either side.

    def left(self) -> None:
        self._over("error" if self._proxy.stopping else "abort", _nothing)
        self.look()

    def stop(self) -> None:
        self._over("error", self._client.abort)
        self.look()

    def clogged(self, full: bool) -> None:
        if self._connection is not None:
            self._connection.hold(full)

    def upstream_clogged(self, full: bool) -> None:
        self._client.hold(full and not self._sent)

    def _fail(self, why: str) -> None:
        """The upstream is not there, or is gone, or speaks no HTTP: its client is told, or is cut off as well."""
        errors, target = self._proxy.meters.upstream_errors, self._proxy.target
        if self._framing is None:
            errors.labels("not reached").inc()
            self._over("error", lambda: self._client.refuse(self._asked, 502, f"{target} cannot be reached: {why}"))
        else:
            errors.labels("gone in mid-response").inc()
            self._over("error", self._client.cut)

    def _over(self, outcome: str, last: Callable[[], None]) -> None:
        """`last` is called when all has been looked at."""
        if self._outcome:
            return
        self._outcome, self._last = outcome, last
        if self._connecting is not None:
            self._connecting.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            if outcome == "whole" and self._answer.persistent and self._sent:
                self._proxy.upstream.give(connection)
            else:
                connection.close()


def _nothing() -> None:
    pass


def _may_ask(asked: RequestHead) -> bool:
    """Whether it is a completion whose body may be held and read."""
    return (
        asked.method == b"POST"
        and asked.path.endswith(b"/completions")
        and "json" in asked.text("content-type").lower()
        and asked.text("content-encoding").lower() in ("", "identity")
        and asked.length is not None
        and 0 < asked.length <= MAX_BODY
    )
