"""Where the sections go."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import places
from tui.layout import GRANTS, PANELS, SHED, Section, Wants, alone
from tui.layout import plan as planned
from tui.places import MIN_HEIGHT, MIN_WIDTH, Ask, Box, shared, surround

WANTS = st.builds(Wants, st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
DEFAULT = Wants(fleet=4, tiers=6, rivers=4)


@dataclass(frozen=True)
class Whole:
    """Head and foot, and a plan between them."""

    boxes: Mapping[str, Box]
    boxed: bool
    tier_columns: int
    river_lines: int


def plan(width: int, height: int, wants: Wants, zoom: Section | None = None, notices: int = 1) -> Whole | None:
    around = surround(width, height, kpi=True, notices=notices)
    if around is None:
        return None
    it = (
        planned(around.body, around.boxed, wants)
        if zoom is None
        else alone(zoom, around.body, around.boxed, wants.rivers)
    )
    return Whole({**around.boxes, **it.boxes}, around.boxed, it.tier_columns, it.river_lines)


def rows(it: Whole, section: Section) -> int:
    """Rows of content of a section (the fleet's heading is one)."""
    return it.boxes[section].height - places.chrome(it.boxed)


@given(
    st.integers(MIN_WIDTH, 320), st.integers(MIN_HEIGHT, 90), WANTS, st.sampled_from([None, *PANELS]), st.integers(0, 5)
)
def test_a_plan_tiles_the_screen(width: int, height: int, wants: Wants, zoom: Section | None, notices: int) -> None:
    it = plan(width, height, wants, zoom, notices)
    assert it is not None
    cells: set[tuple[int, int]] = set()
    area = 0
    for box in it.boxes.values():
        area += box.width * box.height
        cells |= {(x, y) for x in range(box.x, box.x + box.width) for y in range(box.y, box.y + box.height)}
    assert area == len(cells) == width * height
    assert max(cells) == (width - 1, height - 1)


@given(st.integers(MIN_WIDTH, 320), st.integers(MIN_HEIGHT, 90), WANTS)
def test_nothing_important_is_ever_without_a_row(width: int, height: int, wants: Wants) -> None:
    it = plan(width, height, wants)
    assert it is not None
    assert rows(it, Section.FLEET) >= 1 + min(3, wants.fleet)
    assert rows(it, Section.RIVER) >= min(3, wants.rivers)
    shown = [section for section in SHED if section in it.boxes]
    assert shown in (list(SHED), [Section.TIERS], [])
    assert all(rows(it, section) > 0 for section in shown)
    assert len(shown) == len(SHED) or height < 24
    for section in (places.HEADER, places.KPI, places.TIMELINE, places.FOOTER, Section.FLEET, Section.RIVER):
        assert it.boxes[section].height > 0


@pytest.mark.parametrize(("width", "height"), [(59, 20), (60, 19), (20, 5), (1, 1)])
def test_too_small(width: int, height: int) -> None:
    assert plan(width, height, DEFAULT) is None


def test_the_default_fleet_fits_the_smallest_screen() -> None:
    small = plan(60, 20, DEFAULT)
    assert small is not None
    assert Section.STALLS not in small.boxes
    assert rows(small, Section.TIERS) == 2
    it = plan(80, 24, DEFAULT)
    assert it is not None
    assert not it.boxed
    assert (rows(it, Section.FLEET), rows(it, Section.TIERS), rows(it, Section.RIVER), rows(it, Section.STALLS)) == (
        5,
        3,
        4,
        2,
    )


def test_tiers_stand_beside_the_fleet_where_rows_are_short() -> None:
    roomy, crowded, wide = plan(120, 36, DEFAULT), plan(120, 36, Wants(12, 20, 12)), plan(200, 50, DEFAULT)
    assert roomy is not None
    assert crowded is not None
    assert wide is not None
    assert [it.boxes[Section.TIERS].x > 0 for it in (roomy, crowded, wide)] == [False, True, True]
    assert (roomy.tier_columns, crowded.tier_columns) == (2, 1)


def test_the_table_is_the_shedding_order() -> None:
    """Rows are there up to a stage of the table: all that it grants before, nothing of what it grants after, save what is too small for the rest."""
    wants = Wants(fleet=9, tiers=20, rivers=9)
    for height in range(24, 60):
        it = plan(90, height, wants)
        assert it is not None
        have = {section: rows(it, section) - (section is Section.FLEET) for section in PANELS}
        want = {Section.FLEET: 9, Section.TIERS: 10, Section.RIVER: 9, Section.STALLS: 4}
        short = [have[section] < min(limit, want[section]) for section, limit in GRANTS]
        if True in short:
            first = short.index(True)
            earlier = dict.fromkeys(PANELS, 0)
            for section, limit in GRANTS[:first]:
                earlier[section] = min(limit, want[section])
            late = [
                section for section in PANELS if section is not GRANTS[first][0] and have[section] > earlier[section]
            ]
            assert late in ([], [Section.STALLS])


def test_river_rows_grow_into_spare_rows() -> None:
    heights = []
    for wants in (Wants(1, 1, 1), DEFAULT, Wants(40, 40, 40)):
        it = plan(200, 50, wants)
        assert it is not None
        heights.append(it.river_lines)
    assert heights == [6, 3, 1]


def test_a_zoomed_section_has_the_middle_for_itself() -> None:
    it = plan(120, 36, DEFAULT, Section.RIVER)
    assert it is not None
    assert set(it.boxes) == {
        places.HEADER,
        places.KPI,
        places.NOTICE,
        Section.RIVER,
        places.CAPTION,
        places.TIMELINE,
        places.FOOTER,
    }
    assert it.boxes[Section.RIVER].height == 36 - 1 - 2 - 1 - 2


# bands of panels

ASKS = st.builds(
    Ask,
    st.uuids().map(str),
    st.lists(st.integers(1, 40), min_size=1, max_size=3).map(lambda rows: tuple(sorted(rows))),
    st.sampled_from([1.0, 2.0, 0.5]),
)


@given(
    st.integers(60, 300),
    st.integers(6, 90),
    st.booleans(),
    st.lists(st.lists(ASKS, min_size=1, max_size=3), min_size=1, max_size=4),
)
def test_bands_tile_the_body_and_the_last_are_left_out_first(
    width: int, height: int, boxed: bool, bands: list[list[Ask]]
) -> None:
    body = Box(0, 3, width, height)
    boxes = shared(body, boxed, bands)
    assert sum(box.width * box.height for box in boxes.values()) == width * height
    assert all(box.y >= 3 and box.y + box.height <= 3 + height and box.width > 0 for box in boxes.values())
    shown = [all(ask.panel in boxes for ask in band) for band in bands]
    assert shown[0]
    assert shown == sorted(shown, reverse=True)
    if sum(shown) > 1:
        assert all(
            boxes[ask.panel].height >= ask.grants[0] + places.chrome(boxed)
            for band in bands[: sum(shown)]
            for ask in band
        )


def test_grants_are_given_step_by_step() -> None:
    bands = [[Ask("a", (2, 10)), Ask("b", (4, 4), share=3)], [Ask("c", (2, 6))]]
    assert shared(Box(0, 0, 80, 9), False, bands) == {
        "a": Box(0, 0, 20, 6),
        "b": Box(20, 0, 60, 6),
        "c": Box(0, 6, 80, 3),
    }
    assert {name: box.height for name, box in shared(Box(0, 0, 80, 40), False, bands).items()} == {
        "a": 11,
        "b": 11,
        "c": 29,
    }
    assert set(shared(Box(0, 0, 80, 7), False, bands)) == {"a", "b"}
