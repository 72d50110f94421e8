"""One connection to a token placement stream: chunks made into parts for batches, as they come or up to a watermark. Knows no targets and no status."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final

import msgspec

from collectors.model.batch import Inventory, Part, Watermark
from collectors.wire.http import FetchError, HttpClient, Stream
from collectors.wire.placement import ACCEPT, decoder_for
from collectors.wire.placement_format import MAX_MESSAGE, RESUME, PlacementError, TooLongError
from collectors.wire.placement_merge import Merger
from collectors.wire.placement_numbers import Position
from collectors.wire.safe import safe_text

MAX_WARNING: Final = 200
ENDED: Final = "the stream ended"


class Reader:
    """Chunks in, parts out. `watermark_ns` is up to where the stream is complete, −1 before the first watermark.

    After a connection has ended it may be asked to go on with the next one; what was not ended in the first is then forgotten or taken up, as that one says.
    """

    def __init__(self, content_type: str) -> None:
        """Raises `PlacementError` for a content type that is not the stream's."""
        self._decoder = decoder_for(content_type)
        self._merger = Merger()
        self._ungreeted = 0
        self._again = False
        self.watermark_ns = -1

    @property
    def position(self) -> Position | None:
        """To be asked for what follows it; None where the stream has no numbers."""
        return self._decoder.position

    def next(self, content_type: str) -> "Reader":
        """The reader of the next connection: this one if that is of the same encoding. Raises `PlacementError`."""
        following = Reader(content_type)
        if type(following._decoder) is not type(self._decoder):
            return following
        self._decoder.disconnect()
        self._ungreeted = 0
        self._again = True
        return self

    @property
    def producer(self) -> str | None:
        """Who calls itself the producer, safe to show; None before the handshake."""
        hello = self._decoder.hello
        return None if hello is None else safe_text(hello.producer or "", 64)

    @property
    def warning(self) -> str:
        """What the producer says is not as it should be with its figures, safe to show."""
        hello = self._decoder.hello
        return "" if hello is None else safe_text(hello.warning or "", MAX_WARNING)

    def read(self, chunk: bytes, now_ns: int | None) -> list[Part]:
        """The parts that the chunk completes, in order of the stream. Raises `PlacementError`.

        `now_ns` is session time, by which the producer's clock is placed at each handshake; None if both are one clock.
        """
        parts = self._decoder.feed(chunk)
        hello = self._decoder.hello
        if hello is None:
            self._ungreeted += len(chunk)
            if self._ungreeted > MAX_MESSAGE:
                raise PlacementError("no hello", f"first {MAX_MESSAGE} bytes", TooLongError.limit)
        for index, part in enumerate(parts):
            if isinstance(part, Watermark):
                self.watermark_ns = max(self.watermark_ns, part.time_ns)
            elif isinstance(part, Inventory):
                if self._again and not part.resumed:
                    self._merger, self.watermark_ns = Merger(), -1
                self._again = False
                if hello is not None and now_ns is not None:
                    parts[index] = msgspec.structs.replace(part, clock_offset_ns=now_ns - hello.clock.now_ns)
        return parts

    def merged(self, parts: Iterable[Part]) -> tuple[Part, ...]:
        """The parts of one batch, as few as say the same."""
        return self._merger.merge(parts)


@asynccontextmanager
async def connected(client: HttpClient, url: str, last: Reader | None) -> AsyncIterator[tuple[Stream, Reader]]:
    """A connection and its reader: `last`, where the stream can go on after it. Raises `FetchError`, `PlacementError`."""
    after = None if last is None else last.position
    more = {} if after is None else {RESUME: str(after)}
    async with client.stream(url, accept=ACCEPT, more=more) as stream:
        yield stream, Reader(stream.content_type) if last is None else last.next(stream.content_type)


class SteppedStream:
    """A stream that is kept open and read up to one watermark after the other. Its clock is the session's."""

    def __init__(self, stack: AsyncExitStack, stream: Stream, reader: Reader) -> None:
        self.reader = reader
        self._stack = stack
        self._chunks: AsyncIterator[bytes] = aiter(stream)
        self._next: asyncio.Task[bytes] | None = None

    @classmethod
    async def open(cls, client: HttpClient, url: str, reader: Reader | None) -> "SteppedStream":
        """`reader`: of the last connection. Raises `FetchError`, `PlacementError`."""
        async with AsyncExitStack() as stack:
            stream, following = await stack.enter_async_context(connected(client, url, reader))
            return cls(stack.pop_all(), stream, following)

    async def read_until(self, until_ns: int, within_s: float, parts: list[Part]) -> bool:
        """Appends what comes to `parts` until the stream is complete up to `until_ns`. False if it was not `within_s` seconds later.

        Raises `FetchError`, `PlacementError`; `parts` then hold what came before.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while self.reader.watermark_ns < until_ns:
            if loop.time() >= deadline:  # for all that keeps coming
                return False
            # A read that is not over at the deadline goes on: to cancel it would end the stream.
            self._next = self._next or asyncio.ensure_future(self._chunk())
            done, _ = await asyncio.wait({self._next}, timeout=deadline - loop.time())
            if not done:
                return False
            read, self._next = self._next, None
            parts += self.reader.read(read.result(), None)
        return True

    async def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            with suppress(asyncio.CancelledError, FetchError):
                await self._next
        await self._stack.aclose()

    async def _chunk(self) -> bytes:
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            raise FetchError(ENDED) from None
