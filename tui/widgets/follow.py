"""One request as its tokens come: a cell a token, then the last of them with what is known of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Device, Tier
from tui import format as fmt
from tui.format import Unit
from tui.glyphs import ABSENT, HEIGHTS, STALL
from tui.line import Line, Pen, clip_middle
from tui.plain import printable
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


def delivery_line(view: View, one: Deliveries, index: int, devices: Mapping[str, Device], width: int) -> Line:
    """Which tokens, when, after which gap, how late against the request's own median, and where each stage ran for how long."""
    gap, late = one.gap_s[index], one.lateness[index]
    place = one.places[one.place[index]]
    pen = Pen(width).cell(token_name(one, index), 9, Ink.STRONG, right=True).gap()
    pen.cell(f"+{fmt.seconds(one.at_s[index])}", 9, Ink.DIM, right=True).gap()
    stalled = one.stall[index]
    pen.cell(ABSENT if math.isnan(gap) else fmt.seconds(gap), 8, Ink.STALL if stalled else Ink.TEXT, right=True).gap()
    ratio = "" if math.isnan(late) else fmt.times(late)
    pen.cell(f"{STALL} {ratio}" if stalled else ratio, 7, Ink.STALL if stalled else Ink.DIM, right=True).gap()
    pen.put(place_text(view, place), device_ink(devices.get(place.worker, Device.UNKNOWN), 2))
    if not math.isnan(one.duration_s[index]):
        pen.put(f" {fmt.seconds(one.duration_s[index])}", Ink.TEXT)
    for other, owner in enumerate(one.beside_of):
        if owner == index:
            beside = one.places[one.beside_place[other]]
            pen.put(" + ", Ink.DIM).put(
                place_text(view, beside), device_ink(devices.get(beside.worker, Device.UNKNOWN), 2)
            )
            if not math.isnan(one.beside_duration_s[other]):
                pen.put(f" {fmt.seconds(one.beside_duration_s[other])}", Ink.TEXT)
    return pen.line()


def summary_line(view: View, one: RequestDetail, width: int) -> Line:
    """The request in one line: state, tokens, first token, gaps of its own, stalls."""
    line = one.line
    pen = Pen(width).put(f"{line.reason or line.state} ", Ink.STRONG)
    tokens = ABSENT if line.tokens is None else f"{'≥' if line.uncounted else ''}{line.tokens}"
    pen.put(f" {tokens} tok  TTFT {ABSENT if line.ttft_s is None else fmt.seconds(line.ttft_s)}", Ink.TEXT)
    p50, p99 = (fmt.quantile(figure, Unit.SECONDS)[0] for figure in (one.gap.p50, one.gap.p99))
    pen.put(f"  gap p50 {p50}  p99 {p99}  n {one.gap.n}", Ink.TEXT)
    longest = ABSENT if line.longest_s is None else fmt.seconds(line.longest_s)
    pen.put(f"  longest {longest}  stalls {line.stalls}", Ink.STALL if line.stalls else Ink.TEXT)
    if one.missing:
        pen.put(f"  {one.missing} tok before are not kept", Ink.WARN)
    return pen.line()


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
        names = Pen(width).cell("token", 9, Ink.DIM, right=True).gap().cell("at", 9, Ink.DIM, right=True).gap()
        names.cell("gap", 8, Ink.DIM, right=True).gap().cell("÷ median", 8, Ink.DIM, right=True)
        lines.append(names.put(" stages: where, in which memory, how long", Ink.DIM).line())
        lines += [delivery_line(view, found, index, devices, width) for index in picked]
        keys: Sequence[int] = found.first_token[::-1]
        return Body(lines, first, shown, total, keys=keys, spots=stacked(shown, head=head + strip))
