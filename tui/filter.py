"""What is typed after `/`: which rows are meant. Pure.

Words are separated by blanks, and a row has to hold all of them: `field:text` (contains it, whatever the case), `field:–` (not known), `field>number` and `<`, `>=`, `<=`, `=`
(with or without a colon; units as on the screen: `200ms`, `1.5k`, `4GiB`, `80%`), and a bare word, which any field may contain. `!` before a word turns it around; quotes
keep blanks. A field may be shortened as long as it is the only one. What is not known is neither above nor below anything.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Row = TypeVar("Row")
Value = str | float | None
ABSENT: Final = ("–", "-")
MAX_LENGTH: Final = 500
UNITS: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "%": 1e-2, "W": 1.0,
    "B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip
COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
}
_WORDS: Final = re.compile(r'(?:[^\s"]|"[^"]*"?)+')
_TERM: Final = re.compile(r'(!?)(?:([^:<>="\s]+?)(:?(?:>=|<=|>|<|=)|:))?(.*)', re.DOTALL)
_NUMBER: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(\D*)")


class FilterError(ValueError):
    """What is typed says nothing; the message says why. `at`: where, in characters."""

    def __init__(self, at: int, message: str) -> None:
        super().__init__(message)
        self.at = at


class UnknownFieldError(FilterError):
    """There is no such field, or there are several."""


class NumberError(FilterError):
    """Not a number where one is needed, or a field that is none."""


class QuoteError(FilterError):
    """A quote that is not closed."""


@dataclass(frozen=True)
class Field(Generic[Row]):
    """What a row can be asked for. `number`: its values can be compared; where they are not known they are None."""

    name: str
    value: Callable[[Row], Value]
    number: bool = False


@dataclass(frozen=True)
class Term:
    """`field` None: any; `compare` None: `text` is contained; `text` "" of a field: it is not known."""

    field: str | None
    compare: str | None
    text: str
    number: float
    negated: bool


def number(text: str) -> float | None:
    """`200ms` in base units; None where it is not a number."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None or (found[2] and found[2] not in UNITS):
        return None
    return float(found[1]) * (UNITS[found[2]] if found[2] else 1.0)


def parsed(text: str, fields: Iterable[Field[Row]]) -> tuple[Term, ...]:
    """The terms of a filter over rows of these fields. Raises a `FilterError`."""
    if len(text) > MAX_LENGTH:
        raise FilterError(MAX_LENGTH, f"longer than {MAX_LENGTH} characters")
    known = {field.name: field for field in fields}
    return tuple(_term(word[0], word.start(), known) for word in _WORDS.finditer(text) if word[0] != "!")


def _term(word: str, at: int, known: Mapping[str, Field[Row]]) -> Term:
    if word.count('"') % 2:
        raise QuoteError(at + word.index('"'), "a quote is not closed")
    found = _TERM.fullmatch(word)
    assert found is not None  # the last part takes anything
    negated, name, sign, rest = bool(found[1]), found[2], found[3], found[4].replace('"', "")
    if not name:
        return Term(None, None, rest.casefold(), 0.0, negated)
    field = known[_field(name, at, known)]
    compare = sign.removeprefix(":") or None
    if compare is None:
        return Term(field.name, None, "" if rest in ABSENT else rest.casefold() or "\0", 0.0, negated)
    value = number(rest)
    if not field.number:
        raise NumberError(at, f"{field.name} is no number: {field.name}:{rest or 'text'}")
    if value is None:
        raise NumberError(
            at + len(word) - len(rest), f"{rest or 'nothing'} is no number" if rest else "a number is missing"
        )
    return Term(field.name, compare, rest, value, negated)


def _field(name: str, at: int, known: Mapping[str, Field[Row]]) -> str:
    name = name.casefold()
    if name in known:
        return name
    near = [one for one in known if one.startswith(name)]
    if len(near) != 1:
        which = ", ".join(near or known)
        raise UnknownFieldError(at, f"{name} may be {which}" if near else f"no field {name}; there are {which}")
    return near[0]


def matches(terms: Sequence[Term], row: Row, fields: Mapping[str, Field[Row]]) -> bool:
    return all(_holds(term, row, fields) is not term.negated for term in terms)


def _holds(term: Term, row: Row, fields: Mapping[str, Field[Row]]) -> bool:
    if term.field is None:
        return any(term.text in value.casefold() for one in fields.values() if isinstance(value := one.value(row), str))
    value = fields[term.field].value(row)
    if term.compare is not None:
        return isinstance(value, int | float) and COMPARE[term.compare](value, term.number)
    if not term.text:
        return value is None or value in ABSENT
    if term.text == "\0":
        return value is not None
    return value is not None and term.text in (value.casefold() if isinstance(value, str) else f"{value:g}")


def ordered(rows: Sequence[Row], field: Field[Row], *, descending: bool) -> list[Row]:
    """Sorted by a field, those in which it is not known last either way; equal ones stay as they are."""
    asked = [(field.value(row), row) for row in rows]
    known = [(value, row) for value, row in asked if value is not None]
    known.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]), reverse=descending)
    return [row for _, row in known] + [row for value, row in asked if value is None]
