"""Scrape fan-out: many targets at 1 Hz, fetched, parsed, mapped and counted in this process; the servers are another one.

Pages are a captured one of vLLM as a server with several engines, or one cut to 300 lines, would write it; half of the values change from scrape to scrape.
"""

import asyncio
import subprocess
import sys
import time

from bench.parse import CAPTURED, later, several_engines
from bench.result import Result
from collectors.model.vocabulary import TargetStatus
from collectors.session.clock import TICK_NS, LiveClock
from collectors.session.session import Session
from collectors.sources.detect import open_targets
from collectors.wire.http import HttpClient

WARM_UP_S = 3.0
SECONDS = 8.0
SMALL_LINES = 300


def page(lines: int) -> bytes:
    captured = CAPTURED.read_bytes()
    return b"\n".join(captured.split(b"\n")[:lines]) + b"\n" if lines <= SMALL_LINES else several_engines(captured)


async def produce(lines: int) -> None:
    """Answers every request on one port with the next of a few pages; prints its port."""
    base = page(lines)
    bodies = [later(base, 0.5, seed) for seed in range(4)]
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for body in bodies
    ]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        turn = 0
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answers[turn % len(answers)])
                await writer.drain()
                turn += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def consume(port: int, targets: int) -> tuple[float, float, int]:
    """Share of a core for `targets` targets at 1 Hz, CPU seconds of one Frame of them, and how many workers it has."""
    clock, session = LiveClock(), Session("live")
    async with HttpClient() as client:
        sources = open_targets([f"http://127.0.0.1:{port}/metrics"] * targets, client)
        tasks = [asyncio.create_task(source.run(clock, session.feed)) for source in sources]
        await asyncio.sleep(WARM_UP_S)
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.sleep(SECONDS)
        share = (time.process_time() - cpu) / (time.perf_counter() - wall)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    cpu = time.process_time()
    frame = session.tick(clock.now_ns() // TICK_NS * TICK_NS + TICK_NS)
    cpu = time.process_time() - cpu
    up = sum(row.status is TargetStatus.UP for row in frame.targets)
    assert up == targets, f"{up} of {targets} targets are up"
    return share, cpu, len(frame.workers)


def measure(targets: int, lines: int) -> tuple[float, float, int]:
    with subprocess.Popen(
        [sys.executable, "-m", "bench.scrape", str(lines)], stdout=subprocess.PIPE, text=True
    ) as producer:
        assert producer.stdout is not None
        try:
            return asyncio.run(consume(int(producer.stdout.readline()), targets))
        finally:
            producer.kill()


def run() -> list[Result]:
    results = []
    for targets, lines, goal in ((100, 2_896, 0.12), (1_000, SMALL_LINES, 0.40)):
        share, frame_s, workers = measure(targets, lines)
        what = f"scrape {targets:,} targets x {lines:,} lines at 1 Hz"
        results.append(Result(what, f"<= {goal:.0%} of a core", f"{share:.1%}", share <= goal))
        results.append(Result(f"a Frame of their {workers:,} workers", "", f"{frame_s * 1000:.0f} ms", None))
    return results


if __name__ == "__main__":
    asyncio.run(produce(int(sys.argv[1])))
