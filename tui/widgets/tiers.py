"""Memory tiers: how full each is, and how much of it running requests hold, told apart by glyph and not only by colour."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.model.vocabulary import State
from tui import format as fmt
from tui import meanings
from tui.filter import Field
from tui.format import Unit
from tui.glyphs import ABSENT, ACTIVE, DOUBTFUL, EVICTABLE, FREE, STALE, UNEQUAL
from tui.inks import figure_ink
from tui.line import Line, Pen, blank, clip_middle
from tui.plain import printable
from tui.table import Drawn
from tui.theme import Ink
from tui.told import Told
from tui.widgets.rows import Body, RowsPanel, Spot

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from collectors.model.frame import Frame
    from collectors.model.memory import TierRow
    from tui.view import View

MIN_BAR: Final = 6
MAX_BAR: Final = 40
TIER_CELLS: Final = 5
COLUMN_GAP: Final = 2
UNITS: Final = {"blocks": "b", "lookups": "l"}
"""After a hit rate that is not of tokens."""
_TOLD: Final = (State.OK, State.ZERO, State.STALE)
FULL: Final = 0.95
"""Share of the capacity that running requests hold (where that is not known: that is used) from which on the percentage warns: what is only cached makes room."""


class Fill(NamedTuple):
    """Bytes (or tokens, blocks, shares of 1) of one tier as far as they are known. `active_only`: the back end does not tell what else is
    resident."""

    active: float | None
    used: float | None
    capacity: float | None
    active_only: bool
    stale: bool


def fill(row: TierRow) -> Fill:
    its = row.active_bytes, row.used_bytes, row.capacity_bytes
    active, used, capacity = [it.value if it.state in _TOLD else None for it in its]
    if its[0].unit == "ratio" or its[1].unit == "ratio":
        capacity = 1.0
    stale = its[0].state is State.STALE or its[1].state is State.STALE
    return Fill(active, active if used is None else used, capacity, used is None and active is not None, stale)


def bar(it: Fill, size: int) -> tuple[int, int, int]:
    """Cells of the active, the evictable and the free part. Something is never drawn as nothing, nor less than full as full."""
    if it.used is None or not it.capacity:
        return 0, 0, 0
    used = _cells(it.used / it.capacity, size)
    active = min(_cells((it.active or 0.0) / it.capacity, size), used)
    if it.active is not None and it.active < it.used and active == used and used > 1:
        active -= 1
    return active, used - active, size - used


class Cols(NamedTuple):
    """Widths of the parts of a tier's line."""

    owner: int
    bar: int
    share: int
    capacity: int
    hits: int


WIDE: Final = (9, 9, 6)
TIGHT: Final = (5, 6, 5)
"""Widths of share, capacity and hits, with room and without."""
WIDE_FROM: Final = 50


def cols(frame: Frame, view: View, width: int) -> Cols:
    share, capacity, hits = WIDE if width >= WIDE_FROM else TIGHT
    rest = width - TIER_CELLS - share - capacity - hits - 5
    names = view.names
    owner = max([len(names.get(row.worker or "") or owner_name(row, view)) for row in frame.tiers], default=0)
    owner = max(6, min(owner, 20, rest - MIN_BAR))
    return Cols(owner, min(MAX_BAR, rest - owner), share, capacity, hits)


def tier_line(row: TierRow, view: View, width: int, it: Cols, *, repeat: bool) -> Line:
    """`gpu-1 HBM ████▒▒▒·· 51 % 56.0 GiB 12.3k`; the owner only where it changes (`repeat`: it did not)."""
    state = fill(row)
    now_ns = view.frame.time_ns if view.frame is not None else None
    owner = "" if repeat else clip_middle(owner_name(row, view), it.owner)
    active, evictable, free = bar(state, it.bar)
    rest = (FREE * free).ljust(it.bar + 1 - active - evictable)
    used, used_ink = share(state, row)
    capacity = fmt.figure(row.capacity_bytes, Unit.BYTES, now_ns)
    found, found_ink = hits(row, now_ns)
    return (
        Pen(width)
        .cell(owner, it.owner, Ink.STRONG)
        .gap()
        .cell(str(row.tier) if row.tier != "unknown" else ABSENT, TIER_CELLS)
        .gap()
        .put(ACTIVE * active, Ink.BAR_ACTIVE, active)
        .put(EVICTABLE * evictable, Ink.BAR_EVICTABLE, evictable)
        .put(rest, Ink.BAR_FREE, len(rest))
        .put(fmt.pick(used, it.share).rjust(it.share), used_ink, it.share)
        .put(fmt.pick(capacity, it.capacity).rjust(it.capacity + 1), figure_ink(row.capacity_bytes, Ink.DIM))
        .put(fmt.pick(found, it.hits).rjust(it.hits + 1), found_ink)
        .line()
    )


def heading(width: int, it: Cols) -> Line:
    pen = Pen(width).cell("owner", it.owner, Ink.DIM).gap().cell("tier", TIER_CELLS, Ink.DIM).gap().gap(it.bar + 1)
    pen.cell("used", it.share, Ink.DIM, right=True).gap().cell("of", it.capacity, Ink.DIM, right=True).gap()
    return pen.cell("hit", it.hits, Ink.DIM, right=True).line()


def fields(view: View) -> list[Field[TierRow]]:
    def used(row: TierRow) -> float | None:
        it = fill(row)
        return it.used / it.capacity if it.used is not None and it.capacity else None

    return [
        Field("owner", lambda row: owner_name(row, view)),
        Field("tier", lambda row: str(row.tier)),
        Field("used", used, number=True),
        Field("capacity", lambda row: row.capacity_bytes.value, number=True),
        Field("hit", lambda row: row.hit_rate.rate.value if row.hit_rate else None, number=True),
        Field("hits", lambda row: row.hit_rate.hits.value if row.hit_rate else row.hit_tokens.value, number=True),
    ]


def tiers(
    view: View,
    width: int,
    height: int,
    first: int,
    in_a_line: int,
    known: Drawn[TierRow, Line] | None = None,
    panel: Tiers | None = None,
) -> Body:
    """Rows of `in_a_line` tiers each; a heading above them if there is room for one. What is `known` is not drawn again. `panel` picks and sorts."""
    frame = view.frame
    rows: Sequence[TierRow] = frame.tiers if frame is not None else ()
    if panel is not None and rows:
        rows = panel.pick(rows, lambda: fields(view))
        if not rows:
            return Body([], 0, 0, 0)
        if frame is not None and panel.worst_first and panel.order is None:
            # what it needs is not loaded before the first frame
            from collectors.diagnose.tier_groups import handed, pressure

            given = handed(frame)
            rows = sorted(rows, key=lambda row: pressure(row, given), reverse=True)
    if frame is None or not rows:
        return Body([Pen(width).put("no tier is reported" if frame is not None else ABSENT, Ink.DIM).line()], 0, 0, 0)
    each = (width - COLUMN_GAP * (in_a_line - 1)) // in_a_line
    it = cols(frame, view, each)
    headed = height * in_a_line >= len(rows) + in_a_line
    shown = min(height * in_a_line, len(rows))
    first = min(first, len(rows) - shown)
    known = known or Drawn()
    drawn = []
    per_column = -(-shown // in_a_line)
    for i in range(first, first + shown):
        row, repeat = rows[i], (i - first) % per_column > 0 and rows[i].owner == rows[i - 1].owner
        ages = frame.time_ns // 1_000_000_000 if _is_stale(row) else 0
        how = each, it, repeat, owner_name(row, view), ages
        draw = partial(tier_line, row, view, each, it, repeat=repeat)
        drawn.append(known.of((row.owner, row.tier), row, how, draw))
    lines = [_joined([heading(each, it)] * in_a_line, each, width)] if headed else []
    spots = [
        Spot(len(lines) + i % per_column, x=(each + COLUMN_GAP) * (i // per_column), width=each) for i in range(shown)
    ]
    lines += [_joined(drawn[y::per_column], each, width) for y in range(per_column)]
    return Body(lines, first, shown, len(rows), keys=[(row.owner, row.tier) for row in rows], spots=spots)


def tier_figures(row: TierRow, of: str) -> Iterator[Told]:
    """What is known of a tier, from left to right; the last ones where single blocks are heard of."""
    yield Told("used", row.used_bytes, Unit.BYTES, meanings.USED, of=of, now=True)
    yield Told("active", row.active_bytes, Unit.BYTES, meanings.ACTIVE, of=of, now=True)
    yield Told("capacity", row.capacity_bytes, Unit.BYTES, meanings.CAPACITY, of=of, now=True)
    if known := row.hit_rate:
        yield Told(
            "hit rate", known.rate, Unit.SHARE, meanings.HIT_RATE, known.population, of=of, window_s=known.window_s
        )
        yield Told("hits", known.hits, Unit.COUNT, meanings.HIT_TOKENS, of=of, window_s=known.window_s)
        yield Told("looked for", known.of, Unit.COUNT, known.population, of=of, window_s=known.window_s)
    else:
        yield Told("hits", row.hit_tokens, Unit.COUNT, meanings.HIT_TOKENS, of=of)
    blocks = ("stored", row.stored_per_s, meanings.STORED), ("evicted", row.evicted_per_s, meanings.EVICTED)
    for name, it, means in blocks:
        if it:
            yield Told(name, it, Unit.RATE, means, of=of)


def _joined(parts: list[Line], each: int, width: int) -> Line:
    """Lines of one width side by side, filled up."""
    line = parts[0]
    for part in parts[1:]:
        line = (*line, (" " * COLUMN_GAP, Ink.TEXT), *part)
    rest = width - each * len(parts) - COLUMN_GAP * (len(parts) - 1)
    return (*line, *blank(rest)) if rest else line


def owner_name(row: TierRow, view: View) -> str:
    return view.name(row.worker) if row.worker is not None else printable(row.owner)


def _is_stale(row: TierRow) -> bool:
    """Whether any figure of it says how old it is."""
    figures = [row.used_bytes, row.active_bytes, row.capacity_bytes, row.hit_tokens]
    figures += [row.hit_rate.rate] if row.hit_rate else []
    return any(one.state is State.STALE for one in figures)


def hits(row: TierRow, now_ns: int | None) -> tuple[fmt.Forms, int]:
    """The hit rate, with a letter where it is not of tokens and a mark where it may count what is recomputed; hit tokens where there is no rate."""
    known = row.hit_rate
    if not known or known.rate.state is State.ABSENT:
        return fmt.figure(row.hit_tokens, Unit.COUNT, now_ns), figure_ink(row.hit_tokens)
    doubtful = bool(known.preempted) and known.rate.value is not None
    after = (UNITS.get(known.unit, "") if known.rate.value is not None else "") + (DOUBTFUL if doubtful else "")
    forms = tuple(form + after for form in fmt.figure(known.rate, Unit.SHARE, now_ns))
    return forms, Ink.WARN if doubtful else figure_ink(known.rate)


def residual(frame: Frame, view: View) -> str:
    """What does not add up of a worker's prompt tokens, where it is most; empty where all does."""
    rows = [row for row in frame.prompts if row.residual_tokens.value]
    worst = max(rows, key=lambda row: abs(row.residual_tokens.value or 0), default=None)
    if worst is None or worst.residual_tokens.value is None:
        return ""
    more = f" +{len(rows) - 1}" if len(rows) > 1 else ""
    sign = "−" if worst.residual_tokens.value < 0 else ""
    return f"{UNEQUAL} {sign}{fmt.si(abs(worst.residual_tokens.value))} tok {view.name(worst.worker)}{more}"


def share(it: Fill, row: TierRow) -> tuple[fmt.Forms, int]:
    if it.used is None or not it.capacity:
        states = {row.used_bytes.state, row.active_bytes.state}
        unknown = next((state for state in (State.NAN, State.UNSAMPLED) if state in states), State.ABSENT)
        return fmt.unknown(unknown), Ink.DIM
    text = (STALE if it.stale else "") + fmt.percent(it.used, it.capacity)
    tight = text.replace(" ", "")
    forms = (f"{text} act", f"{text}a", f"{tight}a") if it.active_only else (text, tight)
    held = it.used if it.active is None else it.active
    return forms, Ink.WARN if it.stale or held >= FULL * it.capacity else Ink.TEXT


def _cells(share: float, size: int) -> int:
    if share <= 0:
        return 0
    return size if share >= 1 else max(1, min(size - 1, round(share * size)))


class Tiers(RowsPanel):
    in_a_line = 1
    """Tiers side by side."""
    worst_first = False
    """As they do not fit by far."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._drawn: Drawn[TierRow, Line] = Drawn()

    def body(self, view: View, width: int, height: int) -> Body:
        return tiers(view, width, height, self.scroll_rows, self.in_a_line, self._drawn, self)

    def fields(self, view: View) -> Sequence[Field[TierRow]]:
        return fields(view)

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        rows = view.frame.tiers if view.frame is not None else ()
        one = next((one for one in rows if (one.owner, one.tier) == row), None)
        return tuple(tier_figures(one, f"{owner_name(one, view)} {one.tier}")) if one is not None else ()

    def title(self, view: View) -> tuple[str, str]:
        frame = view.frame
        odd = residual(frame, view) if frame is not None else ""
        beside = self.in_a_line == 1
        parts = [
            odd,
            "the worst first" if self.worst_first else "",
            f"{ACTIVE} active {EVICTABLE} evictable",
            "" if beside else "used % · capacity",
        ]
        if frame is not None and frame.window_s:
            parts.append(f"hit % of {fmt.plain(frame.window_s, Unit.COUNT)} s")
        return "Tiers", " · ".join(part for part in parts if part)
