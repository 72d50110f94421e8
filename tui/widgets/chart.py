"""Pieces of charts: a canvas of dots, a logarithmic axis with ticks, areas and lines. Pure functions from numbers to lines; whoever draws with them says what they mean.

A canvas has some dots in each cell (braille 2 × 4, quadrants 2 × 2, ascii 1 × 2), and one ink for all of a cell's dots: the one that was set with the most weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from tui import format as fmt
from tui.glyph_sets import BRAILLE, Dots
from tui.line import Line, Pen, Run
from tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Sequence


@cache
def _masks(dots: Dots, x: int, odd: int | None) -> tuple[tuple[int, ...], ...]:
    """The bits of the dots from one height of a cell up to another, of its column `x`; with `odd`, of those whose height is odd or even like that."""

    def mask(low: int, high: int) -> int:
        ups = range(low, high)
        return sum(1 << dots.place[dots.down - 1 - up][x] for up in ups if odd is None or up % 2 == odd)

    return tuple(tuple(mask(low, high) for high in range(dots.down + 1)) for low in range(dots.down + 1))


class Canvas:
    """`width` × `height` cells; dots are counted from the top left."""

    def __init__(self, width: int, height: int, dots: Dots = BRAILLE) -> None:
        self.width, self.height, self.dots = width, height, dots
        self.across, self.down = width * dots.across, height * dots.down
        self._bits = [[0] * width for _ in range(height)]
        self._inks = [[int(Ink.TEXT)] * width for _ in range(height)]
        self._weights = [[-1] * width for _ in range(height)]
        self._marks: dict[tuple[int, int], tuple[str, int]] = {}

    def dot(self, x: int, y: int, ink: int, weight: int = 0) -> None:
        """One dot; outside of the canvas nothing."""
        if not (0 <= x < self.across and 0 <= y < self.down):
            return
        column, row = x // self.dots.across, y // self.dots.down
        self._bits[row][column] |= 1 << self.dots.place[y % self.dots.down][x % self.dots.across]
        if weight > self._weights[row][column]:
            self._weights[row][column], self._inks[row][column] = weight, ink

    def column(self, x: int, low: int, high: int, ink: int, weight: int = 0, *, sparse: bool = False) -> None:
        """The dots `low` … `high` − 1 from the bottom; every other one of them if `sparse`."""
        down, low, high = self.dots.down, max(low, 0), min(high, self.down)
        if not 0 <= x < self.across or low >= high:
            return
        column, inside = divmod(x, self.dots.across)
        masks = _masks(self.dots, inside, inside % 2 if sparse else None)
        for cell in range(low // down, (high - 1) // down + 1):
            base, row = cell * down, self.height - 1 - cell
            mask = masks[max(low - base, 0)][min(high - base, down)]
            if mask:
                self._bits[row][column] |= mask
                if weight > self._weights[row][column]:
                    self._weights[row][column], self._inks[row][column] = weight, ink

    def mark(self, column: int, row: int, glyph: str, ink: int) -> None:
        """A glyph of one cell in place of its dots."""
        if 0 <= column < self.width and 0 <= row < self.height:
            self._marks[column, row] = glyph, ink

    def cells(self) -> list[list[Run]]:
        """Glyph and ink of each, row by row from the top."""
        glyphs = self.dots.glyphs
        return [
            [
                self._marks.get((column, row)) or (glyphs[bits], ink)
                for column, (bits, ink) in enumerate(zip(self._bits[row], self._inks[row], strict=True))
            ]
            for row in range(self.height)
        ]

    def lines(self) -> list[Line]:
        return [inked(row) for row in self.cells()]


def inked(cells: Sequence[Run]) -> Line:
    """A row of single cells as runs of one ink."""
    pen = Pen(len(cells))
    ink = int(Ink.TEXT)
    for glyph, wanted in cells:
        ink = ink if glyph == " " else wanted  # a blank needs no change of style
        pen.put(glyph, ink, 1)
    return pen.line()


_STEPS: Final = (1, 2, 5)


@dataclass(frozen=True)
class LogAxis:
    """`low` … `high` (above 0) over `size` places, from 0 on."""

    low: float
    high: float
    size: int

    def at(self, value: float) -> float:
        """Where a value stands; below 0 or above `size` where the axis does not reach."""
        return self.size * math.log(max(value, 1e-300) / self.low) / math.log(self.high / self.low)

    def place(self, value: float) -> int:
        """The same as one of the places, clipped to the axis."""
        return max(0, min(int(self.at(value)), self.size - 1))

    def value(self, place: float) -> float:
        return float(self.low * (self.high / self.low) ** (place / self.size))

    def ticks(self, room: int) -> list[tuple[int, float]]:
        """Places of round values, at least `room` places apart: decades, with 2 and 5 between them where those all fit."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in (_STEPS, (1,)):
            values = [step * 10.0**decade for decade in decades for step in steps]
            found = [
                (round(self.at(value)), value) for value in values if self.low * 0.999 <= value <= self.high * 1.001
            ]
            if steps == (1,) or all(b[0] - a[0] >= room for a, b in pairwise(found)):
                break
        out: list[tuple[int, float]] = []
        for place, value in found:
            if not out or place - out[-1][0] >= room:
                out.append((place, value))
        return out


def log_range(low: float, high: float) -> tuple[float, float]:
    """The next 1, 2 or 5 × 10ⁿ outside of both, and at least a factor of 10 apart: so that an axis seldom moves."""
    below, above = _round(low, up=False), _round(high, up=True)
    while above < below * 9.99:
        above = _round(above * 1.01, up=True)
    return below, above


def _round(value: float, *, up: bool) -> float:
    decade = 10.0 ** math.floor(math.log10(value) + 1e-9)
    steps = [decade * step for step in (*_STEPS, 10)]
    if up:
        return next((one for one in steps if one >= value * (1 - 1e-9)), steps[-1])
    return next((one for one in reversed(steps) if one <= value * (1 + 1e-9)), steps[0])


def axis_line(axis: LogAxis, width: int, each: int) -> Line:
    """Ticks and their values below a canvas of `width` cells with `each` places in one."""
    pen = Pen(width)
    column = 0
    for place, value in axis.ticks(8 * each):
        text = f"╵{tick(value)}"
        at = min(place // each, width - len(text))
        if at >= column:
            pen.to(at).put(text, Ink.DIM)
            column = at + len(text) + 1
    return pen.line()


def tick(value_s: float) -> str:
    """A round duration: `10 ms`, `1 s`, `2 µs`."""
    scale, unit = next(
        pair for pair in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")) if value_s >= pair[0] * 0.999
    )
    return f"{fmt.scale(round(value_s / scale, 6))} {unit}"


class Samples(NamedTuple):
    """Which of the newest `held` samples each column of dots stands for: `each` of them, in `per` columns; the newest has the number `newest` and stands last.

    Groups begin at multiples of their size, so that what is in one does not change from tick to tick.
    """

    newest: int
    held: int
    each: int
    per: int
    across: int

    def columns(self, number: int) -> range:
        """Of a sample."""
        end = self.across - self.per * (self.newest // self.each - number // self.each)
        return range(end - self.per, end)

    def last(self, column: int) -> int:
        """Number of the last sample in a column."""
        group = self.newest // self.each - (self.across - 1 - column) // self.per
        return min((group + 1) * self.each - 1, self.newest)


def samples(newest: int, spans: Sequence[int], known: int, across: int) -> Samples:
    """The shortest of the `spans` (ascending) that holds `known` samples, with as few of them in a column as there is room for."""
    held = next((span for span in spans if span >= known), spans[-1])
    first, each = newest - held + 1, 1
    while each < held and newest // each - first // each + 1 > across:
        each += 1
    per = max(across // (newest // each - first // each + 1), 1) if each == 1 else 1
    return Samples(newest, held, each, per, across)
