"""Where the sections go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.layout import GRANTS, MIN_HEIGHT, MIN_WIDTH, PANELS, Plan, Section, Wants, plan

WANTS = st.builds(Wants, st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 5))
DEFAULT = Wants(fleet=4, tiers=6, rivers=4, notices=1)


def rows(it: Plan, section: Section) -> int:
    """Rows of content of a section (the fleet's heading is one)."""
    return it.boxes[section].height - (2 if it.boxed else 1)


@given(st.integers(MIN_WIDTH, 320), st.integers(MIN_HEIGHT, 90), WANTS, st.sampled_from([None, *PANELS]))
def test_a_plan_tiles_the_screen(width: int, height: int, wants: Wants, zoom: Section | None) -> None:
    it = plan(width, height, wants, zoom)
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
    assert rows(it, Section.TIERS) >= min(1, wants.tiers)
    for section in (Section.HEADER, Section.KPI, Section.TIMELINE, Section.FOOTER, *PANELS):
        assert it.boxes[section].height > 0


@pytest.mark.parametrize(("width", "height"), [(79, 24), (80, 23), (60, 20), (1, 1)])
def test_too_small(width: int, height: int) -> None:
    assert plan(width, height, DEFAULT) is None


def test_the_default_fleet_fits_the_smallest_screen() -> None:
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
    for height in range(MIN_HEIGHT, 60):
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
        Section.HEADER,
        Section.KPI,
        Section.NOTICE,
        Section.RIVER,
        Section.TIMELINE,
        Section.FOOTER,
    }
    assert it.boxes[Section.RIVER].height == 36 - 1 - 2 - 1 - 2
