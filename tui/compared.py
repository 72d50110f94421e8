"""A comparison in words, for the screen and without one. Pure; never loads Textual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui import format as fmt
from tui.format import Unit
from tui.glyphs import ABSENT
from tui.judgement import percent
from tui.plain import printable
from tui.summary import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collectors.compare.comparison import Comparison, Plain, Row
    from collectors.model.figure import Figure

UNITS: Final = {"used": Unit.BYTES, "hits": Unit.TOKENS, "longest stall": Unit.SECONDS, "stored again": Unit.SHARE}
"""Of plain figures; the others are rates."""


def lines(it: Comparison) -> Iterator[str]:
    """Both in words: what they are, what differs for sure, then everything."""
    for letter, side in (("A", it.a), ("B", it.b)):
        mark = "EMULATED · " if side.emulated else ""
        models = ", ".join(map(printable, side.models)) or "no model known"
        yield f"{letter}  {mark}{printable(side.name)} from {side.from_s:g} s to {side.until_s:g} s · {side.requests} requests · {side.workers} workers · {models}"
        if side.torn is not None:
            yield f"   incomplete: {side.torn}"
    yield from (f"!  {printable(one)}" for one in it.unlike)
    yield ""
    yield from table(("", "of", "A", "B", "B − A, 95 % lies in", "", "n A", "n B"), [_row(one) for one in it.rows])
    yield ""
    yield "Intervals: the wider of requests drawn again and tenths of the time drawn again (rates: of the time; shares: or Newcombe's). One that holds 0 shows no difference."
    for panel in dict.fromkeys(one.panel for one in it.plain):
        yield ""
        yield f"{panel}: as told, without an interval"
        yield from table(("", "of", "A", "B", "B ÷ A"), [plain_cells(one) for one in it.plain if one.panel == panel])


def _row(it: Row) -> tuple[str, ...]:
    values = value_text(it.a, it.unit), value_text(it.b, it.unit)
    return what(it), printable(it.of), *values, between(it), it.says, str(it.n_a), str(it.n_b)


def what(it: Row) -> str:
    return it.figure if it.unit != "/s" else f"{it.figure}/s"


def between(it: Row) -> str:
    """Where B − A lies."""
    if it.low is None or it.high is None:
        return ABSENT
    return f"{_signed(it.low, it.unit)} … {_signed(it.high, it.unit)}"


def value_text(value: float | None, unit: str) -> str:
    if value is None:
        return ABSENT
    return fmt.seconds(value) if unit == "s" else f"{percent(value)} %" if unit == "share" else fmt.si(value)


def _signed(value: float, unit: str) -> str:
    """With its sign; a share's difference is in points of a per cent."""
    sign = "+" if value > 0 else "−" if value < 0 else ""
    if unit == "share":
        return f"{sign}{fmt.significant(abs(value) * 100, 2)} pp"
    return f"{sign}{fmt.seconds(abs(value)) if unit == 's' else fmt.si(abs(value))}"


def plain_cells(it: Plain) -> tuple[str, ...]:
    unit = unit_of(it)
    a, b = (number(one) for one in (it.a, it.b))
    ratio = fmt.times(b / a) if a and b is not None else ABSENT
    return it.figure, printable(it.of), _shown(it.a, unit), _shown(it.b, unit), ratio


def unit_of(it: Plain) -> Unit:
    return UNITS.get(it.figure, Unit.RATE if it.panel != "placement" else Unit.TOKENS)


def _shown(it: Figure | None, unit: Unit) -> str:
    return ABSENT if it is None else fmt.figure(it, unit)[0]


def number(it: Figure | None) -> float | None:
    """That may be divided: neither a bound nor an estimate."""
    if it is None or it.value is None or it.estimate is True or it.at_least is True:
        return None
    return float(it.value)
