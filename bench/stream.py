"""The batches of `bench.loaded` as a placement stream on loopback, as they come in real time: `python -m bench.stream WORKERS TOKENS_PER_S STREAMS`."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from bench.loaded import MS, batches
from collectors.model.batch import (
    EXTRA,
    Batch,
    Decisions,
    Deliveries,
    Inventory,
    Occupancy,
    Part,
    Phases,
    Requests,
    Watermark,
)
from collectors.session.clock import TICK_NS
from emulators.wire import BINARY_TYPE, Encoding, encoder

WRITES: Final = 10
"""A tick's deliveries go out in so many writes,"""
FRAME: Final = 100
"""in frames of so many rows."""
ORIGIN_NS: Final = 1_000 * MS
HEAD: Final = f"HTTP/1.1 200 OK\r\nContent-Type: {BINARY_TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
WIRE: Final = encoder(Encoding.BINARY)


def hello(it: Inventory) -> bytes:
    clock = {"id": "bench", "kind": "virtual", "now_ns": ORIGIN_NS}
    told = msgspec.to_builtins(it)
    workers = [{name: one[name] for name in ("slot", "id", "role", "device", "model")} for one in told["workers"]]
    pools = [{name: value for name, value in one.items() if name != "counted"} for one in told["pools"]]
    head = {"type": "hello", "version": 1, "producer": "bench", "emulated": True, "clock": clock}
    return WIRE.message({**head, "workers": workers, "pools": pools})


def message(part: Part) -> bytes:
    match part:
        case Inventory():
            return hello(part)
        case Requests() | Decisions() | Phases():
            return WIRE.rows(type(part).__name__.lower(), msgspec.to_builtins(part.rows))
        case _:
            return b""


def writes(some: Sequence[Batch]) -> Iterator[bytes]:
    """What is written at the begin of a tick, and at the end of each of its WRITES parts."""
    opened, delivered = some
    yield b"".join(map(message, opened.parts))
    match delivered.parts:
        case Deliveries() as told, Occupancy() as filled, Watermark() as end:
            pass
        case other:
            raise ValueError(f"a tick ends with {other}")
    none = np.zeros(0, EXTRA)
    for number, rows in enumerate(np.array_split(told.rows, WRITES), 1):
        data = b"".join(WIRE.deliveries(rows[at : at + FRAME], none) for at in range(0, len(rows), FRAME))
        if number == WRITES:
            data += WIRE.occupancy(filled.rows) + WIRE.message({"type": "watermark", "time_ns": end.time_ns})
        yield data


async def produce(workers: int, tokens_per_s: int, streams: int) -> None:
    """Serves the stream to each reader from its beginning; prints its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD)
            begun = loop.time()
            for tick, some in enumerate(batches(workers, tokens_per_s, streams, origin_ns=ORIGIN_NS)):
                for part, data in enumerate(writes(some)):
                    due = begun + (tick + part / WRITES) * TICK_NS / 1e9
                    await asyncio.sleep(max(due - loop.time(), 0.0))
                    if data:
                        writer.write(b"%x\r\n" % len(data) + data + b"\r\n")
                        await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/placement/v1/stream", flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def streaming(workers: int, tokens_per_s: int, streams: int) -> Iterator[str]:
    """Where a process serves the stream, until the end of the block."""
    command = [sys.executable, "-m", "bench.stream", *map(str, (workers, tokens_per_s, streams))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as producer:
        assert producer.stdout is not None
        try:
            yield producer.stdout.readline().strip()
        finally:
            producer.kill()


if __name__ == "__main__":
    asyncio.run(produce(*(int(value) for value in sys.argv[1:])))
