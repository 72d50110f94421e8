"""The top line: which moment is shown and how it was come by, what is observed, and the EMULATED mark, which nothing displaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collectors.model.vocabulary import LISTINGS, TargetStatus
from tui import format as fmt
from tui import glyphs
from tui.line import Line, Pen, cells, clip_middle
from tui.playhead import Mode
from tui.theme import Ink
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collectors.model.frame import Frame
    from tui.view import View

BRAND = "tokenyard"
Part = tuple[int, str, int]
"""Rank (the highest goes first when room is short; 0 stays), text, ink."""


def clock_text(view: View) -> tuple[str, int]:
    """The state of the view in words and a glyph, and its ink."""
    replay = view.clock == "replay"
    frame = view.frame
    if view.mode is Mode.FAILED:
        return f"{glyphs.DOWN} STOPPED{_at(view)}", Ink.BAD
    if frame is None:
        return (
            (f"{glyphs.ENDED} ENDED", Ink.WARN) if view.mode is Mode.ENDED else (f"{glyphs.WAITING} STARTING", Ink.WARN)
        )
    if view.mode is Mode.HELD:
        text = f"{glyphs.PAUSED} PAUSED{_at(view)}"
        if view.behind_s > 0:
            text += f", {fmt.age(view.behind_s)} behind"
        return text if replay else f"{text} (collecting goes on)", Ink.WARN
    if view.mode is Mode.ENDED:
        return f"{glyphs.ENDED} {'REPLAY' if replay else 'LIVE'} ENDED{_at(view)}", Ink.WARN
    return (
        (f"{glyphs.REPLAY} REPLAY{_at(view)}", Ink.ACCENT) if replay else (f"{glyphs.LIVE} LIVE{_at(view)}", Ink.GOOD)
    )


def observed(frame: Frame) -> tuple[str, int]:
    """How many targets and workers there are, how many targets answer, and how many were there and are no longer listed."""
    listed = [one for one in frame.targets if one.status is not TargetStatus.GONE and one.backend not in LISTINGS]
    gone = sum(one.status is TargetStatus.GONE for one in frame.targets)
    up = sum(one.status is TargetStatus.UP for one in listed)
    total = len(listed)
    targets = f"{total} target{'s' * (total != 1)}" if up == total else f"{up} of {total} targets up"
    left = f" · {gone} gone" if gone else ""
    workers = len(frame.workers)
    return f"{targets}{left} · {workers} worker{'s' * (workers != 1)}", Ink.TEXT if up == total else Ink.BAD


def emulated_badge(frame: Frame) -> str:
    """Empty where nothing is emulated; in a mixed fleet it says how many workers are."""
    if not frame.emulated:
        return ""
    emulated = sum(worker.tokens_per_s.emulated for worker in frame.workers)
    some = 0 < emulated < len(frame.workers)
    return f" EMULATED {emulated} of {len(frame.workers)} " if some else " EMULATED "


def header(view: View, width: int) -> Line:
    text, ink = clock_text(view)
    parts: list[Part] = [(3, BRAND, Ink.HEADING), (0, text, ink)]
    frame = view.frame
    if frame is not None:
        parts.append((1, *observed(frame)))
        if badge := emulated_badge(frame):
            parts.append((0, badge, Ink.BADGE))
    if view.title:
        parts.append((2, clip_middle(view.title, 32), Ink.DIM))
    while sum(cells(text) + 2 for _, text, _ in parts) > width and max(rank for rank, _, _ in parts) > 0:
        parts.remove(max(parts, key=lambda part: part[0]))
    pen = Pen(width).gap()
    for index, (_, text, ink) in enumerate(parts):
        pen.gap(2 if index else 0).put(text, ink)
    return pen.line()


def _at(view: View) -> str:
    frame = view.frame
    return f" {fmt.wall(frame.utc_s, frame.time_ns / 1e9)}" if frame is not None else ""


class Header(Panel):
    def draw(self, view: View, width: int, height: int) -> list[Line]:
        return [header(view, width)]
