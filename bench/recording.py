"""Recordings: bytes a delivery of the real demo, how fast they are written and read, and how soon a window is there."""

import asyncio
import tempfile
import time
from pathlib import Path

from bench.result import Result
from collectors.model.batch import Batch, Deliveries
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer
from tui.headless import demo_frame

SECONDS = 60.0
COPIES = 3
"""How often the demo's deliveries are written again to time it."""


def deliveries(batches: list[Batch]) -> int:
    return sum(len(part.rows) for batch in batches for part in batch.parts if isinstance(part, Deliveries))


def window_ms(path: Path, seconds: int) -> float:
    """Opening the file and reading a window in its middle."""
    begin = time.perf_counter()
    with Reader(path) as reader:
        middle = int(SECONDS / 2 * 1e9)
        for _ in reader.items(middle - seconds * 500_000_000, middle + seconds * 500_000_000):
            pass
    return 1e3 * (time.perf_counter() - begin)


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demo.tyard"
        asyncio.run(demo_frame("default", 7, SECONDS, path))
        cpu = time.process_time()
        with Reader(path) as reader:
            batches = [item for item in reader.items() if isinstance(item, Batch)]
        read_s = time.process_time() - cpu
        count = deliveries(batches)
        each = path.stat().st_size / count
        cpu = time.process_time()
        for copy in range(COPIES):
            writer = Writer(Path(folder) / f"{copy}.tyard", clock="virtual", version="bench")
            for batch in batches:
                writer.batch(batch)
            writer.close()
            assert writer.error is None, writer.error
        write_s = time.process_time() - cpu
        rate = COPIES * count / write_s
        short, long = window_ms(path, 1), window_ms(path, 60)
        return [
            Result("recording: the whole file, a delivery of the demo", "<= 4 B", f"{each:.1f} B", each <= 4),
            Result(
                "recording: written, samples and blocks with them",
                ">= 5 M deliveries/s",
                f"{rate / 1e6:.2f} M/s",
                rate >= 5e6,
            ),
            Result("recording: read, likewise", "", f"{count / read_s / 1e6:.2f} M/s", None),
            Result(
                "recording: open and read 1 s / 60 s",
                "<= 5 / 50 ms",
                f"{short:.1f} / {long:.0f} ms",
                short <= 5 and long <= 50,
            ),
        ]
