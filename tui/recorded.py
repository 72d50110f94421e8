"""Recordings as commands use them: opened or begun, with errors as the command line says them."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import click

from collectors.recording.errors import RecordingError
from collectors.recording.reader import Reader
from collectors.recording.writer import Writer


@contextmanager
def recorder(path: Path | None, clock: str) -> Iterator[Writer | None]:
    """A new recording at `path` (None: no recording). Why it stopped early, if it did, is said on stderr at the end."""
    if path is None:
        yield None
        return
    try:
        writer = Writer(path, clock=clock, version=f"tokenyard {version('tokenyard')}")
    except RecordingError as error:
        raise click.ClickException(str(error)) from error
    try:
        yield writer
    finally:
        writer.close()
        if writer.error is not None:
            click.echo(f"recording: {writer.error}", err=True)


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
            click.echo(f"recording: {reader.torn}", err=True)
