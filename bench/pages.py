"""Pages of metrics on loopback, served by a process of their own: `python -m bench.pages LINES PORTS`.

They are a captured one of vLLM: cut, or with what a server with several engines would add; half of the values rise from scrape to scrape.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from urllib.request import urlopen

from bench.parse import CAPTURED, later, several_engines

CAPTURED_LINES = 696
BODIES = 40
"""Different pages, served in turn: more than a measurement asks for, as beginning again looks like a restart."""


def page(lines: int) -> bytes:
    """The captured page with so many lines; beyond those it has, with gauges of Python's own, and from 2,000 on as of several engines."""
    captured = CAPTURED.read_bytes()
    if lines >= 2_000:
        return several_engines(captured)
    kept = captured.split(b"\n")[: min(lines, CAPTURED_LINES)]
    return b"\n".join([*kept, *(b'python_bench{of="%d"} %d' % (at, at) for at in range(lines - len(kept)))]) + b"\n"


async def produce(lines: int, ports: int) -> None:
    """Answers with the next of a few pages, by port and path; prints its ports."""
    bodies = accumulate(range(BODIES - 1), lambda body, seed: later(body, 0.5, seed), initial=page(lines))
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for body in bodies
    ]

    served = 0
    turns: Counter[tuple[int, bytes]] = Counter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        port = writer.get_extra_info("sockname")[1]
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                path = request.split(b" ", 2)[1]
                if path == b"/served":
                    writer.write(b"HTTP/1.0 200 OK\r\n\r\n%d" % served)
                    writer.close()
                    return
                served += 1
                writer.write(answers[turns[port, path] % BODIES])
                turns[port, path] += 1
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    servers = [await asyncio.start_server(serve, "127.0.0.1", 0) for _ in range(ports)]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def served(port: int) -> int:
    """How many pages were asked for so far: under load a monitor may do less than it is asked for."""
    with urlopen(f"http://127.0.0.1:{port}/served") as answer:
        return int(answer.read())


@contextlib.contextmanager
def serving(lines: int, ports: int = 1) -> Iterator[list[int]]:
    """The ports on which a process serves pages of so many lines, until the end of the block."""
    command = [sys.executable, "-m", "bench.pages", str(lines), str(ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as producer:
        assert producer.stdout is not None
        try:
            yield json.loads(producer.stdout.readline())
        finally:
            producer.kill()


if __name__ == "__main__":
    asyncio.run(produce(int(sys.argv[1]), int(sys.argv[2])))
