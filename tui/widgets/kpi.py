"""The key figures: a line of names over a line of values, in fixed columns so that nothing jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.model.vocabulary import Device, State
from tui import format as fmt
from tui import meanings
from tui.counts import counted
from tui.format import Forms, Unit
from tui.glyphs import ABSENT, SELECTED, STALE
from tui.inks import figure_ink
from tui.line import Line, Pen, changed, clip_middle
from tui.theme import Ink
from tui.told import Told
from tui.widgets.panel import Panel

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from collectors.model.figure import Figure, Quantile
    from collectors.model.frame import Frame, JitterRow
    from collectors.model.slo import Share, Slo
    from tui.view import View

MAX_CELL: Final = 30
MIN_CELL: Final = 15
_OK, _STALE = State.OK, State.STALE  # asked for once: a member of an enumeration takes as long as all else of a row
_TOLD: Final = (_OK, State.ZERO, _STALE)
_BEYOND: Final = 1e12
"""Seconds; wider than any bound."""


class Kpi(NamedTuple):
    name: str
    forms: Forms
    ink: int
    who: str = ""
    """The worker that it is about, written before the value."""
    short: Forms = ()
    """The name for narrower cells, which hold all of its numbers."""
    told: Told | None = None


def worst_jitter(rows: Sequence[JitterRow]) -> JitterRow | None:
    """The row of the widest p99 − p50 that is known; above every counted bound is wider than any bound."""
    its = [row.p99_minus_p50 for row in rows]
    widths = [it.value if it.value is not None and it.state is _OK else _width(it) for it in its]
    widest = max(widths, default=-1.0)
    return rows[widths.index(widest)] if widest >= 0 else None


def _width(it: Quantile) -> float:
    """Negative: not known."""
    if it.state is State.OVER_RANGE:
        return _BEYOND + (it.low or 0.0)
    if it.state not in _TOLD:
        return -1.0
    return (it.high or 0.0) if it.value is None else it.value


def longest_stall(rows: Sequence[JitterRow]) -> JitterRow | None:
    lengths = [row.longest_stall_s.value or 0.0 for row in rows]
    longest = max(lengths, default=0.0)
    return rows[lengths.index(longest)] if longest else None


def other_kind(rows: Sequence[JitterRow], device: Device) -> JitterRow | None:
    """The worst of the kind to compare with: the LPUs where there are any, else the steadiest other kind."""
    kinds = {row.device for row in rows} - {device}
    if Device.LPU in kinds:
        kinds = {Device.LPU}
    of_kinds = [[row for row in rows if row.device is kind] for kind in sorted(kinds)]
    worst = [found for some in of_kinds if (found := worst_jitter(some))]
    return min(worst, key=lambda row: row.p99_minus_p50.value or 0.0, default=None)


def ran_on(frame: Frame) -> Forms:
    """Share of the window's output tokens by device kind, most first, of what is known now; where all of it is stale, of that, marked; empty where it is not known.

    The shorter forms are without blanks, and of the first kind alone.
    """
    told = [row for row in frame.placements if row.primary and row.tokens.value is not None]
    now = [row for row in told if row.tokens.state is not _STALE]
    tokens: dict[Device, float] = {}
    for row in now or told:
        tokens[row.device] = tokens.get(row.device, 0.0) + (row.tokens.value or 0)
    total = sum(tokens.values())
    if not total or set(tokens) == {Device.UNKNOWN}:
        return ()
    ranked = sorted(tokens.items(), key=lambda item: -item[1])
    shares = [(device, fmt.percent(part, total)) for device, part in ranked if part]
    long = "  ".join(f"{device} {share}" for device, share in shares)
    short = " ".join(f"{device} {share.replace(' ', '')}" for device, share in shares)
    device, share = shares[0]
    mark = "" if now else STALE
    return f"{mark}{long}", f"{mark}{short}", f"{mark}{device} {share}"


def kpis(view: View) -> list[Kpi]:
    """All key figures, the most important first."""
    frame = view.frame
    if frame is None:
        return [Kpi(name, (ABSENT,), Ink.DIM) for name in ("output tok/s", "TTFT p99", "worst jitter", "longest stall")]
    ttft, now_ns = frame.ttft, frame.time_ns
    first = _kpi("TTFT p99", ttft.p99, fmt.quantile(ttft.p99, Unit.SECONDS, now_ns))
    told = Told("TTFT p99", ttft.p99, Unit.SECONDS, meanings.TTFT, ttft.population, ttft.n, "all requests")
    first = first._replace(told=told)
    if ttft.n:
        n = fmt.count(ttft.n)
        first = first._replace(name=f"TTFT p99 n {n}", short=(f"TTFT p99 n{n}", f"TTFTp99 n{n}"))
    out, beside = [_total_rate(frame), first], list[Kpi]()
    worst = worst_jitter(frame.jitter)
    if worst is None:
        out.append(Kpi("worst jitter", fmt.unknown(_reason(row.p99_minus_p50 for row in frame.jitter)), Ink.DIM))
    else:
        it = worst.p99_minus_p50
        out.append(
            _kpi("worst jitter", it, fmt.quantile(it, Unit.SECONDS, now_ns), view.name(worst.worker), meanings.JITTER)
        )
        other = other_kind(frame.jitter, worst.device)
        if other is not None:
            it = other.p99_minus_p50
            made = _kpi(f"{other.device} jitter", it, fmt.quantile(it, Unit.SECONDS, now_ns))
            told = Told(made.name, it, Unit.SECONDS, meanings.JITTER, of=view.name(other.worker))
            beside.append(made._replace(told=told))
    longest = longest_stall(frame.jitter)
    if longest is None:
        seen = any(row.longest_stall_s.state is State.ZERO for row in frame.jitter)
        why = ("none",) if seen else fmt.unknown(_reason(row.longest_stall_s for row in frame.jitter))
        out.append(Kpi("longest stall", why, Ink.TEXT if seen else Ink.DIM))
    else:
        stall = longest.longest_stall_s
        who = view.name(longest.worker)
        out.append(_kpi("longest stall", stall, fmt.figure(stall, Unit.SECONDS, now_ns), who, meanings.LONGEST_STALL))
    if shares := ran_on(frame):
        out.append(Kpi("tokens ran on", shares, Ink.WARN if shares[0].startswith(STALE) else Ink.STRONG))
    if frame.slo is not None and frame.slo.rows and frame.slo.rows[0].attained is not None:
        out.append(_goodput(frame.slo, frame.slo.rows[0].attained, frame.emulated))
    return out + beside


def strip(view: View, width: int) -> list[Line]:
    """Two lines; figures that find no room are left out from the end."""
    items = kpis(view)
    room = width - 2
    items = items[: max(1, room // MIN_CELL if room < len(items) * MIN_CELL else len(items))]
    size = min(MAX_CELL, room // len(items))
    names, values = Pen(width).gap(), Pen(width).gap()
    for index, item in enumerate(items):
        start = 1 + index * size
        names.to(start).cell(fmt.pick((item.name, *item.short), size - 1), size - 1, Ink.DIM)
        values.to(start)
        who = item.who
        if who and len(item.forms[-1]) + len(who) + 1 >= size:
            who = clip_middle(who, size - 2 - len(item.forms[-1]))
        if who:
            values.put(f"{who} ", Ink.TEXT)
        left = start + size - 1 - (width - values.left)
        values.put(fmt.pick(item.forms, left), item.ink)
    return [names.line(), values.line()]


def _total_rate(frame: Frame) -> Kpi:
    """Its name says of how many workers it is, where it is not of all."""
    it, part = frame.tokens_per_s, counted(frame)
    made = _kpi("output tok/s", it, fmt.figure(it, Unit.RATE, frame.time_ns))
    n = it.n if isinstance(it.n, int) else 0
    population = f"{n} of {frame.tokens_per_s_workers} workers that make output tokens" if n else ""
    made = made._replace(told=Told("output tok/s", it, Unit.RATE, meanings.FLEET_RATE, population, of="the fleet"))
    if not part:
        return made
    return made._replace(name=f"tok/s of {part}", short=(f"tok/s {part}", f"t/s {part}"), ink=Ink.WARN)


def _goodput(slo: Slo, whole: Share, emulated: bool) -> Kpi:
    """Share of the requests that met the profile chosen, and how many that are a second."""
    from tui.widgets.slo import INKS, headline, told_share  # what it needs is not loaded before the first frame

    name = f"goodput {slo.profile}"
    told = told_share(name, whole, meanings.ATTAINED, "all requests", emulated=emulated)
    return Kpi(name, headline(slo), INKS[slo.state], told=told, short=("goodput",))


def _reason(figures: Iterable[Figure]) -> State:
    """Why none of them is known: what is nearest to being known counts."""
    states = {one.state for one in figures}
    return next((state for state in (State.TOO_FEW, State.NAN, State.UNSAMPLED) if state in states), State.ABSENT)


def _kpi(name: str, it: Figure, forms: Forms, who: str = "", means: str = "") -> Kpi:
    told = Told(name, it, Unit.SECONDS, means, of=who) if means else None
    return Kpi(name, forms, figure_ink(it, Ink.STRONG), who, told=told)


class KpiStrip(Panel):
    focusable = True

    def draw(self, view: View, width: int, height: int) -> list[Line]:
        names, values = strip(view, width)
        if self.focused:
            names = changed(names, 0, 1, lambda _: ((SELECTED, Ink.ACCENT),))
        return [names, values]

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        return [item.told for item in kpis(view) if item.told is not None]
