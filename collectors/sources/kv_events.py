"""The source of KV events: follows one publisher of an engine's cache events and yields blocks stored and removed in batches, live or step by step.

What is followed how is `kv_follow`'s, reading a message `collectors.wire.kv_events`'. Needs pyzmq, an optional dependency, and says so where it is missing.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from collectors.model.batch import Batch, Part, Status
from collectors.model.vocabulary import TargetStatus, Tier
from collectors.sources.source import Clock, Emit
from collectors.wire.http import Backoff
from collectors.wire.kv_discovery import KvEndpoint
from collectors.wire.kv_events import MEDIA
from collectors.wire.limits import DEFAULT, Limits
from collectors.wire.safe import safe_text

if TYPE_CHECKING:
    from collectors.sources.kv_follow import Follower

GATHER_S: Final = 0.025
"""How long what comes is left to gather, so that many small messages make one batch."""
BUSY: Final = 256
"""After a reading of so many messages the next follows at once."""
STEP_READINGS: Final = 64
"""Most readings of a step: a publisher may be quicker than we are."""
REPLAY_S: Final = 3.0
"""Silence after which a replay is given up; vLLM looks for requests ten times a second."""
STEADY_S: Final = 10.0
"""A connection that held this long was a success: the next attempt after it comes soon."""
MAX_REASON: Final = 200
"""Cells of a warning."""
MISSING: Final = "needs pyzmq: pip install 'tokenyard[kv-events]'"


class KvEventsSource:
    """Follows the publisher at `endpoint`, whose rank r is the worker `target/r`. `media`: see `collectors.wire.kv_events.MEDIA`.

    What fails is emitted as a `Status` part and tried again; what was missed is its `warning`. `retry_s`: seconds before the second attempt, then doubling.
    """

    def __init__(
        self,
        name: str,
        target: str,
        endpoint: KvEndpoint,
        *,
        media: Mapping[str, Tier] = MEDIA,
        limits: Limits = DEFAULT,
        replay_s: float = REPLAY_S,
        retry_s: float = 0.5,
    ) -> None:
        self.name = name
        self._target = target
        self._endpoint = endpoint
        self._media = media
        self._limits = limits
        self._replay_s = replay_s
        self._backoff = Backoff(name, retry_s)
        self._follower: Follower | None = None
        self._said: Status | None = None

    async def run(self, clock: Clock, emit: Emit) -> None:
        """Live: follows the publisher, connecting anew whenever the connection ends, until cancelled."""
        follower = self._opened()
        if follower is None:
            self._emit(emit, clock.now_ns(), self._news(self._status(TargetStatus.REJECTED, MISSING)))
            return
        from collectors.sources.kv_sockets import KvSocketError

        loop = asyncio.get_running_loop()

        def say(parts: list[Part]) -> None:
            self._emit(emit, clock.now_ns(), [*self._up(follower), *parts])

        while True:
            began = loop.time()
            try:
                await follower.connect(say)
                say([])
                while True:
                    if await follower.read(say) < BUSY:
                        await asyncio.sleep(GATHER_S)
            except KvSocketError as error:
                failure = self._status(error.status, error.reason)
            finally:
                follower.close()
            self._emit(emit, clock.now_ns(), self._news(failure))
            if loop.time() - began >= STEADY_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    async def step(self, until_ns: int, emit: Emit) -> None:
        """Emits what has been published by now as one batch just before `until_ns`. A publisher knows no virtual clock."""
        follower = self._opened()
        parts: list[Part] = []
        if follower is None:
            status = self._status(TargetStatus.REJECTED, MISSING)
        else:
            from collectors.sources.kv_sockets import KvSocketError

            try:
                if not follower.connected:
                    await follower.connect(parts.extend)
                for _ in range(STEP_READINGS):
                    if not await follower.read(parts.extend, 0.0):
                        break
                status = self._status(TargetStatus.UP, warning=follower.warning)
            except KvSocketError as error:
                follower.close()
                status = self._status(error.status, error.reason)
        self._emit(emit, max(until_ns - 1, 0), [*self._news(status), *parts])

    async def close(self) -> None:
        """Ends the connection of a stepped source; that of a live one ends with its task."""
        if self._follower is not None:
            self._follower.close()

    def _opened(self) -> "Follower | None":
        """None if pyzmq is not there."""
        if self._follower is None:
            try:
                from collectors.sources.kv_follow import Follower
            except ModuleNotFoundError as error:
                if error.name is None or not error.name.startswith("zmq"):
                    raise
                return None
            self._follower = Follower(
                self._endpoint,
                self._target,
                self._media,
                max_payload=self._limits.max_event_bytes,
                connect_s=self._limits.connect_s,
                replay_s=self._replay_s,
            )
        return self._follower

    def _up(self, follower: "Follower") -> list[Part]:
        return self._news(self._status(TargetStatus.UP, warning=follower.warning))

    def _emit(self, emit: Emit, time_ns: int, parts: list[Part]) -> None:
        if parts:
            emit(Batch(source=self.name, time_ns=time_ns, parts=tuple(parts)))

    def _status(self, status: TargetStatus, reason: str = "", warning: str = "") -> Status:
        return Status(
            url=safe_text(self._endpoint.live),
            backend="kv events",
            status=status,
            reason=safe_text(reason, MAX_REASON),
            warning=safe_text(warning, MAX_REASON),
        )

    def _news(self, status: Status) -> list[Part]:
        """The status, unless it was the last that was said."""
        if status == self._said:
            return []
        self._said = status
        return [status]
