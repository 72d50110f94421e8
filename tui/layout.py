"""Where each section of the Overview goes, between head and foot: arithmetic over the room and what there is to show. Pure.

The regions of a plan tile the room exactly. `GRANTS` is the shedding order: rows are given out from its top to its bottom, so what stands last is
the first to go when the screen is small. What was not given is named in the section's title by whoever draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tui.places import ALL, Box, chrome

SIDE_BY_SIDE: Final = 116
"""From this width on the tiers may stand beside the fleet, where below it they would take rows from others."""
ALWAYS_BESIDE: Final = 160
"""From this width on they always do."""
TIERS_SHARE: Final = 0.28
TIERS_WIDTH: Final = (44, 60)
"""Of the width, side by side, within these bounds."""
TIERS_TWICE: Final = 76
"""From this width on tiers stand in two columns."""
RIVER_LINES: Final = 3
"""A river row is at most so many lines high, one of two at most twice as many."""
ZOOMED_LINES: Final = 6
"""The same where the river has the screen for itself."""


class Section(StrEnum):
    FLEET = "fleet"
    TIERS = "tiers"
    RIVER = "river"
    STALLS = "stalls"


PANELS: Final = tuple(Section)
SHED: Final = (Section.STALLS, Section.TIERS)
"""Sections that are left out where there is no room for a row of each, the first first."""

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
MAP_FIRST: Final[tuple[tuple[Section, int], ...]] = ((Section.RIVER, 2), (Section.FLEET, ALL))
"""What goes before them where the fleet is a map: all of it is seen at once, or it is none."""


@dataclass(frozen=True)
class Wants:
    """How many rows of content there are to show."""

    fleet: int = 0
    """Beside a heading."""
    tiers: int = 0
    rivers: int = 0
    as_map: bool = False
    """Whether the fleet is a map, of so many lines."""


@dataclass(frozen=True)
class Plan:
    boxes: dict[str, Box]
    tier_columns: int
    river_lines: int


def alone(section: Section, body: Box, boxed: bool, rivers: int) -> Plan:
    """A section that has the room for itself."""
    tall = _river_lines(body.height - chrome(boxed), rivers, ZOOMED_LINES)
    return Plan({section: body}, 1 + (section is Section.TIERS and body.width >= ALWAYS_BESIDE), tall)


def plan(body: Box, boxed: bool, wants: Wants) -> Plan:
    """Where everything goes. A section without room for a row is left out, those of SHED in their order."""
    width = body.width
    beside = width >= ALWAYS_BESIDE
    columns = 1 if beside or wants.tiers == 1 or width < TIERS_TWICE else 2
    gone: tuple[Section, ...] = ()
    rows_of, river_lines, complete = _grant(body.height, wants, boxed, columns, gone, beside=beside)
    if not beside and not complete and width >= SIDE_BY_SIDE:
        beside, columns = True, 1
        rows_of, river_lines, _ = _grant(body.height, wants, boxed, columns, gone, beside=True)
    while len(gone) < len(SHED) and any(not rows_of[section] for section in SHED if section not in gone):
        gone = SHED[: len(gone) + 1]
        rows_of, river_lines, _ = _grant(body.height, wants, boxed, columns, gone, beside=beside)
    frame = chrome(boxed)
    fleet, tiers = rows_of[Section.FLEET] + 1, rows_of[Section.TIERS]
    blocks: list[tuple[tuple[Section, ...], int]]
    if Section.TIERS in gone:
        blocks = [((Section.FLEET,), fleet + frame)]
    elif beside:
        blocks = [((Section.FLEET, Section.TIERS), max(fleet, tiers) + frame)]
    else:
        blocks = [((Section.FLEET,), fleet + frame), ((Section.TIERS,), tiers + frame)]
    river = rows_of[Section.RIVER] * river_lines + frame
    rest = body.height - river - sum(rows for _, rows in blocks)
    blocks += (
        [((Section.RIVER,), river + rest)]
        if Section.STALLS in gone
        else [((Section.RIVER,), river), ((Section.STALLS,), rest)]
    )
    return Plan(_stack(body, blocks), columns, river_lines)


def _grant(
    body: int, wants: Wants, boxed: bool, columns: int, gone: Sequence[Section], *, beside: bool
) -> tuple[dict[Section, int], int, bool]:
    """Rows of content for each section, the lines of a river row, and whether every row has its place."""
    want = {
        Section.FLEET: max(wants.fleet, 1),
        Section.TIERS: max(-(-wants.tiers // columns), 1),
        Section.RIVER: max(wants.rivers, 1),
        Section.STALLS: ALL,
        **dict.fromkeys(gone, 0),
    }
    rows = dict.fromkeys(want, 0)

    def used(extra: dict[Section, int]) -> int:
        fleet, tiers = extra[Section.FLEET] + 1, extra[Section.TIERS]
        bands = 4 - len({*gone, *([Section.TIERS] if beside else [])})
        upper = max(fleet, tiers) if beside else fleet + tiers
        return upper + extra[Section.RIVER] + extra[Section.STALLS] + bands * chrome(boxed)

    for section, limit in (*(MAP_FIRST if wants.as_map else ()), *GRANTS):
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


def _stack(body: Box, blocks: list[tuple[tuple[Section, ...], int]]) -> dict[str, Box]:
    """Regions from top to bottom; a block of two stands side by side."""
    out: dict[str, Box] = {}
    y, width = body.y, body.width
    for sections, rows in blocks:
        left = width if len(sections) == 1 else width - _tiers_width(width)
        out[sections[0]] = Box(body.x, y, left, rows)
        for section in sections[1:]:
            out[section] = Box(body.x + left, y, width - left, rows)
        y += rows
    return out
