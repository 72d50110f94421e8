"""Files and answers that list targets, as plain data: bounded in size and in how many values they may unfold to. JSON and YAML."""

from pathlib import Path
from typing import Any, Final

import msgspec

from collectors.wire.safe import safe_text

MAX_BYTES: Final = 16 << 20
MAX_YAML_BYTES: Final = 512 << 10
"""It is read a thousand times more slowly."""
MAX_VALUES: Final = 200_000
"""YAML may name a part again and again, so that a small file is endless when it is unfolded. (Merged tables are not: PyYAML 6.0.4 takes each key once.)"""
_REASON: Final = 160


class DocumentError(ValueError):
    """Why there is nothing to be had; the message is short and safe to show."""


def read(path: Path) -> Any:
    """What stands in a file; JSON if its name ends so, else YAML. Raises DocumentError, FileNotFoundError."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DocumentError(safe_text(error.strerror or "cannot be read", _REASON)) from None
    return json(data) if path.suffix == ".json" else yaml(data)


def json(data: bytes) -> Any:
    """Raises DocumentError."""
    _bounded(data, MAX_BYTES)
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(safe_text(f"not JSON: {error}", _REASON)) from None


def yaml(data: bytes) -> Any:
    """Raises DocumentError. PyYAML is imported when it is first needed."""
    _bounded(data, MAX_YAML_BYTES)
    import yaml as pyyaml

    try:
        value = pyyaml.safe_load(data)
    except (pyyaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        raise DocumentError(safe_text(f"not YAML: {_told(error)}", _REASON)) from None
    _countable(value)
    return value


def _told(error: Exception) -> str:
    """What is wrong and in which line, in one line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{problem} in line {mark.line + 1}" if mark is not None else problem


def _bounded(data: bytes, most: int) -> None:
    if len(data) > most:
        raise DocumentError(f"larger than {most >> 10} KiB")


def _countable(value: Any) -> None:
    """Unfolds it as whoever reads it would, but not beyond the bound. Raises DocumentError."""
    left, count = [value], 0
    while left:
        one = left.pop()
        count += 1
        if count + len(left) > MAX_VALUES:
            raise DocumentError("unfolds to too much")
        if isinstance(one, dict):
            left.extend(one)
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
