"""Lines of inked text: what every panel draws, before any style.

A `Line` is a tuple of runs (text, ink), exactly as many cells wide as was asked for. Two equal lines look equal, so that a panel can compare
what it would draw with what it drew. Also here: making outside text fit into cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment

from tui.glyphs import ELLIPSIS
from tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Run = tuple[str, int]
Line = tuple[Run, ...]
_TEXT: Final = int(Ink.TEXT)
_NO_INK: Final = -1
_GROUNDED: Final = frozenset((_NO_INK, int(Ink.BADGE), int(Ink.CURSOR)))
"""Inks with a ground of their own, which blanks behind them do not take."""


def cells(text: str) -> int:
    """Width of `text` in terminal cells."""
    return len(text) if text.isascii() else cell_len(text)


def clip(text: str, width: int) -> str:
    """The start of `text` in at most `width` cells; an ellipsis shows that more was there."""
    if width <= 0:
        return ""
    if cells(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + ELLIPSIS


def clip_middle(text: str, width: int) -> str:
    """Both ends of `text` in at most `width` cells: names of models and requests differ at their ends."""
    if width < 5 or cells(text) <= width:
        return clip(text, width)
    if not text.isascii():
        return clip(text, width)
    tail = (width - 1) // 2
    return text[: width - 1 - tail] + ELLIPSIS + text[len(text) - tail :]


def wrap(text: str, width: int, lines: int) -> list[str]:
    """`text` broken at blanks into at most `lines` lines; what does not fit is clipped visibly."""
    rest, out = text, list[str]()
    while rest and len(out) < lines - 1 and cells(rest) > width:
        head = set_cell_size(rest, width + 1) if cells(rest) > width + 1 else rest
        cut = head.rfind(" ")
        if cut <= 0:
            break
        out.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    if rest and lines > 0:
        out.append(clip(rest, width))
    return out


class Pen:
    """Writes one line from left to right into `width` cells, merging neighbours of one ink; what goes beyond is clipped."""

    __slots__ = ("_ink", "_inks", "_texts", "left", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self.left = width
        self._texts: list[str] = []
        self._inks: list[int] = []
        self._ink = _NO_INK

    def put(self, text: str, ink: int = _TEXT, size: int | None = None) -> Pen:
        """Write `text`, whose width in cells may be given where it is known."""
        if size is None:
            size = cells(text)
        if size > self.left:
            text = clip(text, self.left)
            size = cells(text)
        if size:
            if ink == self._ink:
                self._texts[-1] += text
            else:
                self._texts.append(text)
                self._inks.append(ink)
                self._ink = ink
            self.left -= size
        return self

    def gap(self, size: int = 1) -> Pen:
        """Blanks, in the ink that was last used: they show no foreground, so they need no change of style."""
        if size > self.left:
            size = self.left
        if size > 0:
            self.put(" " * size, _TEXT if self._ink in _GROUNDED else self._ink, size)
        return self

    def spread(self, glyphs: Sequence[str], ink: int, pitch: int) -> Pen:
        """One glyph, of one cell, every `pitch` columns."""
        gap = " " * (pitch - 1)
        if not gap or ink not in _GROUNDED:
            return self.put(gap.join(glyphs), ink, (len(glyphs) - 1) * pitch + 1).gap(pitch - 1)
        for glyph in glyphs:
            self.put(glyph, ink, 1).gap(pitch - 1)
        return self

    def cell(self, text: str, size: int, ink: int = _TEXT, *, right: bool = False) -> Pen:
        """Write `text` into a cell of `size` columns, clipped and padded."""
        width = cells(text)
        if width > size:
            text = clip(text, size)
            width = cells(text)
        if right:
            return self.gap(size - width).put(text, ink, width)
        if 0 < width < size <= self.left and ink not in _GROUNDED:
            return self.put(text + " " * (size - width), ink, size)
        return self.put(text, ink, width).gap(size - width)

    def to(self, column: int) -> Pen:
        """Blanks up to a column, counted from 0."""
        return self.gap(column - (self.width - self.left))

    def rule(self, size: int) -> Pen:
        size = max(0, min(size, self.left))
        return self.put("─" * size, Ink.FAINT, size)

    def line(self) -> Line:
        """What was written, filled up with blanks."""
        self.gap(self.left)
        return tuple(zip(self._texts, self._inks, strict=True))


def fitting(parts: Iterable[Line], width: int, gap: int = 1) -> Line:
    """Parts behind each other with `gap` blanks between them; what finds no room is left out from the end, never cut."""
    pen = Pen(width)
    for part in parts:
        between = gap if pen.left < width else 0
        if between + sum(cells(text) for text, _ in part) > pen.left:
            break
        pen.gap(between)
        for text, ink in part:
            pen.put(text, ink)
    return pen.line()


def blank(width: int) -> Line:
    return Pen(width).line()


def text_of(lines: list[Line]) -> str:
    """Lines as plain text, for tests and terminals without styles."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def changed(line: Line, start: int, size: int, change: Callable[[Line], Line]) -> Line:
    """`line` with `change` made to `size` cells of it from `start` on. The change keeps the width."""
    parts: tuple[list[Run], list[Run], list[Run]] = ([], [], [])
    at = 0
    for text, ink in line:
        width = cells(text)
        if width == len(text):
            cuts = (
                text[: max(start - at, 0)],
                text[max(start - at, 0) : max(start + size - at, 0)],
                text[max(start + size - at, 0) :],
            )
        else:
            left, right = Segment(text).split_cells(max(start - at, 0)) if start > at else (Segment(""), Segment(text))
            inside, rest = right.split_cells(max(start + size - max(at, start), 0))
            cuts = left.text, inside.text, rest.text
        for part, cut in zip(parts, cuts, strict=True):
            if cut:
                part.append((cut, ink))
        at += width
    return (*parts[0], *change(tuple(parts[1])), *parts[2])


def titled(width: int, title: str, subtitle: str = "", note: str = "", *, corners: str = "", mark: str = " ") -> Line:
    """A rule with a title at its left, a mark before it, and a note at its right; `corners` are the two ends of a frame's top. The subtitle goes first when room is short."""
    pen = Pen(width)
    pen.put(corners[:1] + "─", Ink.FAINT) if corners else pen.put("─", Ink.FAINT)
    pen.put(f"{mark}{title} ", Ink.HEADING)
    tail = len(corners[1:]) + 1
    reserve = cells(note) + 2 + tail if note else tail
    if subtitle and pen.left - reserve > 8:
        pen.put(clip(subtitle, pen.left - reserve - 2) + " ", Ink.DIM)
    pen.rule(pen.left - reserve)
    if note:
        pen.put(f" {clip(note, pen.left - tail - 2)} ", Ink.ACCENT)
    pen.rule(pen.left - len(corners[1:]))
    if corners:
        pen.put(corners[1:], Ink.FAINT)
    return pen.line()


def framed(lines: list[Line], width: int, height: int, top: Line, *, box: bool) -> list[Line]:
    """`lines` below `top`, filled up or cut to `height`; in a box, with sides and a bottom (two cells narrower on each side than `width`)."""
    inner = width - 4 if box else width - 2
    rows = max(height - (2 if box else 1), 0)
    side: Run = ("│ ", Ink.FAINT) if box else (" ", Ink.TEXT)
    end: Run = (" │", Ink.FAINT) if box else (" ", Ink.TEXT)
    empty = blank(inner)
    body = [(side, *(lines[i] if i < len(lines) else empty), end) for i in range(rows)]
    out = [top, *body]
    if box:
        out.append((("╰" + "─" * (width - 2) + "╯", Ink.FAINT),))
    return out[:height]
