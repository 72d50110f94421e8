"""An LPU's pace through the tap for real: tokens 1.0 ms apart and a stall of 8 ms in every 500, as the dashboard then tells it; and how much later a task takes a read than it came.

The upstream spins to keep its pace, and times what it sent: on a machine that is busy otherwise it cannot, and the figures say so. Stalls are looked for where they were made, token by
token: the dashboard names the newest only. One is missed where the token before it was read late, by a tap that did not get its core in time.
"""

import asyncio
import json
import socket
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

import aiohttp
import numpy as np
import numpy.typing as npt
from yarl import URL

from bench.result import Result
from collectors.exchanges.exchange import Exchange
from collectors.model.batch import Batch, Deliveries, Part, Status
from collectors.model.frame import Frame
from collectors.model.vocabulary import TargetStatus
from collectors.session.session import Session
from collectors.tap.readers import Reader
from collectors.tap.server import Tap, serving
from collectors.wire.placement_json import JsonDecoder

TOKENS: Final = 5_000
EVERY: Final = 500
GAP_S: Final = 0.001
STALL_S: Final = 0.008
_CHUNK: Final = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"completion_tokens":%d}}\n\n'
_END: Final = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def run() -> list[Result]:
    return asyncio.run(_run())


async def _run() -> list[Result]:
    late_ns: list[int] = []
    came = Exchange.came

    def noted(self: Exchange, time_ns: int, data: bytes) -> None:
        late_ns.append(time.monotonic_ns() - time_ns)
        came(self, time_ns, data)

    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening, ProcessPoolExecutor(1, get_context("fork")) as child:
        sending = loop.run_in_executor(child, _send, listening.fileno())
        tap = Tap(URL(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        reader = Reader(lambda: None)
        tap.readers.join(reader, time.monotonic_ns())
        Exchange.came = noted  # type: ignore[method-assign]
        try:
            async with serving(tap, "127.0.0.1", 0, drain_s=1) as port, aiohttp.ClientSession() as session:
                async with session.post(f"http://127.0.0.1:{port}/v1/chat/completions", json={}) as answer:
                    await answer.read()
                sent_s: list[float] = json.loads(await sending)
                tap.flush(anyhow=True)
        finally:
            Exchange.came = came  # type: ignore[method-assign]
    return _results(JsonDecoder().feed(await reader.take()), sent_s, late_ns)


def _results(told: list[Part], sent_s: list[float], late_ns: list[int]) -> list[Result]:
    frame = _shown(told)
    (worker,) = frame.workers
    p50, sent = worker.gap.p50.value or 0.0, statistics.median(sent_s)
    made = 1 + np.flatnonzero(np.array(sent_s) >= STALL_S * 0.9)
    seen = int((_gaps_s(told, made) >= STALL_S * 0.9).sum())
    planned = TOKENS // EVERY  # many more: this machine's own
    later = statistics.quantiles(late_ns, n=100)
    return [
        Result(
            "tap: gap p50 at 1.0 ms",
            "1.0 +- 0.05 ms",
            f"{p50 * 1e3:.3f} ms (sent {sent * 1e3:.3f})",
            abs(p50 - GAP_S) <= 5e-5,
        ),
        Result(
            "tap: stalls of 8 ms seen",
            f"all {planned}",
            f"{seen} of {len(made)} sent; {len(frame.stalls)} named",
            seen == len(made) and len(frame.stalls) >= planned if len(made) <= 2 * planned else None,
        ),
        Result(
            "tap: a read is taken later than it came",
            "",
            f"p50 {later[49] / 1e3:.0f} µs, p99 {later[98] / 1e3:.0f} µs",
            None,
        ),
    ]


def _gaps_s(told: list[Part], tokens: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Before each of some tokens but the first, as the tap tells it: none where it came with the one before it in one read."""
    rows = np.concatenate([part.rows for part in told if isinstance(part, Deliveries)])
    delivery, before = (np.searchsorted(rows["first_token"], tokens - back, side="right") - 1 for back in (0, 1))
    gaps_s: npt.NDArray[np.float64] = (rows["time_ns"][delivery] - rows["time_ns"][before]) / 1e9
    return gaps_s


def _shown(parts: list[Part]) -> Frame:
    session = Session("live")
    now_ns = time.monotonic_ns()
    session.feed(Batch("tap", now_ns, (Status("tap", "tokenyard-tap", TargetStatus.UP), *parts)))
    return session.tick((now_ns // 250_000_000 + 1) * 250_000_000)


def _send(listening: int) -> str:
    """One response at its pace; the gaps at which it was sent."""
    taken, _ = socket.socket(fileno=listening).accept()
    taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    taken.recv(1 << 16)
    taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    last = time.perf_counter()
    gaps: list[float] = []
    for number in range(1, TOKENS + 1):
        due = last + (STALL_S if number % EVERY == 0 else GAP_S)  # a delay is not made up for
        while (now := time.perf_counter()) < due:
            pass
        taken.sendall(_CHUNK % number)
        if number > 1:
            gaps.append(now - last)
        last = now
    taken.sendall(_END)
    taken.close()
    return json.dumps(gaps)
