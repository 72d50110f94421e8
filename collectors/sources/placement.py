"""The placement source: follows one token placement stream and yields its parts in batches, live or step by step.

Decoding is `collectors.wire.placement`'s, fetching `collectors.wire.http`'s. Nothing is queued here: where the session falls behind, nothing more is read, and the sender waits.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from collectors.model.batch import Batch, Inventory, Part, Status, Watermark
from collectors.model.vocabulary import TargetStatus
from collectors.sources.placement_reader import ENDED, Reader, SteppedStream, connected
from collectors.sources.source import Clock, Emit
from collectors.wire.http import Backoff, FetchError, HttpClient, Stream
from collectors.wire.placement import PlacementError
from collectors.wire.safe import safe_text, shown_url

GATHER_S: Final = 0.025
"""How long what comes is left to gather before it is read, so that many small writes make one batch."""
BUSY_BYTES: Final = 1 << 16
"""After a read of this much the next follows at once: more comes than may be left to gather."""
PIECE_BYTES: Final = 1 << 18
"""Most that is worked on at a time (6,553 deliveries of 40 bytes), so that the event loop is not held up."""
STALE_S: Final = 3.0
"""Silence, with no watermark, after which a stream is stale: a producer sends one each second."""
STEP_S: Final = 10.0
"""Real time that a step may wait for its watermark."""
STEADY_S: Final = 10.0
"""A connection that held this long was a success: the next attempt after it comes soon."""
MAX_REASON: Final = 200
"""Cells of a reason."""


class PlacementSource:
    """Follows the stream at `url`. What fails is emitted as a `Status` part and tried again with a new connection, which goes on where the last
    one ended if the producer still has what came since.

    `stale_s`, `step_s`: see `STALE_S`, `STEP_S`; `retry_s`: seconds before the second attempt, then doubling.
    """

    def __init__(
        self,
        name: str,
        url: str,
        client: HttpClient,
        *,
        stale_s: float = STALE_S,
        step_s: float = STEP_S,
        retry_s: float = 0.5,
    ) -> None:
        self.name = name
        self._url = url
        self._shown_url = shown_url(url)
        self._client = client
        self._stale_s = stale_s
        self._step_s = step_s
        self._backoff = Backoff(name, retry_s)
        self._backend = "placement"
        self._said: Status | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._stepped: SteppedStream | None = None
        self._reader: Reader | None = None
        """Of the last connection: the next may go on where that ended."""

    async def run(self, clock: Clock, emit: Emit) -> None:
        """Live: follows the stream, connecting anew whenever it ends, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async with connected(self._client, self._url, self._reader) as (stream, self._reader):
                    await self._follow(stream, self._reader, clock, emit)
                raise FetchError(ENDED)
            except (FetchError, PlacementError) as error:
                failure = self._failure(error)
            finally:
                self._listen(None)
            self._emit(emit, clock.now_ns(), self._news(failure))
            if loop.time() - began >= STEADY_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    async def step(self, until_ns: int, emit: Emit) -> None:
        """Reads until the stream is complete up to `until_ns`, and emits all of it as one batch just before that time."""
        parts: list[Part] = []
        try:
            if self._stepped is None:
                self._stepped = await SteppedStream.open(self._client, self._url, self._reader)
                self._reader = self._stepped.reader
            complete = await self._stepped.read_until(until_ns, self._step_s, parts)
            self._backend = self._stepped.reader.producer or self._backend
            stale = self._status(TargetStatus.STALE, f"no watermark within {self._step_s:g} s")
            status = self._status(TargetStatus.UP, warning=self._stepped.reader.warning) if complete else stale
        except (FetchError, PlacementError) as error:
            status = self._failure(error)
        came = self._stepped.reader.merged(parts) if self._stepped else ()
        if status.status in (TargetStatus.DOWN, TargetStatus.REJECTED):
            await self.close()
        news = self._news(status)
        batch = (*news, *came) if status.status is TargetStatus.UP else (*came, *news)
        self._emit(emit, max(until_ns - 1, 0), batch)

    async def close(self) -> None:
        """Ends the connection of a stepped source; that of a live one ends with its task."""
        stepped, self._stepped = self._stepped, None
        if stepped is not None:
            await stepped.close()

    async def _follow(self, stream: Stream, reader: Reader, clock: Clock, emit: Emit) -> None:
        """Emits what comes until the stream ends. Raises `FetchError`, `PlacementError`."""

        def go_stale() -> None:
            stale = self._status(TargetStatus.STALE, f"no watermark for {self._stale_s:g} s")
            self._emit(emit, clock.now_ns(), self._news(stale))

        self._listen(go_stale)
        async for chunk in stream:
            for start in range(0, len(chunk), PIECE_BYTES):
                now_ns = clock.now_ns()
                parts = reader.read(chunk[start : start + PIECE_BYTES], now_ns)
                news: list[Part] = []
                if any(isinstance(part, Inventory | Watermark) for part in parts):
                    self._listen(go_stale)
                    self._backend = reader.producer or self._backend
                    news = self._news(self._status(TargetStatus.UP, warning=reader.warning))
                self._emit(emit, now_ns, (*news, *reader.merged(parts)))
                await asyncio.sleep(0)
            if len(chunk) < BUSY_BYTES:
                await asyncio.sleep(GATHER_S)

    def _listen(self, go_stale: Callable[[], None] | None) -> None:
        """Starts the wait for the next watermark anew; None ends it."""
        if self._silence is not None:
            self._silence.cancel()
        self._silence = go_stale and asyncio.get_running_loop().call_later(self._stale_s, go_stale)

    def _emit(self, emit: Emit, time_ns: int, parts: Sequence[Part]) -> None:
        if parts:
            emit(Batch(source=self.name, time_ns=time_ns, parts=tuple(parts)))

    def _failure(self, error: FetchError | PlacementError) -> Status:
        if isinstance(error, FetchError):
            return self._status(error.status, error.reason, error.limit)
        self._reader = None  # it has lost its place
        reason = safe_text(f"placement stream: {error}", MAX_REASON)
        return self._status(TargetStatus.REJECTED, reason, error.limit)

    def _status(self, status: TargetStatus, reason: str = "", limit: str = "", warning: str = "") -> Status:
        return Status(self._shown_url, self._backend, status, reason, warning, limit)

    def _news(self, status: Status) -> list[Part]:
        """The status, unless it was the last that was said."""
        if status == self._said:
            return []
        self._said = status
        return [status]
