"""The least that can stand between a client and a server: a relay of bytes that knows nothing of HTTP. `python -m bench.relay_child HOST PORT`; says its address, ends with its input.

What it adds is what another process on the way costs on this machine.
"""

import asyncio
import sys


class End(asyncio.Protocol):
    """One side of a connection: what comes goes to the `other` side at once."""

    def __init__(self, other: "End | None" = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.other is None:
            transport.pause_reading()
            self.joining = asyncio.get_running_loop().create_task(self._join())

    async def _join(self) -> None:
        host, port = sys.argv[1:]
        _, self.other = await asyncio.get_running_loop().create_connection(lambda: End(self), host, int(port))
        assert self.transport is not None
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        assert self.other is not None
        assert self.other.transport is not None
        self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(End, "127.0.0.1", 0, backlog=1_024)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
