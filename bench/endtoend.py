"""Placement ingest end to end: a producer process on loopback, the real source, session, statistics and ring in this one.

The rate is deliveries for each second of this process' CPU time ("one core"); the producer has the other core and is often the slower side.
"""

import asyncio
import subprocess
import sys
import time

import numpy as np

from bench.result import Result
from collectors.model.batch import DELIVERY, EXTRA, Batch, Deliveries
from collectors.model.frame import Frame
from collectors.observe import Observation
from collectors.recording.history import History
from collectors.session.clock import LiveClock
from collectors.session.session import Session
from collectors.sources.placement import PlacementSource
from collectors.wire.http import HttpClient

STREAMS = 1_000
WORKERS = 8
PIECE = 1 << 18
HELLO = (
    b'{"type":"hello","version":1,"producer":"bench","emulated":true,"clock":{"id":"b","kind":"monotonic","now_ns":0},"workers":['
    + b",".join(
        b'{"slot":%d,"id":"w-%d/0","role":"decode","device":"GPU","model":"m"}' % (i, i) for i in range(WORKERS)
    )
    + b'],"pools":[]}'
)


def frames(rows: int, deliveries: int, extras: int, tokens: int) -> bytes:
    """`deliveries` deliveries of STREAMS live requests in frames of `rows`, each row with `extras` further stages."""
    number = np.arange(deliveries)
    rng = np.random.default_rng(1)
    made = np.zeros(deliveries, DELIVERY)
    round_ = number // STREAMS
    # One round of all streams takes 20 ms, with 1 % noise and a stall now and then.
    step_ns = (20e6 * rng.lognormal(0.0, 0.01, deliveries // STREAMS + 1)).astype(np.int64)
    step_ns[::997] *= 9
    made["time_ns"] = np.cumsum(step_ns)[round_] + number % STREAMS
    made["start_ns"] = made["time_ns"] - 10_000_000
    made["duration_ns"] = 10_000_000
    made["stream"] = number % STREAMS
    made["first_token"] = round_ * tokens
    made["tokens"] = tokens
    made["worker"] = number % STREAMS % WORKERS
    made["tier"], made["stage"], made["extra"] = 2, 4 if extras else 2, extras
    beside = np.zeros(rows * extras, EXTRA)
    beside["worker"], beside["tier"], beside["stage"] = 1, 2, 3
    tail = beside.tobytes()
    size = rows * DELIVERY.itemsize + len(tail)
    head = (
        size.to_bytes(4, "little")
        + bytes((2, 1, 0, 0))
        + rows.to_bytes(4, "little")
        + (rows * extras).to_bytes(4, "little")
    )
    body = made.tobytes()
    width = rows * DELIVERY.itemsize
    return b"".join(part for at in range(0, len(body), width) for part in (head, body[at : at + width], tail))


async def produce(rows: int, deliveries: int, extras: int, tokens: int) -> None:
    """Serves one stream to one reader; prints its port."""
    body = frames(rows, deliveries, extras, tokens)
    hello = len(HELLO).to_bytes(4, "little") + bytes((1, 1, 0, 0)) + bytes(8) + HELLO

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.tokenyard.placement.v1\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for piece in (hello, *(body[at : at + PIECE] for at in range(0, len(body), PIECE))):
            writer.write(b"%x\r\n" % len(piece) + piece + b"\r\n")
            await writer.drain()
        await asyncio.sleep(60)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def consume(port: int, deliveries: int) -> tuple[float, float, Frame]:
    """CPU seconds and wall seconds until all deliveries are in, and the last Frame."""
    session, clock, ring = Session("live"), LiveClock(), History()
    seen = 0
    done = asyncio.Event()

    class Counting:
        def batch(self, batch: Batch) -> None:
            nonlocal seen
            seen += sum(len(part.rows) for part in batch.parts if isinstance(part, Deliveries))
            if seen >= deliveries:
                done.set()

        def tick(self, time_ns: int, utc_s: float | None) -> None:
            pass

        def frame(self, frame: Frame) -> None:
            pass

    async with HttpClient() as client:
        source = PlacementSource("bench", f"http://127.0.0.1:{port}/placement/v1/stream", client)
        observation = Observation(session, [source], clock, ring.append, Counting())
        cpu, wall = time.process_time(), time.perf_counter()
        live = asyncio.create_task(observation.live())
        await asyncio.wait_for(done.wait(), 120)
        frame = observation.finish()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        live.cancel()
        await asyncio.gather(live, return_exceptions=True)
    return cpu, wall, frame


def measure(rows: int, deliveries: int, extras: int, tokens: int) -> tuple[float, float]:
    """Deliveries a CPU second and a wall second, checked against what was sent."""
    arguments = [str(value) for value in (rows, deliveries, extras, tokens)]
    with subprocess.Popen(
        [sys.executable, "-m", "bench.endtoend", *arguments], stdout=subprocess.PIPE, text=True
    ) as producer:
        assert producer.stdout is not None
        try:
            cpu, wall, frame = asyncio.run(consume(int(producer.stdout.readline()), deliveries))
        finally:
            producer.kill()
    counted = sum(row.tokens.value or 0 for row in frame.placements if row.primary)
    assert counted == deliveries * tokens, f"{counted} tokens of {deliveries * tokens}"
    return deliveries / cpu, deliveries / wall


def run() -> list[Result]:
    results = []
    for rows, count, extras, tokens, goal in ((1_000, 4_000_000, 0, 1, 5e6), (10, 1_000_000, 1, 3, 1e6)):
        found = sorted(measure(rows, count, extras, tokens) for _ in range(3))[1]
        what = f"placement end to end, frames of {rows}" + (", 2 stages, 3 tokens" if extras else "")
        results.append(
            Result(
                what,
                f">= {goal / 1e6:g} M/s a core",
                f"{found[0] / 1e6:.2f} M/s ({found[1] / 1e6:.2f} M/s wall)",
                found[0] >= goal,
            )
        )
    return results


if __name__ == "__main__":
    asyncio.run(produce(*(int(value) for value in sys.argv[1:])))
