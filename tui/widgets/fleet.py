"""The fleet table: a row for each target that ails, with its reason, one for each that is probed, and one for each worker."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from collectors.model.vocabulary import TargetStatus
from tui import format as fmt
from tui.counts import UP
from tui.format import Unit
from tui.glyphs import DOWN, OURS, SELECTED, STALE
from tui.line import Line, Pen, changed, text_of
from tui.plain import printable
from tui.playhead import Mode
from tui.probes import probed
from tui.table import Column, Drawn, field_name, fields_of, grid, heading, heads, row_lines, told_of
from tui.theme import Ink
from tui.widgets.fleet_columns import columns, is_stale, needs
from tui.widgets.fleet_map import Places, groups, legend, line_of, others, places, spots
from tui.widgets.rows import Body, RowsPanel, stacked

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from collectors.model.frame import Frame, TargetRow, WorkerRow
    from collectors.model.probes import ProbeRow
    from tui.filter import Field
    from tui.told import Told
    from tui.view import View


def ailing(frame: Frame) -> list[TargetRow]:
    """Targets that do not answer as they should, in the Frame's order; those that are up with a warning too."""
    return [target for target in frame.targets if target.status is not UP or target.reason]


def probe_line(probe: ProbeRow, now_ns: int, width: int) -> Line:
    """How our own requests to a target went."""
    ink = Ink.BAD if probe.failed.value else Ink.TEXT
    pen = Pen(width).put(OURS, Ink.WARN).gap().cell(printable(probe.source), min(20, width // 4), Ink.STRONG).gap()
    return pen.cell(printable(probed(probe, now_ns)), pen.left, ink).line()


def target_line(target: TargetRow, now_ns: int, width: int) -> Line:
    """A target that ails: what it is called, its state, why, and for how long."""
    # It answers, but not as it should, or nobody wants it to.
    stale = target.status in (TargetStatus.STALE, TargetStatus.UP, TargetStatus.GONE)
    ink = Ink.WARN if stale else Ink.BAD
    since = "never heard"
    if target.heard_ns is not None:
        since = f"{fmt.age(max(now_ns - target.heard_ns, 0) / 1e9)} ago"
    pen = Pen(width).put(STALE if stale else DOWN, ink).gap()
    pen.cell(printable(target.name), min(20, width // 4), Ink.STRONG).gap().cell(str(target.status), 8, ink).gap()
    return pen.cell(printable(target.reason), pen.left - len(since) - 1, Ink.TEXT).gap().put(since, Ink.DIM).line()


def fleet(
    view: View,
    width: int,
    height: int,
    first: int,
    *,
    fold: bool = False,
    drawn: Drawn[WorkerRow, list[Line]] | None = None,
    panel: RowsPanel | None = None,
) -> Body:
    """Heading and rows in `width` × `height`, from row `first` on. Only those are drawn, and not again if `drawn` has them. `panel` picks and sorts workers."""
    frame = view.frame
    if frame is None or not (frame.workers or frame.probes or ailing(frame)):
        text = (
            "the driver ended before it had anything to show"
            if view.mode in (Mode.ENDED, Mode.FAILED)
            else "waiting for the first answer …"
        )
        return Body([Pen(width).put(text, Ink.DIM).line()], 0, 0, 0)
    specs = columns(view, frame)
    table = grid(specs, width, needs(specs, view, frame), fold=fold)
    workers = panel.pick(frame.workers, lambda: fields_of(specs)) if panel is not None else frame.workers
    lines = heading(table, width, panel.order if panel is not None else None)
    each = len(table.lines)
    above = [] if panel is not None and panel.picking else above_workers(ailing(frame), frame.probes)
    total = len(above) + len(workers)
    shown = min(max((height - each) // each, 0), total)
    first = min(first, total - shown)
    drawn, shape = drawn or Drawn(), table.shape
    mark = specs[0].cell
    for index in range(first, first + shown):
        if index < len(above):
            lines += [above[index][1](frame.time_ns, width), *[Pen(width).line()] * (each - 1)]
        else:
            row = workers[index - len(above)]
            ages = frame.time_ns // 1_000_000_000 if is_stale(row) else 0
            how = shape, width, view.name(row.id), mark(row), ages
            lines += drawn.of(row.id, row, how, partial(row_lines, table, row, width))
    return Body(
        lines,
        first,
        shown,
        total,
        len(table.left_out),
        keys=[*(key for key, _ in above), *(worker.id for worker in workers)],
        spots=stacked(shown, head=each, each=each),
        heads=heads(table),
    )


def above_workers(
    targets: Sequence[TargetRow], probes: Sequence[ProbeRow]
) -> list[tuple[Hashable, Callable[[int, int], Line]]]:
    """Rows above those of the workers: what each is known by, and what draws it."""
    ailed = [(("target", target.name), partial(target_line, target)) for target in targets]
    return [*ailed, *((("probe", probe.target, probe.model), partial(probe_line, probe)) for probe in probes)]


class Fleet(RowsPanel):
    as_map = False
    """A cell a worker instead of a row; the row under the cursor stands above them."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._drawn: Drawn[WorkerRow, list[Line]] = Drawn()
        self._places: Places | None = None
        """Of the map, while there is one."""
        self._row: list[Line] = []
        """What is said of the cell under the cursor."""

    def body(self, view: View, width: int, height: int) -> Body:
        if self.as_map and view.frame is not None and view.frame.workers:
            return self._map(view, view.frame, width, height)
        self._places = None
        return fleet(view, width, height, self.scroll_rows, fold=self.zoomed, drawn=self._drawn, panel=self)

    def _map(self, view: View, frame: Frame, width: int, height: int) -> Body:
        """The row under the cursor, with its heading if there is room, then cells, then what they mean if there is room."""
        specs = columns(view, frame)
        column = self._figure(specs)
        workers = self.pick(frame.workers, lambda: fields_of(specs))
        targets, probes = ((), ()) if self.picking else (ailing(frame), frame.probes)
        above = above_workers(targets, probes)
        its = [*others(targets, probes), *groups(frame, workers, column)]
        keys = [key for one in its for key, _, _ in one.cells]
        if not keys:
            return Body([], 0, 0, 0)
        table = grid(specs, width, needs(specs, view, frame), fold=self.zoomed)
        each = len(table.lines)
        it = self._places = places(tuple(len(one.cells) for one in its), width, height - 2 * each - 1)
        spare = height - len(it.lines)
        index = self._locate(keys)
        worker = next((one for one in workers if one.id == keys[index]), None)
        self._row = [above[index][1](frame.time_ns, width)] if worker is None else row_lines(table, worker, width)
        lines = [*(heading(table, width, self.order) if spare >= 2 * each else ()), *self._row]
        first, count = self._in_sight(it, index, height - len(lines) - (spare > 2 * each))
        stand = spots(it, first, count, len(lines))
        lines += [line_of(its, it, number, width) for number in range(first, first + count)]
        if spare > 2 * each:
            lines.append(legend(column.name, width))
        self.scroll_rows = it.starts[first]
        named = heads(table) if spare >= 2 * each else []
        return Body(lines, it.starts[first], len(stand), len(keys), keys=keys, spots=stand, heads=named)

    def _figure(self, specs: Sequence[Column[WorkerRow]]) -> Column[WorkerRow]:
        """What cells are as high as: what they are sorted by, if that is a figure."""
        figures = {field_name(one): one for one in specs if one.figure is not None}
        return figures.get(self.order.field if self.order is not None else "", figures["run"])

    def _in_sight(self, it: Places, index: int, room: int) -> tuple[int, int]:
        """The first line of cells, and how many: those with the cell that the cursor moved to."""
        count = max(min(room, len(it.lines)), 1)
        first, here = it.line(self.scroll_rows), it.line(index)
        if self._follow:
            first = min(max(first, here - count + 1), here)
        return max(0, min(first, len(it.lines) - count)), count

    def move(self, rows: int) -> None:
        """In a map by so many lines; beyond its ends to the first or the last cell."""
        it, index = self._places, self._locate(self._body.keys)
        self.step(rows if it is None or abs(rows) > len(it.lines) else it.beside(index, rows) - index)

    def step(self, cells: int) -> None:
        super().move(cells)

    def scroll(self, rows: int) -> None:
        if (it := self._places) is not None:
            there = max(0, min(it.line(self.scroll_rows) + rows, len(it.lines) - 1))
            rows = it.starts[there] - self.scroll_rows
        super().scroll(rows)

    @property
    def jump_rows(self) -> Sequence[Hashable]:
        """Of a map the first cell of each line."""
        rows, it = self.rows_in_sight, self._places
        if it is None or not rows:
            return rows
        begin = self._body.first
        return [rows[at - begin] for at in it.starts if 0 <= at - begin < len(rows)]

    @property
    def row_text(self) -> str:
        return super().row_text if self._places is None else " ".join(text_of(self._row).split())

    def _mark(self, lines: list[Line], body: Body, width: int) -> None:
        if self._places is None:
            super()._mark(lines, body, width)
            return
        index = self._locate(body.keys) - body.first
        if 0 <= index < len(body.spots):
            spot = body.spots[index]
            lines[spot.y + 1] = changed(lines[spot.y + 1], self._left + spot.x, 1, _under)

    def fields(self, view: View) -> Sequence[Field[WorkerRow]]:
        return fields_of(columns(view, view.frame)) if view.frame is not None else ()

    def figures(self, view: View, row: Hashable) -> Sequence[Told]:
        frame = view.frame
        worker = next((one for one in frame.workers if one.id == row), None) if frame is not None else None
        return told_of(columns(view, frame), worker) if frame is not None and worker is not None else ()

    def title(self, view: View) -> tuple[str, str]:
        frame = view.frame
        window = f"window {fmt.plain(frame.window_s, Unit.COUNT)} s" if frame is not None and frame.window_s else ""
        if self._places is None:
            return "Fleet", window
        return "Fleet", " · ".join(part for part in ("a cell a worker", "↑ ↓ , . move", "m list", window) if part)


def _under(_: Line) -> Line:
    """In place of the cell under the cursor, of which the row above tells."""
    return ((SELECTED, Ink.CURSOR),)
