"""One fault as somebody asks for it: out of a table (of a scenario's file, or of JSON), or written `KIND:TARGET@START+DURATION[,key=value]`."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emulators.faults.kinds import KINDS, Parameter, Value

MOST_S: Final = 1e6
_WRITTEN: Final = re.compile(
    r"(?P<kind>[a-z0-9-]+):(?P<target>[^@,]*)@(?P<start>[^+,]+)(?:\+(?P<duration>[^,]+))?(?:,(?P<more>.*))?"
)
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)?")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0}
FORM: Final = "KIND:TARGET@START[+DURATION][,key=value …], as in straggler:gpu-1/0@5s+10s,factor=4"


class FaultError(ValueError):
    """No such fault; the message says what there is."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Times in simulated seconds. `duration_s` None: until it is taken back. `values` has all parameters of its kind."""

    kind: str
    target: str
    start_s: float
    duration_s: float | None
    values: Mapping[str, Value]

    def number(self, name: str) -> float:
        return float(self.values[name])


def of_table(table: Mapping[str, object], start_s: float | None = None) -> Fault:
    """`kind`, `target`, `start_s` (by default the one given here, if any), `duration_s`, and parameters of the kind. FaultError naming what is wrong."""
    left = dict(table)
    name, target = left.pop("kind", None), left.pop("target", "")
    if not isinstance(name, str) or name not in KINDS:
        raise FaultError(f"unknown kind {name!r}; known: {', '.join(KINDS)}")
    kind = KINDS[name]
    if not isinstance(target, str) or len(target) > 256:
        raise FaultError(f"{name}: target must be the name of a {kind.strikes}")
    start = _number(name, "start_s", left.pop("start_s", start_s), 0.0, MOST_S)
    said = left.pop("duration_s", None)
    duration = None if said is None else _number(name, "duration_s", said, 0.0, MOST_S)
    if duration == 0 and not kind.at_once:
        raise FaultError(f"{name}: lasting no time it does nothing; duration_s must be above 0")
    for key in left:
        if key not in kind.parameters:
            known = ", ".join(["target", "start_s", "duration_s", *kind.parameters])
            raise FaultError(f"{name}: unknown key {key!r}; known: {known}")
    values = {
        key: _value(name, key, left.get(key, parameter.default), parameter)
        for key, parameter in kind.parameters.items()
    }
    return Fault(name, target, start, duration, values)


def written(text: str) -> Fault:
    """FaultError if it is not of the form `FORM`."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise FaultError(f"{text!r} is not a fault: {FORM}")
    table: dict[str, object] = {"kind": match["kind"], "target": match["target"], "start_s": _seconds(match["start"])}
    if match["duration"] is not None:
        table["duration_s"] = _seconds(match["duration"])
    for pair in (match["more"] or "").split(",") if match["more"] else ():
        key, equals, value = pair.partition("=")
        if not equals or key in ("kind", "target", "start_s", "duration_s"):
            raise FaultError(f"{text!r}: {pair!r} is not key=value")
        table[key] = value
    return of_table(table)


def _seconds(text: str) -> float:
    match = _TIME.fullmatch(text)
    if match is None:
        raise FaultError(f"{text!r} is not a time such as 500ms, 10s or 2m")
    return float(match[1]) * _UNIT_S[match[2]]


def _value(kind: str, name: str, value: object, parameter: Parameter) -> Value:
    if not parameter.words:
        return _number(kind, name, value, parameter.low, parameter.high)
    if value not in parameter.words:
        raise FaultError(f"{kind}: {name} is one of {', '.join(parameter.words)}, not {value!r}")
    return str(value)


def _number(kind: str, name: str, value: object, low: float, high: float) -> float:
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, int | float | str) else float(value)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise FaultError(f"{kind}: {name} is a number from {low:g} to {high:g}, not {value!r}")
    return number
