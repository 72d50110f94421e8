"""Figures as text: never more digits than are known, and every state of knowledge told apart.

Pure functions over numbers and Figures. A result is a tuple of forms, from the widest to the tightest; `pick` takes the first that fits, so that a
figure is shortened but never cut. Nothing here knows of colours or of Textual.
"""

from __future__ import annotations

import math
import time
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Provenance, State
from tui.glyphs import ABSENT, AT_LEAST, ELLIPSIS, ESTIMATE, NAN, STALE, TOO_FEW, UNSAMPLED

if TYPE_CHECKING:
    from collections.abc import Callable

    from collectors.model.figure import Figure, Quantile

Forms = tuple[str, ...]

DIGITS: Final = 3
ROUNDED_SHARE: Final = 0.125
"""Widest half-width of an interval, as a share of its middle, that is written `a ±b`; above it both bounds are written."""


class Unit(Enum):
    SECONDS = "s"
    BYTES = "B"
    TOKENS = "tok"
    COUNT = ""
    """Of things: whole numbers, exact below 10,000."""
    RATE = "/s"
    """Per second; the heading says of what."""
    SHARE = "%"
    """Of a whole that is not known."""
    WATTS = "W"
    JOULES = "J"


_KNOWN: Final = (State.OK, State.ZERO)
_OLD, _OVER = State.STALE, State.OVER_RANGE  # asked for once: a member of an enumeration takes as long as the rest
_TIME: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_METRIC: Final = ((1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_SI: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BINARY: Final = ((2.0**50, "PiB"), (2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
_EXACT_BELOW: Final = 10_000
_OWN_UNITS: Final = {"tokens": Unit.TOKENS, "blocks": Unit.COUNT, "ratio": Unit.SHARE}
"""By what a figure says of itself."""


def significant(value: float, digits: int = DIGITS) -> str:
    """`value` to so many significant digits, without an exponent."""
    if value == 0:
        return "0"
    value = float(f"{value:.{digits}g}")
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def seconds(value: float) -> str:
    """A duration in the unit in which it is at least one: `1.31 ms`, `212 ms`, `2.50 s`."""
    if value == 0:
        return "0 s"
    scale, unit = _time_unit(float(f"{value:.{DIGITS}g}"))
    return f"{significant(value / scale)} {unit}"


def si(value: float) -> str:
    """A number with a decimal suffix: `24`, `2.31`, `20.3k`, `1.00M`."""
    rounded = float(f"{value:.{DIGITS}g}")
    for scale, suffix in _SI:
        if abs(rounded) >= scale:
            return f"{significant(value / scale)}{suffix}"
    if value == int(value):
        return str(int(value))
    return "<0.01" if 0 < value < 0.01 else significant(value)


def count(value: float) -> str:
    """A number of things: exact below 10,000, then as `si`."""
    return str(round(value)) if abs(value) < _EXACT_BELOW else si(value)


def size(value: float) -> str:
    """Bytes with a binary unit: `56.0 GiB`."""
    rounded = float(f"{value:.{DIGITS}g}")
    for scale, unit in _BINARY:
        if rounded >= scale or value >= scale:
            return f"{significant(value / scale)} {unit}"
    return f"{round(value)} B"


def metric(value: float, unit: str, digits: int = DIGITS) -> str:
    """Watts or joules, by a prefix so that no digit is written that says nothing: `9.80 J`, `41.0 mJ`, `1.20 kW`, of two digits `0.50 W`."""
    if value == 0:
        return f"0 {unit}"
    least, rounded = 10.0 ** (digits - DIGITS), float(f"{value:.{digits}g}")
    scale, prefix = next((pair for pair in _METRIC if rounded >= pair[0] * least), _METRIC[-1])
    return f"{significant(value / scale, digits)} {prefix}{unit}"


@lru_cache(4_096)
def plain(value: float, unit: Unit) -> str:
    """A known value in its unit."""
    if unit is Unit.SECONDS:
        return seconds(value)
    if unit is Unit.BYTES:
        return size(value)
    if unit is Unit.TOKENS:
        return f"{si(value)} tok"
    if unit is Unit.SHARE:
        return percent(value, 1.0)
    if unit is Unit.WATTS and value >= 1:
        return f"{si(round(value))} W"
    if unit in (Unit.WATTS, Unit.JOULES):
        return metric(value, unit.value)
    return si(value) if unit is Unit.RATE else count(value)


def percent(part: float, whole: float) -> str:
    """A share in whole per cent that says 0 and 100 only where they are meant."""
    if whole <= 0:
        return ABSENT
    share = 100 * part / whole or 0.0
    if 0 < share < 1:
        return "<1 %"
    if 99.5 <= share < 100:
        return ">99 %"
    return f"{share:.0f} %"


def age(value: float) -> str:
    """How long ago, coarsely: `<1 s`, `12 s`, `3 min`, `5 h`, `2 d`."""
    if value < 1:
        return "<1 s"
    if value < 100:
        return f"{int(value)} s"
    if value < 6000:
        return f"{int(value / 60)} min"
    return f"{int(value / 3600)} h" if value < 172_800 else f"{int(value / 86_400)} d"


def scale(value: float) -> str:
    """A round number without digits that say nothing: `40`, `1.5k`, `20k`."""
    return next((f"{value / size:g}{suffix}" for size, suffix in _SI if value >= size), f"{value:g}")


def times(value: float) -> str:
    """A ratio: `×11`, `×1.5`."""
    return f"×{significant(value, 2 if value < 100 else DIGITS)}"


def wall(utc_s: float | None, session_s: float) -> str:
    """A moment as local time of day, or as time since the session's start where the clock is virtual."""
    if utc_s is not None:
        return time.strftime("%H:%M:%S", time.localtime(utc_s))
    minutes, rest = divmod(max(session_s, 0.0), 60)
    return f"+{int(minutes)}:{math.floor(rest * 10) / 10:04.1f}"


def clock(seconds: float) -> str:
    """A length of time as a presenter counts it: `0:42`, `12:05`."""
    minutes, rest = divmod(int(max(seconds, 0.0)), 60)
    return f"{minutes}:{rest:02d}"


def figure(it: Figure, unit: Unit, now_ns: int | None = None) -> Forms:
    """Forms of a Figure. Its own `unit`, where it has one, goes before `unit`. A stale one says how old it is at `now_ns`; an estimate is marked."""
    unit = _own_unit(it, unit)
    known: Forms = (ABSENT,) if it.value is None else _about(it, _tight(_value(it, it.value, unit), unit))
    if it.state is _OLD:
        return _stale(known[:1], _age_s(it, now_ns))
    if it.value is None or it.state not in _KNOWN:
        return unknown(it.state)
    return known


def quantile(it: Quantile, unit: Unit, now_ns: int | None = None) -> Forms:
    """Forms of a quantile: a plain value where the interval is narrower than three digits can tell, else what is known of it."""
    unit = _own_unit(it, unit)
    if it.state is _OVER:
        return unknown(it.state) if it.low is None else _about(it, _one_sided(">", _bound(it.low, unit, math.floor)))
    if it.state is _OLD:
        return _stale(_about(it, _known(it, unit)), _age_s(it, now_ns))
    if it.state not in _KNOWN:
        return unknown(it.state)
    return _about(it, _known(it, unit))


def interval(low: float, high: float, unit: Unit) -> Forms:
    """What is known of a value in (low, high]: `≤ 300 ms`, `(10, 15] s`, `20 ±3 µs`, or a plain value where that says as much."""
    if high <= 0:
        return (plain(0.0, unit),)
    if low <= 0:
        return _one_sided("≤", _bound(high, unit, math.ceil))
    middle, half = (low + high) / 2, (high - low) / 2
    if half <= _last_place(middle, DIGITS):
        return (plain(middle, unit),)
    declared = _is_short(low) and _is_short(high)
    if unit is Unit.SECONDS and half <= ROUNDED_SHARE * middle and not declared:
        return _rounded(middle, half)
    return _bounds(low, high, unit, declared)


def pick(forms: Forms, width: int) -> str:
    """The widest form that fits into `width` cells; an ellipsis where none does, for a cut number would be another number."""
    for form in forms:
        if len(form) <= width:
            return form
    return ELLIPSIS[:width]


def _known(it: Quantile, unit: Unit) -> Forms:
    if it.low is not None and it.high is not None and it.high > it.low:
        return interval(it.low, it.high, unit)
    return (plain(it.value, unit),) if it.value is not None else (ABSENT,)


def _value(it: Figure, value: float, unit: Unit) -> str:
    """Watts and joules that are only about right by assumed figures have two digits that say anything."""
    if it.estimate is True and it.provenance is Provenance.ASSUMED and unit in (Unit.WATTS, Unit.JOULES):
        return metric(value, unit.value, 2)
    return plain(value, unit)


def _about(it: Figure, forms: Forms) -> Forms:
    """The same, marked where they are an estimate or a lower bound."""
    if it.at_least is True:
        return tuple(AT_LEAST + form for form in forms)
    return tuple(ESTIMATE + form for form in forms) if it.estimate is True else forms


def unknown(state: State) -> Forms:
    """Forms of a figure that has no value."""
    if state is State.TOO_FEW:
        return TOO_FEW, "n small", "n↓"
    if state is State.UNSAMPLED:
        return (UNSAMPLED,)
    return (NAN,) if state is State.NAN else (ABSENT,)


def _stale(forms: Forms, age_s: float | None) -> Forms:
    marked = tuple(STALE + form for form in forms)
    return marked if age_s is None else (f"{marked[0]} ({age(age_s)})", *marked)


def _age_s(it: Figure, now_ns: int | None) -> float | None:
    return None if now_ns is None or it.heard_ns is None else max(now_ns - it.heard_ns, 0) / 1e9


def _tight(text: str, unit: Unit) -> Forms:
    """A size or an amount of tokens also with the shortest unit that is still one: `6.25Gi`, `81.9kt`."""
    if unit is Unit.BYTES:
        return text, text.replace(" ", "").removesuffix("B") if text.endswith("iB") else text
    if unit in (Unit.WATTS, Unit.JOULES, Unit.SHARE):
        return text, text.replace(" ", "")
    return (text, text.replace(" tok", "t")) if unit is Unit.TOKENS else (text,)


def _own_unit(it: Figure, unit: Unit) -> Unit:
    return _OWN_UNITS.get(it.unit, unit) if isinstance(it.unit, str) else unit


def _time_unit(value: float) -> tuple[float, str]:
    return next((pair for pair in _TIME if value >= pair[0]), _TIME[-1])


def _last_place(value: float, digits: int) -> float:
    """What one in the last of so many significant digits is worth."""
    return float(10.0 ** (math.floor(math.log10(value)) - digits + 1))


def _is_short(value: float) -> bool:
    """Whether someone chose the number: bucket bounds have few digits, bounds of a sketch have many."""
    return math.isclose(value, float(f"{value:.{DIGITS}g}"), rel_tol=1e-9)


def _bound(value: float, unit: Unit, rounding: Callable[[float], int]) -> str:
    """The only bound that is known: `300 ms`, `2.5 s`."""
    if unit is not Unit.SECONDS:
        return plain(value, unit)
    scale, name = _time_unit(value * (1 + 1e-9))
    return f"{_side(value / scale, _is_short(value), rounding)} {name}"


def _rounded(middle: float, half: float) -> Forms:
    """`a ±b` with b rounded up to one digit, and a to the same place."""
    scale, name = _time_unit(middle)
    place = _last_place(half / scale, 1)
    decimals = max(0, -math.floor(math.log10(place) + 0.5))
    error = math.ceil(half / scale / place - 1e-9) * place
    value = round(middle / scale / place) * place
    text = f"{value:.{decimals}f} ±{error:.{decimals}f}"
    return f"{text} {name}", f"{text}{name}", f"{text.replace(' ', '')}{name}"


def _one_sided(sign: str, bound: str) -> Forms:
    return f"{sign} {bound}", f"{sign}{bound}"


def _bounds(low: float, high: float, unit: Unit, declared: bool) -> Forms:
    if unit is not Unit.SECONDS:
        return f"({plain(low, unit)}, {plain(high, unit)}]", f"({plain(low, unit)},{plain(high, unit)}]"
    scale, name = _time_unit(low * (1 + 1e-9))
    if high / scale >= _EXACT_BELOW:
        other, other_name = _time_unit(high)
        texts = (
            f"{_side(low / scale, declared, math.floor)} {name}",
            f"{_side(high / other, declared, math.ceil)} {other_name}",
        )
        return f"({', '.join(texts)}]", f"({','.join(texts)}]"
    texts = _side(low / scale, declared, math.floor), _side(high / scale, declared, math.ceil)
    joined = ",".join(texts)
    return f"({', '.join(texts)}] {name}", f"({joined}] {name}", f"({joined}]{name}"


def _side(value: float, declared: bool, rounding: Callable[[float], int]) -> str:
    """One bound of an interval: as it was declared, or with two digits, rounded away from the inside."""
    return f"{value:.6g}" if declared else _outward(value, rounding)


def _outward(value: float, rounding: Callable[[float], int]) -> str:
    """Two digits, rounded away from the interval's inside."""
    place = _last_place(value, 2)
    return significant(rounding(round(value / place, 6)) * place, DIGITS if value >= 100 else 2)
