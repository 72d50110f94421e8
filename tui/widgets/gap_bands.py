"""How gaps are spread: a band for each device kind and model on one logarithmic axis, with its quantiles and how many gaps they are of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.model.scales import spans
from collectors.model.vocabulary import Device
from collectors.stats.figures import spread
from tui import format as fmt
from tui import meanings
from tui.format import Unit
from tui.glyph_sets import BRAILLE, Dots
from tui.glyphs import ABSENT
from tui.inks import figure_ink
from tui.line import Line, Pen, cells, clip_middle
from tui.plain import printable
from tui.theme import Ink, device_ink
from tui.told import Told, quantiles
from tui.widgets.chart import Canvas, LogAxis, axis_line, log_range
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from collectors.model.figure import Quantile
    from collectors.model.history import GapRow
    from tui.view import View

DEFAULT_RANGE: Final = (1e-4, 1.0)
"""Seconds, where there is no gap to show."""
LEAST_S: Final = 1e-6
MOST_LINES: Final = 8
"""Of one band's dots."""
UNDER: Final = "↑"
Span = tuple[float, float, int]


class Band(NamedTuple):
    row: GapRow
    spans: list[Span]


def bands(rows: Iterable[GapRow]) -> list[Band]:
    return [Band(row, list(spans(row))) for row in rows]


def gap_range(its: Iterable[Band]) -> tuple[float, float]:
    """Of all bands, in seconds: of buckets, as far as they have bounds."""
    lows, highs = [], []
    for band in its:
        for low, high, _ in band.spans:
            lows.append(low if low > 0 else min(high, LEAST_S) if not band.row.bounds else high / 2)
            highs.append(high if high < math.inf else low)
        if (longest := band.row.gap.max.value) is not None:
            highs.append(float(longest))
    return log_range(max(min(lows), LEAST_S), max(highs)) if lows else DEFAULT_RANGE


def density(its: Iterable[Span], axis: LogAxis) -> list[float]:
    """Gaps at each place of the axis. A bin of several places is spread evenly over them: within it nothing is known. What has no upper bound has no place."""
    found = [0.0] * axis.size
    for low, high, n in its:
        if high == math.inf or high <= axis.low:
            continue
        first, last = axis.place(max(low, axis.low)), axis.place(min(high, axis.high) * (1 - 1e-12))
        for place in range(first, last + 1):
            found[place] += n / (last - first + 1)
    return found


def heights(counts: Sequence[float], most: int) -> list[int]:
    """On a logarithmic scale of gaps: something is at least one dot, the most that stand together are all."""
    top = max(counts, default=0.0)
    if top <= 0:
        return [0] * len(counts)
    whole = math.log1p(top)
    return [max(1, math.ceil(most * math.log1p(n) / whole)) if n > 0 else 0 for n in counts]


def name(row: GapRow) -> str:
    kind = str(row.device) if row.device is not Device.UNKNOWN else "kind unknown"
    return printable(f"{kind} {row.model}".strip())


def figures_of(row: GapRow) -> list[tuple[str, fmt.Forms, int]]:
    """Names, forms and inks of what stands above a band, the most wanted first."""
    gap = row.gap

    def of(it: Quantile) -> tuple[fmt.Forms, int]:
        return fmt.quantile(it, Unit.SECONDS), figure_ink(it, Ink.STRONG)

    between = spread(gap.p99, gap.p50)
    out = [
        ("n", (fmt.count(gap.n),), int(Ink.TEXT)),
        ("p50", *of(gap.p50)),
        ("p99", *of(gap.p99)),
        ("p99−p50", *of(between)),
        ("max", fmt.figure(gap.max, Unit.SECONDS), figure_ink(gap.max, Ink.STRONG)),
        ("p99.9", *of(gap.p999)),
    ]
    if row.rfc3550_s:
        out.append(("RFC 3550 J", fmt.figure(row.rfc3550_s, Unit.SECONDS), figure_ink(row.rfc3550_s)))
    return out


def band_head(row: GapRow, width: int) -> Line:
    """`LPU llama-3.1-8b ×2  n 124k  p50 1.39 ms  p99 …`; what finds no room is left out from the end, never cut."""
    its = figures_of(row)
    room = width - sum(len(label) + len(forms[-1]) + 3 for label, forms, _ in its[:4])
    pen = Pen(width).put(clip_middle(name(row), max(min(room - 6, 30), 8)), device_ink(row.device, 2))
    pen.put(f" ×{row.workers}", Ink.DIM)
    if row.bounds:
        pen.put(" by buckets", Ink.DIM)
    for label, forms, ink in its:
        text = next((form for form in forms if len(label) + 3 + cells(form) <= pen.left), None)
        if text is None:
            break
        pen.gap(2).put(label, Ink.DIM).gap().put(text, ink)
    return pen.line()


def marks(row: GapRow, axis: LogAxis, width: int) -> Line:
    """Below a band: where its quantiles stand; of buckets the interval in which each is."""
    places: list[tuple[int, int, str]] = []
    gap = row.gap
    for label, it in (("50", gap.p50), ("99", gap.p99), ("99.9", gap.p999)):
        if it.low is not None and it.high is not None and it.value is not None:
            first, last = (axis.place(max(value, axis.low)) * width // axis.size for value in (it.low, it.high))
            places.append((first, last, label))
    if gap.max.value:
        at = axis.place(float(gap.max.value)) * width // axis.size
        places.append((at, at, "max"))
    places.sort()
    pen = Pen(width)
    while places:
        first, last, label = places.pop(0)
        wide = last - first > len(label)
        while not wide and places and places[0][0] <= first + len(label) + 1:
            label += f"·{places.pop(0)[2]}"
        text = f"[{label.center(last - first - 1, '─')}]" if wide else f"{UNDER}{label}"
        start = min(first, width - len(text))
        if start >= width - pen.left:
            pen.to(start).put(text, device_ink(row.device, 2))
    return pen.line()


def band_lines(band: Band, axis: LogAxis, width: int, lines: int, dots: Dots = BRAILLE) -> list[Line]:
    canvas = Canvas(width, lines, dots)
    ink, sparse = device_ink(band.row.device, 1), bool(band.row.bounds)
    for column, height in enumerate(heights(density(band.spans, axis), canvas.down)):
        canvas.column(column, 0, height, ink, sparse=sparse)
    return [band_head(band.row, width), *canvas.lines(), marks(band.row, axis, width)]


class GapBands(RowsPanel):
    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        rows = frame.gaps if frame is not None else ()
        if frame is None or not rows:
            text = "no gaps yet: no source tells deliveries or a histogram of gaps" if frame is not None else ABSENT
            return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
        its = bands(rows)
        each = max(3, min((height - 1) // len(its), MOST_LINES + 2))
        shown = max(min((height - 1) // each, len(its)), 1)
        first = min(self.scroll_rows, len(its) - shown)
        axis = LogAxis(*gap_range(its), width * self.dots.across)
        out: list[Line] = []
        for band in its[first : first + shown]:
            out += band_lines(band, axis, width, each - 2, self.dots)
        out.append(axis_line(axis, width, self.dots.across))
        keys = [(row.device, row.model, row.bounds) for row in rows]
        return Body(out[:height], first, shown, len(its), keys=keys, spots=stacked(shown, each=each))

    def title(self, view: View) -> tuple[str, str]:
        frame = view.frame
        window = f"last {fmt.plain(frame.window_s, Unit.COUNT)} s · " if frame is not None and frame.window_s else ""
        return "Gaps", f"{window}between deliveries of one request, by kind and model · height: log of how many"

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        frame = view.frame
        rows = frame.gaps if frame is not None else ()
        found = next((one for one in rows if (one.device, one.model, one.bounds) == row), None)
        if found is None:
            return ()
        of = name(found)
        between = spread(found.gap.p99, found.gap.p50)
        out = list(quantiles("gap", found.gap, definition=meanings.GAP, of=of))
        out.append(Told("p99 − p50", between, Unit.SECONDS, meanings.JITTER, found.gap.population, found.gap.n, of))
        if found.rfc3550_s:
            out.append(
                Told("RFC 3550 J", found.rfc3550_s, Unit.SECONDS, meanings.RFC_3550, "requests", of=of, now=True)
            )
        return out
