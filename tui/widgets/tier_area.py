"""A tier over time as an area of dots: solid what running requests hold, thinned out what is evictable, a rule where nothing was heard. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from collectors.model.scales import FULL, TIER_SAMPLES, TIER_STEP_S, UNKNOWN_SHARE
from tui.glyphs import UNOBSERVED
from tui.theme import Ink
from tui.widgets.chart import BRAILLE, Canvas, Dots, Samples, samples

if TYPE_CHECKING:
    from collectors.model.frame import Frame
    from tui.line import Line

STEP_NS: Final = TIER_STEP_S * 1_000_000_000
SPANS: Final = (15, 30, 60, TIER_SAMPLES)
"""Samples that may be shown: half a minute, one, two, five."""
_UNHEARD: Final = bytes([UNKNOWN_SHARE])


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
    canvas = Canvas(width, height, dots)
    levels = [_dots(code, canvas.down) for code in range(FULL + 1)]
    skipped = max(len(used) - it.held, 0)
    tops: dict[int, tuple[int, int, int]] = {}
    samples = zip(used[skipped:], active[skipped:], peak[skipped:] or bytes(len(used) - skipped), strict=True)
    for number, (resident, held, fullest) in enumerate(samples, it.newest - (len(used) - skipped) + 1):
        if resident == held == UNKNOWN_SHARE:
            continue
        one = tuple(0 if code == UNKNOWN_SHARE else levels[code] for code in (resident, held, fullest))
        for column in it.columns(number):
            before = tops.get(column, one)
            tops[column] = max(before[0], one[0]), max(before[1], one[1]), max(before[2], one[2])
    for column, (filled, held, fullest) in tops.items():
        canvas.column(column, 0, held, Ink.BAR_ACTIVE, 2)
        canvas.column(column, held, filled, Ink.BAR_EVICTABLE, 1, sparse=True)
        canvas.column(column, fullest - 1, fullest, Ink.BAR_EVICTABLE, 1)
    for cell in range(width):
        if not any(column in tops for column in range(cell * dots.across, (cell + 1) * dots.across)):
            canvas.mark(cell, height - 1, UNOBSERVED, Ink.FAINT)
    return tuple(canvas.lines())


def _dots(code: int, most: int) -> int:
    """Something is never drawn as nothing, nor less than full as full."""
    if code in (0, FULL):
        return most if code else 0
    return max(1, min(round(code * most / FULL), most - 1))
