"""A client's connection: requests one after another, each given to the work that answers it, and what that says written back."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from collectors.tap.headers import Framing
from collectors.tap.request import RequestError, RequestHead, request_head
from collectors.wire.http_body import Body, NotHttpError, UntilClosed
from collectors.wire.safe import safe_text

MAX_HELD_BYTES: Final = 64 << 10
"""Of requests that wait for the one before them: with more the client is not read from."""
IDLE_S: Final = 3_600.0
"""How long a connection is kept that asks for nothing."""
HEAD_S: Final = 60.0
"""How long a head may take from its first byte on."""
CLOSE_S: Final = 60.0
"""How long a client has to take what is written before its connection is closed."""
LINGER_S: Final = 10.0
"""How long the rest of a body is taken, to be dropped, after its request has been answered: a connection that is closed with bytes unread takes the answer with it."""

_STATUSES: Final = {
    200: b"200 OK",
    400: b"400 Bad Request",
    431: b"431 Request Header Fields Too Large",
    502: b"502 Bad Gateway",
}
_NOBODY: Final = RequestHead(b"GET", b"/", old=False, kept=False, waits=False, lines=b"")


class Work(Protocol):
    """Answers one request: `begin` once, with what has come of the body and whether that is all, then `body` until it ends. It calls `done` when all is written."""

    def begin(self, piece: bytes, ends: bool) -> None: ...

    def body(self, piece: bytes, ends: bool) -> None: ...

    def left(self) -> None:
        """The client is gone, or is not to be heard any more."""

    def clogged(self, full: bool) -> None:
        """The client does not take what is written, or does so again."""


Serve = Callable[["Client", RequestHead, int], Work]
"""The work for a request, whose head was read at so many nanoseconds."""


class Client(asyncio.Protocol):
    """`since_s`: since when nobody works for it, or what it waits for has been waited for."""

    def __init__(
        self,
        serve: Serve,
        clock: Callable[[], int],
        made: Callable[["Client"], None],
        lost: Callable[["Client"], None],
    ) -> None:
        self._serve, self._clock, self._made, self._lost = serve, clock, made, lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._work: Work | None = None
        self._body: Body | None = None
        """Of which not all has come."""
        self._held = b""
        self._came_ns = 0
        self._since_s = self._loop.time()
        self._begun = False
        """Whether a head has begun that is not complete."""
        self._reading = self._ending = self._full = False
        self._on_hold = self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self)
        work, self._work, self._transport = self._work, None, None
        if work is not None:
            work.left()

    def pause_writing(self) -> None:
        self._full = True
        if self._work is not None:
            self._work.clogged(True)

    def resume_writing(self) -> None:
        self._full = False
        if self._work is not None:
            self._work.clogged(False)

    def data_received(self, data: bytes) -> None:
        self._came_ns = self._clock()
        if self._held:
            data, self._held = self._held + data, b""
        self._read(data)

    # What its work asks for.

    @property
    def full(self) -> bool:
        """Whether it does not take what is written."""
        return self._full

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def hold(self, on: bool) -> None:
        """No more of its request's body for now."""
        self._on_hold = on
        self._flow()

    def done(self, kept: bool) -> None:
        """All of the answer is written; `kept` where another request may follow."""
        self._work = None
        self._ending = self._ending or not kept
        self._since_s = self._loop.time()
        self._on_hold = False
        if self._ending and self._transport is not None:
            if self._body is None:
                self.cut()
            else:
                self._transport.write_eof()  # what is still to come is dropped
            return
        data, self._held = self._held, b""
        self._flow()
        if data:
            self._read(data)

    def cut(self) -> None:
        """What was written still leaves, and then the client sees the end."""
        self._work = None
        self._since_s = self._loop.time()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def answer(self, asked: RequestHead, kind: bytes, body: bytes, status: int = 200) -> None:
        """A whole answer of the tap's own."""
        framing = Framing(asked, _STATUSES[status], (b"Content-Type: " + kind,), len(body), kept=True)
        self.send(framing.head + (b"" if asked.method == b"HEAD" else body))
        self.done(framing.kept)

    def refuse(self, asked: RequestHead, status: int, why: str) -> None:
        """In the form that clients of such an API can show."""
        error = {"message": f"tokenyard tap: {safe_text(why)}", "type": "tap_error", "code": status}
        self.answer(asked, b"application/json", msgspec.json.encode({"error": error}), status)

    # What its server asks for.

    def drain(self) -> None:
        """Nothing more is taken from it after what is being worked for."""
        self._ending = True
        if self._work is None and self._body is None:
            self.cut()

    def look(self, now_s: float) -> None:
        """Ends it where it has been waited for too long."""
        if self._work is not None or self._transport is None:
            return
        waited_s = now_s - self._since_s
        if self._transport.is_closing() or self._body is not None:
            if waited_s > (CLOSE_S if self._transport.is_closing() else LINGER_S):
                self.abort()
        elif waited_s > (HEAD_S if self._begun else IDLE_S):
            self.cut()

    def _read(self, data: bytes) -> None:
        self._reading = True
        try:
            while data and self._transport is not None and not self._transport.is_closing():
                data = self._further(data) if self._body is None else self._more(self._body, data)
        finally:
            self._reading = False
        self._flow()

    def _more(self, body: Body, data: bytes) -> bytes:
        """Of the body that is being read; gives what follows it."""
        try:
            piece = body.take(data)
        except NotHttpError:
            self.abort()  # where its next request would begin cannot be told
            return b""
        if body.complete:
            self._body = None
        if self._work is not None:
            self._work.body(piece, body.complete)
        elif body.complete and self._ending:
            self.cut()
        return body.rest

    def _further(self, data: bytes) -> bytes:
        """A request; gives what follows it, as far as that can be read now."""
        if self._work is not None:
            self._held = data
            return b""
        if self._ending:
            return b""
        try:
            found = request_head(data)
        except RequestError as error:
            self._reject(error.status, str(error))
            return b""
        if found is None:
            if not self._begun:
                self._begun, self._since_s = True, self._loop.time()
            self._held = data
            return b""
        self._begun = False
        asked, at = found
        body, piece, rest = asked.body(), b"", data[at:]
        if body is not None:
            try:
                piece = body.take(rest)
            except NotHttpError:
                self._reject(400, "chunks that are none")
                return b""
            rest = body.rest
            self._body = None if body.complete else body
        work = self._work = self._serve(self, asked, self._came_ns)
        work.begin(piece, self._body is None)
        return rest

    def _reject(self, status: int, why: str) -> None:
        """What came is no request: nothing that follows it can be one."""
        self._body = UntilClosed()
        self.refuse(_NOBODY, status, why)

    def _flow(self) -> None:
        if self._transport is None or self._transport.is_closing() or self._reading:
            return
        pause = self._on_hold or len(self._held) > MAX_HELD_BYTES
        if pause != self._paused:
            self._paused = pause
            self._transport.pause_reading() if pause else self._transport.resume_reading()
