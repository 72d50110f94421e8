"""The lines of a trace file, one at a time and none longer than a bound: a file of any size costs the memory of one line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

MAX_LINE_BYTES: Final = 4 << 20


class TraceError(ValueError):
    """A trace, or a line of it, that cannot be read: which file and line, and what is wrong there."""


OnError = Callable[[TraceError], None]
"""Told of a line that cannot be read; the lines after it are read unless this raises."""


def refuse(error: TraceError) -> None:
    """Gives the whole file up at the first line that cannot be read."""
    raise error


def lines(path: Path, on_error: OnError = refuse) -> Iterator[tuple[int, bytes]]:
    """Number, from 1 on, and bytes of each line that is not empty. TraceError if the file itself cannot be read."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) <= MAX_LINE_BYTES:
                    if not line.isspace():
                        yield number, line
                    continue
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE_BYTES)
                on_error(TraceError(f"{path}:{number}: longer than {MAX_LINE_BYTES} bytes"))
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}") from None
