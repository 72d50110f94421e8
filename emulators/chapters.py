"""Chapters of a scenario: what an audience is told, and when. Nothing that is simulated depends on them.

At the top of a file `length_s`, then `[[chapter]]`s in order of time: `at_s`, `title`, `caption` (one sentence), and where wanted `look` (`page` or `page/panel`), `note` (for the
speaker alone), `claim` (what the figures are to say when the chapter ends) and `pause` (an auto-pause stops at its beginning). Two `[[side]]`s, `title` and `workers`, stand beside each other on the stage.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

MOST: Final = 60
LONGEST_S: Final = 3_600.0
MOST_LETTERS: Final = {"title": 40, "caption": 160, "look": 40, "note": 2_000, "claim": 400}
LAST_S: Final = 20.0
"""So long the last chapter is where no `length_s` is said."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """`at_s` in simulated seconds. ValueError if it is too long to be shown."""

    at_s: float
    title: str
    caption: str
    look: str = ""
    note: str = ""
    claim: str = ""
    pause: bool = False

    def __post_init__(self) -> None:
        for name, most in MOST_LETTERS.items():
            if len(getattr(self, name)) > most:
                raise ValueError(f"{name} has more than {most} letters")
        if not 0 <= self.at_s <= LONGEST_S:
            raise ValueError(f"at_s is from 0 to {LONGEST_S:g}, not {self.at_s:g}")
        if not self.title or not self.caption:
            raise ValueError("a title and a caption must say something")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that a show sets against each other, and the ids of its workers."""

    title: str
    workers: tuple[str, ...]


def opposed(sides: Sequence[Side], workers: Sequence[str]) -> None:
    """ValueError where the sides of a show are not two of some of these workers, each at one side."""
    named = [worker for side in sides for worker in side.workers]
    told = all(side.workers and 0 < len(side.title) <= MOST_LETTERS["title"] for side in sides)
    if len(sides) not in (0, 2) or not told:
        raise ValueError("[[side]]: there are two, each with a title and its workers")
    if len(set(named)) < len(named) or not set(named) <= set(workers):
        raise ValueError(f"[[side]]: each worker is of one side, and one of {', '.join(workers)}")


def checked(chapters: Sequence[Chapter], length_s: float | None) -> tuple[tuple[Chapter, ...], float]:
    """The chapters, and how long the show is (0: none). ValueError where they do not follow one another inside it."""
    if not chapters:
        if length_s is not None:
            raise ValueError("length_s goes with [[chapter]]s")
        return (), 0.0
    if len(chapters) > MOST:
        raise ValueError(f"more than {MOST} chapters")
    for number, (one, after) in enumerate(pairwise(chapters), 1):
        if after.at_s <= one.at_s:
            raise ValueError(
                f"[[chapter]] {number + 1} begins at {after.at_s:g} s, not after the one before, at {one.at_s:g} s"
            )
    length = chapters[-1].at_s + LAST_S if length_s is None else length_s
    if not chapters[-1].at_s < length <= LONGEST_S:
        raise ValueError(
            f"length_s must be above {chapters[-1].at_s:g}, when the last chapter begins, and at most {LONGEST_S:g}"
        )
    return tuple(chapters), length
