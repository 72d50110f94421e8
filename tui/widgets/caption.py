"""The bar of a show: which chapter it is, its caption of one sentence, whether it waits, and the key that was pressed last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui import format as fmt
from tui.glyphs import PAUSED
from tui.line import Line, Pen, cells, wrap
from tui.plain import printable
from tui.theme import Ink
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from tui.show.script import Showing
    from tui.view import View

MOST_LINES: Final = 3


def rows(showing: Showing | None, width: int) -> int:
    """The same through all of a show: nothing moves from chapter to chapter."""
    if showing is None:
        return 0
    if not showing.captions:
        return int(showing.keys)
    captions = [printable(chapter.caption) for chapter in showing.script.chapters]
    return 1 + max((len(wrap(one, width - 4, MOST_LINES)) for one in captions), default=0)


def said(showing: Showing, at_s: float) -> str:
    """What the show is doing beside going on."""
    if showing.ahead_s is not None:
        return f"at full speed, {fmt.clock(showing.world_s)} of {fmt.clock(showing.ahead_s)}"
    if showing.waits:
        return f"{PAUSED} waits: PgDn or space goes on"
    hand = f" · {len(showing.by_hand)} by hand: {printable(showing.by_hand[-1])}" if showing.by_hand else ""
    return f"{fmt.clock(at_s)} of {fmt.clock(showing.script.length_s)}{hand}"


class Caption(Panel):
    def draw(self, view: View, width: int, height: int) -> list[Line]:
        showing = view.showing
        if showing is None:
            return []
        at_s = view.frame.time_ns / 1e9 if view.frame is not None else 0.0
        key = f"[ {printable(showing.key)} ]" if showing.keys and showing.key else ""
        if not showing.captions:
            return [Pen(width).to(width - cells(key) - 1).put(key, Ink.ACCENT).line()]
        doing = said(showing, at_s)
        chapter = showing.now
        number = f"{showing.chapter + 1}/{len(showing.script.chapters)}"
        pen = Pen(width).gap().put(number, Ink.ACCENT).gap(2)
        right = cells(doing) + (cells(key) + 2 if key else 0)
        pen.cell(printable(chapter.title) if chapter is not None else "", max(pen.left - right - 2, 0), Ink.STRONG)
        if key:
            pen.put(key, Ink.ACCENT).gap(2)
        pen.to(width - cells(doing) - 1).put(
            doing, Ink.WARN if showing.waits or showing.ahead_s is not None else Ink.DIM
        )
        text = wrap(printable(chapter.caption), width - 4, MOST_LINES) if chapter is not None else []
        return [pen.line(), *(Pen(width).gap(2).put(part, Ink.TEXT).line() for part in text)]
