"""A publisher of KV events on loopback: PUB and ROUTER as vLLM has them, with the faults that a test wants."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Self

import zmq
import zmq.asyncio

from collectors.wire.kv_discovery import KvEndpoint
from tests.wire.kv_messages import Event, number, payload

DEADLINE_S = 10.0


class Publisher:
    """`buffer` messages can be replayed, `at_most` in one answer (the rest is dropped, as a ROUTER does). `topics`: replies name their topic, as of vLLM 0.25."""

    def __init__(
        self, *, buffer: int = 10_000, at_most: int = 10_000, topics: bool = True, rank: int | None = 0
    ) -> None:
        self.replayed: list[int] = []
        """The numbers that replays were asked to begin with."""
        self.subscribed = asyncio.Event()
        self.answering = asyncio.Event()
        """While it is not set, replay requests wait."""
        self.answering.set()
        self._buffer: deque[tuple[int, bytes]] = deque(maxlen=buffer)
        self._at_most = at_most
        self._topics = topics
        self._rank = rank
        self._next = 0
        self._now = 1_000.0
        self._tasks: list[asyncio.Task[None]] = []

    async def bind(self, endpoint: KvEndpoint | None = None) -> Self:
        """On the ports of `endpoint`, which another publisher has given up, or on any."""
        context = zmq.asyncio.Context.instance()
        # An XPUB socket says when a subscription has come.
        self._pub, self._router = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
        # Whoever can connect to the first can ask the second.
        for socket, text in ((self._router, endpoint and endpoint.replay), (self._pub, endpoint and endpoint.live)):
            socket.linger = 0
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    try:
                        socket.bind(text or "tcp://127.0.0.1:*")
                        break
                    except zmq.ZMQError:  # the port is not given back at once
                        await asyncio.sleep(0.01)
        self._tasks = [asyncio.create_task(self._hear()), asyncio.create_task(self._answer())]
        return self

    @property
    def endpoint(self) -> KvEndpoint:
        live, replay = (socket.getsockopt_string(zmq.LAST_ENDPOINT) for socket in (self._pub, self._router))
        return KvEndpoint(live, replay, "kv-events")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pub.close(0)
        self._router.close(0)

    def started_later(self) -> Self:
        """The clock of a publisher that begins when another has ended."""
        self._now = 2_000.0
        return self

    async def publish(self, *events: Event, raw: bytes | None = None) -> None:
        await self._pub.send_multipart([b"kv-events", number(self._next), self._record(events, raw)])

    def drop(self, *events: Event, remembered: bool = True) -> None:
        """Publishes what does not arrive; `remembered` says whether a replay has it."""
        kept = self._record(events, None)
        if not remembered:
            assert self._buffer.pop() == (self._next - 1, kept)

    async def say(self, *frames: bytes) -> None:
        await self._pub.send_multipart(frames)

    def _record(self, events: tuple[Event, ...], raw: bytes | None) -> bytes:
        self._now += 1
        made = payload(*events, ts=self._now, rank=self._rank) if raw is None else raw
        self._buffer.append((self._next, made))
        self._next += 1
        return made

    async def _hear(self) -> None:
        while True:
            if (await self._pub.recv())[:1] == b"\1":
                self.subscribed.set()

    async def _answer(self) -> None:
        while True:
            client, empty, begin = await self._router.recv_multipart()
            assert empty == b""
            self.replayed.append(int.from_bytes(begin, "big"))
            await self.answering.wait()
            asked = [(seq, made) for seq, made in self._buffer if seq >= self.replayed[-1]]
            topic, no_topic = ([b"kv-events"], [b""]) if self._topics else ([], [])
            for seq, made in asked[: self._at_most]:
                await self._router.send_multipart([client, b"", *topic, number(seq), made])
            if len(asked) > self._at_most + 1:
                seq, made = asked[-1]
                await self._router.send_multipart([client, b"", *topic, number(seq), made])
            await self._router.send_multipart([client, b"", *no_topic, number(-1), b""])


@contextlib.asynccontextmanager
async def publishing(**settings: int | bool | None) -> AsyncIterator[Publisher]:
    publisher = await Publisher(**settings).bind()  # type: ignore[arg-type]
    try:
        yield publisher
    finally:
        await publisher.close()
