"""One request as its tokens come: a cell a token, then the last of them with what is known of each."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Device, Tier
from tui import format as fmt
from tui.format import Unit
from tui.glyphs import ABSENT, HEIGHTS, STALL
from tui.line import Line, Pen, clip_middle, fitting
from tui.plain import printable
from tui.table import Cell, Column, grid, heading, row_lines
from tui.theme import Ink, device_ink
from tui.tracks import Hue, place_hue
from tui.widgets.rows import Body, RowsPanel, stacked
from tui.widgets.waterfall import detail_of, why_not

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from collectors.model.detail import Deliveries, Place, RequestDetail
    from tui.view import View

SAME: Final = "-"
"""A token of the same delivery as the one before it."""
STAGES: Final = ("stages: where, in which memory, how long", "stages: where, how long", "stages")
_TOOK: Final = len(" 15.8 ms")
_STEPS: Final = (0.5, 0.75, 1.25, 1.5, 2.0, 3.0, 5.0)
"""Lateness at which a token's cell is one eighth higher."""
_CLASSES: Final = (1.5, 3.0)


def glyph(lateness: float, *, stall: bool) -> tuple[str, int]:
    """A token's cell and its brightness (0 … 3): how late its delivery was, of 5 medians a full cell."""
    if stall:
        return STALL, 3
    if math.isnan(lateness):
        return HEIGHTS[1], 0
    return HEIGHTS[1 + sum(lateness >= step for step in _STEPS)], 1 + sum(lateness >= step for step in _CLASSES)


def strip_lines(
    one: Deliveries, hue: Hue, devices: Mapping[str, Device], width: int, height: int, marked: int | None = None
) -> list[Line]:
    """The newest tokens, a cell each: token number n stands in column n modulo `width` for as long as it is seen. `marked` is a delivery."""
    if not one.tokens or height <= 0:
        return []
    last = one.first_token[-1] + one.tokens[-1]
    first_row = max(-(-last // width) - height, one.first_token[0] // width)
    cells: dict[int, tuple[str, int]] = {}
    for index in range(len(one.tokens) - 1, -1, -1):
        begin, tokens = one.first_token[index], one.tokens[index]
        if begin + tokens <= first_row * width:
            break
        text, late = glyph(one.lateness[index], stall=one.stall[index])
        ink = Ink.STALL if one.stall[index] else device_ink(place_hue(one.places[one.place[index]], hue, devices), late)
        ink = Ink.CURSOR if index == marked else ink
        cells[begin] = text, ink
        for token in range(begin + 1, begin + tokens):
            cells[token] = SAME, ink
    out = []
    for row in range(first_row, -(-last // width)):
        pen = Pen(width)
        for token in range(row * width, min((row + 1) * width, last)):
            text, ink = cells.get(token, (" ", int(Ink.TEXT)))
            pen.put(text, ink, 1)
        out.append(pen.line())
    return out


def token_name(one: Deliveries, index: int) -> str:
    """`541`, or `541–543` of a delivery of several."""
    begin, tokens = one.first_token[index] + 1, one.tokens[index]
    about = "≥" if one.uncounted[index] else ""
    return f"{about}{begin}" if tokens == 1 else f"{about}{begin}–{begin + tokens - 1}"


def place_text(view: View, place: Place) -> str:
    tier = "" if place.tier is Tier.UNKNOWN else f" {place.tier}"
    return f"{place.stage} {view.name(place.worker or None)}{tier}"


def columns(one: Deliveries) -> list[Column[int]]:
    """Of a delivery, by its index: which tokens, when, after which gap, how late against the request's own median. Where the stages need the room, `at` goes first, then
    how late: the cells above say it, too."""

    def gap(index: int) -> Cell:
        known = ABSENT if math.isnan(one.gap_s[index]) else fmt.seconds(one.gap_s[index])
        return (known,), Ink.STALL if one.stall[index] else Ink.TEXT

    def late(index: int) -> Cell:
        ratio = "" if math.isnan(one.lateness[index]) else fmt.times(one.lateness[index])
        return (f"{STALL} {ratio}",) if one.stall[index] else (ratio,), Ink.STALL if one.stall[index] else Ink.DIM

    return [
        Column("token", 9, lambda index: ((token_name(one, index),), Ink.STRONG)),
        Column("at", 9, lambda index: ((f"+{fmt.seconds(one.at_s[index])}",), Ink.DIM), 2),
        Column("gap", 8, gap),
        Column("÷ median", 8, late, 1),
    ]


def stages_line(view: View, one: Deliveries, index: int, devices: Mapping[str, Device], width: int) -> Line:
    """Where each stage of a delivery ran, in which memory, and for how long."""
    pen = Pen(width)

    def put(place: Place, duration_s: float) -> None:
        pen.put(place_text(view, place), device_ink(devices.get(place.worker, Device.UNKNOWN), 2))
        if not math.isnan(duration_s):
            pen.put(f" {fmt.seconds(duration_s)}", Ink.TEXT)

    put(one.places[one.place[index]], one.duration_s[index])
    for other, owner in enumerate(one.beside_of):
        if owner == index:
            pen.put(" + ", Ink.DIM)
            put(one.places[one.beside_place[other]], one.beside_duration_s[other])
    return pen.line()


def stages_need(view: View, one: Deliveries) -> int:
    """Cells for the stages of a delivery, as long as any may be."""
    beside = {*one.beside_place}
    own, others = (
        max((len(place_text(view, one.places[at])) + _TOOK for at in some), default=0)
        for some in ({*one.place}, beside)
    )
    return own + (others + len(" + ") if others else 0)


def summary_line(view: View, one: RequestDetail, width: int) -> Line:
    """The request in one line: state, tokens, first token, stalls, gaps of its own. What finds no room is left out from the end, never cut."""
    line = one.line
    tokens = ABSENT if line.tokens is None else f"{'≥' if line.uncounted else ''}{line.tokens}"
    p50, p99 = (fmt.quantile(figure, Unit.SECONDS)[0] for figure in (one.gap.p50, one.gap.p99))
    longest = ABSENT if line.longest_s is None else fmt.seconds(line.longest_s)
    late = Ink.STALL if line.stalls else Ink.TEXT
    parts = [(str(line.reason or line.state), Ink.STRONG), (f"{tokens} tok", Ink.TEXT)]
    parts += [(f"{one.missing} before are not kept", Ink.WARN)] if one.missing else []
    parts += [
        (f"TTFT {ABSENT if line.ttft_s is None else fmt.seconds(line.ttft_s)}", Ink.TEXT),
        (f"longest {longest}", late),
        (f"stalls {line.stalls}", late),
        (f"gap n {one.gap.n} p50 {p50}", Ink.TEXT),
        (f"p99 {p99}", Ink.TEXT),
    ]
    return fitting(((part,) for part in parts), width, 2)


class Follow(RowsPanel):
    """Deliveries of the request `of` (its key), the newest first."""

    def __init__(self, name: str, *, alone: bool = True) -> None:
        """`alone`: no other panel says whose tokens they are."""
        super().__init__(name)
        self.alone = alone
        self.of: int | None = None
        self.hue = Hue.DEVICE

    def title(self, view: View) -> tuple[str, str]:
        one = detail_of(view, self.of)
        if one is None:
            return "Follow", ""
        name = f"Follow {clip_middle(printable(one.line.id), 36)}" if self.alone else "Tokens"
        return name, f"a cell a token, as high as it was late · {SAME} came with the one before · hue {self.hue}"

    def body(self, view: View, width: int, height: int) -> Body:
        one = detail_of(view, self.of)
        if one is None or view.frame is None:
            return Body([Pen(width).put(why_not(view), Ink.DIM).line()], 0, 0, 0)
        devices = {row.id: row.device for row in view.frame.workers}
        found = one.deliveries
        total = len(found.tokens)
        head = 2 if self.alone else 1
        strip = max(1, min(4, (height - head) // 3))
        first = min(self.scroll_rows, max(total - (height - head - strip), 0))
        shown = max(min(height - head - strip, total - first), 0)
        picked = [total - 1 - index for index in range(first, first + shown)]
        at = (
            None
            if self.cursor is None or not found.tokens
            else found.first_token.index(self.cursor)
            if self.cursor in found.first_token
            else None
        )
        lines = [summary_line(view, one, width)] if self.alone else []
        cells = strip_lines(found, self.hue, devices, width, strip, at)
        lines += [*cells, *([Pen(width).line()] * (strip - len(cells)))]
        table = grid(columns(found), max(width - 1 - stages_need(view, found), 0), [0] * 4)
        figures = sum(size + 1 for _, size in table.lines[0])
        table = replace(table, gap=1)
        words = fmt.pick(STAGES, width - figures)
        lines.append((*heading(table, figures)[0], *Pen(width - figures).put(words, Ink.DIM).line()))
        for index in picked:
            stages = stages_line(view, found, index, devices, width - figures)
            lines.append((*row_lines(table, index, figures)[0], *stages))
        keys: Sequence[int] = found.first_token[::-1]
        return Body(lines, first, shown, total, keys=keys, spots=stacked(shown, head=head + strip))
