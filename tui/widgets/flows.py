"""What flows between tiers: a column for each tier, a line for each way that KV takes from one to another, and below what comes in, goes out and comes back, and what
it costs a request to have it moved, or computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.diagnose.hops import Cost, costs
from collectors.diagnose.movement import FORMULA, PJ_PER_BIT, Movement, movements
from collectors.diagnose.tier_groups import Edge, edges, handed, thrashes
from collectors.model.vocabulary import Phase, Tier
from collectors.stats.figures import total
from tui import format as fmt
from tui import meanings
from tui.format import Unit
from tui.glyphs import ABSENT, ELLIPSIS, VERDICT
from tui.inks import figure_ink
from tui.line import Line, Pen, cells
from tui.theme import Ink
from tui.told import Told
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from collectors.model.figure import Figure
    from collectors.model.frame import Frame
    from tui.view import View

ORDER: Final = (Tier.PEER, Tier.SRAM, Tier.HBM, Tier.GDDR, Tier.DRAM, Tier.FLASH, Tier.OBJECT)
LABEL: Final = 10
"""Cells of the names of the lines below."""
MOST: Final = 22
"""Cells of a column."""
FROM, TO_RIGHT, TO_LEFT, WAY, BESIDE = "●", "▶", "◀", "─", "│"
COMPUTED, SEP = "computed", " · "
_UNITS: Final = {"bytes": Unit.BYTES, "tokens": Unit.TOKENS, "blocks": Unit.COUNT}


class Sums(NamedTuple):
    """Of all pools of a tier, a second: None where it is of none of them known."""

    stored: Figure | None
    evicted: Figure | None
    again: Figure | None
    thrashing: bool


def nodes(frame: Frame, ways: Sequence[Edge]) -> list[Tier | None]:
    """Tiers that there are, or that anything flows from or to; last what nobody named."""
    named = {row.tier for row in frame.tiers} | {edge.source for edge in ways} | {edge.to for edge in ways}
    known: list[Tier | None] = [tier for tier in ORDER if tier in named]
    return [*known, None] if named & {None, Tier.UNKNOWN} else known


def sums(frame: Frame, tier: Tier | None) -> Sums:
    rows = [row for row in frame.tiers if row.tier is tier]

    def of(name: str) -> Figure | None:
        known = [it for row in rows if (it := getattr(row, name)) and it.value is not None]
        return total(known, emulated=known[0].emulated) if known else None

    given = handed(frame)
    thrashing = any(thrashes(row, given) for row in rows)
    return Sums(of("stored_bytes_per_s"), of("evicted_bytes_per_s"), of("again_bytes_per_s"), thrashing)


class Columns(NamedTuple):
    tiers: list[Tier | None]
    each: int

    def middle(self, tier: Tier | None) -> int:
        tier = None if tier is Tier.UNKNOWN else tier
        return LABEL + self.tiers.index(tier) * self.each + self.each // 2


def way_line(edge: Edge, it: Columns, view: View, width: int, now_ns: int) -> Line:
    """`│  ●── 726 MiB/s ─▶  │  gpu-0 p99 180 ms`."""
    start, end = it.middle(edge.source), it.middle(edge.to)
    left, right = min(start, end), max(start, end)
    pen = Pen(width)
    middles = [it.middle(tier) for tier in it.tiers]
    for at in (one for one in middles if one < left):
        pen.to(at).put(BESIDE, Ink.FAINT)
    pen.to(left)
    if left == right:
        pen.put(FROM, Ink.ACCENT).gap().put(_moved(edge, now_ns)[0], Ink.TEXT)
        return _after(pen, middles, right, edge, view)
    room = right - left - 1
    forms = _moved(edge, now_ns)
    text = next((f" {form} " for form in forms if cells(form) + 2 <= room), fmt.pick(forms, room))
    before = (room - cells(text)) // 2
    pen.put(FROM if left == start else TO_LEFT, Ink.ACCENT).put(WAY * before, Ink.ACCENT)
    pen.put(text, figure_ink(edge.moved_per_s)).put(WAY * (room - before - cells(text)), Ink.ACCENT)
    return _after(pen.put(FROM if right == start else TO_RIGHT, Ink.ACCENT), middles, right, edge, view)


def _after(pen: Pen, middles: Sequence[int], after: int, edge: Edge, view: View) -> Line:
    """The columns beyond, and at the end whose moves take longest."""
    for at in (one for one in middles if one > after):
        pen.to(at).put(BESIDE, Ink.FAINT)
    row = edge.slowest
    if row is not None:
        it = row.duration
        name, known = next(
            ((n, q) for n, q in (("p99", it.p99), ("p50", it.p50)) if q.value is not None), ("max", it.max)
        )
        forms = (
            fmt.figure(known, Unit.SECONDS)
            if known is it.max
            else fmt.quantile(it.p99 if name == "p99" else it.p50, Unit.SECONDS)
        )
        text = f"{view.name(row.worker)} {name} {fmt.pick(forms, 10)} n {fmt.count(it.n)}"
        if pen.left > len(text) + 2:
            pen.gap(pen.left - len(text) - 1).put(text, Ink.DIM)
    return pen.line()


def _moved(edge: Edge, now_ns: int) -> fmt.Forms:
    unit = edge.moved_per_s.unit
    forms = fmt.figure(edge.moved_per_s, _UNITS.get(unit if isinstance(unit, str) else "bytes", Unit.BYTES), now_ns)
    if edge.moved_per_s.value is None:
        return forms
    blocks = " blocks" if unit == "blocks" else ""
    return tuple(f"{form}{blocks}/s" for form in forms)


def _row(name: str, its: Sequence[tuple[fmt.Forms, int]], it: Columns, width: int) -> Line:
    pen = Pen(width).cell(name, LABEL, Ink.DIM)
    for index, (forms, ink) in enumerate(its):
        pen.to(LABEL + index * it.each)
        text = fmt.pick(forms, it.each - 1)
        pen.gap(max(it.each // 2 - cells(text) // 2, 0)).put(text, ink)
    return pen.line()


def _cells(figures: Sequence[Figure | None], unit: Unit, now_ns: int, after: str = "") -> list[tuple[fmt.Forms, int]]:
    return [
        ((ABSENT,), Ink.FAINT)
        if it is None
        else (tuple(f"{form}{after}" for form in fmt.figure(it, unit, now_ns)), figure_ink(it))
        for it in figures
    ]


def balance(frame: Frame, ways: Sequence[Edge], it: Columns, width: int) -> list[Line]:
    """Below the ways: what all pools of each tier took, gave up and took back, and what moving it costs."""
    its, now_ns = [sums(frame, tier) for tier in it.tiers], frame.time_ns
    out = []
    for name, figures in (
        ("stored", [one.stored for one in its]),
        ("evicted", [one.evicted for one in its]),
        ("back", [one.again for one in its]),
    ):
        if any(figures):
            found = _cells(figures, Unit.BYTES, now_ns, "/s")
            if name == "back":
                found = [
                    (tuple(f"{VERDICT}{form}" for form in forms), Ink.BAD) if one.thrashing else (forms, ink)
                    for (forms, ink), one in zip(found, its, strict=True)
                ]
            out.append(_row(name, found, it, width))
    moved = {one.tier: one for one in movements(frame, ways)}
    if moved:
        watts = [_whole(moved.get(tier)) if tier is not None else None for tier in it.tiers]
        out.append(_row("energy", _cells(watts, Unit.WATTS, now_ns), it, width))
    if moved_or_computed := costs(frame):
        out.append(cost_line(moved_or_computed, width, now_ns))
    return out


def _whole(it: Movement | None) -> Figure | None:
    parts = [] if it is None else [one for one in (it.out, it.into) if one is not None]
    if not parts:
        return None
    summed = total(parts, emulated=any(one.emulated for one in parts))
    return summed if len(parts) == 1 else _marked(summed)


def _marked(it: Figure) -> Figure:
    """A sum of estimates is one."""
    from msgspec.structs import replace

    from collectors.model.vocabulary import Provenance

    return replace(it, estimate=True, formula=FORMULA, provenance=Provenance.ASSUMED, unit="watts")


def cost_line(its: Sequence[Cost], width: int, now_ns: int) -> Line:
    """`1k tokens  computed 41.0 ms ≈9.80 J drawn · flash 12.2 ms ≈0.23 J · …`: without energies, then without the last ways, where there is no room for them."""
    timed = [(_way(one), *(fmt.figure(it, unit, now_ns)[0] for it, unit in per_k(one))) for one in its]
    short = [f"{way} {time}" for way, time, _ in timed]
    full = [
        text if joules == ABSENT else f"{text} {joules}{' drawn' if way == COMPUTED else ''}"
        for text, (way, _, joules) in zip(short, timed, strict=True)
    ]
    fewer = (f"{SEP.join(short[:n])} {ELLIPSIS}" for n in range(len(short) - 1, 0, -1))
    pen = Pen(width).cell("1k tokens", LABEL, Ink.DIM)
    return pen.put(fmt.pick((SEP.join(full), SEP.join(short), *fewer), pen.left), Ink.TEXT).line()


def per_k(it: Cost) -> tuple[tuple[Figure, Unit], tuple[Figure, Unit]]:
    """Of 1,000 tokens."""
    return (_thousand(it.seconds), Unit.SECONDS), (_thousand(it.joules), Unit.JOULES)


def _thousand(it: Figure) -> Figure:
    from msgspec.structs import replace

    return it if it.value is None else replace(it, value=it.value * 1000)


def _way(it: Cost) -> str:
    if it.tier is None:
        return COMPUTED
    return str(it.tier) if it.phase is Phase.FETCH else f"to {it.tier}"


class _Known:
    """What flows by the Frame that was asked about last: a page asks several times."""

    frame: Frame | None = None
    ways: tuple[Edge, ...] = ()


_known: Final = _Known()


def ways_of(frame: Frame) -> tuple[Edge, ...]:
    """What flows between tiers."""
    if _known.frame is not frame:
        _known.frame, _known.ways = frame, edges(frame)
    return _known.ways


class Flows(RowsPanel):
    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        ways = ways_of(frame) if frame is not None else ()
        known = nodes(frame, ways) if frame is not None else []
        if frame is None or not known:
            text = "no tier is reported, and nothing that flows between tiers" if frame is not None else ABSENT
            return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
        it = Columns(known, min((width - LABEL) // len(known), MOST))
        names = [((str(tier) if tier is not None else "not said",), Ink.HEADING) for tier in known]
        below = balance(frame, ways, it, width)
        room = max(height - 1 - len(below), 1)
        shown = min(room, len(ways))
        first = min(self.scroll_rows, len(ways) - shown)
        lines = [_row("", names, it, width)]
        lines += [way_line(edge, it, view, width, frame.time_ns) for edge in ways[first : first + shown]]
        if not ways:
            lines.append(
                Pen(width).gap(LABEL).put("nothing was moved between tiers, as far as is told", Ink.DIM).line()
            )
        keys = [(edge.source, edge.to, str(edge.moved_per_s.unit)) for edge in ways]
        return Body([*lines, *below][:height], first, shown, len(ways), keys=keys, spots=stacked(shown, head=1))

    def title(self, view: View) -> tuple[str, str]:
        return "Flows", "KV between tiers · energy: at the memory, assumed pJ/bit; not what machines draw"

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        frame = view.frame
        if frame is None:
            return ()
        ways = ways_of(frame)
        out = [
            Told(
                f"{edge.source or 'not said'} to {edge.to or 'not said'}",
                edge.moved_per_s,
                Unit.BYTES,
                meanings.MOVED + (", to the only pool of those who fetched it" if edge.worked_out else ""),
            )
            for edge in ways
            if (edge.source, edge.to, str(edge.moved_per_s.unit)) == row
        ]
        for one in movements(frame, ways):
            for way, watts in (("out of", one.out), ("into", one.into)):
                if watts is not None:
                    what = f"{PJ_PER_BIT[one.tier]:g} pJ a bit at {one.tier}, assumed"
                    out.append(Told(f"energy of moving KV {way} {one.tier}", watts, Unit.WATTS, what))
        for cost in costs(frame):
            (time, seconds), (energy, joules) = per_k(cost)
            name = f"1,000 tokens {'from ' if cost.phase is Phase.FETCH else ''}{_way(cost)}"
            out.append(Told(name, time, seconds, meanings.HOP, "phases that ended and say how many tokens they are of"))
            if energy.value is not None:
                out.append(Told(f"energy of {name}", energy, joules))
        return out
