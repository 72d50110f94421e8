"""The top line: which moment is shown and how it was come by, what is observed, and the EMULATED mark, which nothing displaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui import format as fmt
from tui import glyphs
from tui.counts import observed
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
    what = {"replay": "REPLAY", "demo": "DEMO"}.get(view.clock, "LIVE")
    live = view.clock == "live"
    frame = view.frame
    if view.mode is Mode.FAILED:
        return f"{glyphs.DOWN} STOPPED{_at(view)}", Ink.BAD
    if frame is None:
        return (
            (f"{glyphs.ENDED} ENDED", Ink.WARN) if view.mode is Mode.ENDED else (f"{glyphs.WAITING} STARTING", Ink.WARN)
        )
    if view.mode is Mode.HELD:
        text = f"{glyphs.PAUSED} PAUSED{_pace(view)}{_at(view)}"
        if view.behind_s > 0:
            text += f", {fmt.age(view.behind_s)} behind"
        return f"{text} (collecting goes on)" if live else text, Ink.WARN
    if view.mode is Mode.ENDED:
        return f"{glyphs.ENDED} {what} ENDED{_at(view)}", Ink.WARN
    return (
        (f"{glyphs.LIVE} LIVE{_at(view)}", Ink.GOOD)
        if live
        else (f"{glyphs.REPLAY} {what}{_pace(view)}{_at(view)}{_seen(view)}", Ink.ACCENT)
    )


def emulated_badge(frame: Frame) -> str:
    """Empty where nothing is emulated; in a mixed fleet it says how many workers are."""
    if not frame.emulated:
        return ""
    emulated = [worker.tokens_per_s.emulated for worker in frame.workers].count(True)
    some = 0 < emulated < len(frame.workers)
    return f" EMULATED {emulated} of {len(frame.workers)} " if some else " EMULATED "


def header(view: View, width: int) -> Line:
    text, ink = clock_text(view)
    parts: list[Part] = [(3, BRAND, Ink.HEADING), (0, text, ink)]
    frame = view.frame
    if frame is not None:
        seen, all_up = observed(frame)
        parts.append((1, seen, Ink.TEXT if all_up else Ink.BAD))
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


def _pace(view: View) -> str:
    return f" {view.pace}" if view.pace else ""


def _seen(view: View) -> str:
    """A show that goes through what was seen already."""
    return ", as it was" if view.clock == "demo" and view.behind_s > 0 else ""


def _at(view: View) -> str:
    frame = view.frame
    return f" {fmt.wall(frame.utc_s, frame.time_ns / 1e9)}" if frame is not None else ""


class Header(Panel):
    follows_newest = True

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        return [header(view, width)]
