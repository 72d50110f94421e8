"""What is typed after `/`."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.filter import (
    Field,
    FilterError,
    NumberError,
    QuoteError,
    UnknownFieldError,
    matches,
    number,
    ordered,
    parsed,
)


@dataclass
class Row:
    worker: str
    model: str
    gap: float | None
    used: float | None = None


FIELDS: list[Field[Row]] = [
    Field("worker", lambda row: row.worker),
    Field("model", lambda row: row.model),
    Field("gap.p50", lambda row: row.gap and row.gap / 2, number=True),
    Field("gap.p99", lambda row: row.gap, number=True),
    Field("used", lambda row: row.used, number=True),
]
ROWS = [
    Row("gpu-0", "llama-3.1-8b", None),
    Row("gpu-1", "Llama-3.1-70B", 0.212, 0.97),
    Row("lpu-0", "llama-3.1-8b", 0.00133, 0.8),
    Row("a b/[x]", "-", 2.5, 0.0),
]


def found(text: str) -> str:
    terms, fields = parsed(text, FIELDS), {field.name: field for field in FIELDS}
    return "".join(str(index) for index, row in enumerate(ROWS) if matches(terms, row, fields))


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("", "0123"),
        ("   ", "0123"),
        ("gpu", "01"),
        ("GPU 70b", "1"),
        ("!gpu", "23"),
        ("worker:gpu model:70b", "1"),
        ("w:gpu !model:70", "0"),
        ("gap.p99>200ms", "13"),
        ("gap.p99:>200ms", "13"),
        ("gap.p99<=1.33ms", "2"),
        ("gap.p99=2.5", "3"),
        ("!gap.p99>200ms", "02"),
        ("used>=80%", "12"),
        ("used:0.8", "2"),
        ("gap.p99:–", "0"),
        ("gap.p99:-", "0"),
        ("!gap.p99:-", "123"),
        ("model:-", "3"),
        ("model:", "0123"),
        ('"a b"', "3"),
        ('worker:"a b"', "3"),
        ("[x]", "3"),
        ("!", "0123"),
        ("nothing-of-the-kind", ""),
    ],
)
def test_which_rows_are_meant(text: str, which: str) -> None:
    assert found(text) == which


@pytest.mark.parametrize(
    ("text", "kind", "at", "message"),
    [
        ("gpu foo:1", UnknownFieldError, 4, "no field foo; there are worker, model, gap.p50, gap.p99, used"),
        ("gap>1", UnknownFieldError, 0, "gap may be gap.p50, gap.p99"),
        ("used>lots", NumberError, 5, "lots is no number"),
        ("used>", NumberError, 5, "a number is missing"),
        ("used>5parsec", NumberError, 5, "5parsec is no number"),
        ("worker>5", NumberError, 0, "worker is no number: worker:5"),
        ('x worker:"a', QuoteError, 9, "a quote is not closed"),
        ("x" * 501, FilterError, 500, "longer than 500 characters"),
    ],
)
def test_what_says_nothing_says_why(text: str, kind: type[FilterError], at: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        found(text)
    assert (type(caught.value), caught.value.at, str(caught.value)) == (kind, at, message)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5.0),
        ("-2.5", -2.5),
        (".5", 0.5),
        ("1.5k", 1500.0),
        ("200ms", 0.2),
        ("3 µs", 3e-6),
        ("4GiB", 2.0**32),
        ("80%", 0.8),
        ("2min", 120.0),
        ("1e3", 1000.0),
        ("x", None),
        ("", None),
        ("5x", None),
        ("nan", None),
    ],
)
def test_numbers_have_the_units_of_the_screen(text: str, value: float | None) -> None:
    assert number(text) == (value if value is None else pytest.approx(value))


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_filter_or_a_typed_error(text: str) -> None:
    errors: list[FilterError] = []
    try:
        found(text)
    except FilterError as error:
        errors.append(error)
    assert all(0 <= error.at <= len(text) and str(error) for error in errors)


def test_what_is_not_known_comes_last_either_way() -> None:
    gap = FIELDS[3]
    assert [row.worker for row in ordered(ROWS, gap, descending=False)] == ["lpu-0", "gpu-1", "a b/[x]", "gpu-0"]
    assert [row.worker for row in ordered(ROWS, gap, descending=True)] == ["a b/[x]", "gpu-1", "lpu-0", "gpu-0"]
    model = FIELDS[1]
    same = [row.worker for row in ordered(ROWS, model, descending=False) if row.model == "llama-3.1-8b"]
    assert same == ["gpu-0", "lpu-0"]
