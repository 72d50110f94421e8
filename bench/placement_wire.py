"""Decoding of the placement stream in process, without a socket and without statistics: rows a second on one core."""

import collections
import json
import struct
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from bench.result import Result
from collectors.model.batch import DELIVERY, EXTRA
from collectors.wire.placement import BinaryDecoder, Decoder, JsonDecoder

CHUNK: Final = 1 << 18
"""Bytes fed at a time: what the source works on at most."""
ROWS: Final = 100_000
HELLO: Final = {
    "type": "hello",
    "version": 1,
    "emulated": True,
    "clock": {"id": "bench", "kind": "virtual", "now_ns": 0},
    "workers": [{"slot": slot, "id": f"w/{slot}"} for slot in range(8)],
}
_random: Final = np.random.default_rng(7)


def _frame(kind: int, body: bytes, rows: int = 0, extras: int = 0) -> bytes:
    return struct.pack("<IBBHII", len(body), kind, 1, 0, rows, extras) + body


def _text(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def _deliveries(count: int, extras: int) -> bytes:
    """A frame of `count` rows with `extras` further stages each."""
    rows = np.zeros(count, DELIVERY)
    rows["time_ns"] = np.sort(_random.integers(0, 10**12, count))
    rows["start_ns"] = rows["time_ns"] - 1_000_000
    rows["start_ns"][rows["start_ns"] < 0] = 0
    rows["duration_ns"] = 1_000_000
    rows["stream"] = _random.integers(0, 1000, count)
    rows["tokens"] = 2
    rows["worker"] = _random.integers(0, 8, count)
    rows["tier"], rows["stage"], rows["extra"] = 2, 2, extras
    stages = np.zeros(count * extras, EXTRA)
    stages["tier"], stages["stage"] = 1, 5
    return _frame(2, rows.tobytes() + stages.tobytes(), count, len(stages))


def _line(count: int) -> bytes:
    """A line of `count` rows with all of their columns."""
    message = {
        "type": "deliveries",
        "stream": _random.integers(0, 1000, count).tolist(),
        "first_token": _random.integers(0, 1000, count).tolist(),
        "tokens": [1] * count,
        "time_ns": _random.integers(0, 10**12, count).tolist(),
        "worker": _random.integers(0, 8, count).tolist(),
        "tier": ["HBM"] * count,
        "stage": ["decode"] * count,
        "start_ns": _random.integers(0, 10**12, count).tolist(),
        "duration_ns": _random.integers(0, 10**7, count).tolist(),
    }
    return _text(message) + b"\n"


def _seconds(work: Callable[[], object], rounds: int = 7) -> float:
    """The best of some rounds, in CPU seconds of this process."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def _rate(decoder: Decoder, hello: bytes, body: bytes) -> float:
    """Rows a second."""
    decoder.feed(hello)
    chunks = [body[i : i + CHUNK] for i in range(0, len(body), CHUNK)]

    def decode() -> None:
        for chunk in chunks:
            decoder.feed(chunk)

    return ROWS / _seconds(decode)


def _at_least(name: str, goal: float, rate: float) -> Result:
    return Result(name, f">= {goal / 1e6:g} M rows/s", f"{rate / 1e6:.1f} M rows/s", rate >= goal)


def run() -> list[Result]:
    hello = _frame(1, _text(HELLO))
    watermark = _frame(1, b'{"type":"watermark","time_ns":1}')
    large = _rate(BinaryDecoder(), hello, b"".join(_deliveries(1000, 0) for _ in range(ROWS // 1000)))
    small_frames = [_deliveries(10, 1) for _ in range(ROWS // 10)]
    small = _rate(BinaryDecoder(), hello, b"".join(small_frames))
    mixed = _rate(BinaryDecoder(), hello, b"".join(frame + watermark for frame in small_frames))

    hello = _text(HELLO) + b"\n"
    columns = _rate(JsonDecoder(), hello, b"".join(_line(1000) for _ in range(ROWS // 1000)))
    single = [_line(1) for _ in range(ROWS)]
    lines = _rate(JsonDecoder(), hello, b"".join(single))
    plain = ROWS / _seconds(lambda: collections.deque(map(json.loads, single), 0), 3)
    return [
        _at_least("placement decode: binary, frames of 1,000", 50e6, large),
        _at_least("placement decode: binary, frames of 10, 1 extra stage each", 5e6, small),
        Result("  the same, another message between any two", "", f"{mixed / 1e6:.1f} M rows/s", None),
        _at_least("placement decode: JSON columns of 1,000", 2e6, columns),
        Result("  against json.loads of a line a row", ">= 2.5 x", f"{columns / plain:.1f} x", columns >= 2.5 * plain),
        Result("placement decode: JSON, a line a row, against json.loads", "", f"{lines / plain:.1f} x", None),
    ]
