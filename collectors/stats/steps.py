"""Work in steps of some milliseconds, between which others have their turn: a generator that yields nothing, and returns what it made."""

from collections.abc import Generator
from typing import Final, TypeVar

Made = TypeVar("Made")

Steps = Generator[None, None, Made]
ROWS: Final = 50
"""Of workers, and what is told of one each, in a step."""


def whole(steps: Steps[Made]) -> Made:
    """All that are left, at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: Made = end.value
            return made


def nothing() -> Steps[None]:
    """No step at all."""
    yield from ()
