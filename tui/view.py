"""What the panels are given to draw: a Frame, and what the dashboard itself knows around it. Immutable, no Textual."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tui.plain import printable
from tui.playhead import Mode, Playhead

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from collectors.compare.comparison import Comparison
    from collectors.model.frame import Frame
    from collectors.session.detail import Detail
    from tui.driver import Clock
    from tui.show.script import Showing

LATER: Final = "single deliveries of this moment are read from the recording …"
"""What is said where a replay has no detail yet."""
MAX_SPOKEN: Final = 32
"""Sentences that are remembered."""


@dataclass(frozen=True, eq=False)
class View:
    """`frame` is shown, `newest` is the last that arrived (its timeline is the whole session's)."""

    frame: Frame | None = None
    newest: Frame | None = None
    mode: Mode = Mode.WAITING
    clock: Clock = "live"
    title: str = ""
    problem: str | None = None
    pace: str = ""
    """How fast a recording is played, where not as it was."""
    marks: Sequence[int] = ()
    """Bookmarks, session time in nanoseconds."""
    showing: Showing | None = None
    """Where the show is, if this is one."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Worker ids as they are shown."""
    detail: Detail | None = None
    """What is known of single deliveries and requests, as of any tick."""
    comparison: Comparison | None = None
    """Of two recordings, where that is what was asked for."""

    def name(self, worker: str | None) -> str:
        """How a worker is shown; an id that is not in the fleet stands for itself."""
        if worker is None:
            return "unknown"
        return self.names.get(worker) or printable(worker)

    def spoken(self, text: str) -> str:
        """A sentence with the workers in it as they are shown."""
        return self.names.spoken(text) if isinstance(self.names, Names) else Names(self.names).spoken(text)

    @property
    def behind_s(self) -> float:
        """Session time between the Frame shown and the newest."""
        if self.frame is None or self.newest is None:
            return 0.0
        return (self.newest.time_ns - self.frame.time_ns) / 1e9

    def goes_on_behind(self, before: View) -> bool:
        """Whether the same moment is shown as `before`, when it was not the newest either, in the same way: nothing is new but what has come since.

        Not where single requests are looked into: of those the oldest are given up.
        """
        if self.frame is not before.frame or not before.behind_s or self.detail is not None:
            return False
        return all(getattr(self, name) == getattr(before, name) for name in _BESIDE_FRAMES)

    def utc_s(self, session_s: float) -> float | None:
        """What the wall clock said at a moment of session time."""
        if self.frame is None or self.frame.utc_s is None:
            return None
        return self.frame.utc_s - (self.frame.time_ns / 1e9 - session_s)


_BESIDE_FRAMES: Final = tuple({one.name for one in fields(View)} - {"frame", "newest", "names"})


def worker_names(ids: Iterable[str]) -> Mapping[str, str]:
    """Ids as they are shown: `target/engine`, without the engine where every target has only engine 0. The same object while they are the same."""
    return _names(tuple(ids))


class Names(dict[str, str]):
    """Ids with how they are shown, and the last sentences with those in it."""

    def __init__(self, names: Mapping[str, str]) -> None:
        super().__init__(names)
        self._spoken: dict[str, str] = {}

    def spoken(self, text: str) -> str:
        known = self._spoken.get(text)
        if known is None:
            known = text
            for id_, name in self.items():
                if id_ != name:
                    known = known.replace(id_, name)
            if len(self._spoken) >= MAX_SPOKEN:
                self._spoken.clear()
            known = self._spoken[text] = printable(known)
        return known


@lru_cache(4)
def _names(ids: tuple[str, ...]) -> Names:
    short = all(id_.endswith("/0") and id_.count("/") == 1 and len(id_) > 2 for id_ in ids)
    return Names({id_: printable(id_[:-2] if short else id_) for id_ in ids})


def view_of(
    playhead: Playhead,
    title: str,
    detail: Detail | None = None,
    pace: str = "",
    marks: Sequence[int] = (),
    comparison: Comparison | None = None,
    showing: Showing | None = None,
) -> View:
    frame = playhead.shown
    return View(
        frame=frame,
        newest=playhead.newest,
        mode=playhead.mode,
        clock=playhead.clock,
        title=printable(title),
        problem=playhead.problem,
        detail=detail,
        pace=pace,
        marks=marks,
        comparison=comparison,
        showing=showing,
        names=worker_names(worker.id for worker in frame.workers) if frame is not None else {},
    )
