"""The lines above the sections that are there only when there is something to say: an error of the driver, the verdict, our own requests, what was tried in vain."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from collectors.model.vocabulary import Listing, TargetStatus
from tui.counts import failed, gaps_of, missed
from tui.glyphs import AT_LEAST, DOWN, OURS, UNEQUAL, VERDICT
from tui.line import Line, Pen, wrap
from tui.plain import printable
from tui.probes import probing
from tui.theme import Ink
from tui.verdicts import told
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.model.frame import TargetRow
    from collectors.model.requests import RequestRow
    from tui.view import View

LINES = 2
"""At most so many lines for each."""
PUT_IN = 5
"""Cells of a line that its text has not."""
SHOWN_S = 60.0
"""How long a gap in a stream is said: the length of a window."""


@lru_cache(1)
def notices(view: View, width: int) -> list[Line]:
    """Asked for twice of a view: for its place, and to be drawn."""
    lines: list[Line] = []
    if view.problem is not None:
        hint = " (what was seen stays: ← → step)" if view.frame is not None else ""
        lines += _sentence(DOWN, view.problem + hint, Ink.BAD, width)
    if view.frame is not None and view.frame.probes:
        lines += _sentence(OURS, probing(view.frame.probes), Ink.WARN, width)
    lines += _verdict(view, width)
    if view.frame is not None and (told := differing(view.frame.requests, view.frame.time_ns)):
        lines += _sentence(UNEQUAL, told, Ink.WARN, width)
    targets, down = view.frame.targets if view.frame is not None else (), TargetStatus.DOWN
    for target in [one for one in targets if one.gaps or one.finished or one.status is down]:
        if target.backend == Listing.LOCAL and target.status is down:
            lines += _sentence(DOWN, target.reason, Ink.WARN, width)
        if _gap_is_new(target, view):
            lines += _sentence(DOWN, missed(target), Ink.WARN, width)
        if errors := failed(target):
            lines += _sentence(DOWN, errors, Ink.WARN, width)
    return lines


def _gap_is_new(target: TargetRow, view: View) -> bool:
    """Whether figures of the window are without what was missed."""
    gaps = gaps_of(target)
    if view.frame is None or gaps is None or gaps.newest_at is None:
        return False
    return view.frame.time_ns / 1e9 - gaps.newest_at <= SHOWN_S


def differing(rows: Sequence[RequestRow], now_ns: int) -> str:
    """How many of the requests last heard of ran elsewhere than most sources say, or may have: at least, where a frame has no more of them."""
    from collectors.model.requests import NOTABLE  # what it needs is not loaded before the first frame

    rows = [row for row in rows if now_ns - row.heard_ns <= SHOWN_S * 1e9]
    full = sum(bool(row.migrations or row.disagree or row.doubt) for row in rows) >= NOTABLE
    counts = {
        "migrated": sum(bool(row.migrations) for row in rows),
        "of which sources contradict each other": sum(bool(row.disagree) for row in rows),
        "perhaps migrated": sum(bool(row.doubt) for row in rows),
    }
    said = ", ".join(f"{AT_LEAST if full else ''}{count} {what}" for what, count in counts.items() if count)
    return f"requests of the last minute: {said} (5 shows them)" if said else ""


@lru_cache(1)
def _verdict(view: View, width: int) -> list[Line]:
    return _sentence(VERDICT, told(view, width - PUT_IN, LINES), Ink.WARN, width)


def _sentence(mark: str, text: str, ink: int, width: int) -> list[Line]:
    wrapped = wrap(printable(text), width - PUT_IN, LINES)
    return [
        Pen(width).gap().put(mark if index == 0 else " ", ink).gap().put(part, ink).line()
        for index, part in enumerate(wrapped)
    ]


class Notice(Panel):
    _verdict = range(0)
    """Its lines."""

    def action_at(self, x: int, y: int) -> str | None:
        """A click on the verdict goes where what it names is seen."""
        return "verdict" if y in self._verdict else None

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        said, lines = _verdict(view, width), notices(view, width)
        self._verdict = range(first := lines.index(said[0]), first + len(said)) if said else range(0)
        return lines
