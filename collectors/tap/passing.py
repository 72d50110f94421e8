"""Passing on what comes of a response as the event loop reads it, without a task that wakes for each read, while nothing has to be waited for.

What came in one turn of the loop is passed on when all of it has been read, so that no read's time waits for other responses' bytes, and looked at after that.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

from aiohttp import web

from collectors.tap.arrivals import Arrivals

AT_ONCE: Final = 32 << 10
"""Bytes that are written without waiting where none are before them: with their framing less than what a transport takes until it asks to wait (64 KiB)."""


class Turns:
    """What is due at the end of this turn of the loop."""

    def __init__(self) -> None:
        self._due: list[Passing] = []

    def add(self, passing: "Passing") -> None:
        if not self._due:
            asyncio.get_running_loop().call_soon(self._run)
        self._due.append(passing)

    def _run(self) -> None:
        due, self._due = self._due, []
        for passing in due:
            passing.pass_on()
        for passing in due:
            passing.look()


class Passing:
    """One response's: what comes is written to `response`, whose connection `transport` is. `came` has it before that, `look` is called afterwards."""

    def __init__(
        self,
        turns: Turns,
        arrivals: Arrivals,
        response: web.StreamResponse,
        transport: asyncio.Transport,
        *,
        came: Callable[[bytes], None],
        look: Callable[[], None],
    ) -> None:
        self._turns, self._arrivals, self._content = turns, arrivals, arrivals.content
        self._response, self._transport = response, transport
        self._came, self.look = came, look
        self._until: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Until there is what only its task can do: wait for the client, or for the end. Raises ConnectionError where the client has left."""
        if self._arrivals.untaken or self._content.is_eof() or not self._free:
            return
        until = self._until = asyncio.get_running_loop().create_future()
        self._arrivals.tell(lambda: self._turns.add(self))
        try:
            await until
        finally:
            self._arrivals.tell(None)

    def pass_on(self) -> None:
        until = self._until
        if until is None or until.done():
            return
        try:
            if self._free:
                data = self._content.read_nowait()
                if data:
                    self._came(data)
                    _at_once(self._response.write(data))
                if not self._content.is_eof():
                    return
            until.set_result(None)
        except Exception as error:  # noqa: BLE001  it is the task's
            until.set_exception(error)

    @property
    def _free(self) -> bool:
        """Whether the client has taken everything so far, and the upstream is well."""
        return (
            not self._transport.get_write_buffer_size()
            and self._arrivals.untaken <= AT_ONCE
            and self._content.exception() is None
        )


def _at_once(writing: Coroutine[object, object, None]) -> None:
    """What does not have to wait, done without a task."""
    try:
        writing.send(None)
    except StopIteration:
        return
    writing.close()
    raise RuntimeError("a write waits that need not")
