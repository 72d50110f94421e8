"""The dashboard on a pseudo-terminal: bytes and CPU per frame, and how soon the first frame stands, against a bare Textual app.

Children (`bench.ui_child`) run the real App on constructed Frames; this process plays the terminal, and counts what is written to it. CPU is the child's own
(user + system), so other load on the machine enters only through caches and clock speed.
"""

import contextlib
import fcntl
import json
import os
import pty
import select
import statistics
import struct
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from subprocess import Popen

from bench.result import Result

COLUMNS, ROWS = 200, 50
FRAMES = {4: 40, 10: 80}
"""Measured frames at each rate."""
OF_FRAMES = ("overview", "tiers", "jitter")
"""Pages that need no more than Frames, measured with 300 workers."""
STARTS = 9
"""Fresh processes of each kind, alternating."""
KIB = 1024
GOAL_KIB = 30.0
GOAL_SHARE = {4: 0.05, 10: 0.10}
GOAL_START = 1.3
DEADLINE_S = 120.0
NO_EXTRA: Mapping[str, str] = {}
UNSET = {"NO_COLOR", "COLUMNS", "LINES", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
"""Of the environment: children run as an installed program does, with its bytecode in place."""
SYNC_QUERY, SYNC_ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"


@dataclass
class Seen:
    """What came from a child: marks by name with their values, and how many bytes the terminal had got by then."""

    marks: dict[str, dict[str, float]] = field(default_factory=dict)
    bytes_at: dict[str, int] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)
    output: bytearray = field(default_factory=bytearray)


def watch(
    *arguments: str,
    module: str = "bench.ui_child",
    deadline_s: float = DEADLINE_S,
    environment: Mapping[str, str] = NO_EXTRA,
) -> Seen:
    """Run one child to its end on a terminal of COLUMNS × ROWS."""
    with terminal() as (master, slave), _pipe() as (marks, marks_out):
        env = {k: v for k, v in os.environ.items() if k not in UNSET}
        env |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "BENCH_MARKS": str(marks_out), **environment}
        command = [sys.executable, "-m", module, *arguments]
        seen = Seen()
        started = time.monotonic()
        with Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, pass_fds=(marks_out,)) as child:
            os.close(slave)
            os.close(marks_out)
            _collect(master, marks, seen, started, deadline_s)
            child.kill()
        if "end" not in seen.marks:
            raise RuntimeError(f"the child ended without a measurement: {bytes(seen.output[-2000:])!r}")
        return seen


def _collect(master: int, marks: int, seen: Seen, started: float, deadline_s: float) -> None:
    """Play the terminal until the child closes its marks. What was written before a mark is counted before it."""
    rest = b""
    while time.monotonic() - started < deadline_s:
        ready, _, _ = select.select([master, marks], [], [], 1.0)
        if master in ready and _read_terminal(master, seen):
            continue
        if marks in ready:
            chunk = os.read(marks, 4096)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                value = json.loads(line)
                name = str(value.pop("mark"))
                seen.marks[name] = value
                seen.bytes_at[name] = len(seen.output)
                seen.at[name] = time.monotonic() - started


def _read_terminal(master: int, seen: Seen) -> bool:
    """Take what was written; False when nobody writes any more."""
    try:
        chunk = os.read(master, 65_536)
    except OSError:
        return False
    seen.output += chunk
    if SYNC_QUERY in chunk:
        os.write(master, SYNC_ANSWER)
    return True


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    try:
        yield master, slave
    finally:
        os.close(master)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(reader)


def playing(workers: int, hz: int, page: str = "overview") -> list[Result]:
    """Bytes and CPU of `workers` workers at `hz` frames a second."""
    frames = FRAMES[hz]
    seen = watch("play", str(workers), str(hz), str(frames), page)
    end = seen.marks["end"]
    kib = (seen.bytes_at["end"] - seen.bytes_at["begin"]) / frames / KIB
    share = end["cpu_s"] / end["wall_s"]
    where = f"UI {COLUMNS}×{ROWS}, {workers} workers, {page}"
    goal = GOAL_SHARE[hz]
    results = [
        Result(
            f"{where}: CPU at {hz} Hz",
            f"≤ {goal:.0%} of a core",
            f"{share:.1%} ({end['cpu_s'] / frames * 1000:.1f} ms a frame)",
            share <= goal,
        )
    ]
    if hz == min(FRAMES):
        results.append(Result(f"{where}: bytes a frame", f"≤ {GOAL_KIB:.0f} KiB", f"{kib:.1f} KiB", kib <= GOAL_KIB))
    return results


def starting() -> Result:
    """First frame against a bare Textual app: medians of fresh processes, alternating. The first of each fills the caches and does not count."""
    times: dict[str, list[float]] = {"bare": [], "tokenyard": []}
    for _ in range(1 + STARTS):
        for kind, values in times.items():
            values.append(watch("start", kind).at["end"])
    bare, ours = (statistics.median(times[kind][1:]) for kind in ("bare", "tokenyard"))
    ratio = ours / bare
    measured = f"{ratio:.2f}× ({ours * 1000:.0f} / {bare * 1000:.0f} ms)"
    return Result("First frame, of a bare Textual app", f"≤ {GOAL_START}×", measured, ratio <= GOAL_START)


def run() -> list[Result]:
    results = [starting()]
    for workers in (4, 72):
        for hz in FRAMES:
            results += playing(workers, hz)
    for page in OF_FRAMES:
        for hz in FRAMES:
            results += playing(300, hz, page)
    return results
