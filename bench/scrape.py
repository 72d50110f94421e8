"""Scrape fan-out: many targets at 1 Hz, fetched, parsed, mapped and counted in this process; the servers are another one.

Pages are a captured one of vLLM as a server with several engines, or one cut to 300 lines, would write it; half of the values change from scrape to scrape.
"""

import asyncio
import subprocess
import sys
import time

from bench.parse import CAPTURED, later, several_engines
from bench.result import Result
from collectors.model.frame import Frame
from collectors.model.vocabulary import TargetStatus
from collectors.observe import Observation
from collectors.session.clock import LiveClock
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


async def consume(port: int, targets: int) -> float:
    """Share of a core for `targets` targets at 1 Hz, with a Frame made each tick."""
    clock, frames = LiveClock(), list[Frame]()
    async with HttpClient() as client:
        sources = open_targets([f"http://127.0.0.1:{port}/metrics"] * targets, client)
        observation = Observation(Session("live"), sources, clock, frames.append)
        live = asyncio.create_task(observation.live())
        await asyncio.sleep(WARM_UP_S)
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.sleep(SECONDS)
        share = (time.process_time() - cpu) / (time.perf_counter() - wall)
        live.cancel()
        await asyncio.gather(live, return_exceptions=True)
    up = sum(row.status is TargetStatus.UP for row in frames[-1].targets)
    assert up == targets, f"{up} of {targets} targets are up"
    return share


def measure(targets: int, lines: int) -> float:
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
        share = measure(targets, lines)
        results.append(
            Result(
                f"scrape {targets:,} targets x {lines:,} lines at 1 Hz, Frames at 4 Hz",
                f"<= {goal:.0%} of a core",
                f"{share:.1%}",
                share <= goal,
            )
        )
    return results


if __name__ == "__main__":
    asyncio.run(produce(int(sys.argv[1])))
