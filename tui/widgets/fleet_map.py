"""The fleet as a map: a cell a worker, by device kind and role, so that some hundred are seen at once. Pure.

A cell is as high as one figure of its worker is beside the group's top, and as bright as it was late just now; where anything ails, a sign stands in its place.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from collectors.model.vocabulary import Device, Role, State, TargetStatus
from tui import format as fmt
from tui.counts import UP
from tui.glyphs import ABSENT, DOWN, HEIGHTS, NAN, OURS, STALE, STALL, UNSAMPLED, VERDICT
from tui.line import Line, Pen, fitting
from tui.theme import Ink, device_ink
from tui.told import number_of
from tui.verdicts import first
from tui.widgets.fleet_columns import KINDS, ROLES
from tui.widgets.river import ROLE_LETTERS, STALLED, TICKS_PER_S, TOPS
from tui.widgets.rows import Spot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from collectors.model.figure import Figure
    from collectors.model.frame import Frame, RiverRow, TargetRow, WorkerRow
    from collectors.model.probes import ProbeRow
    from tui.table import Column

NEWEST_S: Final = 5
"""A stall is shown for so long, and how late deliveries were of so long."""
WIDE: Final = 70
"""From so many cells on groups are called by whole words, and say how much a full cell is."""
LABEL: Final = (11, 18)
TAIL: Final = (0, 8)
ABOVE: Final = 2
"""Lines of the row under the cursor and its heading."""
_UNKNOWN: Final = {State.NAN: NAN[0], State.UNSAMPLED: UNSAMPLED, State.TOO_FEW: UNSAMPLED}


Cell = tuple[Hashable, str, int]
"""Its key, glyph and ink."""


@dataclass(frozen=True)
class Group:
    """`names`: in whole words and short; `top`: how much a full cell is, empty where none is."""

    names: tuple[str, str]
    ink: int
    cells: Sequence[Cell]
    top: str = ""


Kind = tuple[Device, Role]
_DEVICES: Final = tuple(Device)
_ROLES: Final = tuple(Role)


def kinds(workers: Iterable[WorkerRow]) -> dict[Kind, list[WorkerRow]]:
    """Workers of each device kind and role, those in a fixed order, their workers as they come."""
    found: dict[Kind, list[WorkerRow]] = {}
    for worker in workers:
        found.setdefault((worker.device, worker.role), []).append(worker)
    return dict(sorted(found.items(), key=lambda one: (_DEVICES.index(one[0][0]), _ROLES.index(one[0][1]))))


def others(ailing: Sequence[TargetRow], probes: Sequence[ProbeRow]) -> list[Group]:
    """Targets that ail, and what is probed."""
    found = ("targets", [_target(one) for one in ailing]), ("probes", [_probe(one) for one in probes])
    return [Group((name, name), Ink.DIM, cells) for name, cells in found if cells]


def groups(frame: Frame, workers: Iterable[WorkerRow], column: Column[WorkerRow]) -> list[Group]:
    """Workers, each as high as the figure that this column has of it."""
    of, told = column.figure, column.told
    if of is None or told is None:
        raise ValueError(f"no figure is in the column {column.name!r}")
    out = []
    status = {target.name: target.status for target in frame.targets if target.status is not UP}
    late = _newest_late(frame.river)
    finding = first(frame)
    named = finding.worker if finding is not None else ""
    for (device, role), rows in kinds(workers).items():
        keys, figures = [row.id for row in rows], [of(row) for row in rows]
        numbers = [number_of(one) for one in figures]
        highest = top(max(filter(None, numbers), default=0.0))
        known = [one.state if number is None else number for one, number in zip(figures, numbers, strict=True)]
        pairs = list(zip(known, [late.get(key, 0) for key in keys], strict=True))
        looks = {pair: _look(*pair, highest, device) for pair in set(pairs)}
        drawn = [looks[pair] for pair in pairs]
        ail = range(len(rows)) if status or State.STALE in [one.state for one in figures] else ()
        for at in ail or [at for at, key in enumerate(keys) if key == named]:
            ailing = _ails(status.get(rows[at].target, UP), figures[at], named=keys[at] == named)
            drawn[at] = ailing or drawn[at]
        cells = [(key, *look) for key, look in zip(keys, drawn, strict=True)]
        kind, word = KINDS.get(device, str(device)), ROLES.get(role, str(role))
        names = f"{kind:<4} {word:<7} {len(rows):>4}", f"{kind:<3} {ROLE_LETTERS[role]} {len(rows):>4}"
        full = fmt.plain(highest, told(rows[0]).unit) if highest else ""
        out.append(Group(names, device_ink(device, 2), cells, full))
    return out


def _newest_late(river: Sequence[RiverRow]) -> dict[str, int]:
    """How late the latest delivery of each worker was, of the newest ones."""
    import numpy as np  # not loaded before the first frame

    newest = NEWEST_S * TICKS_PER_S
    late = b"".join([row.late[-newest:].rjust(newest, b"\0") for row in river])
    highest = np.frombuffer(late, np.uint8).reshape(-1, newest).max(axis=1)
    return dict(zip([row.worker for row in river], highest.tolist(), strict=True))


def top(highest: float) -> float:
    """How much a full cell is: the highest, rounded up to one of few numbers so that the scale seldom moves."""
    if highest <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(factor * power for factor in TOPS if highest <= factor * power * (1 + 1e-9))


def _look(number: float | State, lateness: int, highest: float, device: Device) -> tuple[str, int]:
    """Glyph and ink of a worker that does not ail; `number`, or why there is none."""
    if lateness >= STALLED:
        return STALL, Ink.STALL
    if isinstance(number, State):
        return _UNKNOWN.get(number, ABSENT), Ink.DIM
    return (_height(number, highest), device_ink(device, lateness)) if number else ("0", Ink.DIM)


def _ails(state: TargetStatus, it: Figure, *, named: bool) -> tuple[str, int] | None:
    """The worst that can be said of a worker that ails."""
    if state not in (TargetStatus.UP, TargetStatus.STALE):
        return DOWN, Ink.BAD
    if state is TargetStatus.STALE or it.state is State.STALE:
        return STALE, Ink.WARN
    return (VERDICT, Ink.BAD) if named else None


def _height(number: float, highest: float) -> str:
    steps = len(HEIGHTS) - 1
    return HEIGHTS[max(1, min(math.ceil(steps * number / highest), steps))]


def _target(one: TargetRow) -> Cell:
    old = one.status in (TargetStatus.STALE, TargetStatus.UP, TargetStatus.GONE)
    return (("target", one.name), *((STALE, Ink.WARN) if old else (DOWN, Ink.BAD)))


def _probe(one: ProbeRow) -> Cell:
    return (("probe", one.target, one.model), *((DOWN, Ink.BAD) if one.failed.value else (OURS, Ink.WARN)))


@dataclass(frozen=True, eq=False)
class Places:
    """Where cells stand: for each line its group, the first of that group's cells in it, and how many; a cell every `pitch` columns, from `label` on."""

    label: int
    pitch: int
    lines: Sequence[tuple[int, int, int]]
    starts: Sequence[int]
    """Number of the first cell of each line, of all."""

    def line(self, cell: int) -> int:
        return bisect_right(self.starts, cell) - 1

    def beside(self, cell: int, lines: int) -> int:
        """The cell so many lines below (negative: above), as far as there are any: in the same column, or the last of its line."""
        here = self.line(cell)
        there = max(0, min(here + lines, len(self.lines) - 1))
        return cell if here == there else self.starts[there] + min(cell - self.starts[here], self.lines[there][2] - 1)


@lru_cache(16)
def places(sizes: tuple[int, ...], width: int, height: int) -> Places:
    """For groups of so many cells. Two columns a cell if `height` lines hold all of them, else one."""
    wide = width >= WIDE
    label = LABEL[wide]
    room = max(width - label - TAIL[wide], 1)
    for pitch in (2, 1):
        each = max(room // pitch, 1)
        lines = [(g, at, min(each, size - at)) for g, size in enumerate(sizes) for at in range(0, size, each)]
        if len(lines) <= height:
            break
    starts, so_far = [], 0
    for _, _, count in lines:
        starts.append(so_far)
        so_far += count
    return Places(label, pitch, lines, starts)


@lru_cache(16)
def spots(it: Places, first: int, count: int, y: int) -> list[Spot]:
    """Where cells of `count` lines of a map stand, if the `first` one is at `y`."""
    return [
        Spot(y + line, x=it.label + it.pitch * at, width=it.pitch)
        for line, (_, _, cells) in enumerate(it.lines[first : first + count])
        for at in range(cells)
    ]


def rows(sizes: tuple[int, ...], width: int) -> int:
    """Lines that a map asks for: the row under the cursor with its heading, all cells, and what they mean."""
    return ABOVE + len(places(sizes, width, 0).lines) + 1


def line_of(its: Sequence[Group], it: Places, number: int, width: int) -> Line:
    """One line of cells; the first of a group with its name before it, and what a full cell is at its end."""
    at, begin, count = it.lines[number]
    group = its[at]
    pen = Pen(width)
    if not begin:
        pen.put(group.names[width < WIDE], group.ink)
    pen.to(it.label)
    for ink, some in groupby(group.cells[begin : begin + count], key=itemgetter(2)):
        pen.spread([glyph for _, glyph, _ in some], ink, it.pitch)
    if group.top and not begin and width >= WIDE:
        pen.to(width - TAIL[1]).cell(group.top, TAIL[1], Ink.DIM, right=True)
    return pen.line()


def legend(name: str, width: int) -> Line:
    """What cells mean; what finds no room is left out from the end."""
    signs = (
        (HEIGHTS[1] + HEIGHTS[4] + HEIGHTS[8], Ink.TEXT, f"{name} ÷ its group's top, brighter is later"),
        (STALL, Ink.STALL, f"stalled in {NEWEST_S} s"),
        (VERDICT, Ink.BAD, "see the verdict"),
        (f"{DOWN} {STALE}", Ink.BAD, "down, stale"),
        (f"0 {ABSENT}", Ink.DIM, "none, not told"),
    )
    return fitting((((glyphs, ink), (f" {words}", Ink.DIM)) for glyphs, ink, words in signs), width, 2)
