"""Where each section of the Overview goes: arithmetic over the terminal's size and what there is to show. Pure.

The regions of a plan tile the screen exactly. `GRANTS` is the shedding order: rows are given out from its top to its bottom, so what stands last is
the first to go when the screen is small. What was not given is named in the section's title by whoever draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

MIN_WIDTH: Final = 80
MIN_HEIGHT: Final = 24
SIDE_BY_SIDE: Final = 116
"""From this width on the tiers may stand beside the fleet, where below it they would take rows from others."""
ALWAYS_BESIDE: Final = 160
"""From this width on they always do."""
BOXED_WIDTH: Final = 100
BOXED_HEIGHT: Final = 32
"""From this size on sections have boxes; below, a rule above each."""
TIERS_SHARE: Final = 0.28
TIERS_WIDTH: Final = (44, 60)
"""Of the width, side by side, within these bounds."""
RIVER_LINES: Final = 3
"""A river row is at most so many lines high, one of two at most twice as many."""
ZOOMED_LINES: Final = 6
"""The same where the river has the screen for itself."""
ALL: Final = 10_000


class Section(StrEnum):
    HEADER = "header"
    KPI = "kpi"
    NOTICE = "notice"
    FLEET = "fleet"
    TIERS = "tiers"
    RIVER = "river"
    STALLS = "stalls"
    REQUESTS = "requests"
    TIMELINE = "timeline"
    FOOTER = "footer"


PANELS: Final = (Section.FLEET, Section.TIERS, Section.RIVER, Section.STALLS)
"""Sections with rows, in the order in which they are zoomed."""
ZOOMED: Final = (*PANELS, Section.REQUESTS)
"""With that which is only ever shown alone."""
SCROLLED_TOGETHER: Final = (Section.FLEET, Section.RIVER)
"""Sections that the arrow keys scroll where none is zoomed: they show the same workers."""

GRANTS: Final[tuple[tuple[Section, int], ...]] = (
    (Section.FLEET, 4),
    (Section.RIVER, 4),
    (Section.TIERS, 3),
    (Section.STALLS, 2),
    (Section.FLEET, 8),
    (Section.RIVER, 8),
    (Section.TIERS, 6),
    (Section.STALLS, 4),
    (Section.FLEET, 16),
    (Section.TIERS, 16),
    (Section.RIVER, 12),
    (Section.RIVER, ALL),
    (Section.FLEET, ALL),
    (Section.TIERS, ALL),
)
"""Rows of content given to a section, up to the number at its side, in this order. Then taller river rows, then the rest to the stalls."""


class Box(NamedTuple):
    x: int
    y: int
    width: int
    height: int

    def holds(self, x: int, y: int) -> bool:
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


@dataclass(frozen=True)
class Wants:
    """How many rows of content there are to show."""

    fleet: int = 0
    tiers: int = 0
    rivers: int = 0
    notices: int = 0
    """Lines above the sections: an error of the driver, the verdict."""


@dataclass(frozen=True)
class Plan:
    boxes: dict[Section, Box]
    boxed: bool
    tier_columns: int
    river_lines: int

    def at(self, x: int, y: int) -> Section | None:
        """The section at a cell of the screen."""
        return next((name for name, box in self.boxes.items() if box.holds(x, y)), None)


def plan(width: int, height: int, wants: Wants, zoom: Section | None = None) -> Plan | None:
    """Where everything goes; None where the terminal is smaller than MIN_WIDTH × MIN_HEIGHT."""
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return None
    boxed = width >= BOXED_WIDTH and height >= BOXED_HEIGHT
    heads = {Section.HEADER: 1, Section.KPI: 2, Section.NOTICE: min(wants.notices, 3)}
    body = height - sum(heads.values()) - 2
    if zoom is not None:
        rows = body - (2 if boxed else 1)
        tall = _river_lines(rows, wants.rivers, ZOOMED_LINES)
        return Plan(_stack(width, heads, [((zoom,), body)]), boxed, 1 + (zoom is Section.TIERS and width >= 160), tall)
    rows_of, river_lines, complete = _grant(body, wants, boxed, beside=width >= ALWAYS_BESIDE)
    beside = width >= ALWAYS_BESIDE or (width >= SIDE_BY_SIDE and not complete)
    if beside:
        rows_of, river_lines, _ = _grant(body, wants, boxed, beside=True)
    columns = 1 if beside or wants.tiers == 1 else 2
    chrome = 2 if boxed else 1
    fleet, tiers = rows_of[Section.FLEET] + 1, rows_of[Section.TIERS]
    upper: list[tuple[tuple[Section, ...], int]]
    if beside:
        upper = [((Section.FLEET, Section.TIERS), max(fleet, tiers) + chrome)]
    else:
        upper = [((Section.FLEET,), fleet + chrome), ((Section.TIERS,), tiers + chrome)]
    river = rows_of[Section.RIVER] * river_lines + chrome
    rest = body - river - sum(rows for _, rows in upper)
    blocks = [*upper, ((Section.RIVER,), river), ((Section.STALLS,), rest)]
    return Plan(_stack(width, heads, blocks), boxed, columns, river_lines)


def _grant(body: int, wants: Wants, boxed: bool, *, beside: bool) -> tuple[dict[Section, int], int, bool]:
    """Rows of content for each section, the lines of a river row, and whether every row has its place."""
    chrome = 2 if boxed else 1
    want = {
        Section.FLEET: max(wants.fleet, 1),
        Section.TIERS: max(wants.tiers if beside else -(-wants.tiers // 2), 1),
        Section.RIVER: max(wants.rivers, 1),
        Section.STALLS: ALL,
    }
    rows = dict.fromkeys(want, 0)

    def used(extra: dict[Section, int]) -> int:
        fleet, tiers = extra[Section.FLEET] + 1, extra[Section.TIERS]
        upper = max(fleet, tiers) + chrome if beside else fleet + tiers + 2 * chrome
        return upper + extra[Section.RIVER] + extra[Section.STALLS] + 2 * chrome

    for section, limit in GRANTS:
        target = min(limit, want[section])
        while rows[section] < target and used({**rows, section: rows[section] + 1}) <= body:
            rows[section] += 1
    spare = body - used(rows)
    lines = 1
    if rows[Section.RIVER] == want[Section.RIVER]:
        lines = _river_lines(rows[Section.RIVER] + spare, rows[Section.RIVER], RIVER_LINES)
    complete = all(rows[section] == want[section] for section in PANELS[:3])
    return rows, lines, complete


def _river_lines(rows: int, rivers: int, limit: int) -> int:
    """Lines of each of so many river rows that share `rows` lines; a few may be twice as high as the limit for many."""
    rivers = max(rivers, 1)
    return max(1, min(rows // rivers, limit * 2 if rivers < 3 else limit))


def _tiers_width(width: int) -> int:
    least, most = TIERS_WIDTH
    return max(least, min(most, round(width * TIERS_SHARE)))


def _stack(width: int, heads: dict[Section, int], blocks: list[tuple[tuple[Section, ...], int]]) -> dict[Section, Box]:
    """Regions from top to bottom; a block of two stands side by side."""
    out: dict[Section, Box] = {}
    y = 0
    for section, rows in heads.items():
        out[section] = Box(0, y, width, rows)
        y += rows
    for sections, rows in blocks:
        left = width if len(sections) == 1 else width - _tiers_width(width)
        out[sections[0]] = Box(0, y, left, rows)
        for section in sections[1:]:
            out[section] = Box(left, y, width - left, rows)
        y += rows
    for section in (Section.TIMELINE, Section.FOOTER):
        out[section] = Box(0, y, width, 1)
        y += 1
    return out
