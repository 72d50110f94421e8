"""Tiers one below the other: how full each was in the last minutes, how full it is, and what its blocks say of it: stored, evicted, and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from collectors.diagnose.tier_groups import FULL, Group, fullness, groups, handed, pressure, thrashes
from collectors.model.scales import TIER_STEP_S
from collectors.model.vocabulary import State
from collectors.stats.figures import absent
from tui import format as fmt
from tui import meanings
from tui.format import Unit
from tui.glyphs import ABSENT, VERDICT
from tui.inks import figure_ink
from tui.line import Line, Pen, clip_middle
from tui.table import Cell, Column, Grid, fields_of, grid, heading, heads, row_lines
from tui.theme import Ink
from tui.told import Told
from tui.widgets import tiers
from tui.widgets.rows import Body, RowsPanel, stacked
from tui.widgets.tier_area import STEP_NS, area, times
from tui.widgets.tiers import fill, hits, owner_name, share

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from collectors.model.figure import Figure
    from collectors.model.frame import Frame
    from collectors.model.history import TierPast
    from collectors.model.memory import TierRow
    from tui.filter import Field
    from tui.glyph_sets import Dots
    from tui.table import Order
    from tui.view import View
    from tui.widgets.chart import Samples

MOST_LINES: Final = 6
"""Of one tier."""
AREA: Final = (12, 75)
"""Cells of the area at least and at most: 75 have a sample in each column of dots."""
NAME: Final = (6, 14)
TIER_CELLS: Final = 5
GAP: Final = 2


class Entry(NamedTuple):
    """A row of the table: a pool, or several of a kind together (`group`)."""

    key: Hashable
    row: TierRow
    past: TierPast | None
    thrashes: bool
    group: Group | None = None

    def name(self, view: View) -> str:
        if self.group is None:
            return owner_name(self.row, view)
        kind = "shared" if self.group.device is None else str(self.group.device)
        return f"{self.group.pools} {kind}"


def entries(frame: Frame, rows: Sequence[TierRow], room: int, *, as_they_are: bool) -> list[Entry]:
    """Every pool of `rows` in their order, if there is room for that many or they are to be left `as_they_are`; else kinds of pools together, then the pools, those
    under most pressure first."""
    its = frame.tier_pasts if len(frame.tier_pasts) == len(frame.tiers) else ()
    past = {id(row): one for row, one in zip(frame.tiers, its, strict=False)}
    given = handed(frame)
    pools = [Entry((row.owner, row.tier), row, past.get(id(row)), thrashes(row, given)) for row in rows]
    if as_they_are or len(pools) <= room:
        return pools
    together = [
        Entry(("", one.tier, one.device), one.row, one.past, one.thrashes, one)
        for one in groups(frame)
        if one.pools > 1
    ]
    return together + sorted(pools, key=lambda entry: pressure(entry.row, given), reverse=True)


def _rate(size: str, count: str) -> Callable[[TierRow], Figure | None]:
    """Bytes a second; blocks a second where only those are known."""

    def known(row: TierRow) -> Figure | None:
        found = getattr(row, size) or getattr(row, count)
        if found and found.state is State.ABSENT:
            found = getattr(row, count) or found
        return found or None

    return known


_STORED: Final = _rate("stored_bytes_per_s", "stored_per_s")
_EVICTED: Final = _rate("evicted_bytes_per_s", "evicted_per_s")


def columns(view: View, now_ns: int) -> list[Column[TierRow]]:
    def number(
        title: str, width: int, of: Callable[[TierRow], Figure | None], unit: Unit, means: str, rank: int
    ) -> Column[TierRow]:
        def cell(row: TierRow) -> Cell:
            it = of(row)
            if it is None:
                return (ABSENT,), Ink.DIM
            blocks = it is row.stored_per_s or it is row.evicted_per_s
            forms = fmt.figure(it, Unit.RATE if blocks else unit, now_ns)
            marked = tuple(f"{form}b" for form in forms) if blocks and it.value is not None else forms
            return marked, figure_ink(it)

        def told(row: TierRow) -> Told:
            it = of(row)
            return Told(title, nothing if it is None else it, unit, means, of=f"{owner_name(row, view)} {row.tier}")

        return Column(title, width, cell, rank, told=told)

    nothing = absent(emulated=False)
    return [
        Column("used", 7, lambda row: share(fill(row), row)),
        number("of", 9, lambda row: row.capacity_bytes, Unit.BYTES, meanings.CAPACITY, 4),
        Column("hit", 6, lambda row: hits(row, now_ns), 2),
        number("stored/s", 9, _STORED, Unit.BYTES, meanings.STORED_BYTES, 3),
        number("evicted/s", 9, _EVICTED, Unit.BYTES, meanings.EVICTED_BYTES, 1),
        number("back", 5, lambda row: row.stored_again or None, Unit.SHARE, meanings.STORED_AGAIN, 0),
        number("back/s", 9, lambda row: row.again_bytes_per_s or None, Unit.BYTES, meanings.AGAIN_BYTES, 1),
        number("unread", 6, lambda row: row.unread or None, Unit.SHARE, meanings.UNREAD, 3),
    ]


def fields(view: View, now_ns: int) -> list[Field[TierRow]]:
    """As the Overview's, and what the columns have beside those."""
    own = tiers.fields(view)
    known = {field.name for field in own} | {"of"}
    return own + [one for one in fields_of(columns(view, now_ns)) if one.name not in known]


class Shape(NamedTuple):
    name: int
    area: int
    grid: Grid[TierRow]
    samples: Samples
    dots: Dots

    @property
    def left(self) -> int:
        """Cells before the area."""
        return 2 + self.name + 1 + TIER_CELLS + 1


def shape(rows: Sequence[Entry], view: View, width: int, frame: Frame, dots: Dots) -> Shape:
    """The area has what figures leave, but not less than its least: the least wanted figures go first."""
    least, most = NAME
    name = max(least, min(max((len(entry.name(view)) for entry in rows), default=0), most))
    its = columns(view, frame.time_ns)
    left = width - (2 + name + 1 + TIER_CELLS + 1) - GAP
    figures = sum(column.width + 1 for column in its) - 1
    found = grid(its, min(left - AREA[0], figures), [column.width for column in its])
    taken = sum(size for _, size in found.lines[0]) + (len(found.lines[0]) - 1) * found.gap
    size = max(min(left - taken, AREA[1]), 0)
    return Shape(name, size, found, times(frame, size, dots), dots)


def sentence(row: TierRow) -> str:
    """What a tier that thrashes does."""
    again, stored = row.stored_again, row.stored_per_s
    if not again or not stored or again.value is None or stored.value is None:
        return ""
    share = fmt.percent(again.value, 1)
    room = "" if (fullness(row) or 0.0) >= FULL else ", with room left"
    return f"thrashes{room}: {share} of {fmt.si(stored.value)} blocks/s stored were evicted < 60 s before"


def entry_lines(entry: Entry, view: View, width: int, it: Shape, lines: int) -> list[Line]:
    frame = view.frame
    assert frame is not None
    row = entry.row
    used, active = (entry.past.used, entry.past.active) if entry.past is not None else (b"", b"")
    picture = area(used, active, entry.group.peak if entry.group else b"", it.samples, it.area, lines, it.dots)
    figures = row_lines(it.grid, row, width - it.left - it.area - GAP)[0]
    out = []
    for number, part in enumerate(picture):
        pen = Pen(it.left)
        if number == 0:
            pen.put(f"{VERDICT} " if entry.thrashes else "  ", Ink.BAD)
            pen.cell(clip_middle(entry.name(view), it.name), it.name, Ink.HEADING if entry.group else Ink.STRONG).gap()
            pen.cell(str(row.tier) if row.tier != "unknown" else ABSENT, TIER_CELLS)
        after = Pen(width - it.left - it.area).gap(GAP)
        if number == 1 and entry.thrashes:
            after.put(sentence(row), Ink.BAD)
        out.append((*pen.line(), *part, *(((" " * GAP, Ink.TEXT), *figures) if number == 0 else after.line())))
    return out


def head(it: Shape, view: View, width: int, order: Order | None) -> Line:
    pen = Pen(it.left).gap(2).cell("owner", it.name, Ink.DIM).gap().cell("tier", TIER_CELLS, Ink.DIM)
    assert view.frame is not None
    seconds = view.frame.time_ns / 1e9
    end = f"{fmt.wall(view.utc_s(seconds), seconds)} ▶" if view.behind_s > 0 else "now ▶"
    span = Pen(it.area).put(f"◀ {fmt.age(it.samples.held * TIER_STEP_S)}", Ink.DIM)
    if span.left > len(end):
        span.gap(span.left - len(end)).put(end, Ink.DIM)
    return (
        *pen.line(),
        *span.line(),
        (" " * GAP, Ink.TEXT),
        *heading(it.grid, width - it.left - it.area - GAP, order)[0],
    )


class TierTable(RowsPanel):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._shape: Shape | None = None
        self._entries: list[Entry] = []
        self._drawn_lines = 0

    def body(self, view: View, width: int, height: int) -> Body:
        frame = view.frame
        if frame is None or not frame.tiers:
            text = "no tier is reported" if frame is not None else ABSENT
            return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
        rows = self.pick(frame.tiers, lambda: fields(view, frame.time_ns))
        if not rows:
            return Body([], 0, 0, 0)
        as_they_are = self.picking or self.order is not None
        its = self._entries = entries(frame, rows, height - 1, as_they_are=as_they_are)
        lines = max(1, min((height - 1) // len(its), MOST_LINES))
        it = self._shape = shape(its, view, width, frame, self.dots)
        shown = min((height - 1) // lines, len(its))
        first = min(self.scroll_rows, len(its) - shown)
        out = [head(it, view, width, self.order)]
        for entry in its[first : first + shown]:
            out += entry_lines(entry, view, width, it, lines)
        self._drawn_lines = len(out)
        return Body(
            out,
            first,
            shown,
            len(its),
            len(it.grid.left_out),
            keys=[entry.key for entry in its],
            spots=stacked(shown, head=1, each=lines),
            heads=[one._replace(x=one.x + it.left + it.area + GAP) for one in heads(it.grid)],
        )

    def fields(self, view: View) -> Sequence[Field[TierRow]]:
        return fields(view, view.frame.time_ns) if view.frame is not None else ()

    def title(self, view: View) -> tuple[str, str]:
        frame = view.frame
        grouped = bool(self._entries and self._entries[0].group)
        what = (
            "kinds together (mean, and the fullest above it), then the worst"
            if grouped
            else f"{self.dots.full} active {self.dots.thinned} evictable"
        )
        window = f" of {fmt.plain(frame.window_s, Unit.COUNT)} s" if frame is not None and frame.window_s else ""
        return "Tiers", f"{what} · back: stored again within a minute of eviction · rates{window}"

    def action_at(self, x: int, y: int) -> str | None:
        """In the area: the moment that it shows there."""
        it = self._shape
        column = x - self._left - (it.left if it is not None else 0)
        if it is None or not (0 <= column < it.area and 1 < y <= self._drawn_lines):
            return None
        return f"seek({it.samples.last((column + 1) * it.dots.across - 1) * STEP_NS})"

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        found = next((entry.row for entry in self._entries if entry.key == row), None)
        if found is None or view.frame is None:
            return ()
        of = f"{owner_name(found, view)} {found.tier}"
        own = [
            one.told(found) for one in columns(view, view.frame.time_ns) if one.told is not None and one.name != "of"
        ]
        return [*tiers.tier_figures(found, of), *own]
