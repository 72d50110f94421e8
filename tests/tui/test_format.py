"""Figures as text."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model.figure import Figure, Quantile
from collectors.model.vocabulary import Provenance, State
from tests.tui.frames import bucketed, known, no_quantile, over, sketched, stale, unknown
from tui import format as fmt
from tui.format import Unit

NOW_NS = 900_000_000_000
SCALE = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def seconds_of(text: str) -> float:
    value, unit = text.split(" ")
    return float(value) * SCALE[unit]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 s"),
        (1e-9, "1.00 ns"),
        (0.00000131, "1.31 µs"),
        (0.00131, "1.31 ms"),
        (0.0189, "18.9 ms"),
        (0.2124, "212 ms"),
        (0.99949, "999 ms"),
        (0.99951, "1.00 s"),
        (2.5, "2.50 s"),
        (75.04, "75.0 s"),
        (1234.0, "1230 s"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert fmt.seconds(value) == text


@given(st.floats(1e-9, 1e6))
def test_seconds_keep_three_digits(value: float) -> None:
    text = fmt.seconds(value)
    assert math.isclose(seconds_of(text), value, rel_tol=0.0051)
    assert len(text) <= 10


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (24, "24"), (31.25, "31.2"), (2.314, "2.31"), (0.004, "<0.01"), (999.6, "1.00k"), (20_345, "20.3k"), (999_999, "1.00M"), (3.2e12, "3.20T")],
)  # fmt: skip
def test_si(value: float, text: str) -> None:
    assert fmt.si(value) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0, 3, "0 J"), (22.78, 3, "22.8 J"), (0.9999, 3, "1.00 J"), (0.0096, 3, "9.60 mJ"), (5210, 3, "5.21 kJ"), (0.502, 2, "0.50 J"), (0.0043, 2, "4.3 mJ"), (8.9, 2, "8.9 J")],
)  # fmt: skip
def test_energy(value: float, digits: int, text: str) -> None:
    assert fmt.metric(value, "J", digits) == text


def test_what_is_assumed_and_about_right_has_two_digits() -> None:
    it = Figure(0.502, State.OK, Provenance.ASSUMED, True, None, estimate=True)
    assert fmt.figure(it, Unit.WATTS)[0] == "≈0.50 W"
    assert (
        fmt.figure(Figure(0.502, State.OK, Provenance.DERIVED, True, None, estimate=True), Unit.WATTS)[0] == "≈502 mW"
    )


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (7, "7"), (9999, "9999"), (10_000, "10.0k"), (132_400, "132k")])
def test_count(value: float, text: str) -> None:
    assert fmt.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (512, "512 B"), (1536, "1.50 KiB"), (60_129_542_144, "56.0 GiB"), (7168 * 2**30, "7.00 TiB")],
)
def test_size(value: float, text: str) -> None:
    assert fmt.size(value) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 10, "0 %"), (1, 1000, "<1 %"), (51, 100, "51 %"), (99.4, 100, "99 %"), (99.7, 100, ">99 %"), (100, 100, "100 %"), (1, 0, "–")],
)  # fmt: skip
def test_percent(part: float, whole: float, text: str) -> None:
    assert fmt.percent(part, whole) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.2, "<1 s"), (12.9, "12 s"), (99, "99 s"), (180, "3 min"), (900, "15 min"), (18_000, "5 h"), (200_000, "2 d")],
)
def test_age(value: float, text: str) -> None:
    assert fmt.age(value) == text


@pytest.mark.parametrize(("value", "text"), [(1.46, "×1.5"), (11.2, "×11"), (212, "×212")])
def test_times(value: float, text: str) -> None:
    assert fmt.times(value) == text


@pytest.mark.parametrize(("value", "text"), [(4, "4"), (40, "40"), (1500, "1.5k"), (20_000, "20k")])
def test_scale(value: float, text: str) -> None:
    assert fmt.scale(value) == text


def test_wall_is_the_clock_or_the_session() -> None:
    assert fmt.wall(1_760_000_000.9, 4.0) == "08:53:20"
    assert fmt.wall(None, 0.0) == "+0:00.0"
    assert fmt.wall(None, 754.26) == "+12:34.2"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0, 0.3, "≤ 300 ms"),
        (-0.1, 0.3, "≤ 300 ms"),
        (10.0, 15.0, "(10, 15] s"),
        (0.025, 0.05, "(25, 50] ms"),
        (0.5, 1.0, "(500, 1000] ms"),
        (50.0, 60.0, "(50, 60] s"),
        (0.0005, 2.0, "(500 µs, 2 s]"),
        (0.00005, 2.0, "(50 µs, 2 s]"),
        (10_000.0, 20_000.0, "(10000 s, 20000 s]"),
        (0.00131 * 0.999, 0.00131 * 1.001, "1.31 ms"),
        (0.1925, 0.1933, "193 ms"),
        (0.02771, 0.03312, "30 ±3 ms"),
        (0.0000174, 0.0000226, "(17.4, 22.6] µs"),
        (0.01428371, 0.0193, "(14, 20] ms"),
        (0.0, 0.0, "0 s"),
    ],
)
def test_interval(low: float, high: float, text: str) -> None:
    assert fmt.interval(low, high, Unit.SECONDS)[0] == text


@given(st.floats(1e-6, 1e3))
def test_a_sketch_prints_as_three_digits(value: float) -> None:
    """±0.1 %, the precision of our own sketch, is a plain value."""
    forms = fmt.quantile(sketched(value), Unit.SECONDS)
    assert len(forms) == 1
    assert math.isclose(seconds_of(forms[0]), value, rel_tol=0.0051)


@given(st.floats(1e-6, 1e3), st.floats(1.0001, 50))
def test_no_text_claims_more_than_the_interval(low: float, factor: float) -> None:
    """Plain and `±` forms lie in the interval, give or take their own last place; bounds hold it."""
    high = low * factor
    text = fmt.interval(low, high, Unit.SECONDS)[0]
    if text.startswith("("):
        body, _, unit = text[1:].partition("]")
        left, right = body.split(", ")
        bottom = seconds_of(left if " " in left else left + unit)
        top = seconds_of(right if " " in right else right + unit)
        assert bottom <= low * 1.000_01
        assert top >= high * 0.999_99
    elif "±" in text:
        value, rest = text.split(" ±")
        error, unit = rest.split(" ")
        place = 10.0 ** -len(value.partition(".")[2])
        if "." not in value:
            place = 10.0 ** (len(error) - len(error.rstrip("0")))
        assert abs(float(value) * SCALE[unit] - (low + high) / 2) <= 0.500_01 * place * SCALE[unit]
        assert float(error) * SCALE[unit] >= (high - low) / 2 * 0.999
    else:
        assert low * 0.99 <= seconds_of(text) <= high * 1.01


@pytest.mark.parametrize(
    ("it", "text"),
    [
        (known(24), "24"),
        (known(0), "0"),
        (unknown(State.ABSENT), "–"),
        (unknown(State.NAN), "NaN"),
        (unknown(State.UNSAMPLED), "·"),
        (stale(24, NOW_NS - 12_400_000_000), "~24 (12 s)"),
        (Figure(None, State.STALE, None, False, None), "~–"),
    ],
)
def test_every_state_of_a_figure_looks_different(it: Figure, text: str) -> None:
    assert fmt.figure(it, Unit.COUNT, NOW_NS)[0] == text


@pytest.mark.parametrize(
    ("it", "text"),
    [
        (bucketed(0, 0.3), "≤ 300 ms"),
        (bucketed(10, 15), "(10, 15] s"),
        (over(2.5), "> 2.5 s"),
        (no_quantile(State.TOO_FEW), "n too small"),
        (no_quantile(State.ABSENT), "–"),
        (no_quantile(State.NAN), "NaN"),
        (no_quantile(State.UNSAMPLED), "·"),
        (
            Quantile(0.3, State.STALE, Provenance.REPORTED, False, NOW_NS - 70_000_000_000, low=0.25, high=0.5),
            "~(250, 500] ms (70 s)",
        ),
        (Quantile(0.3, State.OK, Provenance.MEASURED, False, 0), "300 ms"),
        (Quantile(None, State.OVER_RANGE, None, False, None), "–"),
    ],
)
def test_every_state_of_a_quantile_looks_different(it: Quantile, text: str) -> None:
    assert fmt.quantile(it, Unit.SECONDS, NOW_NS)[0] == text


def test_the_unit_of_a_figure_goes_before_the_fields() -> None:
    it = Figure(81_920, State.OK, Provenance.REPORTED, False, 0, unit="tokens")
    assert fmt.figure(it, Unit.BYTES) == ("81.9k tok", "81.9kt")
    assert fmt.figure(known(60_129_542_144), Unit.BYTES) == ("56.0 GiB", "56.0Gi")


def test_pick_shortens_and_never_cuts() -> None:
    forms = fmt.quantile(bucketed(0.1, 0.15), Unit.SECONDS)
    assert [fmt.pick(forms, width) for width in (13, 12, 11, 10, 1)] == [
        "(100, 150] ms",
        "(100,150] ms",
        "(100,150]ms",
        "…",
        "…",
    ]


@given(
    st.integers(0, 20),
    st.sampled_from(
        [known(1234.5), stale(3, 4_000_000_000), over(2.5), bucketed(0.1, 0.15), no_quantile(State.TOO_FEW)]
    ),
)
def test_pick_is_a_whole_form_or_an_ellipsis(width: int, it: Figure) -> None:
    forms = fmt.quantile(it, Unit.SECONDS) if isinstance(it, Quantile) else fmt.figure(it, Unit.RATE)
    text = fmt.pick(forms, width)
    assert len(text) <= width
    assert text in (*forms, "…", "")
