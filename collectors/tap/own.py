"""What the tap itself answers: its metrics, and its placement stream, to readers of which each has a task."""

import asyncio
from collections.abc import Callable
from typing import Final

from collectors.tap.client import Client
from collectors.tap.headers import Framing
from collectors.tap.readers import Reader
from collectors.tap.request import RequestHead
from collectors.wire.placement_format import NDJSON

_STREAM: Final = (b"Content-Type: " + NDJSON.encode(), b"Cache-Control: no-store")


class Page:
    """A `Work`: one answer, made when it is asked for, in a thread: it takes milliseconds, in which what comes is to be passed on."""

    def __init__(self, client: Client, asked: RequestHead, kind: str, made: Callable[[], bytes]) -> None:
        self._client, self._asked, self._kind, self._made = client, asked, kind, made
        self._task: asyncio.Task[None] | None = None

    def begin(self, piece: bytes, ends: bool) -> None:
        self._task = asyncio.create_task(self._run())

    def body(self, piece: bytes, ends: bool) -> None: ...

    def left(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def clogged(self, full: bool) -> None: ...

    async def _run(self) -> None:
        try:
            page = await asyncio.to_thread(self._made)
        except Exception:
            self._client.abort()
            raise
        self._client.answer(self._asked, self._kind.encode(), page)


class Watched:
    """A `Work`: the placement stream, until its reader leaves or is cut, or the tap ends. `join` takes a reader among the others, and gives what takes it out again."""

    def __init__(self, client: Client, asked: RequestHead, join: Callable[[Reader], Callable[[Reader], None]]) -> None:
        self._client, self._asked, self._join = client, asked, join
        self._task: asyncio.Task[None] | None = None
        self._free = asyncio.Event()

    def begin(self, piece: bytes, ends: bool) -> None:
        self._task = asyncio.create_task(self._run())

    def body(self, piece: bytes, ends: bool) -> None: ...

    def left(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def clogged(self, full: bool) -> None:
        self._free.clear() if full else self._free.set()

    async def _run(self) -> None:
        client = self._client
        self.clogged(client.full)
        framing = Framing(self._asked, b"200 OK", _STREAM, None, kept=True)
        client.send(framing.head)
        reader = Reader(client.abort)
        leave = self._join(reader)
        try:
            while data := await reader.take():
                client.send(framing.framed(data))
                await self._free.wait()
                reader.sent(data)
        finally:
            leave(reader)
        client.send(framing.end)
        client.done(framing.kept)
