"""How soon a key is answered, by the wall clock: keys at random moments into the dashboard on a placement stream of 300 workers, which it shows at 4 Hz and records.

This process is the terminal. A key counts from its write to the first byte of a frame (a synchronized update) in which its answer stands: another row or panel
with the cursor's sign before it, or the filter as far as it is typed. Another process sends the stream; what else runs on the machine is in the times.
"""

import os
import random
import re
import select
import sys
import time
from collections.abc import Callable, Iterator
from subprocess import Popen
from typing import Final

from bench.result import Result
from bench.screens import LOAD, STREAMS, TOKENS_PER_S, WORKERS
from bench.stream import streaming
from bench.ui import SYNC_ANSWER, SYNC_QUERY, UNSET, terminal

GOAL_MS: Final = 50.0
ROUNDS: Final = 12
REST_S: Final = (0.1, 0.45)
"""Between an answer and the next key."""
SETTLED_S: Final = 10.0
ANSWER_S: Final = 5.0
START_S: Final = 30.0
BEGIN, END = b"\x1b[?2026h", b"\x1b[?2026l"
PANEL: Final = re.compile(rb"\xe2\x96\xb8(\w+)")
"""The cursor's sign with a panel's title,"""
ROW: Final = re.compile(rb"\xe2\x96\xb8(?:\x1b\[[\d;]*m|[\s~])+(w-\d+)")
"""and with a worker's row, which is drawn in another ink."""
DOWN, UP, PAGE_DOWN, PAGE_UP, HOME = b"\x1b[B", b"\x1b[A", b"\x1b[6~", b"\x1b[5~", b"\x1b[H"
TAB, BACK_TAB, ESCAPE = b"\t", b"\x1b[Z", b"\x1b"
PAIRS: Final = {
    "rows": 2 * [(DOWN, UP), (PAGE_DOWN, PAGE_UP), (b"G", HOME)],
    "panels": 2 * [(TAB, BACK_TAB)],
    "pages": [(b"%d" % page, b"1") for page in range(2, 8)],
}
"""Keys that undo each other, from the first row of the fleet on."""
LETTERS: Final = b"w-1"
MAP: Final = b"m list"
"""Told where so many workers are cells; the key makes them rows."""


class Terminal:
    """What is seen at the master's end: frames with the moment of their first byte; `row` and `panel` are the last with the sign before them."""

    def __init__(self, master: int) -> None:
        self.row = self.panel = b""
        self._master = master
        self._data = b""
        self._begun: float | None = None

    def frames(self, seconds: float) -> Iterator[tuple[float, bytes]]:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._master], [], [], left)[0]:
                return
            chunk, now = os.read(self._master, 65_536), time.monotonic()
            if SYNC_QUERY in chunk:
                os.write(self._master, SYNC_ANSWER)
            self._data += chunk
            while True:
                if self._begun is None and BEGIN in self._data:
                    self._begun = now
                if END not in self._data:
                    break
                frame, _, self._data = self._data.partition(END)
                begun, self._begun = self._begun or now, None
                yield begun, frame

    def rest(self, seconds: float) -> None:
        for _, frame in self.frames(seconds):
            self._note(frame)

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

    def key(self, key: bytes, answers: Callable[[bytes], bool], seconds: float = ANSWER_S) -> float:
        """Seconds from the key's write to the begin of a frame that answers it."""
        sent = time.monotonic()
        self.press(key)
        for begun, frame in self.frames(seconds):
            answered = begun >= sent and answers(frame)
            self._note(frame)
            if answered:
                return begun - sent
        raise RuntimeError(f"no answer to {key!r} within {seconds:g} s")

    def moved(self, frame: bytes) -> bool:
        """Whether the sign stands at another row or panel."""
        return bool({*PANEL.findall(frame)} - {self.panel} or {*ROW.findall(frame)} - {self.row})

    def _note(self, frame: bytes) -> None:
        """The last of each, if there is any."""
        self.panel = [self.panel, *PANEL.findall(frame)][-1]
        self.row = [self.row, *ROW.findall(frame)][-1]


def shows(text: bytes) -> Callable[[bytes], bool]:
    return lambda frame: text in frame


def pressed(screen: Terminal, chance: random.Random) -> Iterator[tuple[str, float]]:
    """A round of keys, each kind with seconds to the answer."""

    def pause() -> None:
        screen.rest(chance.uniform(*REST_S))

    pairs = [(kind, pair) for kind, some in PAIRS.items() for pair in some]
    for kind, pair in chance.sample(pairs, len(pairs)):
        for key in pair:
            yield kind, screen.key(key, screen.moved)
            pause()
    screen.key(b"/", shows(b"enter keep"))
    said = b"/"
    for letter in LETTERS + b"%d" % chance.randrange(10):
        pause()
        said += bytes((letter,))
        yield "letters of a filter", screen.key(said[-1:], shows(said + b" "))
    pause()
    screen.press(ESCAPE)
    screen.rest(1.0)


def measured() -> list[list[tuple[str, float]]]:
    """Of each round."""
    chance = random.Random(7)
    env = {k: v for k, v in os.environ.items() if k not in UNSET} | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with streaming(WORKERS, TOKENS_PER_S, STREAMS) as url, terminal() as (master, slave):
        command = [sys.executable, "-m", "bench.whole_child", "load", "3600", url]
        with Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env) as child:
            os.close(slave)
            try:
                screen = Terminal(master)
                if not any(MAP in frame for _, frame in screen.frames(START_S)):
                    raise RuntimeError("no map of the workers has been shown")
                screen.key(b"m", screen.moved, START_S)
                screen.rest(SETTLED_S)
                return [list(pressed(screen, chance)) for _ in range(1 + ROUNDS)]
            finally:
                child.kill()


def run() -> list[Result]:
    first, *rounds = measured()
    found = [one for some in rounds for one in some]
    times = sorted(1e3 * seconds for _, seconds in found)
    p50, p99 = (times[int(len(times) * q)] for q in (0.5, 0.99))
    slowest = {kind: 1e3 * max(seconds for other, seconds in found if other == kind) for kind, _ in found}
    told = ", ".join(f"{kind} {ms:.0f}" for kind, ms in slowest.items())
    made = 1e3 * max(seconds for _, seconds in first)
    where = f"Key to its answer, {LOAD}, 4 Hz"
    return [
        Result(where, f"p99 ≤ {GOAL_MS:g} ms", f"p50 {p50:.0f}, p99 {p99:.0f} ms (n {len(times)})", p99 <= GOAL_MS),
        Result("  the slowest of each kind", "", f"{told} ms", None),
        Result("  the slowest of the round before, in which pages are made", "", f"{made:.0f} ms", None),
    ]
