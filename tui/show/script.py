"""The story of a demo: its chapters and how long it is. Plain data and pure functions over session time; no Textual, no emulators."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Chapter:
    """`at_s` from the beginning of the show. `look`: `page` or `page/panel`; empty: whatever is shown. `waits`: with auto-pause the show stops at its beginning."""

    at_s: float
    title: str
    caption: str
    look: str = ""
    note: str = ""
    waits: bool = False

    @property
    def at_ns(self) -> int:
        return round(self.at_s * 1e9)


@dataclass(frozen=True)
class Side:
    """Workers that the show sets against others, by their ids."""

    title: str
    workers: tuple[str, ...]


@dataclass(frozen=True)
class Script:
    """`chapters` in order of time."""

    name: str
    length_s: float
    chapters: tuple[Chapter, ...]
    sides: tuple[Side, ...] = ()
    """Two, or none."""

    @property
    def length_ns(self) -> int:
        return round(self.length_s * 1e9)

    @cached_property
    def begins(self) -> tuple[int, ...]:
        return tuple(chapter.at_ns for chapter in self.chapters)

    def number(self, time_ns: float) -> int:
        """Of the chapter at a moment, from 0; −1 before the first."""
        return bisect_right(self.begins, time_ns) - 1

    def after(self, time_ns: float) -> int | None:
        """When the next chapter begins; None in the last one."""
        number = self.number(time_ns) + 1
        return self.begins[number] if number < len(self.begins) else None

    def before(self, time_ns: float, grace_ns: int) -> int:
        """When this chapter began; within `grace_ns` after that, when the one before did; at last 0."""
        return max((begin for begin in self.begins if begin < time_ns - grace_ns), default=0)

    @property
    def stops(self) -> list[int]:
        """Where auto-pause stops. Not at the very beginning, when there is nothing to see yet."""
        return [chapter.at_ns for chapter in self.chapters if chapter.waits and chapter.at_ns > 0]


@dataclass(frozen=True)
class Showing:
    """Where a show is, for panels. `chapter` from 0, −1 before the first. `ahead_s`: to where the world is run at full speed; `world_s`: how far it has come. `key`: what was pressed last, while keys are shown."""

    script: Script
    chapter: int
    waits: bool = False
    ahead_s: float | None = None
    world_s: float = 0.0
    captions: bool = True
    key: str = ""
    keys: bool = False
    by_hand: Sequence[str] = ()
    """What the presenter did to the world until now: no longer the run of the seed alone."""

    @property
    def now(self) -> Chapter | None:
        return self.script.chapters[self.chapter] if self.chapter >= 0 else None
