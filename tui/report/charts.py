"""Pictures of a report as inline SVG: jitter second by second, and how gaps were spread. Numbers stand beside them; a picture alone tells none. Pure."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final

from collectors.model.scales import spans
from collectors.model.timeline import BUCKETS, GAP, LEVELS, level_of, unmarked
from collectors.model.vocabulary import Device
from tui import format as fmt
from tui.format import Unit
from tui.plain import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from collectors.export.whole import Whole
    from collectors.model.history import GapRow

WIDTH: Final = 960
LEFT: Final = 70
STRIP: Final = 112
BAND: Final = 96
MOST_BARS: Final = 440
HUES: Final = {
    Device.LPU: "#0072b2",
    Device.GPU: "#009e73",
    Device.TPU: "#cc79a7",
    Device.TRAINIUM: "#e69f00",
    Device.WSE: "#d55e00",
}
"""Okabe and Ito's colours, which colour-blind people tell apart (jfly.uni-koeln.de/color, 2008)."""
OTHER: Final = "#777777"
_LEVELS: Final = ((1, 1e-5), (5, 1e-3), (9, 1e-1), (13, 10.0))
"""Levels whose lower bound is written at the side."""


def jitter_strip(it: Whole, begin: str, end: str) -> str:
    """A bar for some seconds: the worst worker's p99 − p50 in any of them, by its level."""
    line = it.timeline
    if not line:
        return ""
    each = -(-len(line) // MOST_BARS)
    cells = [line[at : at + each] for at in range(0, len(line), each)]
    wide = (WIDTH - LEFT) / len(cells)
    parts = [_level(level, seconds) for level, seconds in _LEVELS]
    for at, cell in enumerate(cells):
        x = LEFT + at * wide
        if any(unmarked(byte)[0] == GAP for byte in cell):
            parts.append(f'<rect class="gap" x="{x:.2f}" y="0" width="{wide:.2f}" height="{STRIP}"/>')
            continue
        level = max(map(level_of, cell))
        if level:
            tall = STRIP * level / LEVELS
            kind = "bar guess" if all(byte & BUCKETS for byte in cell if level_of(byte) == level) else "bar"
            parts.append(
                f'<rect class="{kind}" x="{x:.2f}" y="{STRIP - tall:.1f}" width="{max(wide - 0.4, 0.4):.2f}" height="{tall:.1f}"/>'
            )
    parts.append(
        f'<text x="{LEFT}" y="{STRIP + 16}">{escape(begin)}</text><text class="end" x="{WIDTH}" y="{STRIP + 16}">{escape(end)}</text>'
    )
    return _svg(STRIP + 22, parts, f"p99 − p50 of the worst worker's gaps, {each} s a bar")


def _level(level: int, seconds: float) -> str:
    y = STRIP - STRIP * (level - 1) / LEVELS
    return f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/><text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">{fmt.seconds(seconds)}</text>'


def gap_bands(rows: Sequence[GapRow]) -> str:
    """A band for each kind of device and model, all on one logarithmic axis: heights are logarithms of gaps, of each band its own."""
    shown = [(row, [one for one in spans(row) if one[1] < math.inf]) for row in rows]
    shown = [(row, found) for row, found in shown if found]
    if not shown:
        return ""
    low = min(max(found[0][0], found[0][1] / 2) for _, found in shown)
    high = max(found[-1][1] for _, found in shown)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    scale = (WIDTH - LEFT - 20) / max(last - first, 1)

    def place(seconds: float) -> float:
        return LEFT + scale * (math.log10(max(seconds, 10.0**first)) - first)

    tall = BAND * len(shown)
    parts = []
    for decade in range(first, last + 1):
        x = place(10.0**decade)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{tall}"/><text class="middle" x="{x:.1f}" y="{tall + 16}">{fmt.scale(10.0**decade) if decade >= 0 else fmt.seconds(10.0**decade)}{" s" if decade >= 0 else ""}</text>'
        )
    for at, (row, found) in enumerate(shown):
        parts += _band(row, found, (at + 1) * BAND, place)
    return _svg(tall + 22, parts, "gaps between deliveries by kind of device and model")


def _band(row: GapRow, found: Sequence[tuple[float, float, int]], floor: int, place: object) -> Iterator[str]:
    assert callable(place)
    # A bin that is wide holds the same gaps over more of the axis: what is drawn is gaps by width.
    dense = [(low, high, n / max(place(high) - place(low), 1e-9)) for low, high, n in found]
    least, top = min(n for *_, n in dense), max(n for *_, n in dense)
    room = math.log1p(top / least)
    hue = HUES.get(row.device, OTHER)
    name = f"{'' if row.device is Device.UNKNOWN else row.device} {printable(row.model.rpartition('/')[2])}".strip()
    for low, high, n in dense:
        height = max((BAND - 34) * math.log1p(n / least) / room, 1.0)
        x, wide = place(low), max(place(high) - place(low), 0.6)
        yield f'<rect fill="{hue}" x="{x:.2f}" y="{floor - height:.1f}" width="{wide:.2f}" height="{height:.1f}"/>'
    told = f"{name}: p50 {fmt.quantile(row.gap.p50, Unit.SECONDS)[0]}, p99 {fmt.quantile(row.gap.p99, Unit.SECONDS)[0]}, p99.9 {fmt.quantile(row.gap.p999, Unit.SECONDS)[0]}, n {row.gap.n}"
    yield f'<text x="{LEFT}" y="{floor - BAND + 18}">{escape(told)}</text>'
    for one in (row.gap.p50, row.gap.p99):
        if one.value is not None:
            x = place(one.value)
            yield f'<line class="quantile" x1="{x:.1f}" x2="{x:.1f}" y1="{floor - BAND + 26}" y2="{floor}"/>'


def _svg(height: int, parts: Sequence[str], label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
