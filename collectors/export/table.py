"""What is exported as a table: columns of plain values, in pieces, with what each column holds. Pure.

A value that is not known is masked, or None; it is never a zero.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

PIECE_ROWS: Final = 65_536
"""Rows that are written together at most."""


class Kind(StrEnum):
    INT = "int64"
    FLOAT = "float64"
    TEXT = "text"
    FLAG = "bool"


class Coded(NamedTuple):
    """Texts of which there are fewer than rows: of each row the number of its own."""

    codes: npt.NDArray[np.int64]
    names: Sequence[str | None]


Column = Coded | npt.NDArray[Any] | list[Any]
Schema = Mapping[str, Kind]
"""Names of the columns, which have the unit in them, in their order."""
Rows = dict[str, Column]
"""Columns of equal length, of a schema."""


def count(rows: Rows) -> int:
    column = next(iter(rows.values()))
    return len(column.codes if isinstance(column, Coded) else column)


def values(column: Column) -> list[Any]:
    """Of each row: int, float, bool, str, or None where it is not known."""
    if isinstance(column, Coded):
        return [column.names[code] for code in column.codes.tolist()]
    if isinstance(column, list):
        return column
    found: list[Any] = column.tolist()
    return found


def same(text: str, rows: int) -> Coded:
    """One text in all rows."""
    return Coded(np.zeros(rows, np.int64), [text])


def numbered(names: Iterable[str | None]) -> Coded:
    """Texts as they come, each kept once."""
    number: dict[str | None, int] = {}
    codes = [number.setdefault(name, len(number)) for name in names]
    return Coded(np.array(codes, np.int64), list(number))


def table(schema: Schema, rows: Iterable[Sequence[Any]]) -> Iterator[Rows]:
    """Single rows, with a value for each column, as pieces."""
    waiting: list[Sequence[Any]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) >= PIECE_ROWS:
            yield _columns(schema, waiting)
            waiting = []
    if waiting:
        yield _columns(schema, waiting)


def _columns(schema: Schema, rows: list[Sequence[Any]]) -> Rows:
    columns = zip(*rows, strict=True)
    return {
        name: numbered(column) if kind is Kind.TEXT else list(column)
        for (name, kind), column in zip(schema.items(), columns, strict=True)
    }
