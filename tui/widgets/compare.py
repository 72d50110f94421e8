"""Two recordings beside each other: what differs and how surely, how their gaps are spread on one axis, and what each told that has no interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from msgspec.structs import replace

from collectors.model.figure import Figure
from collectors.model.vocabulary import Provenance, State
from tui.compared import between, plain_cells, unit_of, value_text, what
from tui.format import Unit
from tui.glyph_sets import BRAILLE, Dots
from tui.glyphs import ABSENT
from tui.line import Line, Pen, clip_middle
from tui.plain import printable
from tui.table import Column, Drawn, fields_of, grid, heading, heads, row_lines
from tui.theme import Ink
from tui.told import Told
from tui.widgets.chart import Canvas, LogAxis, axis_line, log_range
from tui.widgets.gap_bands import Span, density, heights
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from collectors.compare.comparison import Comparison, Plain, Row, Side, Spread
    from tui.filter import Field
    from tui.view import View

NOTHING: Final = (
    "nothing is compared: start it with  tokenyard compare A.tyard B.tyard",
    "or, for two parts of one recording,  tokenyard compare A.tyard --a 0s..60s --b 2m..3m",
)
SAYS: Final = {"higher": Ink.WARN, "lower": Ink.ACCENT, "no difference shown": Ink.DIM, "too few to tell": Ink.FAINT}
SIGNS: Final = {
    "higher": "▲ higher",
    "lower": "▼ lower",
    "no difference shown": "= not shown",
    "too few to tell": "? too few",
}
BAND: Final = 5
AS_TOLD: Final = "as it was told at the end of what is compared"


class Compared(RowsPanel):
    """A panel of a comparison, which stays what it is: drawn once for each way of looking at it."""

    nothing: ClassVar[Sequence[str]] = (ABSENT,)
    """Said where there is none."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._drawn: Drawn[Comparison, Body] = Drawn()

    def body(self, view: View, width: int, height: int) -> Body:
        it = view.comparison
        if it is None:
            return Body([Pen(width).put(text, Ink.DIM).line() for text in self.nothing], 0, 0, 0)
        how = width, height, self.scroll_rows, self.order, self.filtered_by
        return self._drawn.of(self.key, it, how, partial(self.compared, it, width, height))

    def compared(self, it: Comparison, width: int, height: int) -> Body:
        """What `body` is of it."""
        raise NotImplementedError


class Differences(Compared):
    """Every sampled figure: both values, and where the difference lies."""

    nothing = NOTHING

    def compared(self, it: Comparison, width: int, height: int) -> Body:
        head = [*_sides(it, width)]
        specs = _columns()
        rows = self.pick(it.rows, lambda: fields_of(specs))
        table = grid(specs, width, [0, max((len(row.of) for row in it.rows), default=0)] + [0] * (len(specs) - 2))
        shown = min(max(height - len(head) - 1, 0), len(rows))
        first = min(self.scroll_rows, len(rows) - shown)
        lines = [*head, *heading(table, width, self.order)]
        for row in rows[first : first + shown]:
            lines += row_lines(table, row, width)
        keys = [("row", row.figure, row.of) for row in rows]
        return Body(
            lines[:height],
            first,
            shown,
            len(rows),
            len(table.left_out),
            keys,
            stacked(shown, head=len(head) + 1),
            heads(table),
            len(head),
        )

    def title(self, view: View) -> tuple[str, str]:
        return "Differences", "B − A with 95 %: requests and tenths of the time drawn again, the wider interval"

    def fields(self, view: View) -> Sequence[Field[Row]]:
        return fields_of(_columns())

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        it = view.comparison
        if it is None:
            return ()
        return [told for one in it.rows if ("row", one.figure, one.of) == row for told in row_figures(one, it)]


def _columns() -> list[Column[Row]]:
    def text(name: str, size: int, of: str, rank: int) -> Column[Row]:
        return Column(name, size, lambda row: ((value_text(getattr(row, of), row.unit),), Ink.TEXT), rank)

    def n(name: str, of: str) -> Column[Row]:
        return Column(name, 7, lambda row: ((str(getattr(row, of)),), Ink.DIM), 4)

    return [
        Column("figure", 15, lambda row: ((what(row),), Ink.STRONG), text=True, least=8),
        Column("of", 8, lambda row: ((printable(row.of),), Ink.TEXT), 1, text=True, most=24, shorten=clip_middle),
        text("A", 8, "a", 0),
        text("B", 8, "b", 0),
        Column("B − A lies in", 22, lambda row: ((between(row),), Ink.TEXT), 0),
        Column("", 12, lambda row: ((SIGNS.get(row.says, "– one only"),), SAYS.get(row.says, Ink.FAINT)), 0, text=True),
        n("n A", "n_a"),
        n("n B", "n_b"),
    ]


def span_of(side: Side) -> str:
    return f"{side.name} from {side.from_s:g} s to {side.until_s:g} s"


def row_figures(row: Row, it: Comparison) -> Iterator[Told]:
    """Of both sides, and where the difference lies."""
    unit = {"s": Unit.SECONDS, "/s": Unit.RATE, "share": Unit.SHARE}.get(row.unit, Unit.COUNT)
    lies = between(row)
    says = f"B − A, 95 %: {lies}; {row.says}" if lies != ABSENT else str(row.says)
    for letter, side, value, n in (("A", it.a, row.a, row.n_a), ("B", it.b, row.b, row.n_b)):
        unknown = State.TOO_FEW if n else State.ABSENT
        state = unknown if value is None else State.OK if value else State.ZERO
        figure = Figure(value, state, None if value is None else Provenance.DERIVED, side.emulated, None)
        yield Told(letter, figure, unit, says, row.of, n, f"{what(row)} {row.of}", span=span_of(side))


def _sides(it: Comparison, width: int) -> Sequence[Line]:
    lines = [_side(letter, side, width) for letter, side in (("A", it.a), ("B", it.b))]
    return [*lines, *(Pen(width).put(f"! {printable(one)}", Ink.WARN).line() for one in it.unlike)]


def _side(letter: str, it: Side, width: int) -> Line:
    pen = Pen(width).put(f"{letter} ", Ink.ACCENT if letter == "B" else Ink.DIM)
    if it.emulated:
        pen.put(" EMULATED ", Ink.BADGE).gap()
    pen.put(clip_middle(printable(it.name), 30), Ink.STRONG)
    return pen.put(
        f" from {it.from_s:g} s to {it.until_s:g} s · {it.requests} requests · {it.workers} workers", Ink.DIM
    ).line()


class Overlaid(Compared):
    """Gaps, TPOT and TTFT of both on one axis: A as an area of sparse dots, B as a line."""

    def compared(self, it: Comparison, width: int, height: int) -> Body:
        if not it.spreads:
            return Body([Pen(width).put("nothing: neither tells single deliveries", Ink.DIM).line()], 0, 0, 0)
        each = max(3, min((height - 1) // len(it.spreads), BAND))
        shown = max(min((height - 1) // each, len(it.spreads)), 1)
        first = min(self.scroll_rows, len(it.spreads) - shown)
        spans = [(spans_of(one.bins_a, one.counts_a), spans_of(one.bins_b, one.counts_b)) for one in it.spreads]
        every = [span for pair in spans for side in pair for span in side]
        if not every:
            return Body([Pen(width).put("nothing in either", Ink.DIM).line()], 0, 0, 0)
        axis = LogAxis(
            *log_range(max(min(low for low, *_ in every), 1e-6), max(high for _, high, _ in every)),
            width * self.dots.across,
        )
        lines: list[Line] = []
        for spread, pair in list(zip(it.spreads, spans, strict=True))[first : first + shown]:
            lines += overlay(spread, pair, axis, width, each, self.dots)
        lines.append(axis_line(axis, width, self.dots.across))
        return Body(
            lines[:height],
            first,
            shown,
            len(it.spreads),
            keys=[(one.figure, one.of) for one in it.spreads],
            spots=stacked(shown, each=each),
        )

    def title(self, view: View) -> tuple[str, str]:
        return "Overlaid", "area: A · line: B · height: log of how many, of each its own; steps as wide as n asks for"


def spans_of(bins: Sequence[int], counts: Sequence[int]) -> list[Span]:
    """Bins in seconds."""
    from collectors.stats.sketch import HIGH_NS, LOW_NS

    return [(float(LOW_NS[at]) / 1e9, float(HIGH_NS[at]) / 1e9, n) for at, n in zip(bins, counts, strict=True)]


def _step(n: float, places: int) -> int:
    """Places that are drawn as one: about 2·√n steps, as fewer samples do not tell more (the rule of Rice)."""
    return max(1, math.ceil(places / (2 * math.sqrt(n))))


def stepped(counts: Sequence[float], each: int) -> list[float]:
    """`each` places have what is in them together."""
    sums = [sum(counts[at : at + each]) for at in range(0, len(counts), each)]
    return [sums[at // each] for at in range(len(counts))]


def overlay(
    spread: Spread,
    pair: tuple[list[Span], list[Span]],
    axis: LogAxis,
    width: int,
    lines: int,
    dots: Dots = BRAILLE,
) -> list[Line]:
    canvas = Canvas(width, lines - 1, dots)
    counts = [density(side, axis) for side in pair]
    each = max((_step(n, axis.size) for n in map(sum, counts) if n), default=1)
    area, tops = (heights(stepped(side, each), canvas.down) for side in counts)
    before = 0
    for column, (filled, top) in enumerate(zip(area, tops, strict=True)):
        canvas.column(column, 0, filled, Ink.DIM, sparse=True)
        canvas.column(column, max(min(before, top) - 1, 0), max(before, top), Ink.ACCENT, weight=1)
        before = top
    pen = Pen(width).put(f"{spread.figure} {printable(spread.of)}", Ink.STRONG)
    pen.put(f"  n {sum(spread.counts_a)} and {sum(spread.counts_b)}", Ink.DIM)
    return [pen.line(), *canvas.lines()]


class AsTold(Compared):
    """What is no sample: tiers, workers, placement, cost."""

    def compared(self, it: Comparison, width: int, height: int) -> Body:
        specs = _plain_columns()
        rows = self.pick(it.plain, lambda: fields_of(specs))
        table = grid(specs, width, [0, 0, max((len(row.of) for row in it.plain), default=0), 0, 0, 0])
        shown = min(max(height - 1, 0), len(rows))
        first = min(self.scroll_rows, len(rows) - shown)
        lines = heading(table, width, self.order)
        for row in rows[first : first + shown]:
            lines += row_lines(table, row, width)
        keys = [("plain", row.panel, row.figure, row.of) for row in rows]
        return Body(
            lines[:height], first, shown, len(rows), len(table.left_out), keys, stacked(shown, head=1), heads(table)
        )

    def title(self, view: View) -> tuple[str, str]:
        return "As told", "one number of each: no interval"

    def fields(self, view: View) -> Sequence[Field[Plain]]:
        return fields_of(_plain_columns())

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        it = view.comparison
        if it is None:
            return ()
        return [
            Told(
                letter,
                replace(figure, heard_ns=None),
                unit_of(one),
                AS_TOLD,
                of=f"{one.figure} {one.of}",
                span=span_of(side),
            )
            for one in it.plain
            if ("plain", one.panel, one.figure, one.of) == row
            for letter, side, figure in (("A", it.a, one.a), ("B", it.b, one.b))
            if figure is not None
        ]


def _plain_columns() -> list[Column[Plain]]:
    def cell(name: str, size: int, at: int) -> Column[Plain]:
        return Column(name, size, lambda row: ((plain_cells(row)[at],), Ink.TEXT if at != 4 else Ink.STRONG), 0)

    return [
        Column("panel", 9, lambda row: ((row.panel,), Ink.DIM), 2, text=True),
        Column("figure", 13, lambda row: ((row.figure,), Ink.STRONG), text=True),
        Column("of", 10, lambda row: ((printable(row.of),), Ink.TEXT), text=True, most=24, shorten=clip_middle),
        cell("A", 9, 2),
        cell("B", 9, 3),
        cell("B ÷ A", 7, 4),
    ]
