"""Recordings as commands use them: opened or begun, with errors as the command line says them."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from collectors.recording.contents import contents
from collectors.recording.errors import RecordingError
from collectors.recording.file import File
from collectors.recording.memory import Memory
from collectors.recording.reader import Reader
from collectors.recording.spool import Spool
from tui.marks import Bookmarks
from tui.plain import printable

WRITER: Final = f"tokenyard {version('tokenyard')}"
"""What a recording says of who wrote it."""


@contextmanager
def recorder(path: Path | None, clock: str) -> Iterator[Spool | None]:
    """A new recording at `path` (None: no recording). Why it stopped early, if it did, is said on stderr at the end."""
    if path is None:
        yield None
        return
    with _file(path, clock) as file, closing(Spool([file])) as spool:
        yield spool


@contextmanager
def remembering(
    memory: Memory,
    path: Path | None,
    clock: str,
    redaction: str = "none",
    busy: Callable[[], bool] = lambda: False,
) -> Iterator[Spool]:
    """What is seen goes into `memory`, and into a new recording at `path`, if that is not None; what takes long waits for who is `busy`."""
    if path is None:
        with closing(Spool([memory], busy)) as spool:
            yield spool
        return
    with _file(path, clock, redaction) as file, closing(Spool([memory, file], busy)) as spool:
        yield spool


@contextmanager
def _file(path: Path, clock: str, redaction: str = "none") -> Iterator[File]:
    try:
        file = File(path, clock=clock, version=WRITER, redaction=redaction)
    except RecordingError as error:
        raise click.ClickException(str(error)) from error
    try:
        yield file
    finally:
        if file.error is not None:
            click.echo(printable(f"recording: {file.error}"), err=True)


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """A recording to read; what is missing of a torn one is said on stderr at the end."""
    try:
        reader = Reader(path)
    except RecordingError as error:
        raise click.ClickException(str(error)) from error
    with reader:
        yield reader
        if reader.torn is not None:
            click.echo(printable(f"recording: {reader.torn}"), err=True)


def told(path: Path) -> dict[str, Any]:
    """What a recording holds, as one plain object: all of it is read."""
    with opened(path) as reader:
        info = reader.info()
        held = contents(reader)
        return {**msgspec.to_builtins(info), **msgspec.to_builtins(held), "torn": reader.torn}


def bookmark(file: Path, note: str) -> int:
    """Session time of the one bookmark of a recording that has this note. Raises `click.ClickException`."""
    kept = Bookmarks(file)
    if (problem := kept.load()) is not None:
        raise click.ClickException(problem)
    found = [at_ns for at_ns in kept.times if kept.notes[at_ns] == note]
    if len(found) != 1:
        there = ", ".join(repr(one) for one in kept.notes.values() if one) or "none has a note"
        raise click.ClickException(f"{file}: {len(found) or 'no'} bookmarks with the note {note!r}; there are: {there}")
    return found[0]
