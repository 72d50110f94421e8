"""Recordings: bytes of the real demo, what recording costs, how soon any moment of a long one is there, and what a killed recorder loses."""

import asyncio
import gc
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from bench.result import Result
from collectors.model.batch import EXTRA, Batch, Deliveries, Samples, Tick
from collectors.model.frame import Frame
from collectors.recording.chunks import frames_chunk, item_chunks
from collectors.recording.codec import compress, pack
from collectors.recording.file import File
from collectors.recording.playback import Playback
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer
from collectors.session.clock import TICK_NS
from tests.recording.material import SECOND, batches, steps
from tui.garbage import THRESHOLD
from tui.headless import demo_frames

SECONDS = 60.0
HOUR_S = 3_600
PER_SECOND = 27_778
"""Deliveries of the long recording: 10⁸ in an hour."""
SEEKS = 200
KILLS = 200
MILLION = 1_000_000
LATE_S = 8


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames: list[Frame] = []
        asyncio.run(demo_frames("default", 7, SECONDS, folder / "demo.tyard", frames.append))
        return [
            *sizes(folder / "demo.tyard"),
            *cost(folder),
            asyncio.run(late(folder)),
            *long(folder, frames[-1]),
            killed(folder),
        ]


def sizes(path: Path) -> list[Result]:
    with Reader(path) as reader:
        made = [item for item in reader.items() if isinstance(item, Batch)]
    whole = path.stat().st_size
    out = []
    for what, kind, goal in (("delivery", Deliveries, 4.0), ("sample of a page", Samples, 3.0)):
        parts = [(item, part) for item in made for part in item.parts if isinstance(part, kind)]
        count = sum(len(part.rows if isinstance(part, Deliveries) else part.values) for _, part in parts)
        by_second: dict[int, list[Batch]] = {}
        for item, part in parts:
            by_second.setdefault(item.time_ns // SECOND, []).append(Batch(item.source, item.time_ns, (part,)))
        each = sum(len(compress(pack(some))) for some in by_second.values()) / count
        out.append(Result(f"recording: a {what} of the demo, alone", f"<= {goal:g} B", f"{each:.2f} B", each <= goal))
        if kind is Deliveries:
            text = f"{whole / count:.1f} B"
            out.append(Result("recording: the whole file, KV blocks and Frames with it, by deliveries", "", text, None))
    return out


def cost(folder: Path) -> list[Result]:
    """All threads together, of a fleet of 40,000 deliveries a second in 20 batches a second."""
    rows = steps(20)
    items = batches(rows)
    cpu = time.process_time()
    writer = Writer(folder / "cost.tyard", clock="live", version="bench")
    for item in items:
        writer.tick(item.time_ns) if isinstance(item, Tick) else writer.batch(item)
    writer.close()
    assert writer.error is None, writer.error
    share = (time.process_time() - cpu) / len(rows) * 100_000
    return [Result("recording 100,000 deliveries/s", "< 10 % of a core", f"{share:.1%}", share < 0.1)]


async def late(folder: Path) -> Result:
    """How late a 10 ms timer of the loop comes that hands over a million deliveries a second, in 20 batches."""
    rows = np.resize(steps(2), MILLION // 20)
    batch = Batch("router", 0, (Deliveries(rows, np.zeros(0, EXTRA)),))
    writer, found = Writer(folder / "late.tyard", clock="live", version="bench"), list[float]()

    async def probe() -> None:
        while True:
            due = time.monotonic() + 0.01
            await asyncio.sleep(0.01)
            found.append(time.monotonic() - due)

    probing, due = asyncio.create_task(probe()), time.monotonic()
    for number in range(LATE_S * 20):
        writer.batch(msgspec.structs.replace(batch, time_ns=number * SECOND // 20))
        due += 0.05
        await asyncio.sleep(max(due - time.monotonic(), 0))
    probing.cancel()
    writer.close()
    assert writer.error is None, writer.error
    found.sort()
    p99 = 1e3 * found[int(len(found) * 0.99)]
    text = f"{1e3 * found[len(found) // 2]:.1f} / {p99:.1f} / {1e3 * found[-1]:.0f} ms (p50 / p99 / max)"
    return Result("recording 1,000,000 deliveries/s: lateness of the loop", "p99 <= 10 ms", text, p99 <= 10)


def long(folder: Path, frame: Frame) -> list[Result]:
    path = folder / "long.tyard"
    hour(path, frame)
    begin = time.perf_counter()
    with Reader(path) as reader:
        playback = Playback(reader)
        assert playback.span() is not None
        playback.at(HOUR_S * SECOND)
        opened = time.perf_counter() - begin
        # As the dashboard does after its first Frame: else the slowest seeks are collections of all that this process ever made.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*THRESHOLD)
        rng, took = random.Random(1), []
        for _ in range(SEEKS):
            moment = rng.randrange(HOUR_S * SECOND)
            begin = time.perf_counter()
            playback.at(moment)
            took.append(time.perf_counter() - begin)
        took.sort()
        median, p99 = 1e3 * took[SEEKS // 2], 1e3 * took[int(SEEKS * 0.99)]
        size = path.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Result(
            f"recording of 1 h, 10⁸ deliveries ({size / 1e6:.0f} MB): open to the first Frame",
            "< 0.5 s",
            f"{opened:.2f} s",
            opened < 0.5,
        ),
        Result(
            "the same: any moment, median / p99",
            "<= 50 / 100 ms",
            f"{median:.0f} / {p99:.0f} ms",
            median <= 50 and p99 <= 100,
        ),
        Result("the same: peak memory of this process, which also made it", "< 250 MB", f"{peak:.0f} MB", peak < 250),
    ]


def hour(path: Path, frame: Frame) -> None:
    """A second of steady streams again and again, and a Frame of the demo each tick."""
    rows = steps(1)
    rows = rows[np.linspace(0, len(rows) - 1, PER_SECOND).astype(int)]
    file = File(path, clock="live", version="bench")
    for second in range(HOUR_S):
        moved = rows.copy()
        for column in ("time_ns", "start_ns"):
            moved[column] += second * SECOND
        for chunk in item_chunks(batches(moved) if second == 0 else [whole(moved, second)]):
            file.chunk(chunk)
        ticks = [msgspec.structs.replace(frame, time_ns=second * SECOND + (i + 1) * TICK_NS) for i in range(4)]
        file.chunk(frames_chunk(ticks))
    file.close()
    assert file.error is None, file.error


def whole(rows: np.ndarray, second: int) -> Batch:
    return Batch("router", (second + 1) * SECOND - 1, (Deliveries(rows, np.zeros(0, EXTRA)),))


def killed(folder: Path) -> Result:
    """A recorder under load, killed at random moments: how much of what it had been given is not in the file."""
    rng, lost = random.Random(2), []
    for number in range(KILLS):
        path = folder / f"killed-{number}.tyard"
        command = [sys.executable, "-m", "tests.recording.recorder", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            last, end = 0, time.monotonic() + rng.uniform(0.5, 3.0)
            for line in child.stdout:
                last = int(line.split()[1])
                if time.monotonic() > end:
                    child.kill()
                    break
            for line in child.stdout:
                last = int(line.split()[1]) if len(line.split()) == 2 and line.endswith("\n") else last
        with Reader(path) as reader:
            times = [item.time_ns for item in reader.items()]
        lost.append((last - (times[-1] if times else 0)) / 1e9)
        path.unlink()
    lost.sort()
    text = f"{lost[len(lost) // 2]:.2f} s median, {lost[-1]:.2f} s at most; all opened"
    return Result(f"recorder killed {KILLS} times: lost", "<= 1 s", text, lost[-1] <= 1.1)
