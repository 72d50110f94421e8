"""ZeroMQ at the edge: a connection to one socket that publishes, or that replays. Bounded in time and in the size of a frame; knows nothing of messages.

A connection is made once; whoever uses it decides when to make another. What libzmq (4.3) does not let us bound is the number of frames in a message.
The only module that imports pyzmq, an optional dependency.
"""

import asyncio
import contextlib
from typing import Final, Self

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from collectors.model.vocabulary import TargetStatus

HIGH_WATER: Final = 64
"""Messages that libzmq holds for us; more stay with the publisher, up to its own mark."""
READ_MESSAGES: Final = 1_024
READ_BYTES: Final = 1 << 20
"""What is read at a time, so that the event loop is not held up."""
HEARTBEAT_MS: Final = 5_000
DEAD_MS: Final = 15_000
"""A peer that does not answer a heartbeat for so long is gone, though its connection may not say so."""

Frames = list[bytes]


class KvSocketError(Exception):
    """Why there is no connection: `reason` is short and safe to show."""

    def __init__(self, reason: str, status: TargetStatus = TargetStatus.DOWN) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Connection:
    """One peer: opened when the handshake is done. A SUB socket gets what is published under `topic` from then on. Close it, or use it as a context."""

    def __init__(self, kind: int, endpoint: str, *, max_bytes: int, connect_s: float, topic: str = "") -> None:
        self._endpoint = endpoint
        self._connect_s = connect_s
        self._lost = False
        self._socket = zmq.asyncio.Context.instance().socket(kind)
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.RCVHWM, HIGH_WATER),
            (zmq.MAXMSGSIZE, max_bytes),
            (zmq.RECONNECT_IVL, -1),
            (zmq.IPV6, 1),
            (zmq.HEARTBEAT_IVL, HEARTBEAT_MS),
            (zmq.HEARTBEAT_TIMEOUT, DEAD_MS),
        ):
            self._socket.setsockopt(option, value)
        if kind == zmq.SUB:
            self._socket.subscribe(topic)
        self._plain: zmq.Socket[bytes] = zmq.Socket.shadow(self._socket.underlying)
        monitor = self._socket.get_monitor_socket()
        assert monitor is not None
        self._monitor = monitor
        self._poller = zmq.asyncio.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def open(self) -> None:
        """Raises KvSocketError, and is closed then."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            await self._connect()
            stack.pop_all()

    def close(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)

    async def read(self, within_s: float | None = None) -> list[Frames]:
        """The messages that have come, up to the bounds of one reading; waits for the first, and gives none if it does not come in time.

        Raises KvSocketError when the peer has gone and all it sent has been read.
        """
        while True:
            read = self.waiting()
            if read:
                return read
            if self._lost:
                raise KvSocketError("connection lost")
            ready = dict(await self._poller.poll(-1 if within_s is None else round(within_s * 1e3)))
            if not ready:
                return []
            if self._monitor in ready:
                await self._watch()

    def waiting(self) -> list[Frames]:
        """What has come by now."""
        read: list[Frames] = []
        size = 0
        with contextlib.suppress(zmq.Again):
            while size < READ_BYTES and len(read) < READ_MESSAGES:
                frames = self._plain.recv_multipart(zmq.NOBLOCK)
                size += sum(map(len, frames))
                read.append(frames)
        return read

    async def send(self, frames: Frames) -> None:
        await self._socket.send_multipart(frames)

    async def _connect(self) -> None:
        reason = "timeout connecting"
        try:
            self._socket.connect(self._endpoint)
            async with asyncio.timeout(self._connect_s):
                while (event := await self._watch()) != zmq.EVENT_HANDSHAKE_SUCCEEDED:
                    if event == zmq.EVENT_CONNECTED:
                        reason = "no zmq handshake"
                    if self._lost:
                        raise KvSocketError("refused" if reason == "timeout connecting" else reason)
        except zmq.ZMQError as error:
            raise KvSocketError(f"cannot connect: {error.strerror}", TargetStatus.REJECTED) from None
        except TimeoutError:
            raise KvSocketError(reason) from None

    async def _watch(self) -> int:
        """The next event of the connection."""
        event = int(parse_monitor_message(await self._monitor.recv_multipart())["event"])
        self._lost |= event in (zmq.EVENT_CLOSED, zmq.EVENT_DISCONNECTED)
        return event
