"""What the dashboard is driven by: something that makes Frames, and a memory of them.

Only the two protocols. A live session, a demo and a replay implement `Driver`; the dashboard never asks which it is, beyond the word that it shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from collectors.model.frame import Frame
    from collectors.session.detail import Detail
    from tui.marks import Bookmarks
    from tui.player import Player
    from tui.urgency import Urgency

Clock = Literal["live", "replay", "demo"]
"""`demo`: a world of our own, which goes when we say so."""
Post = Callable[["Frame"], None]


class History(Protocol):
    """Frames that were seen, for time travel. Times are session time in nanoseconds."""

    def at(self, time_ns: int) -> Frame | None:
        """The newest Frame that is not later than `time_ns`, the oldest if all are later; None when empty."""

    def step(self, time_ns: int, direction: int) -> Frame | None:
        """The Frame next to the one at `time_ns`, later (+1) or earlier (−1); None where there is none."""

    def newest(self) -> Frame | None:
        """The last one; of a recording with the timeline of all of it."""

    def span(self) -> tuple[int, int] | None:
        """Times of the oldest and the newest Frame, None when empty."""


class Driver(Protocol):
    """Makes one Frame a tick. Imports of anything heavy belong inside `run`, which starts after the first paint."""

    @property
    def title(self) -> str:
        """What is watched, in a few words: `default/seed 7`, `incident.tyard`."""

    @property
    def clock(self) -> Clock:
        """`replay` where the Frames were recorded earlier, `demo` where they are made as the show goes on."""

    @property
    def history(self) -> History: ...

    @property
    def detail(self) -> Detail | None:
        """Single deliveries, requests and decisions, as of any tick; None before there are any."""

    async def run(self, post: Post) -> None:
        """Call `post(frame)` once a tick until there is no more. Cancelled on quit; what it raises becomes a banner."""

    def delivery(self, time_ns: int, direction: int) -> int | None:
        """The tick after (+1) or before (−1) that first tells of any delivery; None where there is none near, or where no recording is read."""

    @property
    def urgency(self) -> Urgency:
        """What it gives way to, as who draws tells it."""

    def next_profile(self, after: str) -> str:
        """Hold requests against the profile of objectives after that one from now on: its name; empty where nothing is observed (any more)."""

    @property
    def bookmarks(self) -> Bookmarks: ...

    @property
    def player(self) -> Player | None:
        """How it moves; None where only time itself does."""

    async def save(self, path: Path) -> tuple[str, str]:
        """Write what is remembered to a new recording: why that cannot be, or else what was done."""

    def hold(self, held: bool, at_ns: int | None = None) -> None:
        """The viewer paused, or resumed from the Frame of `at_ns`. A live session goes on collecting; a replay stops its clock."""
