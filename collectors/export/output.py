"""A new file to export into: never one that was there before, nor through a link, and gone again if it could not be finished."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class ExportError(Exception):
    """What cannot be exported; the text says what, where and what to do."""


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Mode 0600. Raises `ExportError` if there is something at `path`, or it cannot be made or written."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise ExportError(f"{path} is there already: choose another name, or move it away") from None
    except OSError as error:
        raise ExportError(f"{path} cannot be made: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb", buffering=1 << 20) as file:
            yield file
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise ExportError(f"{path} cannot be written: {error.strerror or error}") from error
        raise
