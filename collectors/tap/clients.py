"""All connections of clients: looked at now and then, and ended together."""

import asyncio
import contextlib
from collections.abc import Callable

from collectors.tap.client import Client, Serve


class Clients:
    def __init__(self, serve: Serve, clock: Callable[[], int]) -> None:
        self._serve, self._clock = serve, clock
        self._all: set[Client] = set()
        self._left = asyncio.Event()

    def new(self) -> Client:
        """The protocol of a connection that somebody makes."""
        return Client(self._serve, self._clock, self._all.add, self._leave)

    def look(self, now_s: float) -> None:
        """Ends those that have been waited for too long."""
        for client in list(self._all):
            client.look(now_s)

    def drain(self) -> None:
        """Nothing more is taken from any of them after what is being worked for."""
        for client in list(self._all):
            client.drain()

    async def end(self, within_s: float) -> None:
        """They have so long to take what is written."""
        if self._all:
            self._left.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._left.wait()
        for client in list(self._all):
            client.abort()
        await asyncio.sleep(0)  # for the sockets to be closed

    def _leave(self, client: Client) -> None:
        self._all.discard(client)
        if not self._all:
            self._left.set()
