"""Questions to the terminal itself: what is written comes to it, and then the question where its cursor is, which it answers when it has taken what came before.

Nothing is changed: its modes are as they were afterwards, and the line is wiped.
"""

import os
import re
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

_WHERE: Final = b"\x1b[6n"
_POSITION: Final = re.compile(rb"\x1b\[(\d{1,5});(\d{1,5})R")
_PIECE: Final = 512
"""Bytes that are written at a time: what is longer could wait for a slow terminal without an end."""
_MOST_HEARD: Final = 4_096


class Answer(NamedTuple):
    """In which column the cursor stood, counted from 0, and how long it took from the first byte that was written to that answer."""

    column: int
    seconds: float


Ask = Callable[[bytes, float], Answer | None]
"""Write bytes, and wait for the answer for so many seconds at most: None if there is none."""


@contextmanager
def asking() -> Iterator[Ask]:
    """Only where standard input and output are terminals."""
    import termios
    import tty

    reading, writing = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(reading)
    try:
        tty.setcbreak(reading, termios.TCSANOW)
        yield lambda data, within_s: _ask(reading, writing, data, within_s)
    finally:
        os.write(writing, b"\x1b[0m\r\x1b[K")
        termios.tcsetattr(reading, termios.TCSAFLUSH, before)  # an answer that is late is nobody's input


def _ask(reading: int, writing: int, data: bytes, within_s: float) -> Answer | None:
    begun = time.monotonic()

    def left_s() -> float:
        return max(begun + within_s - time.monotonic(), 0.0)

    rest, heard = memoryview(data + _WHERE), b""
    try:
        while rest:
            if not select.select([], [writing], [], left_s())[1]:
                return None
            rest = rest[os.write(writing, rest[:_PIECE]) :]
        while (match := _POSITION.search(heard)) is None:
            if len(heard) > _MOST_HEARD or not select.select([reading], [], [], left_s())[0]:
                return None
            heard += os.read(reading, 64)
    except OSError:
        return None
    return Answer(int(match[2]) - 1, time.monotonic() - begun)
