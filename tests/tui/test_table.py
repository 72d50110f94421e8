"""Rows of tables in whatever room there is."""

import pytest

from tui.line import Line, cells, text_of
from tui.table import Cell, Column, Grid, grid, row_lines
from tui.theme import Ink

COLUMNS: list[Column[str]] = [
    Column("name", 8, lambda row: ((row,), Ink.STRONG), text=True),
    Column("a", 5, lambda _: (("123",), Ink.TEXT)),
    Column("b", 5, lambda _: (("45678",), Ink.TEXT)),
    Column("c", 5, lambda _: (("9.01 ms", "9.01"), Ink.WARN)),
]


def table(width: int) -> Grid[str]:
    return grid(COLUMNS, width, [8] * len(COLUMNS))


def test_neighbours_of_one_ink_are_one_run() -> None:
    [line] = row_lines(table(30), "w-1", 30)
    assert text_of([line]) == "w-1         123  45678   9.01"
    assert [ink for _, ink in line] == [Ink.STRONG, Ink.TEXT, Ink.WARN]


@pytest.mark.parametrize("name", ["w-1", "模型-七-七-七", "e\u0301" * 12, "\u0301\u0302", ""])
@pytest.mark.parametrize("width", [12, 17, 21, 23, 27, 40, 90])
def test_a_row_is_as_wide_as_it_is_to_be(name: str, width: int) -> None:
    [line] = row_lines(table(width), name, width)
    assert sum(cells(text) for text, _ in line) == width


def test_a_figure_beside_one_that_finds_no_room_is_whole() -> None:
    """Digits with an ellipsis behind them would be another number."""
    [line] = row_lines(table(23), "w-1", 12)
    assert text_of([line]) == "w-1      123"


def test_figures_that_are_not_known_to_fit_are_never_cut_to_other_numbers() -> None:
    wide: Cell = ("123456", "12345"), Ink.TEXT
    [line] = row_lines(grid([Column[str]("a", 4, lambda _: wide)], 4, [0]), "w", 4)
    assert text_of([line]) == "   …"


def shown(lines: list[Line]) -> list[str]:
    return text_of(lines).splitlines()


def test_what_finds_no_room_goes_onto_further_lines() -> None:
    specs = [*COLUMNS[:1], *(Column[str](one.name, one.width, one.cell, rank=1) for one in COLUMNS[1:])]
    it = grid(specs, 20, [8] * len(specs), fold=True)
    assert shown(row_lines(it, "w-1", 20)) == ["w-1", "    123   45678", "   9.01"]
