"""What a rule looks at: the Frame's rows, what was before them, and how to say what is found. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from collectors.diagnose.beats import RECENT_S, Beats
from collectors.diagnose.work import Work
from collectors.model.figure import Figure
from collectors.model.frame import JitterRow, StallRow, TargetRow, WorkerRow
from collectors.model.memory import PromptRow, ReuseRow, TierRow
from collectors.model.requests import ClockRow, RequestRow
from collectors.model.verdict import Evidence, Hop, Kind
from collectors.model.vocabulary import Device, Provenance, State
from collectors.stats.fleet import PoolKey
from collectors.stats.sketch import Floats


@dataclass(frozen=True, slots=True)
class Scene:
    """At a full second `now` of session time. `dropped` is of pools, by second (see `Watch`)."""

    now: int
    window_s: float
    targets: Sequence[TargetRow]
    workers: Sequence[WorkerRow]
    tiers: Sequence[TierRow]
    prompts: Sequence[PromptRow]
    reuse: Sequence[ReuseRow]
    stalls: Sequence[StallRow]
    jitter: Sequence[JitterRow]
    requests: Sequence[RequestRow]
    clocks: Sequence[ClockRow]
    beats: Beats
    work: Work
    dropped: Mapping[PoolKey, Sequence[float]]
    measured: frozenset[str]
    """Workers whose deliveries an observer timed: what lies between is in their gaps."""

    def kinds(self) -> dict[object, list[WorkerRow]]:
        """Workers that should be as fast as each other: of the same role, chip, number of chips and model. Those whose chip nobody tells are in none."""
        found: dict[object, list[WorkerRow]] = {}
        for row in self.workers:
            if row.chip and row.device is not Device.UNKNOWN:
                found.setdefault(kind(row), []).append(row)
        return found

    def recent(self, worker: str, column: str) -> Floats:
        return self.beats.recent(column, worker)

    def before(self, worker: str, column: str) -> Floats:
        return self.beats.before(column, worker)


class Suspicion(NamedTuple):
    """What a rule says of this second. `said` follows the worker's name in the line, `figures` in brackets."""

    kind: Kind
    hop: Hop
    worker: str
    said: str
    figures: str
    knob: str
    evidence: tuple[Evidence, ...]


def evidence(what: str, value: float, unit: str, *, n: int, window_s: float = RECENT_S, emulated: bool) -> Evidence:
    state = State.OK if value else State.ZERO
    return Evidence(what, Figure(value, state, Provenance.DERIVED, emulated, None, n, unit), window_s)


def middle(values: Floats) -> float:
    """Median of what is known, NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def middles(values: Floats) -> Floats:
    """Medians of the rows, of what is known in each."""
    some = np.isfinite(values).sum(axis=1)
    ordered = np.sort(values, axis=1)  # what is not known comes last
    rows, last = np.arange(len(values)), np.maximum(some - 1, 0)
    found: Floats = np.where(some > 0, (ordered[rows, last // 2] + ordered[rows, (last + 1) // 2]) / 2, np.nan)
    return found


def quarter(values: Floats, q: float = 0.25) -> float:
    """A quartile of what is known, NaN where nothing is: what is usual though much of it was already out of the usual."""
    some = np.sort(values[np.isfinite(values)])  # np.quantile takes ten times as long for few values
    if not some.size:
        return float("nan")
    at = (some.size - 1) * q
    below, above = some[int(at)], some[math.ceil(at)]
    return float(below + (above - below) * (at - int(at)))


def quarters(values: Floats, q: float = 0.25) -> Floats:
    """Quartiles of the rows, of what is known in each."""
    some = np.isfinite(values).sum(axis=1)
    ordered = np.sort(values, axis=1)  # what is not known comes last
    at = np.maximum(some - 1, 0) * q
    rows, part = np.arange(len(values)), at % 1
    below, above = ordered[rows, np.floor(at).astype(np.intp)], ordered[rows, np.ceil(at).astype(np.intp)]
    found: Floats = np.where(some > 0, below + (above - below) * part, np.nan)
    return found


def total(values: Floats) -> int:
    return int(np.nansum(values))


def seconds(value: float) -> str:
    """A duration to three digits: `1.31 ms`."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= scale:
            return f"{_digits(value / scale)} {unit}"
    return f"{value * 1e9:.0f} ns"


def rate(value: float, unit: str) -> str:
    """A speed to three digits: `1.2 GB/s`, `34.1k tokens/s`."""
    if unit == "bytes/s":
        for scale, name in ((1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s")):
            if value >= scale:
                return f"{_digits(value / scale)} {name}"
        return f"{value:.0f} B/s"
    return f"{_digits(value / 1e3)}k {unit}" if value >= 1e3 else f"{_digits(value)} {unit}"


def times(value: float) -> str:
    return f"×{_digits(value, 2)}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _digits(value: float, digits: int = 3) -> str:
    whole = len(str(int(value)))
    return f"{value:.{max(digits - whole, 0)}f}"


def kind(row: WorkerRow) -> tuple[object, ...]:
    return row.role, row.device, row.chip, row.chips, row.model
