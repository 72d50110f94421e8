"""vLLM's own word on where it publishes KV events (`GET /kv_event_sources`): asked again and again, and what it names is followed.

The port may be another one after a restart, and a server may be reached whose older version does not know the question: then there is nothing to say.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from collectors.model.batch import Batch, Status
from collectors.model.vocabulary import TargetStatus
from collectors.sources.children import Children
from collectors.sources.kv_events import KvEventsSource
from collectors.sources.source import Clock, Emit
from collectors.wire.http import JSON_TYPES, FetchError, HttpClient
from collectors.wire.kv_discovery import KvEndpoint, kv_endpoints
from collectors.wire.kv_events import KvEventError
from collectors.wire.safe import safe_text

ASK_S: Final = 30.0


class KvSources:
    """The publishers of the server at `origin`, whose ranks are the workers `target/rank`."""

    def __init__(self, target: str, origin: str, client: HttpClient, ask_s: float = ASK_S) -> None:
        self.name = f"{target} kv events"
        self._target = target
        self._url = f"{origin}/kv_event_sources"
        self._host = urlsplit(origin).hostname or ""
        self._client = client
        self._ask_s = ask_s
        self._due_ns = 0
        self._children = Children()

    async def run(self, clock: Clock, emit: Emit) -> None:
        async with self._children.running(clock, emit):
            while True:
                await self._look(clock.now_ns, emit)
                await asyncio.sleep(self._ask_s)

    async def step(self, until_ns: int, emit: Emit) -> None:
        if until_ns >= self._due_ns:
            self._due_ns = until_ns + round(self._ask_s * 1e9)
            await self._look(lambda: until_ns - 1, emit)
        await self._children.step(until_ns, emit)

    async def close(self) -> None:
        await self._children.close()

    async def _look(self, now_ns: Callable[[], int], emit: Emit) -> None:
        """A server that does not answer is its page's news; what it named before is followed as long as it can be."""
        try:
            body = await self._client.get(self._url, accept="application/json", kinds=JSON_TYPES)
            found = kv_endpoints(body, self._host)
        except FetchError:
            return
        except KvEventError as error:
            status = Status(safe_text(self._url), "kv events", TargetStatus.REJECTED, safe_text(str(error), 200))
            emit(Batch(self.name, now_ns(), (status,)))
            return
        for key in self._children.keys:
            if key not in found:
                await self._children.end(key, now_ns(), emit)
        for endpoint in found:
            if endpoint not in self._children:
                self._children.begin(endpoint, self._follower(endpoint, alone=len(found) == 1))

    def _follower(self, endpoint: KvEndpoint, *, alone: bool) -> KvEventsSource:
        name = self.name if alone else f"{self.name} {endpoint.rank}"
        return KvEventsSource(name, self._target, endpoint, limits=self._client.limits)
