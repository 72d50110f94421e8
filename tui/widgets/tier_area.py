"""A tier over time as an area of dots: solid what running requests hold, thinned out what is evictable, a rule where nothing was heard. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from collectors.model.scales import FULL, TIER_SAMPLES, TIER_STEP_S, UNKNOWN_SHARE
from tui.glyph_sets import BRAILLE, Dots
from tui.glyphs import UNOBSERVED
from tui.theme import Ink
from tui.widgets.chart import Canvas, Samples, inked, samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from collectors.model.frame import Frame
    from tui.line import Line, Run

STEP_NS: Final = TIER_STEP_S * 1_000_000_000
SPANS: Final = (15, 30, 60, TIER_SAMPLES)
"""Samples that may be shown: half a minute, one, two, five."""
_UNHEARD: Final = bytes([UNKNOWN_SHARE])
_Top = tuple[int, int, int]
"""Dots of a column that are filled, that are held by requests, and of the fullest."""


def times(frame: Frame, width: int, dots: Dots = BRAILLE) -> Samples:
    """For `width` cells: as far back as anything was heard, in steps."""
    known = 0
    for past in frame.tier_pasts:
        heard = past.used.lstrip(_UNHEARD), past.active.lstrip(_UNHEARD)
        known = max(known, *map(len, heard))
        if known == TIER_SAMPLES:
            break
    return samples(frame.time_ns // STEP_NS, SPANS, known, max(width, 1) * dots.across)


@lru_cache(1_024)
def area(
    used: bytes, active: bytes, peak: bytes, it: Samples, width: int, height: int, dots: Dots = BRAILLE
) -> tuple[Line, ...]:
    """Codes of a `TierPast`; a column has the highest of its samples. With `peak`, the fullest of several beside their mean."""
    levels = _levels(height * dots.down)
    skipped = max(len(used) - it.held, 0)
    tops: list[_Top | None] = [None] * max(it.across, width * dots.across)
    samples = zip(used[skipped:], active[skipped:], peak[skipped:] or bytes(len(used) - skipped), strict=True)
    for (resident, held, fullest), columns in zip(samples, _columns(it, len(used) - skipped), strict=True):
        if resident == held == UNKNOWN_SHARE:
            continue
        one = levels[resident], levels[held], levels[fullest]
        for column in columns:
            before = tops[column]
            tops[column] = (
                one if before is None else (max(before[0], one[0]), max(before[1], one[1]), max(before[2], one[2]))
            )
    across = dots.across
    cells = [_cell(tuple(tops[at : at + across]), height, dots) for at in range(0, width * across, across)]
    return tuple(inked(row) for row in zip(*cells, strict=True)) if cells else ((),) * height


@lru_cache(16_384)
def _cell(tops: tuple[_Top | None, ...], height: int, dots: Dots) -> Sequence[Run]:
    """One cell, from the top: of its columns."""
    canvas = Canvas(1, height, dots)
    for column, top in enumerate(tops):
        if top is not None:
            filled, held, fullest = top
            canvas.column(column, 0, held, Ink.BAR_ACTIVE, 2)
            canvas.column(column, held, filled, Ink.BAR_EVICTABLE, 1, sparse=True)
            canvas.column(column, fullest - 1, fullest, Ink.BAR_EVICTABLE, 1)
    if not any(tops):
        canvas.mark(0, height - 1, UNOBSERVED, Ink.FAINT)
    return [row[0] for row in canvas.cells()]


@lru_cache(8)
def _columns(it: Samples, count: int) -> Sequence[Sequence[int]]:
    """Of each of the newest `count` samples; what is outside of the area has none."""
    return [
        [column for column in it.columns(number) if 0 <= column < it.across]
        for number in range(it.newest - count + 1, it.newest + 1)
    ]


@lru_cache(8)
def _levels(most: int) -> Sequence[int]:
    """Dots of each code."""
    return [0 if code == UNKNOWN_SHARE else _dots(min(code, FULL), most) for code in range(256)]


def _dots(code: int, most: int) -> int:
    """Something is never drawn as nothing, nor less than full as full."""
    if code in (0, FULL):
        return most if code else 0
    return max(1, min(round(code * most / FULL), most - 1))
