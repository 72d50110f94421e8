"""Publishers of KV events over ZeroMQ: one for each GPU worker, which speaks of its own memory, and one for the memory that a host's workers share.

A publisher has two sockets: one that publishes, and one at which what was published can be asked for again (vLLM's replay). The only module that imports pyzmq, an optional dependency.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import zmq
import zmq.asyncio

from emulators.emulation import Emulation
from emulators.events import Events
from emulators.kv_events import END, MEDIA, Log, Message
from emulators.process import Process

HOST: Final = "tcp://127.0.0.1:*"
AT_ONCE: Final = 256
"""Messages of a replay that are sent before others get their turn."""


class Publisher:
    """`owner`: the worker whose events these are; None for shared memory."""

    def __init__(self, context: zmq.asyncio.Context, owner: str | None, log: Log) -> None:
        self.owner, self.log = owner, log
        self._replay = context.socket(zmq.ROUTER)
        self._live: zmq.Socket[bytes] = zmq.Socket.shadow(context.socket(zmq.XPUB))
        self._listened = 0
        for socket in (self._replay, self._live):
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.SNDHWM, 100_000)
            socket.bind(HOST)

    @property
    def endpoint(self) -> str:
        return self._live.getsockopt_string(zmq.LAST_ENDPOINT)

    @property
    def replay_endpoint(self) -> str:
        return self._replay.getsockopt_string(zmq.LAST_ENDPOINT)

    def hear(self, events: Events) -> None:
        """Publishes what has happened to the blocks that it speaks for; nothing is encoded while nobody listens."""
        message = self.log.record(events.blocks)
        if message is not None and self.heard():
            self._live.send_multipart(self.log.frames(message), zmq.NOBLOCK)

    def heard(self) -> bool:
        """Whether anybody has subscribed."""
        with contextlib.suppress(zmq.Again):
            while True:
                self._listened += 1 if self._live.recv(zmq.NOBLOCK)[:1] == b"\1" else -1
        return self._listened > 0

    async def answer(self) -> None:
        """Answers each who asks for `[empty, number]` with all messages from that number on, and one that says that it is over."""
        while True:
            client, *asked = await self._replay.recv_multipart()
            if len(asked) != 2 or len(asked[1]) != 8:
                continue
            for count, message in enumerate(self.log.since(int.from_bytes(asked[1], "big"))):
                await self._send(client, message)
                if count % AT_ONCE == 0:
                    await asyncio.sleep(0)
            await self._replay.send_multipart([client, b"", b"", END, b""])

    async def _send(self, client: bytes, message: Message) -> None:
        await self._replay.send_multipart([client, b"", *self.log.frames(message)])

    def close(self) -> None:
        self._live.close(0)
        self._replay.close(0)


@contextlib.asynccontextmanager
async def publishing(emulation: Emulation) -> AsyncIterator[list[Publisher]]:
    """Publishers of one emulation, while the context lasts: of each GPU worker, then of shared memory."""
    context = zmq.asyncio.Context()
    pools = emulation.inventory["pools"]
    owners: list[tuple[str | None, int | None, Process | None]] = [
        (worker.id, worker.slot, worker.process) for worker in emulation.cluster.workers if worker.device == "GPU"
    ]
    publishers = []
    for owner, slot, process in [*owners, (None, None, None)]:
        media = {pool["slot"]: MEDIA[pool["tier"]] for pool in pools if pool["worker"] == slot}
        publishers.append(Publisher(context, owner, Log(media, emulation.created, process)))
    tasks = [asyncio.create_task(publisher.answer()) for publisher in publishers]
    emulation.hearers += [publisher.hear for publisher in publishers]
    try:
        yield publishers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for publisher in publishers:
            emulation.hearers.remove(publisher.hear)
            publisher.close()
        context.destroy(0)
