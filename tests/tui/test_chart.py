"""Pieces of charts: dots where they belong, an axis that says so, samples that keep their columns."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.scales import FULL, UNKNOWN_SHARE, code, codes, edge, moment, share_code, spans
from tests.tui.histories import BOUNDS, by_buckets
from tui.glyph_sets import ASCII, BLOCK, BRAILLE, Dots
from tui.line import text_of
from tui.theme import Ink
from tui.widgets.chart import Canvas, LogAxis, axis_line, log_range, samples, tick
from tui.widgets.gap_bands import band_lines, bands, density, gap_range, heights
from tui.widgets.tier_area import area

DURATIONS = st.floats(1e-6, 900.0)


@pytest.mark.parametrize("dots", [BRAILLE, BLOCK, ASCII])
def test_every_dot_has_its_place_and_no_other(dots: Dots) -> None:
    seen = set()
    for y in range(dots.down):
        for x in range(dots.across):
            canvas = Canvas(1, 1, dots)
            canvas.dot(x, y, Ink.TEXT)
            seen.add(text_of(canvas.lines()))
    assert len(seen) == dots.across * dots.down
    full = Canvas(1, 1, dots)
    for x in range(dots.across):
        full.column(x, 0, dots.down, Ink.TEXT)
    assert text_of(full.lines()) == dots.glyphs[-1]
    assert text_of(Canvas(1, 1, dots).lines()) == ""


@given(st.integers(0, 5), st.integers(-2, 14), st.integers(-2, 14), st.booleans())
def test_a_column_is_its_dots(x: int, low: int, high: int, sparse: bool) -> None:
    column, dots = Canvas(3, 3), Canvas(3, 3)
    column.column(x, low, high, Ink.TEXT, sparse=sparse)
    for up in range(max(low, 0), min(high, 12)):
        if not sparse or (up + x) % 2 == 0:
            dots.dot(x, 11 - up, Ink.TEXT)
    assert text_of(column.lines()) == text_of(dots.lines())


def test_a_cell_has_the_ink_of_what_weighs_most() -> None:
    canvas = Canvas(1, 1)
    canvas.dot(0, 0, Ink.GOOD, 1)
    canvas.dot(1, 0, Ink.BAD, 2)
    canvas.dot(0, 1, Ink.WARN, 0)
    assert canvas.lines()[0][0][1] == Ink.BAD


def test_outside_there_is_nothing() -> None:
    canvas = Canvas(2, 1)
    for x, y in ((-1, 0), (4, 0), (0, -1), (0, 4)):
        canvas.dot(x, y, Ink.TEXT)
    canvas.column(9, 0, 4, Ink.TEXT)
    canvas.mark(2, 0, "x", Ink.TEXT)
    assert text_of(canvas.lines()) == ""


@given(DURATIONS, DURATIONS)
def test_an_axis_holds_what_it_is_made_for(one: float, two: float) -> None:
    low, high = log_range(min(one, two), max(one, two))
    assert low <= min(one, two) * (1 + 1e-9)
    assert high >= max(one, two) * (1 - 1e-9)
    assert high >= 9.9 * low
    for bound in (low, high):
        assert round(bound / 10 ** math.floor(math.log10(bound) + 1e-9)) in (1, 2, 5)


@given(DURATIONS, st.integers(20, 400))
def test_places_and_values_are_the_same_scale(value: float, size: int) -> None:
    axis = LogAxis(*log_range(value, value * 30), size)
    place = axis.place(value)
    assert axis.value(place) <= value * (1 + 1e-9)
    assert value <= axis.value(place + 1) * (1 + 1e-9)


def test_ticks_are_round_and_apart() -> None:
    axis = LogAxis(1e-3, 0.5, 116 * 2)
    assert [tick(value) for _, value in axis.ticks(16)] == [
        "1 ms", "2 ms", "5 ms", "10 ms", "20 ms", "50 ms", "100 ms", "200 ms", "500 ms",
    ]  # fmt: skip
    narrow = LogAxis(1e-6, 10.0, 80)
    assert [tick(value) for _, value in narrow.ticks(8)] == [
        "1 µs",
        "10 µs",
        "100 µs",
        "1 ms",
        "10 ms",
        "100 ms",
        "1 s",
        "10 s",
    ]
    places = [place for place, _ in narrow.ticks(8)]
    assert all(b - a >= 8 for a, b in itertools.pairwise(places))
    assert len(text_of([axis_line(axis, 116, 2)])) <= 116


@given(st.integers(0, 10**6), st.integers(0, 300), st.integers(2, 400))
def test_samples_keep_their_columns_from_tick_to_tick(newest: int, known: int, across: int) -> None:
    now = samples(newest, (30, 60, 240), known, across)
    assert now.held >= min(known, 240)
    columns = [column for number in range(newest - now.held + 1, newest + 1) for column in now.columns(number)]
    assert min(columns) >= 0
    assert max(columns) == across - 1
    for column in (min(columns), max(columns)):
        assert column in now.columns(now.last(column))
    # Two that share a column now will do so at the next tick.
    later = samples(newest + 1, (30, 60, 240), known, across)
    if (later.each, later.held) == (now.each, now.held):
        for number in range(newest - now.held + 2, newest + 1):
            together = now.columns(number) == now.columns(number - 1)
            assert (later.columns(number) == later.columns(number - 1)) == together


@given(st.floats(1e-6, 1000.0))
def test_a_duration_and_its_code(seconds: float) -> None:
    assert moment(code(seconds)) == pytest.approx(seconds, rel=2e-4)
    assert code(seconds * 1.001) >= code(seconds)


def test_shares_say_empty_and_full_only_where_they_are() -> None:
    assert [share_code(part, 1e12) for part in (0, 1, 5e11, 1e12 - 1, 1e12, 2e12)] == [
        0,
        1,
        FULL // 2,
        FULL - 1,
        FULL,
        FULL,
    ]


@given(st.integers(0, 900))
def test_edges_ascend_and_are_narrow(number: int) -> None:
    assert edge(number) < edge(number + 1) <= edge(number) * 1.0313


def test_bins_and_buckets_are_told_alike() -> None:
    row = by_buckets()
    assert [(low, high) for low, high, _ in spans(row)][:2] == [(0.005, 0.01), (0.01, 0.02)]
    assert list(spans(row))[-1][1] == math.inf


@given(
    st.lists(st.tuples(st.floats(1e-5, 5.0), st.floats(1.001, 30.0), st.integers(1, 9_999)), min_size=1, max_size=30)
)
def test_no_gap_is_lost_or_made_up(made: list[tuple[float, float, int]]) -> None:
    its = [(low, low * factor, n) for low, factor, n in made]
    axis = LogAxis(1e-6, 1e3, 200)
    assert sum(density(its, axis)) == pytest.approx(sum(n for _, _, n in its))
    assert all(height > 0 for height, n in zip(heights(density(its, axis), 16), density(its, axis), strict=True) if n)


def test_a_bucket_is_flat_and_what_has_no_bound_is_not_drawn() -> None:
    axis = LogAxis(1e-3, 1.0, 300)
    found = density([(0.01, 0.1, 50), (0.1, math.inf, 9)], axis)
    drawn = {round(n, 9) for n in found if n}
    assert len(drawn) == 1
    assert sum(found) == pytest.approx(50)
    assert found[99] == 0
    assert found[101] > 0
    assert found[198] > 0
    assert found[201] == 0


def test_a_band_of_buckets_is_marked_as_such() -> None:
    its = bands([by_buckets()])
    axis = LogAxis(*gap_range(its), 80 * 2)
    head, *picture, marks = text_of(band_lines(its[0], axis, 80, 2)).split("\n")
    assert "by buckets" in head
    assert "(10, 20] ms" in head
    assert "⣿" not in "".join(picture)
    assert "[" in marks
    assert "50" in marks
    assert axis.high == BOUNDS[-2]


def shown(used: list[int], active: list[int], width: int = 4, height: int = 1, peak: bytes = b"") -> list[str]:
    it = samples(len(used) - 1, (len(used),), len(used), width * 2)
    return text_of(list(area(bytes(used), bytes(active), peak, it, width, height))).split("\n")


def test_something_is_not_nothing_and_less_than_full_not_full() -> None:
    assert shown([0] * 8, [0] * 8) == [""]
    assert shown([1] * 8, [1] * 8) == ["⣀⣀⣀⣀"]
    assert shown([FULL - 1] * 8, [FULL - 1] * 8) == ["⣶⣶⣶⣶"]
    assert shown([FULL] * 8, [FULL] * 8) == ["⣿⣿⣿⣿"]


def test_active_is_solid_and_evictable_thinned_out() -> None:
    (line,) = shown([FULL] * 4 + [FULL] * 4, [FULL] * 4 + [0] * 4)
    assert line[:2] == "⣿⣿"
    assert line[2:] not in ("", "⣿⣿")
    assert all(bin(ord(glyph) - 0x2800).count("1") == 4 for glyph in line[2:])


def test_where_nothing_was_heard_there_is_a_rule_and_no_level() -> None:
    gap = [UNKNOWN_SHARE] * 4
    assert shown([*gap, *[FULL] * 4], [*gap, *[FULL] * 4]) == ["╌╌⣿⣿"]


def test_the_fullest_stands_above_the_mean() -> None:
    plain = shown([50] * 8, [50] * 8, height=2)
    peaked = shown([50] * 8, [50] * 8, height=2, peak=bytes([FULL] * 8))
    assert plain[0] == ""
    assert peaked[0] == "⠉⠉⠉⠉"
    assert peaked[1] == plain[1]


def test_codes_come_back() -> None:
    assert list(codes(b"\x01\x00\xff\xff")) == [1, 0xFFFF]
